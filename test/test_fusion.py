"""One pair from messages to results, without ROS: what is handed out, in which order, and what is done only once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_model import open_small

from camf_ros.detector_picture import Wanted
from camf_ros.engines.choose import ChosenEngine
from camf_ros.engines.engine import Engine
from camf_ros.errors import CamfError, RegistrationError
from camf_ros.fusion import Cameras, Fusion, Running
from camf_ros.imaging.camera_messages import ImageConversion, encoding_of, image_fields
from camf_ros.imaging.camera_model import Extrinsics
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.imaging.thermal.front_end import put_right
from camf_ros.outputs import CHANNEL_WEIGHTS, Work
from camf_ros.pairing.synchronizer import ImagePair, LoneFrame
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.registration_settings import RegistrationSettings
from camf_ros.settings.table import build

BOTH = Wanted(eyes=True, detector=True)


def time_of(sec: int, nanosec: int = 0) -> SimpleNamespace:
    return SimpleNamespace(sec=sec, nanosec=nanosec)


def message(image: NDArray[Any], frame: str, sec: int) -> SimpleNamespace:
    encoding = "mono16" if image.dtype == np.uint16 else encoding_of(image)
    return SimpleNamespace(header=SimpleNamespace(stamp=time_of(sec), frame_id=frame), **image_fields(image, encoding))


def pair(sec: int = 1) -> ImagePair:
    rng = np.random.default_rng(sec)
    thermal = message(rng.integers(7000, 9000, (32, 40), dtype=np.uint16), "thermal", sec)
    rgb = message(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8), "rgb", sec)
    return ImagePair(thermal, rgb, 0.0, float(sec), 0.0)


class Outputs:
    """Keeps what is handed out, in order."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.order: list[str] = []
        self.kept: dict[str, Any] = {}

    def make(self, kind: str, **fields: Any) -> Any:
        return SimpleNamespace(kind=kind, **fields)

    def constant(self, kind: str, name: str) -> int:
        assert kind == CHANNEL_WEIGHTS
        return ["SOURCE_BOTH", "SOURCE_THERMAL", "SOURCE_RGB"].index(name)

    def picture(self, name: str, image: NDArray[np.uint8], header: Any) -> None:
        self._keep(name, (image, header))

    def camera_info(self, message: Any) -> None:
        self._keep("info", message)

    def weights(self, message: Any) -> None:
        self._keep("weights", message)

    def complain(self, cause: str, text: str) -> None:
        self._keep(cause, text)

    def fused(self, work: Work) -> None:
        self._keep("work", work)

    def passed(self, camera: str, latency: float) -> None:
        self._keep("passed", (camera, latency))

    def _keep(self, name: str, what: Any) -> None:
        self.order.append(name)
        self.kept[name] = what


@pytest.fixture(scope="module")
def engine(small_model: Path) -> Engine:
    return open_small(small_model)


@pytest.fixture
def made(engine: Engine) -> Iterator[Any]:
    def make(wanted: Wanted = BOTH, timed: bool = True, **parameters: Any) -> tuple[Fusion, Outputs]:
        settings = build(FusionSettings, {name.replace("__", "."): value for name, value in parameters.items()})
        outputs = Outputs(wanted)
        fusion = Fusion(
            settings,
            Running(ChosenEngine(engine, "", ()), "small"),
            PlannedRegistration.checked(settings.registration),
            outputs,
            cameras=Cameras(settings.registration),
            conversion=ImageConversion(),
            tell=lambda _: None,
            timed=timed,
        )
        return fusion, outputs

    yield make


@pytest.mark.parametrize(
    ("wanted", "order"),
    [
        (Wanted(eyes=True, detector=False), ["fused", "weights", "work"]),
        (BOTH, ["fused", "weights", "detector", "work"]),
        (Wanted(eyes=False, detector=True), ["detector", "weights", "work"]),
    ],
)
def test_a_picture_goes_out_before_the_next_one_is_made(made: Any, wanted: Wanted, order: list[str]) -> None:
    fusion, outputs = made(wanted)
    fusion.process(pair())
    assert outputs.order == order
    weights = outputs.kept["weights"]
    assert (weights.sources, weights.thermal_stamp, weights.header) == (0, time_of(1), pair().rgb.header)
    assert (weights.gain > 0) == wanted.eyes == (len(weights.infrared_weight) > 0)
    assert weights.latency > 0
    assert fusion.last is not None
    assert (fusion.last.frame is None, fusion.last.detector is None) == (not wanted.eyes, not wanted.detector)


def test_a_recording_has_no_times(made: Any) -> None:
    fusion, outputs = made(timed=False)
    fusion.process(pair())
    assert (outputs.kept["weights"].latency, outputs.kept["weights"].inference_time) == (0, 0)


def test_an_explanation_needs_the_fused_image(made: Any) -> None:
    fusion, outputs = made(Wanted(eyes=False, detector=True))
    fusion.pipeline.keep_amounts = True
    fusion.process(pair())
    assert outputs.kept["work"].wanted == BOTH


def test_a_frame_that_is_alone_goes_out_in_the_geometry_of_the_reference(made: Any) -> None:
    fusion, outputs = made()
    fusion.process(pair())
    outputs.order.clear()
    fusion.process(LoneFrame("thermal", pair(2).thermal, 2.0, 0.0))
    assert outputs.order == ["fused", "detector", "weights", "passed"]
    image, header = outputs.kept["fused"]
    assert (image.shape, header.frame_id, header.stamp) == ((48, 64, 3), "rgb", time_of(2))
    weights = outputs.kept["weights"]
    assert (weights.sources, weights.thermal_stamp, weights.rgb_stamp.sec) == (1, time_of(2), 0)
    assert outputs.kept["passed"][0] == "thermal"


def test_the_other_cameras_frame_is_tried_and_blamed(made: Any) -> None:
    fusion, outputs = made()
    broken = pair(2).thermal
    broken.encoding = "rgb9"
    with pytest.raises(CamfError) as raised:
        fusion.process(LoneFrame("rgb", pair(2).rgb, 2.0, 0.0, suspect=broken))
    assert raised.value.camera == "thermal"
    assert outputs.order[-1] == "passed", "which does not keep the frame itself back"


def test_camera_info_of_another_size_is_not_passed_on(made: Any) -> None:
    fusion, outputs = made()
    roi = SimpleNamespace(width=0, height=0)
    info = SimpleNamespace(width=640, height=480, roi=roi, binning_x=0, binning_y=0, header=pair().rgb.header)
    fusion.cameras.infos["rgb"].keep(info)
    fusion.process(pair())
    assert "info" not in outputs.order
    assert outputs.kept["camera_info"] == ("rgb camera_info is for 640 x 480 and the image has 64 x 48: not passed on")


def test_camera_info_that_makes_no_sense_is_named_once_and_not_passed_on(made: Any) -> None:
    fusion, outputs = made()
    eye, roi = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], SimpleNamespace(width=0, height=0, x_offset=0, y_offset=0)
    good = SimpleNamespace(
        width=64, height=48, roi=roi, binning_x=0, binning_y=0, header=pair().rgb.header,
        k=eye, r=eye, d=[], p=[0.0] * 12, distortion_model="",
    )  # fmt: skip
    bad = SimpleNamespace(**{**vars(good), "k": [float("nan"), *eye[1:]]})
    fusion.cameras.take("rgb", bad)
    fusion.process(pair())
    fusion.process(pair(2))
    assert "info" not in outputs.order
    assert outputs.order.count("camera_info rgb") == 1
    assert outputs.kept["camera_info rgb"].startswith("rgb camera_info is neither used nor passed on: k is [nan,")
    assert "rgb" in fusion.cameras.problems
    fusion.cameras.take("rgb", good)
    fusion.process(pair(3))
    assert "info" in outputs.order
    assert not fusion.cameras.problems


def test_another_engine_takes_over_between_two_frames(made: Any) -> None:
    fusion, _ = made()
    first = fusion.running
    other = first._replace(model="other", processing=(16, 24))
    fusion.use(other)
    assert fusion.running is other, "already told"
    fusion.process(pair())
    assert fusion.last.model == "small"
    assert (fusion.take_over(), fusion.take_over()) == (True, False)
    fusion.process(pair(2))
    assert fusion.last.model == "other"
    assert fusion.last.frame.worked_at == (16, 24)


@pytest.mark.parametrize("alone", [False, True])
def test_crop_and_byte_order_are_put_right_once_a_frame(
    made: Any, alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import camf_ros.pipeline as module  # noqa: PLC0415 - the name under which it is called

    calls = []

    def counted(image: Any, settings: Any) -> Any:
        calls.append(image.shape)
        return put_right(image, settings)

    monkeypatch.setattr(module, "put_right", counted)
    fusion, outputs = made(thermal__crop_top=8, thermal__byte_order="swapped", reference="thermal")
    one = pair()
    fusion.process(LoneFrame("thermal", one.thermal, 1.0, 0.0) if alone else one)
    assert calls == [(32, 40)]
    assert outputs.kept["fused"][0].shape[:2] == (24, 40)
    if not alone:
        assert fusion.last.thermal.shape == (32, 40), "as it came"


CALIBRATED = RegistrationSettings(mode="calibrated", extrinsics="tf")


def camera_info(frame: str) -> SimpleNamespace:
    return SimpleNamespace(header=SimpleNamespace(frame_id=frame, stamp=None), k=[0.0] * 9)


def pose(x: float) -> Extrinsics:
    return Extrinsics((1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), (x, 0.0, 0.0))


def test_the_same_pose_is_the_same_object() -> None:
    cameras = Cameras(CALIBRATED)
    for camera in ("thermal", "rgb"):
        cameras.infos[camera].keep(camera_info(camera))
    assert cameras.rig(None, None).extrinsics is None, "nobody listens"
    poses = iter([pose(1.0), None, pose(1.0 + 1e-9), pose(2.0)])
    cameras.extrinsics = lambda thermal, rgb: next(poses)
    first, gone, again, moved = (cameras.rig(None, None).extrinsics for _ in range(4))
    assert first == pose(1.0)
    assert gone is None
    assert again is first, "computed anew, but the same pose"
    assert moved == pose(2.0)


@pytest.mark.parametrize("frames", [("", "rgb"), ("thermal", ""), ("camera", "camera")])
def test_frames_that_say_nothing(frames: tuple[str, str]) -> None:
    cameras = Cameras(CALIBRATED)
    cameras.extrinsics = lambda *_: pytest.fail("there is nothing to ask for")
    for camera, frame in zip(("thermal", "rgb"), frames, strict=True):
        cameras.infos[camera].keep(camera_info(frame))
    with pytest.raises(RegistrationError, match="a frame of its own"):
        cameras.rig(None, None)
