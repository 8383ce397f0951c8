"""One whole frame in PyTorch on any device: grey levels or colours in, grey levels or colours out, all in 8 bits.

It is the function of :class:`camf_ros.network.model.CamfNetwork` with the weights of
:mod:`camf_ros.engines.torch_weights`, and what lies around it. Nothing in it depends on a number in Python but the
picture's size, so that all of it can be captured as one CUDA graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from camf_ros.engines.engine import EngineOutput
from camf_ros.engines.torch_colour import Colour
from camf_ros.engines.torch_enlargement import interleave, is_doubling
from camf_ros.engines.torch_kernels import PlainKernels, channels_last
from camf_ros.engines.torch_weights import DecoderLayer, EncoderLayer, FrameWeights
from camf_ros.errors import EngineError
from camf_ros.network.constants import BORDER, CONTRAST, FAINT, GAIN_RANGE, GREY, NOTHING


class FrameTensors(NamedTuple):
    """Result of a frame, on its device.

    Attributes:
        picture: (H, W), or (H, W, 3) if the visible picture was one of colours; uint8.
        figures: (2 K + 2,), float32: mean activation of each channel in infrared, in visible; the gain that was used;
            and the largest magnitude before the last tanh, which shows whether the arithmetic held.
    """

    picture: Tensor
    figures: Tensor


class TorchFrame:
    """A model, ready to fuse frames of any size, one at a time."""

    def __init__(self, weights: FrameWeights, kernels: PlainKernels) -> None:
        """Put weights and kernels together.

        Args:
            weights: On the device that is to compute.
            kernels: That work on this device.
        """
        self._weights = weights
        self._kernels = kernels
        self._dtype, device = weights.head.dtype, weights.head.device
        self._colour = Colour(device)
        limits = torch.tensor(GAIN_RANGE, dtype=torch.float32, device=device)
        self._least, self._greatest = limits[:1], limits[1:]
        # bfloat16 is too coarse to round features before and after an enlargement where the decoder has no finer ones
        # to rely on.
        self._delicate = self._dtype == torch.bfloat16 and 2 not in weights.architecture.fused

    def __call__(self, infrared: Tensor, visible: Tensor, wanted: Tensor) -> FrameTensors:
        """Fuse.

        Args:
            infrared: (H, W), uint8, on the device.
            visible: (H, W) or (H, W, 3) in red, green, blue; likewise.
            wanted: (2,), float32: a gain, and the share of it that is kept; the rest is the automatic gain of this
                pair.
        """
        chroma: Tensor | None = None
        luminance = visible
        if visible.ndim == 3:
            luminance, chroma = self._colour.split(visible)
        sources: list[list[Tensor]] = []
        sizes: list[tuple[int, int]] = []
        for grey, layers in zip((infrared, luminance), self._weights.encoders, strict=True):
            features, sizes = self._encode(grey, layers)
            sources.append(features)
        fused = [a.add(b) for a, b in zip(*sources, strict=True)]
        activations, gain = self._statistics(sources, fused[-1], wanted)
        unbounded = self._decode(fused, sizes, gain)
        unbounded = unbounded.float()
        extreme = unbounded.abs().amax()
        levels = unbounded.tanh_().mul_(GREY).add_(GREY).round_()[0, 0]
        picture = levels.to(torch.uint8) if chroma is None else self._colour.merge(levels, chroma)
        return FrameTensors(picture, torch.cat((activations, gain, extreme[None])))

    def _encode(self, grey: Tensor, layers: Sequence[EncoderLayer]) -> tuple[list[Tensor], list[tuple[int, int]]]:
        """Weighted features of each fused layer, finest first; and the sizes (h, w) of the first two layers."""
        # Exact in any of the types: whole numbers and a half need 8 bits up to 127.5.
        x = channels_last(F.pad((grey.to(self._dtype) - GREY)[None, None], (BORDER,) * 4, mode="replicate"))
        features, sizes = [], []
        for layer in layers:
            x = self._kernels.convolve_relu(x, layer.weight, layer.bias, stride=layer.stride)
            sizes.append((x.shape[-2], x.shape[-1]))
            if layer.factors is not None:
                features.append(x)
        return features, sizes[:2]

    def _statistics(self, sources: Sequence[Sequence[Tensor]], fused: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Mean activations before weighting, (2 K,), and the gain, (1,), of :mod:`camf_ros.network.gain`."""
        means, squares = self._kernels.moments((sources[0][-1], sources[1][-1], fused))
        levels = means.square()
        energies = squares - levels
        activations, apart, level = [], energies.new_zeros(1), energies.new_zeros(1)
        for row, (features, layers) in enumerate(zip(sources, self._weights.encoders, strict=True)):
            factors = [layer.factors for layer in layers if layer.factors is not None]
            activations += [self._kernels.mean(x) / w for x, w in zip(features[:-1], factors[:-1], strict=True)]
            activations.append(means[row] / factors[-1])
            weights = factors[-1].square()
            apart = apart + (energies[row] / weights).sum(0, keepdim=True)
            level = level + (levels[row] / weights).sum(0, keepdim=True)
        faint = FAINT * level + NOTHING
        together = energies[2].sum(0, keepdim=True)
        own = CONTRAST * ((apart.clamp_min(0) + faint) / (together.clamp_min(0) + faint)).sqrt()
        own = torch.minimum(torch.maximum(own, self._least), self._greatest)
        # Exact at both ends, which own + hold (gain - own) is not.
        return torch.cat(activations), torch.lerp(own, wanted[:1], wanted[1:])

    def _decode(self, fused: Sequence[Tensor], sizes: Sequence[tuple[int, int]], gain: Tensor) -> Tensor:
        """Fused features without the gain to the picture before tanh, (1, 1, H, W)."""
        fine = dict(zip(self._weights.architecture.fused, fused, strict=True))
        first, second, third, fourth, fifth = self._weights.decoder
        full, half = sizes
        x = self._kernels.convolve_relu(fused[-1], (first.weight * gain).to(self._dtype), first.bias)
        x = self._kernels.convolve_relu(x, second.weight, second.bias)
        x = self._enlarged(x, third, half, fine, gain, to_border=True)
        # The fourth layer is one without padding. Its result has a border pixel more here, which may be anything:
        # it is cut off a picture of one channel rather than off its features.
        x = self._enlarged(x, fourth, full, fine, gain, to_border=False)
        x = self._kernels.convolve_relu(x, fifth.weight, fifth.bias, padding=0)
        return F.conv2d(x, self._weights.head, self._weights.head_bias)[..., 1:-1, 1:-1]

    def _enlarged(
        self,
        x: Tensor,
        layer: DecoderLayer,
        size: tuple[int, int],
        fine: Mapping[int, Tensor],
        gain: Tensor,
        *,
        to_border: bool,
    ) -> Tensor:
        """A decoder layer that enlarges and may take finer features in, of the size (h, w) that it enlarges to."""
        if layer.fine is None:
            return self._enlarge(x, layer, size, relu=True, to_border=to_border)
        onto = self._enlarge(x, layer, size, relu=False, to_border=to_border)
        weight = (layer.fine * gain).to(self._dtype)
        return self._kernels.convolve_relu(fine[layer.fine_layer], weight, layer.bias, onto=onto)

    def _enlarge(self, x: Tensor, layer: DecoderLayer, size: tuple[int, int], *, relu: bool, to_border: bool) -> Tensor:
        """Enlargement and the convolution after it, with bias and ReLU or without either."""
        delicate = self._delicate and to_border
        if is_doubling(x, size) and (delicate or not to_border):
            small = F.pad(x, (1,) * 4, mode="replicate")
            large = interleave(self._convolve(small, layer.combined, layer.combined_bias, relu=relu, padding=0))
            if to_border:
                self._mend_border(large, x, layer, relu=relu)
            return large
        kind = torch.float32 if delicate else self._dtype
        large = F.interpolate(x.to(kind), size=size, mode="bilinear", align_corners=False)
        return self._convolve(large, layer.weight.to(kind), layer.bias.to(kind), relu=relu).to(self._dtype)

    def _mend_border(self, large: Tensor, small: Tensor, layer: DecoderLayer, *, relu: bool) -> None:
        """Compute the outermost pixels anew, beyond which the large features are 0 and not repeated."""
        for axis in (2, 3):
            for end in (0, -1):
                # The outermost large pixels depend on the outermost two of a side, and these on two small ones.
                length = small.shape[axis]
                strip = small.narrow(axis, 0 if end == 0 else max(length - 2, 0), min(length, 2))
                wide = F.interpolate(
                    strip, size=(2 * strip.shape[2], 2 * strip.shape[3]), mode="bilinear", align_corners=False
                )
                reach = wide.narrow(axis, 0 if end == 0 else wide.shape[axis] - 2, 2)
                edge = self._convolve(reach, layer.weight, layer.bias, relu=relu)
                large.select(axis, end).copy_(edge.select(axis, end))

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor, *, relu: bool, padding: int = 1) -> Tensor:
        if relu:
            return self._kernels.convolve_relu(x, weight, bias, padding=padding)
        return self._kernels.convolve(x, weight, padding=padding)


def engine_output(picture: NDArray[np.uint8], figures: NDArray[np.float32], what: str) -> EngineOutput:
    """Result of an engine from that of a frame.

    Args:
        picture: As in :class:`FrameTensors`.
        figures: Likewise.
        what: The engine's description, for the message of an error.

    Raises:
        EngineError: If a figure is not finite, which says that the arithmetic left its range.
    """
    if not np.isfinite(figures).all():
        raise EngineError(f"{what} gave values that are not finite", remedy="use precision float32")
    infrared, visible = np.split(figures[:-2], 2)
    return EngineOutput(picture, infrared, visible, float(figures[-2]))
