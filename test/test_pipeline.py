"""The pipeline: both frames into one geometry, through the engine, back into colour; settings between frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pipeline_frames import RGB, THERMAL, colour, counts
from small_model import open_small

from camf_ros.engines.engine import EngineOutput, FusionEngine
from camf_ros.errors import ImageError, RegistrationError
from camf_ros.imaging.blending import Blender
from camf_ros.imaging.camera_model import Camera, Extrinsics
from camf_ros.imaging.luminance import RgbPicture, with_detail
from camf_ros.imaging.registration import Aligned, PlannedRegistration
from camf_ros.imaging.registration_file import RegistrationFile, write_registration
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.imaging.warp import Rig, resized
from camf_ros.pipeline import FusionPipeline, infrared_share
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.registration_settings import RegistrationSettings
from camf_ros.settings.thermal_settings import ThermalSettings


def test_cropped_rows_are_as_if_they_had_not_been_sent(engine: FusionEngine) -> None:
    told: list[str] = []
    more = np.vstack([counts(), np.random.default_rng(0).integers(0, 65536, (2, THERMAL[1])).astype(np.uint16)])
    settings = FusionSettings(thermal=ThermalSettings(crop_bottom=2))
    got = FusionPipeline(engine, settings, tell=told.append).fuse(more, colour(), 1.0).image
    np.testing.assert_array_equal(got, FusionPipeline(engine).fuse(counts(), colour(), 1.0).image)
    assert told == []
    pipeline = FusionPipeline(engine, tell=told.append)
    for stamp in (1.0, 2.0):
        pipeline.fuse(more, colour(), stamp)
    assert told == ["the last 2 thermal rows are no picture (telemetry?): set thermal.crop_bottom to 2"]
    alone = pipeline.checked("thermal", more)
    assert alone.shape == more.shape
    with pytest.raises(ImageError, match="leave nothing"):
        FusionPipeline(engine, FusionSettings(thermal=ThermalSettings(crop_top=99))).fuse(more, colour(), 1.0)


@pytest.fixture
def engine(small_model: Path) -> FusionEngine:
    return open_small(small_model)


@pytest.fixture
def paper(small_paper_model: Path) -> FusionEngine:
    """The paper's network, which has a gain."""
    return open_small(small_paper_model)


@pytest.mark.parametrize("reference", ["rgb", "thermal"])
@pytest.mark.parametrize("kind", ["colour", "grey"])
@pytest.mark.parametrize("rgb_size", [RGB, THERMAL, (12, 17), (60, 20)])
def test_result_is_the_engines_on_the_prepared_pair(
    engine: FusionEngine, reference: str, kind: str, rgb_size: tuple[int, int]
) -> None:
    thermal, rgb = counts(), colour(size=rgb_size)
    if kind == "grey":
        rgb = rgb[:, :, 1]
    frame = FusionPipeline(engine, FusionSettings(reference=reference)).fuse(thermal, rgb, 10.0)

    size = rgb_size if reference == "rgb" else THERMAL
    align = resized
    infrared = align(ThermalFrontEnd(ThermalSettings()).apply(thermal, 10.0), size)
    visible = RgbPicture(align(rgb, size))
    expected = engine.fuse(infrared, visible.luminance)

    assert frame.reference == reference
    assert frame.image.dtype == np.uint8
    assert frame.image.shape == ((*size, 3) if kind == "colour" else size)
    np.testing.assert_array_equal(frame.image, visible.with_luminance(expected.fused))
    np.testing.assert_array_equal(frame.infrared_activation, expected.infrared_activation)
    np.testing.assert_array_equal(frame.visible_activation, expected.visible_activation)
    assert frame.gain == expected.gain
    np.testing.assert_array_equal(frame.weights, np.float32(expected.gain) * engine.channel_weights())
    np.testing.assert_array_equal(
        frame.infrared_share, infrared_share(frame.weights, frame.infrared_activation, frame.visible_activation)
    )
    assert frame.infrared_share.min() >= 0
    assert frame.infrared_share.max() <= 1
    assert frame.inference_time > 0


def test_colour_is_kept_where_it_can_be_shown(engine: FusionEngine) -> None:
    rgb = colour()
    fused = FusionPipeline(engine).fuse(counts(), rgb, 0.0).image
    before, after = (cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb).astype(int) for image in (rgb, fused))
    shown = ((fused > 0) & (fused < 255)).all(axis=2)
    assert shown.mean() > 0.3
    assert np.abs(before - after)[shown][:, 1:].max() <= 2
    assert np.abs(before - after)[:, :, 0].max() > 5


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_kinds_of_thermal_frames(engine: FusionEngine, dtype: type[Any]) -> None:
    thermal = (counts() // 256).astype(np.uint8) if dtype is np.uint8 else counts().astype(dtype)
    frame = FusionPipeline(engine).fuse(thermal, colour(), 0.0)
    infrared = resized(ThermalFrontEnd(ThermalSettings()).apply(thermal, 0.0), RGB)
    visible = RgbPicture(colour())
    expected = visible.with_luminance(engine.fuse(infrared, visible.luminance).fused)
    np.testing.assert_array_equal(frame.image, expected)


def test_messages_own_memory_is_not_written(engine: FusionEngine) -> None:
    thermal, rgb = counts(), colour()
    for array in (thermal, rgb):
        array.flags.writeable = False
    FusionPipeline(engine).fuse(thermal, rgb, 0.0)
    FusionPipeline(engine).fuse(thermal, rgb[:, :, 0], 0.0)
    np.testing.assert_array_equal(thermal, counts())
    np.testing.assert_array_equal(rgb, colour())


def test_reference_can_change_between_frames(engine: FusionEngine) -> None:
    pipeline = FusionPipeline(engine)
    for reference, size in (("rgb", RGB), ("thermal", THERMAL), ("rgb", RGB)):
        pipeline.configure(FusionSettings(reference=reference))
        assert pipeline.fuse(counts(), colour(), 1.0).image.shape == (*size, 3)


def test_thermal_levels_follow_the_stamps(engine: FusionEngine) -> None:
    """A scene that gets hotter is not stretched at once, and is after many time constants."""
    settings = FusionSettings(thermal=ThermalSettings(0.0, 100.0, 1.0), reference="thermal")
    hot = counts() + (counts().max() - counts().min()) // 2

    def seen(stamp: float) -> NDArray[np.uint8]:
        pipeline = FusionPipeline(engine, settings)
        pipeline.fuse(counts(), colour(), 100.0)
        return pipeline.fuse(hot, colour(), stamp).image

    settled = FusionPipeline(engine, settings).fuse(hot, colour(), 0.0).image
    assert not np.array_equal(seen(100.01), settled)
    np.testing.assert_array_equal(seen(200.0), settled)


def test_registration_can_be_another(engine: FusionEngine) -> None:
    class Mirrored(PlannedRegistration):
        def align(self, thermal: NDArray[np.uint8], rgb: NDArray[np.uint8], **others: Any) -> Aligned:
            return super().align(thermal[:, ::-1], rgb, **others)

    thermal = counts(size=RGB)
    mirrored = FusionPipeline(engine, registration=Mirrored()).fuse(thermal, colour(), 0.0)
    plain = FusionPipeline(engine).fuse(np.ascontiguousarray(thermal[:, ::-1]), colour(), 0.0)
    np.testing.assert_array_equal(mirrored.image, plain.image)


def test_frame_without_content_does_not_disturb_the_next(engine: FusionEngine) -> None:
    thermal = counts().astype(np.float32)
    expected = FusionPipeline(engine).fuse(thermal, colour(), 3.0)
    pipeline = FusionPipeline(engine)
    with pytest.raises(ImageError, match="no finite value"):
        pipeline.fuse(np.full(THERMAL, np.nan, np.float32), colour(), 2.0)
    np.testing.assert_array_equal(pipeline.fuse(thermal, colour(), 3.0).image, expected.image)


@pytest.mark.parametrize("reference", ["rgb", "thermal"])
@pytest.mark.parametrize(
    ("thermal", "rgb"),
    [
        (np.zeros((0, 5), np.uint16), colour()),
        (np.zeros((5, 0), np.float32), colour()),
        (np.zeros((0, 0), np.uint8), colour()),
        (counts(), np.zeros((0, 5, 3), np.uint8)),
        (counts(), np.zeros((5, 0), np.uint8)),
        (np.zeros((0, 5), np.uint8), np.zeros((0, 5), np.uint8)),
    ],
)
def test_frames_without_pixels(
    engine: FusionEngine, reference: str, thermal: NDArray[Any], rgb: NDArray[np.uint8]
) -> None:
    with pytest.raises(ImageError):
        FusionPipeline(engine, FusionSettings(reference=reference)).fuse(thermal, rgb, 0.0)


def test_settings_are_swapped_whole(paper: FusionEngine) -> None:
    """A frame sees the settings of before or of after: what is configured while it runs is for the next."""
    pipeline = FusionPipeline(paper, FusionSettings(gain=0.5))

    class Meddling(PlannedRegistration):
        def align(self, thermal: NDArray[np.uint8], rgb: NDArray[np.uint8], **others: Any) -> Aligned:
            pipeline.configure(replace(FusionSettings(), gain=2.0, reference="thermal"))
            return super().align(thermal, rgb, **others)

    pipeline._registration = Meddling()
    first, second = (pipeline.fuse(counts(), colour(), 1.0) for _ in range(2))
    assert (first.gain, first.image.shape) == (0.5, (*RGB, 3))
    assert (second.gain, second.image.shape) == (2.0, (*THERMAL, 3))


class Watched:
    """An engine that keeps the shapes of the pictures that it was given."""

    def __init__(self, engine: FusionEngine) -> None:
        self.description, self.model_name, self.model_hash = engine.description, engine.model_name, engine.model_hash
        self.has_gain, self.channel_weights = engine.has_gain, engine.channel_weights
        self._engine = engine
        self.shapes: list[tuple[int, ...]] = []

    def fuse(self, infrared: NDArray[np.uint8], visible: NDArray[np.uint8], **options: Any) -> EngineOutput:
        self.shapes.append(visible.shape)
        return self._engine.fuse(infrared, visible, **options)


def test_warming_up_runs_an_engine_as_it_will_be_run(engine: FusionEngine) -> None:
    pipeline = FusionPipeline(engine)
    new = Watched(engine)
    pipeline.warm_up(new, (24, 32))
    assert new.shapes == [], "nothing is known before the first frame"
    pipeline.use(engine, (16, 24))
    pipeline.fuse(counts(), colour(), 1.0)
    pipeline.warm_up(new, (24, 32))
    pipeline.warm_up(new)
    pipeline.configure(FusionSettings(registration=RegistrationSettings(processing_width=32, processing_height=24)))
    pipeline.fuse(counts(), colour(), 2.0)
    pipeline.warm_up(new, (8, 8))
    assert new.shapes == [(24, 32), RGB, (24, 32)], "at the size that it will have"


def test_amounts_are_kept_where_they_are_asked_for(engine: FusionEngine) -> None:
    pipeline = FusionPipeline(engine)
    assert pipeline.fuse(counts(), colour(), 1.0).amounts is None
    pipeline.keep_amounts = True
    frame = pipeline.fuse(counts(), colour(), 2.0)
    assert frame.amounts is not None
    assert frame.aligned is not None
    luminance = RgbPicture(frame.aligned.rgb).luminance
    blended = Blender(*RGB, len(frame.amounts)).blend(frame.aligned.thermal, luminance, frame.amounts)
    np.testing.assert_array_equal(frame.image, RgbPicture(frame.aligned.rgb).with_luminance(blended))


def test_a_blending_network_has_gain_1(engine: FusionEngine) -> None:
    for gain in (0.0, 0.7):
        frame = FusionPipeline(engine, FusionSettings(gain=gain)).fuse(counts(), colour(), 1.0)
        assert frame.gain == 1
        np.testing.assert_array_equal(frame.weights, engine.channel_weights())


def registration_file(folder: Path, matrix: NDArray[np.float64]) -> str:
    path = folder / "rig.yaml"
    write_registration(path, RegistrationFile(THERMAL, RGB, matrix))
    return str(path)


def test_what_only_one_camera_sees_is_shown_as_it_is(engine: FusionEngine, tmp_path: Path) -> None:
    # The thermal camera sees the left part of the RGB picture.
    matrix = np.diag([1.0, RGB[0] / THERMAL[0], 1.0])
    settings = RegistrationSettings(mode="homography", file=registration_file(tmp_path, matrix), feather=3)
    rgb = colour()
    frame = FusionPipeline(engine, FusionSettings(registration=settings)).fuse(counts(), rgb, 0.0)
    right = THERMAL[1] + 1
    np.testing.assert_array_equal(frame.image[:, right:], rgb[:, right:])
    assert not np.array_equal(frame.image[:, : THERMAL[1] - 5], rgb[:, : THERMAL[1] - 5])
    assert frame.overlap == pytest.approx(THERMAL[1] / RGB[1], abs=0.02)
    assert not frame.undistorted
    turned = FusionPipeline(engine, FusionSettings(registration=settings, reference="thermal"))
    assert turned.fuse(counts(), rgb, 0.0).overlap == 1.0


def test_calibrated_needs_to_know_the_cameras(engine: FusionEngine) -> None:
    settings = RegistrationSettings(mode="calibrated", extrinsics="tf", distance=2.0)
    pipeline = FusionPipeline(engine, FusionSettings(registration=settings))
    with pytest.raises(RegistrationError, match="thermal/camera_info"):
        pipeline.fuse(counts(), colour(), 0.0)
    thermal, rgb = (
        Camera(size[1], size[0], (30.0 * size[1] / 33, 0.0, size[1] / 2, 0.0, 40.0, size[0] / 2, 0.0, 0.0, 1.0))
        for size in (THERMAL, RGB)
    )
    pose = Extrinsics((1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0))
    frame = pipeline.fuse(counts(), colour(), 0.0, Rig(thermal, rgb, pose))
    assert frame.undistorted
    assert frame.image.shape == (*RGB, 3)


@pytest.mark.parametrize("kind", ["colour", "grey"])
def test_fusion_at_another_size_keeps_the_detail_of_rgb(engine: FusionEngine, kind: str) -> None:
    rgb = colour() if kind == "colour" else colour()[:, :, 1]
    small = RegistrationSettings(processing_height=20, processing_width=30)
    frame = FusionPipeline(engine, FusionSettings(registration=small)).fuse(counts(), rgb, 0.0)
    assert frame.image.shape == rgb.shape
    infrared = resized(ThermalFrontEnd(ThermalSettings()).apply(counts(), 0.0), (20, 30))
    visible = RgbPicture(rgb)
    expected = engine.fuse(infrared, resized(visible.luminance, (20, 30)))
    luminance = with_detail(expected.fused, resized(visible.luminance, (20, 30)), visible.luminance)
    np.testing.assert_array_equal(frame.image, visible.with_luminance(luminance))
    assert frame.gain == expected.gain


def test_output_size(engine: FusionEngine) -> None:
    settings = FusionSettings(registration=RegistrationSettings(output_width=29))
    assert FusionPipeline(engine, settings).fuse(counts(), colour(), 0.0).image.shape == (20, 29, 3)


def test_frame_that_is_alone_looks_like_a_fused_one_without_the_network(
    engine: FusionEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = FusionPipeline(engine)
    fused = pipeline.fuse(counts(), colour(), 1.0)
    monkeypatch.setattr(engine, "fuse", lambda *_, **__: pytest.fail("nothing is to be fused"))
    thermal = pipeline.pass_through("thermal", counts(), 1.1)
    assert (thermal.reference, thermal.undistorted) == ("rgb", False)
    assert thermal.image.shape == fused.image.shape
    grey = resized(ThermalFrontEnd(ThermalSettings()).apply(counts(), 1.0), RGB)
    np.testing.assert_array_equal(thermal.image, np.repeat(grey[:, :, None], 3, axis=2))
    np.testing.assert_array_equal(pipeline.pass_through("rgb", colour(), 1.2).image, colour())


def test_frame_of_a_camera_that_never_had_company(engine: FusionEngine) -> None:
    thermal = FusionPipeline(engine).pass_through("thermal", counts(), 1.0)
    assert (thermal.image.shape, thermal.reference) == (THERMAL, "thermal")
    rgb = FusionPipeline(engine, FusionSettings(reference="thermal")).pass_through("rgb", colour(), 1.0)
    assert (rgb.image.shape, rgb.reference) == ((*RGB, 3), "rgb")


def test_frame_that_is_alone_in_the_thermal_geometry(engine: FusionEngine) -> None:
    pipeline = FusionPipeline(engine, FusionSettings(reference="thermal"))
    pipeline.fuse(counts(), colour(), 1.0)
    rgb = pipeline.pass_through("rgb", colour(), 1.1)
    assert (rgb.image.shape, rgb.reference) == ((*THERMAL, 3), "thermal")
    assert pipeline.pass_through("thermal", counts(), 1.2).image.shape == (*THERMAL, 3)


def test_thermal_levels_go_on_from_frames_that_were_alone(engine: FusionEngine) -> None:
    """A pair after a gap of the RGB camera shows the levels of a stream without one."""
    gap, whole = FusionPipeline(engine), FusionPipeline(engine)
    for k in range(6):
        thermal = counts() + np.uint16(100 * k)
        if 1 <= k < 5:
            gap.pass_through("thermal", thermal, 1.0 + 0.1 * k)
            whole.fuse(thermal, colour(), 1.0 + 0.1 * k)
    last = counts() + np.uint16(500)
    np.testing.assert_array_equal(gap.fuse(last, colour(), 1.5).image, whole.fuse(last, colour(), 1.5).image)


@pytest.mark.parametrize(("camera", "frame"), [("thermal", colour()), ("rgb", counts()), ("rgb", colour()[:0])])
def test_frame_that_is_alone_and_no_frame(engine: FusionEngine, camera: str, frame: NDArray[Any]) -> None:
    with pytest.raises(ImageError, match="frame has shape"):
        FusionPipeline(engine).pass_through(camera, frame, 1.0)


def test_processing_size_of_an_engine_gives_way_to_that_of_the_settings(engine: FusionEngine) -> None:
    def image(settings: FusionSettings, processing: tuple[int, int] | None) -> NDArray[np.uint8]:
        pipeline = FusionPipeline(engine, settings)
        pipeline.use(engine, processing)
        return pipeline.fuse(counts(), colour(), 0.0).image

    def named(width: int, height: int) -> FusionSettings:
        return FusionSettings(registration=RegistrationSettings(processing_width=width, processing_height=height))

    np.testing.assert_array_equal(image(FusionSettings(), (24, 32)), image(named(32, 24), None))
    np.testing.assert_array_equal(image(named(32, 24), (16, 24)), image(named(32, 24), None))
    assert not np.array_equal(image(FusionSettings(), (24, 32)), image(FusionSettings(), None))
