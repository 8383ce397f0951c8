"""Engines and pairs of pictures for their tests, and the grey levels that a network gives before they are rounded."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from camf_ros.engines.choose import open_engine
from camf_ros.engines.engine import FusionEngine
from camf_ros.models import find_model
from camf_ros.network.blend import BlendNetwork
from camf_ros.network.checkpoint import load_checkpoint

ENGINES = ("torch", "openvino", "onnxruntime")
SIZES = [(48, 64), (61, 83), (40, 41), (1, 1), (3, 40)]
GreyImage = NDArray[np.uint8]


def load(name: str, path: Path, precision: str = "float32") -> FusionEngine:
    """A model's engine on one thread of the CPU."""
    engine = open_engine(name, find_model(str(path)), device="cpu", precision=precision, threads=1)
    assert isinstance(engine, FusionEngine)
    return engine


def smooth_pair(height: int, width: int, seed: int = 0) -> tuple[GreyImage, GreyImage]:
    """Two unlike scenes of one size: blurred noise at several scales, some squares, a little grain."""
    rng = np.random.default_rng(seed)
    pictures = []
    for _ in range(2):
        picture = rng.normal(0, 3, (height, width))
        for scale in (2, 6, 20):
            noise = cv2.GaussianBlur(rng.normal(0, 1, (height, width)), (0, 0), scale)
            picture += 30 * noise / max(float(noise.std()), 1e-9)
        for _ in range(4):
            top, left = rng.integers(height), rng.integers(width)
            picture[top : top + height // 4, left : left + width // 6] += rng.normal(0, 60)
        pictures.append(np.clip(picture + rng.uniform(70, 180), 0, 255).astype(np.uint8))
    return pictures[0], pictures[1]


def reference(model: Path, infrared: GreyImage, visible: GreyImage) -> NDArray[np.float64]:
    """Fused grey levels, clipped and not rounded, by the network as it is trained, in float64; automatic gain."""
    network = load_checkpoint(model).network.double()
    height, width = infrared.shape
    step = network.architecture.step if isinstance(network, BlendNetwork) else 1
    pad = ((0, -height % step), (0, -width % step))
    images = [torch.from_numpy(np.pad(each.astype(float), pad, "edge"))[None, None] for each in (infrared, visible)]
    with torch.inference_mode():
        output = network(*images, network.class_activation_weights())
    fused = output.infrared_part + output.visible_part if isinstance(network, BlendNetwork) else output.fused
    return np.asarray(fused[0, 0, :height, :width].clamp(0, 255).numpy(), np.float64)
