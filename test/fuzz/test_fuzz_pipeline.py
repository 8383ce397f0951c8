"""Sequences of arbitrary frames through decoding and pipeline: each is fused or refused, and good ones always fused."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from camf_ros.engines.engine import EngineOutput
from camf_ros.errors import CamfError, ImageError
from camf_ros.fused_frame import FusedFrame
from camf_ros.imaging.camera_messages import check, read, thermal_values, to_rgb8
from camf_ros.imaging.encodings import RGB_ENCODINGS, THERMAL_ENCODINGS
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.thermal_settings import ThermalSettings

AGC = ("linear", "plateau", "clahe", "temperature")


class Mean:
    """An engine that shows the mean of both pictures."""

    description = model_name = model_hash = "mean"
    has_gain = True

    def fuse(
        self, infrared: NDArray[np.uint8], visible: NDArray[np.uint8], *, gain: float = 0.0, **_: Any
    ) -> EngineOutput:
        assert infrared.shape == visible.shape
        assert infrared.dtype == visible.dtype == np.uint8
        fused = ((infrared.astype(np.uint16) + visible) // 2).astype(np.uint8)
        return EngineOutput(fused, np.ones(4, np.float32), np.ones(4, np.float32), gain or 1.0)

    def channel_weights(self) -> NDArray[np.float32]:
        return np.ones((2, 4), np.float32)


def good(number: int) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    rng = np.random.default_rng(number)
    return rng.integers(7000, 9000, (12, 16), dtype=np.uint16), rng.integers(0, 256, (18, 24, 3), dtype=np.uint8)


shapes = st.tuples(st.integers(0, 20), st.integers(0, 20))
thermals = st.one_of(
    arrays.arrays(np.float32, shapes, elements=st.floats(width=32)),
    arrays.arrays(np.uint16, shapes),
    arrays.arrays(np.uint8, shapes),
    st.builds(np.full, shapes, st.sampled_from([np.nan, np.inf, -np.inf, 3e38, -3e38, 0.0]).map(np.float32)),
    arrays.arrays(np.float64, (3, 3)),
    arrays.arrays(np.uint16, (4, 4, 1)),
)
pictures = st.one_of(
    arrays.arrays(np.uint8, shapes),
    arrays.arrays(np.uint8, shapes.map(lambda shape: (*shape, 3))),
    arrays.arrays(np.uint8, (3, 3, 2)),
)
stamps = st.one_of(st.floats(0, 100), st.sampled_from([0.0, -1.0, 1e18, math.nan, math.inf, -math.inf]), st.just(50.0))


def looked_at(frame: FusedFrame, rgb: NDArray[Any]) -> None:
    assert frame.image.dtype == np.uint8
    assert frame.image.shape == rgb.shape
    assert math.isfinite(frame.gain)
    assert frame.gain > 0
    for values in (frame.weights, frame.infrared_share):
        assert np.isfinite(values).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("agc", AGC)
@given(frames=st.lists(st.tuples(thermals, pictures, stamps, st.booleans()), min_size=1, max_size=6))
@settings(max_examples=100)
def test_any_frames(agc: str, frames: list[tuple[NDArray[Any], NDArray[Any], float, bool]]) -> None:
    pipeline = FusionPipeline(Mean(), FusionSettings(thermal=ThermalSettings(agc=agc, process_8bit=True)))
    for thermal, rgb, stamp, alone in frames:
        try:
            if alone:
                pipeline.pass_through("thermal", thermal, stamp)
            else:
                looked_at(pipeline.fuse(thermal, rgb, stamp), rgb)
        except CamfError:
            continue
    # Later by the node's clock, whatever came before.
    for number in range(3):
        thermal, rgb = good(number)
        looked_at(pipeline.fuse(thermal, rgb, 1000.0 + number), rgb)
    # Counts of thousands are hotter than the range of agc temperature ends.
    assert np.ptp(pipeline.pictures["thermal"]) > 0 or agc == "temperature"


def message(draw: Callable[[Any], Any], encodings: frozenset[str]) -> SimpleNamespace:
    side = st.one_of(st.integers(0, 24), st.sampled_from([2**16, 2**31, 2**32 - 1]))
    return SimpleNamespace(
        height=draw(side),
        width=draw(side),
        step=draw(st.one_of(st.integers(0, 200), st.sampled_from([2**32 - 1]))),
        encoding=draw(st.sampled_from(sorted(encodings))),
        is_bigendian=draw(st.integers(0, 1)),
        data=draw(st.binary(max_size=200) | st.integers(0, 5000).map(bytes)),
    )


@st.composite
def message_pairs(draw: Callable[[Any], Any]) -> tuple[SimpleNamespace, SimpleNamespace]:
    return message(draw, THERMAL_ENCODINGS), message(draw, RGB_ENCODINGS)


@pytest.mark.parametrize("agc", AGC)
@given(pairs=st.lists(message_pairs(), min_size=1, max_size=8))
@settings(max_examples=60)
def test_any_messages(agc: str, pairs: list[tuple[SimpleNamespace, SimpleNamespace]]) -> None:
    """As the node decodes them without cv_bridge."""
    pipeline = FusionPipeline(Mean(), FusionSettings(thermal=ThermalSettings(agc=agc)))
    for number, (first, second) in enumerate(pairs):
        try:
            kind = check(first, THERMAL_ENCODINGS, "thermal")
            thermal = thermal_values(read(first, kind), kind, "thermal")
            rgb = to_rgb8(read(second, check(second, RGB_ENCODINGS, "rgb")), check(second, RGB_ENCODINGS, "rgb"))
            looked_at(pipeline.fuse(thermal, rgb, 1.0 + number), rgb)
        except ImageError:
            continue
    thermal, rgb = good(1)
    looked_at(pipeline.fuse(thermal, rgb, 100.0), rgb)
