"""From a pair of pictures to the numbers that explain how they were fused. Knows no ROS and holds no engine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import ImageError, ParameterError
from camf_ros.explain.explanation import INFRARED, VISIBLE, Channel, Explanation
from camf_ros.explain.shares import infrared_share
from camf_ros.explain.working_size import check_limit, shrunk_to, working_size
from camf_ros.imaging.luminance import Visible
from camf_ros.network.constants import BORDER
from camf_ros.network.numpy_decoder import NumpyDecoder
from camf_ros.network.numpy_layers import Features
from camf_ros.network.numpy_network import STEP, NumpyNetwork, joined

if TYPE_CHECKING:
    from camf_ros.network.checkpoint_file import CheckpointFile

#: Longer side of the working picture, pixels.
DEFAULT_LIMIT = 320
#: How many of the strongest channels an explanation shows.
DEFAULT_CHANNELS = 6


class Explainer:
    """Explains frames of one model. Keeps nothing from one frame to the next, so threads may share it."""

    def __init__(
        self, model: CheckpointFile | Path, *, limit: int = DEFAULT_LIMIT, channels: int = DEFAULT_CHANNELS
    ) -> None:
        """Prepare.

        Args:
            model: A checkpoint, or its file. Must be the one that the engine fuses with.
            limit: Longer side of the pictures that the network is asked about, pixels; the time grows with its square.
            channels: How many of the strongest channels to show, at least 1; all, where there are fewer.

        Raises:
            CheckpointError: If the file cannot be used.
            ParameterError: If a number is out of range.
        """
        check_limit(limit)
        if channels < 1:
            raise ParameterError(f"{channels} channels are to be shown", expected="at least 1")
        # Not before it is needed: who lacks a library must hear so from the engine, which says what to install.
        from camf_ros.network.checkpoint_file import read_checkpoint_file  # noqa: PLC0415

        checkpoint = read_checkpoint_file(model) if isinstance(model, Path) else model
        self.model_name, self.model_hash = checkpoint.name, checkpoint.hash
        self.channels = checkpoint.architecture.channels
        self._network = NumpyNetwork(checkpoint.architecture, checkpoint.tensors)
        self._decoder = NumpyDecoder(checkpoint.architecture, checkpoint.tensors)
        self._weights = checkpoint.class_activation_weights()
        self._limit, self._shown = limit, channels

    def explain(
        self,
        thermal: NDArray[np.uint8],
        rgb: NDArray[np.uint8],
        fused: NDArray[np.uint8],
        gain: float,
        *,
        automatic: bool = True,
        both: NDArray[np.uint8] | None = None,
        channels: Sequence[int] | None = None,
    ) -> Explanation:
        """Explain one fused frame.

        Args:
            thermal: (h, w), grey levels as the network was given them, registered; 0 to 255.
            rgb: (H, W, 3) red, green, blue, or (H, W) grey, registered.
            fused: The fused picture, (H, W, 3) or (H, W). It is shown, and nothing is computed from it.
            gain: That it was made with, above 0.
            automatic: Whether the gain came from the frames.
            both: (H, W), where both cameras see something, as in :class:`~camf_ros.explain.explanation.Explanation`.
            channels: Which to show as the strongest, in this order; the strongest when left out.

        Raises:
            ImageError: If a picture has no usable shape, or is too small for the classifier.
            ParameterError: If the gain or a channel is out of range.
        """
        _check("thermal picture", thermal, colour=False)
        _check("RGB picture", rgb, colour=True)
        _check("fused picture", fused, colour=True)
        if both is not None:
            _check("part that both cameras see", both, colour=False)
        if not 0 < gain < math.inf:
            raise ParameterError(f"gain is {gain}", expected="a number above 0")
        if channels is not None and not all(0 <= channel < self.channels for channel in channels):
            raise ParameterError(
                f"channels {list(channels)} are asked for", expected=f"numbers from 0 to {self.channels - 1}"
            )
        work = working_size((rgb.shape[0], rgb.shape[1]), self._limit)
        pictures = (shrunk_to(thermal, work), shrunk_to(Visible(rgb).luminance, work))
        features = [self._network.encode(picture) for picture in pictures]
        weighted = [self._weighted(source, of_source, gain) for source, of_source in enumerate(features)]
        classified = [self._network.classify(of_source) for of_source in features]
        v = self._network.linear
        b = self._network.linear_bias
        at_places = [joined(of_source) for of_source in features]
        activation = np.stack([_means(x) for x in at_places])
        sums = [np.tensordot(w, x, 1) for w, x in zip(self._weights, at_places, strict=True)]
        share_map = _share(sums[INFRARED], sums[VISIBLE])
        parts = self._weights.astype(np.float64) * activation
        whole = parts.sum()
        contribution = parts / whole if whole > 0 else np.zeros_like(parts)
        order = np.argsort(-contribution.sum(axis=0), kind="stable")[: self._shown] if channels is None else channels
        return Explanation(
            model=self.model_name,
            thermal=thermal,
            rgb=rgb,
            fused=fused,
            gain=float(gain),
            automatic=automatic,
            work=work,
            weights=self._weights.copy(),
            activation=activation,
            infrared_share=infrared_share(self._weights, activation[INFRARED], activation[VISIBLE]),
            contribution=contribution.astype(np.float32),
            share_map=share_map,
            mean_share=_mean_share(share_map, both, work),
            total_share=float(contribution[INFRARED].sum()) if whole > 0 else 0.5,
            evidence=np.stack([np.tensordot(v[INFRARED] - v[VISIBLE], c.maps, 1) for c in classified]).astype(
                np.float32
            ),
            bias=float(b[INFRARED] - b[VISIBLE]),
            log_odds=np.array([c.logits[INFRARED] - c.logits[VISIBLE] for c in classified], np.float32),
            whole=self._decoded(weighted, work),
            # Without the one is of the other alone.
            without=np.stack([self._decoded([weighted[source]], work) for source in (VISIBLE, INFRARED)]),
            strongest=tuple(self._channel(int(k), features, activation, contribution) for k in order),
            both=both,
        )

    def _weighted(self, source: int, features: Sequence[Features], gain: float) -> list[Features]:
        """One source's part of the fused features, layer by layer."""
        factors = np.split(gain * self._weights[source], np.cumsum(self._network.architecture.fused_channels)[:-1])
        return [(w[:, None, None] * x).astype(np.float32) for w, x in zip(factors, features, strict=True)]

    def _decoded(self, parts: Sequence[Sequence[Features]], work: tuple[int, int]) -> NDArray[np.uint8]:
        """What the decoder makes of the sum of some sources' parts, (H, W) at the working size."""
        fused = [np.asarray(sum(layers[1:], layers[0]), np.float32) for layers in zip(*parts, strict=True)]
        return self._decoder.decode(fused, (work[0] + 2 * BORDER, work[1] + 2 * BORDER))

    def _channel(
        self,
        number: int,
        features: Sequence[tuple[Features, ...]],
        activation: NDArray[np.float32],
        contribution: NDArray[np.float64],
    ) -> Channel:
        architecture = self._network.architecture
        ends = np.cumsum(architecture.fused_channels)
        place = int(np.searchsorted(ends, number, side="right"))
        within = number - int(ends[place] - architecture.fused_channels[place])
        infrared, visible = (of_source[place][within].copy() for of_source in features)
        return Channel(
            number=number,
            layer=architecture.fused[place],
            weights=_pair(self._weights, number),
            activation=_pair(activation, number),
            contribution=_pair(contribution, number),
            infrared=infrared,
            visible=visible,
        )


def _pair(table: NDArray[np.floating], number: int) -> tuple[float, float]:
    return float(table[INFRARED, number]), float(table[VISIBLE, number])


def _means(x: Features) -> NDArray[np.float32]:
    return np.asarray(x.mean(axis=(1, 2), dtype=np.float64), np.float32)


def _share(infrared: NDArray[np.float32], visible: NDArray[np.float32]) -> NDArray[np.float32]:
    total = infrared + visible
    share = np.full(total.shape, 0.5, np.float32)
    np.divide(infrared, total, out=share, where=total > 0)
    # Rounding may lift a part above the whole by a bit.
    return np.clip(share, 0, 1)


def _mean_share(share_map: NDArray[np.float32], both: NDArray[np.uint8] | None, work: tuple[int, int]) -> float:
    if both is None:
        return float(share_map.mean(dtype=np.float64))
    seen = np.pad(shrunk_to(both, work), BORDER, mode="edge")
    cells = seen.reshape(share_map.shape[0], STEP, share_map.shape[1], STEP).mean(axis=(1, 3), dtype=np.float64)
    return float((cells * share_map).sum() / cells.sum()) if cells.any() else 0.5


def _check(what: str, picture: NDArray[np.uint8], *, colour: bool) -> None:
    shapes = ((), (3,)) if colour else ((),)
    if picture.ndim < 2 or picture.size == 0 or picture.shape[2:] not in shapes or picture.dtype != np.uint8:
        raise ImageError(
            f"the {what} has shape {picture.shape} and type {picture.dtype}",
            expected=f"(H, W{', 3) or (H, W' if colour else ''}) with pixels, of uint8",
        )
