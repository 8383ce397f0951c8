"""The networks as they run in the node: one pair of 8-bit pictures in. Also: on which device, and how precisely.

Each module here runs in engine torch and is exported to ONNX. Everything that can be folded is folded.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camf_ros.errors import ParameterError
from camf_ros.network.blend import BlendNetwork, amounts_of
from camf_ros.network.model_info import ACTIVATION, FUSED, LOGITS, USED_GAIN, amounts_name
from camf_ros.network.paper import PaperNetwork

Network: TypeAlias = BlendNetwork | PaperNetwork
# A channel's mean activation is taken over places that are this far apart in the picture, pixels: the mean of all
# places would take a tenth of the network's time.
_GRID = 16


class BlendInference(nn.Module):
    """The blending network for one pair, folded.

    Both encoders are one of grouped convolutions. The heads of both cameras are one head with the class activation
    weights in its first layer.

    Takes ``infrared`` and ``visible``, (1, 1, H, W) uint8, sides multiples of ``architecture.step``. Gives for each
    level (1, 2, h, w), amounts of infrared and visible, float32; and (2, K), float32, mean activation of each channel.
    """

    def __init__(self, network: BlendNetwork, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        architecture = network.architecture
        self.architecture, self.dtype = architecture, dtype
        self.output_names = (*(amounts_name(level) for level in range(architecture.levels)), ACTIVATION)
        self.encoder = nn.ModuleList(_doubled(cast(nn.Conv2d, layer)) for layer in network.encoder.layers)
        weights = torch.split(network.class_activation_weights().detach(), list(architecture.encoder), dim=1)
        self.hidden, self.said = nn.ModuleList(), nn.ModuleList()
        for w, hidden, output in zip(weights, network.heads.hidden, network.heads.outputs, strict=True):
            weight, bias = cast(Tensor, output.weight), cast(Tensor, output.bias)
            if isinstance(hidden, nn.Conv2d):
                self.hidden.append(_both_cameras(hidden, w))
                nothing = torch.zeros_like(weight)
                rows = torch.cat((weight, nothing), 1), torch.cat((nothing, weight), 1)
            else:
                self.hidden.append(nn.Identity())
                rows = _weighted(weight, w)
            self.said.append(_by_level(*rows, bias))
        self.to(dtype).eval().requires_grad_(False)

    def forward(self, infrared: Tensor, visible: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        x = torch.cat((infrared, visible), dim=1).to(self.dtype) * (1 / 127.5) - 1
        x = F.pixel_unshuffle(x, 2)
        scales = []
        for layer in self.encoder:
            x = F.relu(layer(x))
            scales.append(x)
        said = [
            output(scale if isinstance(hidden, nn.Identity) else F.relu(hidden(scale)))
            for scale, hidden, output in zip(scales, self.hidden, self.said, strict=True)
        ]
        amounts = [x.float() for x in amounts_of(said, 2, self.architecture.limit)]
        return (*amounts, _activation(scales))


def _activation(scales: list[Tensor]) -> Tensor:
    """Means of features (1, 2 K_s, h, w) of each scale over a grid of places, (2, K)."""
    means = []
    for number, scale in enumerate(scales):
        step = max(1, _GRID // 2 ** (number + 1))
        means.append(scale[:, :, ::step, ::step].float().mean((-2, -1)).reshape(2, -1))
    return torch.cat(means, dim=1)


class BlendInspection(nn.Module):
    """The blending network with its class activation weights as an input, and its classifier.

    Takes ``infrared`` and ``visible`` as :class:`BlendInference`, and ``weights``, (2, K). Gives the amounts, and
    (2, 2): the classifier's scores (infrared, visible) of the infrared picture and of the visible one.
    """

    def __init__(self, network: BlendNetwork) -> None:
        super().__init__()
        self.network = network
        self.output_names = (*(amounts_name(level) for level in range(network.architecture.levels)), LOGITS)
        self.eval().requires_grad_(False)

    def forward(self, infrared: Tensor, visible: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        features = self.network.encoder(torch.cat((infrared, visible)).float())
        f_ir, f_vis = zip(*(f.split(1) for f in features), strict=True)
        return (*self.network.amounts(f_ir, f_vis, weights), self.network.classifier(features))


class PaperInference(nn.Module):
    """The paper's network for one pair.

    Takes ``infrared`` and ``visible``, (1, 1, H, W) uint8 of any size, ``gain`` and ``hold``, (1,) float32, as
    :meth:`camf_ros.network.paper.PaperNetwork.forward`. Gives the fused picture, (1, 1, H, W) uint8; (2, K), mean
    activation of each channel; and (1,), the gain that was used.
    """

    output_names = (FUSED, ACTIVATION, USED_GAIN)

    def __init__(self, network: PaperNetwork) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("weights", network.class_activation_weights().detach())
        self.eval().requires_grad_(False)

    def forward(self, infrared: Tensor, visible: Tensor, gain: Tensor, hold: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        output = self.network(infrared.float(), visible.float(), self.weights, gain, hold)
        activation = torch.cat([f.mean((-2, -1)) for f in (output.infrared, output.visible)])
        return output.fused.round().clamp(0, 255).to(torch.uint8), activation, output.gain


class PaperInspection(nn.Module):
    """Encoder and classifier of the paper's network: scores as of :class:`BlendInspection`."""

    output_names = (LOGITS,)

    def __init__(self, network: PaperNetwork) -> None:
        super().__init__()
        self.network = network
        self.eval().requires_grad_(False)

    def forward(self, infrared: Tensor, visible: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        return (self.network.classifier(self.network.features(torch.cat((infrared, visible)).float())),)


def inference(network: Network, dtype: torch.dtype = torch.float32) -> BlendInference | PaperInference:
    """What fuses, as an engine runs it."""
    return BlendInference(network, dtype) if isinstance(network, BlendNetwork) else PaperInference(network)


def inspection(network: Network) -> BlendInspection | PaperInspection:
    """What explanation and source check ask."""
    return BlendInspection(network) if isinstance(network, BlendNetwork) else PaperInspection(network)


def _convolution(weight: Tensor, bias: Tensor, *, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A layer with these values that, but for its stride, keeps the size."""
    outputs, inputs, kernel = weight.shape[:3]
    layer = nn.Conv2d(groups * inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups)
    with torch.no_grad():
        layer.weight.copy_(weight)
        cast(Tensor, layer.bias).copy_(bias)
    return layer


def _doubled(layer: nn.Conv2d) -> nn.Conv2d:
    """One layer for both pictures side by side, each in its half of the channels."""
    return _convolution(
        layer.weight.repeat(2, 1, 1, 1), cast(Tensor, layer.bias).repeat(2), stride=layer.stride[0], groups=2
    )


def _both_cameras(hidden: nn.Conv2d, w: Tensor) -> nn.Conv2d:
    """Hidden layer of both cameras' heads on unweighted features [F_ir, F_vis]: infrared's channels, then visible's."""
    return _convolution(torch.cat(_weighted(hidden.weight, w)), cast(Tensor, hidden.bias).repeat(2))


def _weighted(weight: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """Weight of a head's layer for infrared and for visible, on unweighted features [F_ir, F_vis]."""
    own, other = weight.chunk(2, dim=1)
    w_ir, w_vis = w[0, :, None, None], w[1, :, None, None]
    return torch.cat((own * w_ir, other * w_vis), 1), torch.cat((other * w_ir, own * w_vis), 1)


def _by_level(infrared: Tensor, visible: Tensor, bias: Tensor) -> nn.Conv2d:
    """1x1 layer that gives, level by level, what is said of infrared and of visible."""
    return _convolution(torch.stack((infrared, visible), dim=1).flatten(0, 1), bias.repeat_interleave(2))


def choose_device(name: str) -> torch.device:
    """Device from ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; raises ParameterError if it is not in this machine."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ParameterError(f"device is {name!r}", expected="auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        seen = torch.cuda.device_count() or "no"
        raise ParameterError(f"device is {name!r}, but PyTorch sees {seen} GPU here", remedy="use auto or cpu")
    if device.type not in {"cpu", "cuda"}:
        raise ParameterError(f"device is {name!r}", expected="auto, cpu, cuda or cuda:N")
    return device


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 convolutions are computed by the hardware rather than emulated."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # PyTorch built without oneDNN
        return False


def autocast(device: torch.device) -> AbstractContextManager[None]:
    """Mixed precision with bfloat16, which needs no loss scaling, or a context that does nothing."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device))
