"""What the benchmarks compare engines with: the plain network in float64."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from camf_ros.network import load_checkpoint

Picture = NDArray[np.uint8]


def reference(
    model: Path, infrared: Picture, visible: Picture, device: str = "cpu"
) -> tuple[NDArray[np.float64], float]:
    """Fused grey levels before rounding and the automatic gain."""
    network = load_checkpoint(model).network.double().to(device)
    images = [torch.from_numpy((picture / 127.5 - 1)[None, None]).to(device) for picture in (infrared, visible)]
    with torch.inference_mode():
        output = network(*images, network.class_activation_weights())
    return (output.fused[0, 0].cpu().numpy() + 1) * 127.5, float(output.gain)


def psnr(picture: Picture, exact: NDArray[np.float64]) -> float:
    """In dB, of grey levels."""
    return 10 * math.log10(255**2 / float(np.mean((picture - exact) ** 2)))
