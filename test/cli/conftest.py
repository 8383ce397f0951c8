"""Fixtures of the tests of camf fuse. Its model is of the paper's kind, because that has a gain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fusing import Array, Fuse
from small_model import open_small

from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings


@pytest.fixture
def reference(small_paper_model: Path) -> Any:
    """Fuses as the node does: frames with stamps through one pipeline; blue, green, red out."""

    def fuse(frames: list[tuple[Array, Array, float]], *, for_detector: bool = False, **settings: Any) -> list[Array]:
        engine = open_small(small_paper_model)
        pipeline = FusionPipeline(engine, FusionSettings(**settings))
        fused = []
        for infrared, visible, stamp in frames:
            rgb = np.ascontiguousarray(visible[:, :, ::-1]) if visible.ndim == 3 else visible
            prepared = pipeline.prepare(infrared, rgb, stamp)
            image = (pipeline.for_detector if for_detector else pipeline.for_eyes)(prepared).image
            fused.append(image[:, :, ::-1] if image.ndim == 3 else image)
        return fused

    return fuse


@pytest.fixture
def fuse(small_paper_model: Path, capsys: pytest.CaptureFixture[str]) -> Fuse:
    return Fuse(small_paper_model, capsys)
