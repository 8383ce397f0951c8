"""What the tests of explanations share: frames of an engine with random amounts, and a small network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from small_model import make_small_network

from camf_ros.engines.choose import open_engine
from camf_ros.engines.engine import EngineOutput
from camf_ros.explain.explanation import Explainer, Explanation
from camf_ros.fused_frame import FusedFrame
from camf_ros.imaging.blending import Blender, Coverage, padding
from camf_ros.imaging.registration import Aligned
from camf_ros.imaging.warp import resized
from camf_ros.models import find_model
from camf_ros.network.blend import BlendNetwork
from camf_ros.network.checkpoint import save_checkpoint
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.thermal_settings import ThermalSettings

Picture = NDArray[np.uint8]
LEVELS, CHANNELS = 5, 18
#: 8-bit thermal pictures are fused as they are.
SETTINGS = FusionSettings(thermal=ThermalSettings())


def grey(seed: int, height: int, width: int) -> Picture:
    """Smooth and rough parts, black and white ones among them."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (max(2, height // 12), max(2, width // 12))).astype(np.uint8)
    picture = resized(coarse, (height, width)).astype(int) + random.integers(-40, 41, (height, width))
    return np.clip(picture, 0, 255).astype(np.uint8)


def colour(seed: int, height: int, width: int) -> Picture:
    return np.dstack([grey(seed + k, height, width) for k in range(3)])


class RandomAmounts:
    """An engine that blends by amounts of chance, 0 to the limit."""

    description, model_name, model_hash = "random", "random", "0" * 64
    has_gain = False

    def __init__(self, seed: int = 1, limit: float = 1.2) -> None:
        self._seed, self._limit = seed, limit

    def fuse(
        self, infrared: Picture, visible: Picture, *, gain: float = 0.0, hold: float = 1.0, keep_amounts: bool = False
    ) -> EngineOutput:
        random = np.random.default_rng(self._seed)
        height, width = infrared.shape
        below, right = padding(height, width, LEVELS)
        steps = [max(level, 1) for level in range(LEVELS)]
        shapes = [(2, (height + below) >> step, (width + right) >> step) for step in steps]
        amounts = tuple(random.uniform(0, self._limit, shape).astype(np.float32) for shape in shapes)
        fused = Blender(height, width, LEVELS).blend(infrared, visible, amounts)
        activation = np.ones(CHANNELS, np.float32)
        return EngineOutput(fused, activation, activation, 1.0, amounts if keep_amounts else None)

    def channel_weights(self) -> NDArray[np.float32]:
        return np.ones((2, CHANNELS), np.float32)


class Registered:
    """A registration that gives pictures of any size and coverage."""

    def __init__(self, work: tuple[int, int] | None = None, coverage: Coverage | None = None) -> None:
        self._work, self._coverage = work, coverage

    def align(self, thermal: Picture, rgb: Picture, **_: object) -> Aligned:
        full = rgb.shape[0], rgb.shape[1]
        return Aligned(resized(thermal, self._work or full), rgb, self._coverage, resized(thermal, full))

    def align_alone(self, *_: object, **__: object) -> object:
        raise NotImplementedError


def coverage(height: int, width: int, feather: int) -> Coverage:
    """Left only RGB sees, right only thermal, a strip below neither."""
    thermal, rgb = np.full((2, height, width), 255, np.uint8)
    thermal[:, : width // 4] = 0
    rgb[:, width - width // 5 :] = 0
    thermal[height - height // 8 :] = rgb[height - height // 8 :] = 0
    return Coverage(thermal, rgb, feather)


def fused(
    rgb: Picture, thermal: Picture, *, work: tuple[int, int] | None = None, seen: Coverage | None = None, seed: int = 1
) -> FusedFrame:
    pipeline = FusionPipeline(RandomAmounts(seed), SETTINGS, Registered(work, seen))
    pipeline.keep_amounts = True
    return pipeline.fuse(thermal, rgb, 0.0)


def network(seed: int = 7) -> BlendNetwork:
    """A blending network of a few channels whose amounts differ from place to place."""
    return make_small_network(seed, heads=(4, 4, 4, 4))


def model(folder: Path) -> Path:
    path = folder / "small.safetensors"
    if not path.exists():
        save_checkpoint(path, network(), name="small", training={})
    return path


def explainer(folder: Path, **options: int) -> Explainer:
    return Explainer(find_model(str(model(folder))), **options)


def pipeline(folder: Path, *, keep_amounts: bool = True, registration: Registered | None = None) -> FusionPipeline:
    """With the small network."""
    engine = open_engine("torch", find_model(str(model(folder))), device="cpu", precision="float32")
    result = FusionPipeline(engine, SETTINGS, registration)
    result.keep_amounts = keep_amounts
    return result


def explain(folder: Path, height: int = 112, width: int = 144, **options: object) -> Explanation:
    frame = pipeline(folder).fuse(grey(1, height, width), colour(2, height, width), 0.0)
    return explainer(folder).explain(frame, **options)  # type: ignore[arg-type]
