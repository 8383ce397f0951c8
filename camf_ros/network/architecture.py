"""The layer widths of a network, stored in each checkpoint. Strides and order of the layers are the method.

Two kinds of network fuse: the paper's, which reconstructs the picture from a sum of features, and the blending network,
which decides how much of each camera goes into the picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from camf_ros.errors import CheckpointError, shown

#: Strides of the six layers of the paper's encoder (CAMF, table of the network).
ENCODER_STRIDES = (1, 2, 2, 1, 1, 1)
#: Strides of the four stages of the auxiliary classifier.
CLASSIFIER_STRIDES = (1, 2, 1, 2)
#: Parallel depthwise convolutions that are summed in one classifier stage.
CLASSIFIER_BRANCHES = 4
#: The classifier looks at all scales at the size of this one (1/8), from 1: finer ones are averaged, coarser ones
#: repeated.
CLASSIFIER_SCALE = 3
#: Rows of the classifier's linear layer, in this order.
CLASSES = ("infrared", "visible")


def _smallest_features() -> int:
    size = 1
    for stride in reversed(CLASSIFIER_STRIDES):
        size = (size - 1) * stride + 3
    return size


#: Smallest height and width of the features that the classifier takes: its layers have no border.
MIN_FEATURE_SIZE = _smallest_features()

# A checkpoint is a file from anywhere: a width beyond this would only exhaust the memory.
_MAX_WIDTH, _MAX_SCALES = 4096, 8


@dataclass(frozen=True)
class PaperArchitecture:
    """Channel counts of the paper's network; the defaults are the paper's."""

    kind: ClassVar[str] = "paper"
    encoder: tuple[int, ...] = (16, 32, 64, 128, 128, 128)  #: Output channels of the six encoder layers
    #: Output channels of the five 3x3 decoder layers; the 1x1 layer to one grey channel follows.
    decoder: tuple[int, ...] = (128, 128, 64, 32, 32)

    def __post_init__(self) -> None:
        _check_widths("encoder", self.encoder, len(ENCODER_STRIDES))
        _check_widths("decoder", self.decoder, 5)

    @property
    def channels(self) -> int:
        """Number of class activation weights of each source."""
        return self.encoder[-1]

    @property
    def reduction(self) -> int:
        """By how much the features that the classifier looks at are smaller than the picture."""
        return math.prod(ENCODER_STRIDES)


@dataclass(frozen=True)
class BlendArchitecture:
    """Channel counts of a blending network."""

    kind: ClassVar[str] = "blend"
    #: Output channels of the encoder at 1/2, 1/4, 1/8, ... of the picture's size: one scale for each level of the
    #: pyramid but the first. All of them have class activation weights.
    encoder: tuple[int, ...] = (16, 32, 64, 64)
    heads: tuple[int, ...] = (8, 16, 32, 32)  #: Hidden channels of the head of each scale; 0: a linear head
    coarse: int = 0  #: Further levels of the pyramid, which the last scale decides as well
    limit: float = 1.5  #: Largest amount of a camera

    def __post_init__(self) -> None:
        scales = len(self.encoder) if isinstance(self.encoder, tuple) else 0
        if not 2 <= scales <= _MAX_SCALES:
            raise CheckpointError(
                f"architecture has encoder widths {shown(self.encoder)}", expected=f"2 to {_MAX_SCALES} whole numbers"
            )
        _check_widths("encoder", self.encoder, scales)
        _check_widths("heads", self.heads, scales, least=0)
        if type(self.coarse) is not int or not 0 <= self.coarse <= _MAX_SCALES - scales:
            raise CheckpointError(
                f"architecture has coarse {shown(self.coarse)}",
                expected=f"a whole number from 0 to {_MAX_SCALES - scales}",
            )
        if type(self.limit) not in (int, float) or not 1 < self.limit <= 4:
            raise CheckpointError(f"architecture has limit {shown(self.limit)}", expected="a number above 1, at most 4")

    @property
    def channels(self) -> int:
        """Number of class activation weights of each source."""
        return sum(self.encoder)

    @property
    def levels(self) -> int:
        """Levels of the Laplacian pyramid, the low-pass rest included."""
        return len(self.encoder) + self.coarse + 1

    @property
    def reduction(self) -> int:
        """By how much the features that the classifier looks at are smaller than the picture."""
        return int(2 ** min(CLASSIFIER_SCALE, len(self.encoder)))

    @property
    def step(self) -> int:
        """Sides of the pictures that the network takes are multiples of this."""
        return int(2 ** (self.levels - 1))


Architecture = PaperArchitecture | BlendArchitecture
_KINDS: dict[str, type[PaperArchitecture] | type[BlendArchitecture]] = {
    kind.kind: kind for kind in (PaperArchitecture, BlendArchitecture)
}


def to_dict(architecture: Architecture) -> dict[str, Any]:
    """Plain lists and numbers, as stored in a checkpoint."""
    entries = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(architecture).items()}
    return {"kind": architecture.kind, **entries}


def from_dict(data: Mapping[str, Any]) -> Architecture:
    """Read what :func:`to_dict` wrote; raises CheckpointError on unknown, missing or impossible entries."""
    kind = _KINDS.get(data.get("kind", "")) if isinstance(data.get("kind", ""), str) else None
    if kind is None:
        raise CheckpointError(
            f"architecture is of kind {shown(data.get('kind'))}", expected=f"one of {', '.join(_KINDS)}"
        )
    known = {"kind", *(field.name for field in fields(kind))}
    if set(data) != known:
        raise CheckpointError(f"architecture has entries {shown(sorted(data))}", expected=f"{sorted(known)}")
    entries: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in data.items() if name != "kind"
    }
    return kind(**entries)


def _check_widths(name: str, widths: object, count: int, *, least: int = 1) -> None:
    if (
        not isinstance(widths, tuple)
        or len(widths) != count
        or not all(type(w) is int and least <= w <= _MAX_WIDTH for w in widths)
    ):
        raise CheckpointError(
            f"architecture has {name} widths {shown(widths)}",
            expected=f"{count} whole numbers between {least} and {_MAX_WIDTH}",
        )
