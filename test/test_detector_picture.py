"""The picture for detectors: thermal inverted, in colour, and without any effect on the fused frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from small_model import open_small

from camf_ros.detector_picture import in_colour, inverted
from camf_ros.engines.engine import FusionEngine
from camf_ros.fused_frame import FusedFrame
from camf_ros.imaging.detector_recipe import factors, trust_in_rgb, undazzled
from camf_ros.imaging.luminance import RgbPicture, with_detail
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.imaging.registration_file import RegistrationFile, write_registration
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.imaging.warp import resized
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.registration_settings import RegistrationSettings
from camf_ros.settings.thermal_settings import ThermalSettings

THERMAL, RGB = (26, 33), (41, 58)
Picture = NDArray[np.uint8]


def counts(seed: int = 1) -> NDArray[np.uint16]:
    noise = np.random.default_rng(seed).normal(0, 300, THERMAL)
    return (20_000 + cv2.GaussianBlur(noise, (0, 0), 2) * 10 + noise).clip(0, 65535).astype(np.uint16)


def colour(seed: int = 2) -> Picture:
    noise = np.random.default_rng(seed).normal(0, 60, (*RGB, 3))
    return np.asarray((128 + cv2.GaussianBlur(noise, (0, 0), 1.5) * 2).clip(0, 255).astype(np.uint8))


def levels(thermal: NDArray[Any], size: tuple[int, int] = RGB) -> Picture:
    return resized(ThermalFrontEnd(ThermalSettings()).apply(thermal, 1.0), size)


@pytest.fixture
def engine(small_model: Path) -> FusionEngine:
    return open_small(small_model)


@pytest.mark.parametrize("kind", ["colour", "grey"])
@pytest.mark.parametrize("reference", ["rgb", "thermal"])
def test_it_is_the_networks_picture_of_inverted_thermal(engine: FusionEngine, kind: str, reference: str) -> None:
    rgb = colour() if kind == "colour" else colour()[:, :, 1].copy()
    pipeline = FusionPipeline(engine, FusionSettings(reference=reference))
    frame = pipeline.for_detector(pipeline.prepare(counts(), rgb, 1.0))
    size = RGB if reference == "rgb" else THERMAL
    visible = RgbPicture(resized(rgb, size))
    thermal = levels(counts(), size)
    trust = trust_in_rgb(thermal, visible.luminance)
    assert 0 < trust < 1
    fused = engine.fuse(255 - thermal, undazzled(visible.luminance, trust), factors=[factors(trust)]).fused
    expected = visible.with_luminance(fused, trust)
    if kind == "grey":
        expected = np.repeat(expected[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(frame.image, expected)
    assert (frame.image.shape, frame.image.dtype) == ((*size, 3), np.uint8)
    assert (frame.reference, frame.overlap, frame.undistorted) == (reference, 1.0, False)
    assert frame.inference_time > 0


def test_at_a_smaller_size_it_keeps_the_detail_of_rgb(engine: FusionEngine) -> None:
    settings = FusionSettings(registration=RegistrationSettings(processing_height=20, processing_width=30))
    pipeline = FusionPipeline(engine, settings)
    frame = pipeline.for_detector(pipeline.prepare(counts(), colour(), 1.0))
    visible = RgbPicture(colour())
    small = resized(visible.luminance, (20, 30))
    thermal = levels(counts(), (20, 30))
    trust = trust_in_rgb(thermal, small)
    small, full = undazzled(small, trust), undazzled(visible.luminance, trust)
    fused = with_detail(engine.fuse(255 - thermal, small, factors=[factors(trust)]).fused, small, full)
    np.testing.assert_array_equal(frame.image, visible.with_luminance(fused, trust))


def test_polarity_is_that_of_the_setting_turned_round(engine: FusionEngine) -> None:
    """A camera that says black is hot gives the same picture as one of white is hot with turned counts."""
    turned = (65_535 - counts().astype(np.int64)).astype(np.uint16)

    def image(thermal: NDArray[np.uint16], polarity: str) -> Picture:
        pipeline = FusionPipeline(engine, FusionSettings(thermal=ThermalSettings(polarity=polarity)))
        return pipeline.for_detector(pipeline.prepare(thermal, colour(), 1.0)).image

    hot = image(counts(), "white_hot").astype(int)
    same, other = (np.abs(hot - image(*case)).mean() for case in ((turned, "black_hot"), (counts(), "black_hot")))
    assert same < 1, "levels are rounded"
    assert other > 5


def frames(
    engine: FusionEngine, settings: FusionSettings, *, also_for_detector: bool
) -> tuple[list[FusedFrame], list[Picture]]:
    """A few pairs, with a change of the engine in the middle, whose brightness the fused frames follow slowly."""
    pipeline = FusionPipeline(engine, settings)
    fused, detector = [], []
    for number in range(6):
        if number == 3:
            pipeline.use(engine, (24, 32))
        prepared = pipeline.prepare(counts(number) + np.uint16(200 * number), colour(number), 1.0 + 0.1 * number)
        fused.append(pipeline.for_eyes(prepared))
        if also_for_detector:
            detector.append(pipeline.for_detector(prepared).image)
    return fused, detector


@pytest.mark.parametrize("model", ["small_model", "small_paper_model"])
@pytest.mark.parametrize("grey", [False, True])
def test_fused_frames_do_not_depend_on_it(model: str, grey: bool, request: pytest.FixtureRequest) -> None:
    engine = open_small(request.getfixturevalue(model))
    settings = FusionSettings(reference="thermal" if grey else "rgb", gain_time_constant=0.3)
    alone, both = (frames(engine, settings, also_for_detector=also)[0] for also in (False, True))
    for one, other in zip(alone, both, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.infrared_activation, other.infrared_activation)
        assert one.gain == other.gain


def test_it_depends_on_its_pair_alone(engine: FusionEngine) -> None:
    """Neither fades with a change of the engine nor hangs on whether the fused frame was made."""
    settings = FusionSettings(thermal=ThermalSettings(time_constant=0.0))
    _, detector = frames(engine, settings, also_for_detector=True)
    for number, image in enumerate(detector):
        pipeline = FusionPipeline(engine, settings)
        pipeline.use(engine, (24, 32) if number >= 3 else None)
        prepared = pipeline.prepare(counts(number) + np.uint16(200 * number), colour(number), 5.0)
        np.testing.assert_array_equal(pipeline.for_detector(prepared).image, image)


def test_levels_and_registration_are_made_once(engine: FusionEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    for owner, name in ((ThermalFrontEnd, "apply"), (PlannedRegistration, "align")):
        original = getattr(owner, name)

        def counted(*arguments: Any, _name: str = name, _original: Any = original, **more: Any) -> Any:
            made.append(_name)
            return _original(*arguments, **more)

        monkeypatch.setattr(owner, name, counted)
    pipeline = FusionPipeline(engine)
    prepared = pipeline.prepare(counts(), colour(), 1.0)
    pipeline.for_eyes(prepared)
    pipeline.for_detector(prepared)
    assert made == ["apply", "align"]


def test_brightness_does_not_go_on_from_a_frame_that_nobody_saw(engine: FusionEngine) -> None:
    """Fused frames were not made for a while, and another engine took over: the first one is as it is."""
    pipeline = FusionPipeline(engine)
    pipeline.fuse(np.zeros_like(counts()), np.zeros_like(colour()), 1.0)
    pipeline.use(engine)
    pipeline.for_detector(pipeline.prepare(counts(), colour(), 2.0))
    got = pipeline.fuse((counts() // 256).astype(np.uint8), colour(), 3.0).image
    expected = FusionPipeline(engine).fuse((counts() // 256).astype(np.uint8), colour(), 3.0).image
    np.testing.assert_array_equal(got, expected)


def partly(folder: Path, matrix: NDArray[np.float64]) -> RegistrationSettings:
    """Two cameras of which one sees a part of what the other sees."""
    path = folder / "rig.yaml"
    write_registration(path, RegistrationFile(THERMAL, RGB, matrix))
    return RegistrationSettings(mode="homography", file=str(path), feather=0)


def test_where_one_camera_alone_sees_something(engine: FusionEngine, tmp_path: Path) -> None:
    # Of the RGB picture the thermal camera sees the left part; of a thermal picture that is shifted, RGB sees a part.
    left = partly(tmp_path, np.diag([1.0, RGB[0] / THERMAL[0], 1.0]))
    pipeline = FusionPipeline(engine, FusionSettings(registration=left))
    frame = pipeline.for_detector(pipeline.prepare(counts(), colour(), 1.0))
    np.testing.assert_array_equal(frame.image[:, THERMAL[1] + 1 :], colour()[:, THERMAL[1] + 1 :])
    assert frame.overlap == pytest.approx(THERMAL[1] / RGB[1], abs=0.02)
    (tmp_path / "other").mkdir()
    shifted = partly(tmp_path / "other", np.array([[1.0, 0.0, -10.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    pipeline = FusionPipeline(engine, FusionSettings(registration=shifted, reference="thermal"))
    frame = pipeline.for_detector(pipeline.prepare(counts(), colour(), 1.0))
    alone = np.repeat((255 - levels(counts(), THERMAL))[:, :9, None], 3, axis=2)
    np.testing.assert_array_equal(frame.image[:, :9], alone)


@pytest.mark.parametrize("kind", ["colour", "grey"])
def test_of_one_camera(engine: FusionEngine, kind: str) -> None:
    """The one that is left, thermal inverted, always in colour; the fused image's stand-in stays as it is."""
    rgb = colour() if kind == "colour" else colour()[:, :, 1].copy()
    pipeline = FusionPipeline(engine)
    assert pipeline.pass_through("thermal", counts(), 0.9).detector_image is None, "only where it is asked for"
    pipeline.fuse(counts(), rgb, 1.0)
    thermal = pipeline.pass_through("thermal", counts(), 1.1, for_detector=True)
    grey = resized(255 - ThermalFrontEnd(ThermalSettings()).apply(counts(), 1.0), RGB)
    assert thermal.detector_image is not None
    np.testing.assert_array_equal(thermal.detector_image, np.repeat(grey[:, :, None], 3, axis=2))
    np.testing.assert_array_equal(thermal.image, pipeline.pass_through("thermal", counts(), 1.2).image)
    lone = pipeline.pass_through("rgb", rgb, 1.3, for_detector=True)
    assert lone.detector_image is not None
    np.testing.assert_array_equal(lone.detector_image, in_colour(rgb))
    np.testing.assert_array_equal(lone.image, rgb)


def test_what_the_camera_that_is_left_does_not_see_is_black(engine: FusionEngine, tmp_path: Path) -> None:
    settings = partly(tmp_path, np.diag([1.0, RGB[0] / THERMAL[0], 1.0]))
    pipeline = FusionPipeline(engine, FusionSettings(registration=settings))
    pipeline.fuse(counts(), colour(), 1.0)
    frame = pipeline.pass_through("thermal", counts(), 1.1, for_detector=True)
    assert frame.detector_image is not None
    assert not frame.detector_image[:, THERMAL[1] + 1 :].any()
    seen = np.s_[2:-2, 2 : THERMAL[1] - 2]
    # Resampled after it was inverted: a level of rounding.
    np.testing.assert_allclose(frame.detector_image[seen].astype(int), inverted(frame.image[seen]), atol=1)
