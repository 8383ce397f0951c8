"""The shape of a CAMF network: how many channels each layer has, and which encoder layers are fused.

Layer strides and the order of the layers are the method; the rest is a choice, stored in every checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from camf_ros.errors import CheckpointError, shown

#: Strides of the six encoder layers (CAMF, table of the network).
ENCODER_STRIDES = (1, 2, 2, 1, 1, 1)
#: Encoder layers whose features can be fused: the last one of each size, full, half and quarter.
FUSIBLE_LAYERS = (1, 2, 6)
#: Decoder layers (counted from 0) that begin with an enlargement, and the encoder layer (counted from 1) to whose size:
#: they take in the features of that layer too, where it is fused.
DECODER_JOINS = {2: 2, 3: 1}
#: Strides of the four stages of the auxiliary classifier.
CLASSIFIER_STRIDES = (1, 2, 1, 2)
#: Parallel depthwise convolutions that are summed in one classifier stage.
CLASSIFIER_BRANCHES = 4
#: Rows of the classifier's linear layer, in this order.
CLASSES = ("infrared", "visible")

_FUSIBLE = ((6,), (2, 6), (1, 6), (1, 2, 6))
# A checkpoint is a file from anywhere: a width beyond this would only exhaust the memory.
_MAX_WIDTH = 4096


@dataclass(frozen=True)
class Architecture:
    """Channel counts of a CAMF network; the defaults are the paper's.

    Attributes:
        encoder: Output channels of the six encoder layers.
        decoder: Output channels of the five 3x3 decoder layers; the 1x1 layer to one grey channel follows.
        fused: Encoder layers, counted from 1, whose features the fusion rule sums for the decoder. The paper has the
            last one alone; the first two (1: full size, 2: half size) carry detail past the down-sampling.
    """

    encoder: tuple[int, ...] = (16, 32, 64, 128, 128, 128)
    decoder: tuple[int, ...] = (128, 128, 64, 32, 32)
    fused: tuple[int, ...] = (6,)

    def __post_init__(self) -> None:
        for name, count in (("encoder", len(ENCODER_STRIDES)), ("decoder", 5)):
            widths = getattr(self, name)
            if len(widths) != count or not all(
                isinstance(w, int) and not isinstance(w, bool) and 1 <= w <= _MAX_WIDTH for w in widths
            ):
                raise CheckpointError(
                    f"architecture has {name} widths {shown(widths)}",
                    expected=f"{count} whole numbers between 1 and {_MAX_WIDTH}",
                )
        # 6.0 and True are equal to layers, but are none.
        if self.fused not in _FUSIBLE or any(type(layer) is not int for layer in self.fused):
            raise CheckpointError(
                f"architecture has fused layers {shown(self.fused)}",
                expected=f"one of {', '.join(map(str, _FUSIBLE))}",
            )

    @property
    def fused_channels(self) -> tuple[int, ...]:
        """Channels of each fused encoder layer, finest first."""
        return tuple(self.encoder[layer - 1] for layer in self.fused)

    @property
    def channels(self) -> int:
        """Number of fused channels, which is the number of class activation weights per source."""
        return sum(self.fused_channels)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, as stored in a checkpoint."""
        return {name: list(widths) for name, widths in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Architecture:
        """Read what :meth:`to_dict` wrote.

        Raises:
            CheckpointError: On unknown or missing entries and on impossible widths or layers.
        """
        known = {field.name for field in fields(cls)}
        if set(data) != known:
            raise CheckpointError(f"architecture has entries {shown(sorted(data))}", expected=f"{sorted(known)}")
        try:
            return cls(**{name: tuple(widths) for name, widths in data.items()})
        except TypeError as error:
            raise CheckpointError(
                f"architecture cannot be read ({error})", expected="lists of whole numbers"
            ) from error
