"""What the tests of explanations share: pictures, and a model that has them explained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from small_model import make_small_network

from camf_ros.explain.explainer import Explainer
from camf_ros.explain.explanation import Explanation
from camf_ros.network import CamfNetwork, save_checkpoint

GAIN = 0.9


def network(fused: tuple[int, ...] = (1, 2, 6)) -> CamfNetwork:
    return make_small_network(fused=fused)


def model(folder: Path, fused: tuple[int, ...] = (1, 2, 6)) -> Path:
    path = folder / f"small-{len(fused)}.safetensors"
    if not path.exists():
        save_checkpoint(path, network(fused), name="small", training={})
    return path


def grey(seed: int, height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)


def colour(seed: int, height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def explain(folder: Path, height: int = 60, width: int = 80, **options: object) -> Explanation:
    explainer = Explainer(model(folder))
    pictures = grey(1, height, width), colour(2, height, width), colour(3, height, width)
    return explainer.explain(*pictures, GAIN, **options)  # type: ignore[arg-type]
