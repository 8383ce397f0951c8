"""camf calibrate --bag: one command from a recording of the second rig to the files of the node; what is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import recordings
import yaml

from camf_ros.calibration.align import Pair
from camf_ros.calibration.extrinsics import Pose
from camf_ros.calibration.rig import Rig, View
from camf_ros.calibration.time_offset import TimeOffset
from camf_ros.cli import calibrate_bag
from camf_ros.cli.calibrate_bag import Answer, Recording
from camf_ros.cli.main import main
from camf_ros.imaging.camera_model import Camera
from camf_ros.imaging.registration_file import read_registration
from camf_scene.drive import DELAY, StreetDrive
from camf_scene.recording import record


def _errors(drive: StreetDrive, path: Path) -> tuple[float, float, float]:
    """Degrees, degrees and milliseconds."""
    file = read_registration(path)
    assert file.extrinsics is not None
    turn = np.degrees(np.linalg.norm(cv2.Rodrigues(drive.rotation.T @ file.extrinsics.r)[0]))
    t, truth = file.extrinsics.t, drive.translation
    cosine = t @ truth / np.linalg.norm(t) / np.linalg.norm(truth)
    return float(turn), float(np.degrees(np.arccos(cosine))), 1e3 * abs(file.provenance["thermal_offset_s"] + DELAY)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[StreetDrive, Path]:
    path = tmp_path_factory.mktemp("drive") / "bag"
    drive = StreetDrive(1, rgb_size=(320, 240), thermal_size=(320, 256), baseline=0.2, oversampling=1)
    record(path, drive, seconds=12.0, start=16.0, jitter=0.0005)
    return drive, path


def test_a_short_recording_gives_all_files(
    small: tuple[StreetDrive, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drive, bag = small
    output, overlay = tmp_path / "new" / "rig.yaml", tmp_path / "rig.png"
    arguments = ["--bag", str(bag), "--baseline", "0.2", "-o", str(output), "--overlay", str(overlay), "--pairs", "24"]
    assert main(["calibrate", *arguments, "--quiet"]) == 0
    said = capsys.readouterr().out
    turn, swing, late = _errors(drive, output)
    assert turn < 0.5
    assert swing < 15
    assert late < 6
    file = read_registration(output)
    assert file.extrinsics is not None
    assert np.linalg.norm(file.extrinsics.t) == pytest.approx(0.2)
    assert file.rgb is not None
    assert file.rgb.k == pytest.approx(drive.rgb_camera.matrix)
    parameters = yaml.safe_load((tmp_path / "new" / "rig_params.yaml").read_text())["/**"]["ros__parameters"]
    assert parameters["registration"] == {"mode": "calibrated", "file": str(output)}
    assert parameters["pairing"]["thermal_offset"] == pytest.approx(-DELAY, abs=0.006)
    info = yaml.safe_load((tmp_path / "new" / "rig_thermal_info.yaml").read_text())
    assert (info["image_width"], info["image_height"]) == (320, 256)
    assert info["camera_matrix"]["data"] == pytest.approx(drive.thermal_camera.matrix.ravel())
    assert "static_transform_publisher --x 0.1" in said
    assert "--frame-id rgb_optical_frame --child-frame-id thermal_optical_frame" in said
    assert "thermal stamps are" in said
    assert cv2.imread(str(overlay)).shape[1] > 640


def _answer(unknown: list[str]) -> tuple[Recording, Answer]:
    """As from a recording of two small cameras."""
    pose = Pose(np.eye(3), np.array([1.0, 0.0, 0.0]), 0.0, np.zeros(7), np.array([0.01, 0.0, 0.0]))
    rig = Rig(pose, np.eye(3), 0.5, 0.1, 1.0, ("a",), (), 0, (), tuple(unknown))
    camera = Camera(64, 48, (50.0, 0.0, 31.5, 0.0, 50.0, 23.5, 0.0, 0.0, 1.0))
    grey = np.zeros((48, 64), np.uint8)
    offset = TimeOffset(0.02, 0.001, 0.99)
    cameras: dict[str, Camera | None] = {"thermal": camera, "rgb": camera}
    recording = Recording([View(Pair(grey, grey, "a"), [], 0.0, 0.0)], cameras, {}, offset, 1, 0)
    return recording, Answer(rig, offset, unknown)


def test_without_a_baseline_there_is_no_translation_and_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording, answer = _answer([])
    calibrate_bag.tell(answer, recording, None)
    assert "not determined: length of the translation" in capsys.readouterr().err
    output = tmp_path / "rig.yaml"
    calibrate_bag.write_infos(output, recording)
    assert yaml.safe_load((tmp_path / "rig_rgb_info.yaml").read_text())["camera_matrix"]["data"][0] == 50.0
    facts = {"doubts": [], "not_determined": answer.unknown}
    calibrate_bag.write(output, recording, answer, np.eye(3), baseline=None, provenance=facts)
    file = read_registration(output)
    assert file.extrinsics is None
    assert file.homography is not None
    assert any("length" in each for each in file.provenance["not_determined"])
    parameters = yaml.safe_load((tmp_path / "rig_params.yaml").read_text())["/**"]["ros__parameters"]
    assert parameters["registration"]["mode"] == "homography"
    # RGB is late here
    assert parameters["pairing"] == {"rgb_offset": -0.02}


def test_an_uncertain_direction_gives_no_extrinsics(tmp_path: Path) -> None:
    recording, answer = _answer(["direction of the translation: .."])
    output = tmp_path / "rig.yaml"
    calibrate_bag.write(output, recording, answer, np.eye(3), baseline=0.1, provenance={"doubts": []})
    assert read_registration(output).extrinsics is None


def test_pictures_that_show_nothing_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    messages = []
    for number in range(60):
        stamp = recordings.START + number * 66 * recordings.MS
        thermal = rng.normal(8000, 5, (96, 128)).astype(np.uint16)
        rgb = rng.normal(90, 3, (96, 128, 3)).astype(np.uint8)
        messages += [
            recordings.image(recordings.THERMAL, thermal, stamp),
            recordings.image(recordings.RGB, rgb, stamp),
        ]
    recordings.write(tmp_path / "bag", messages)
    output = tmp_path / "rig.yaml"
    assert main(["calibrate", "--bag", str(tmp_path / "bag"), "-o", str(output), "--pairs", "8", "--quiet"]) == 1
    said = capsys.readouterr().err
    assert "not trusted: edges agree by" in said
    assert "not determined: time offset" in said
    assert not output.exists()


def test_cameras_that_never_meet_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    messages = []
    for number in range(20):
        stamp = recordings.START + number * 100 * recordings.MS
        picture = rng.integers(0, 255, (96, 128), dtype=np.uint8)
        messages += [
            recordings.image(recordings.THERMAL, picture, stamp),
            recordings.image(recordings.RGB, picture, stamp + 60_000 * recordings.MS),
        ]
    recordings.write(tmp_path / "bag", messages)
    assert main(["calibrate", "--bag", str(tmp_path / "bag"), "--quiet"]) == 1
    assert "gives 0 pairs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--baseline", "0"), "--baseline is 0"),
        (("--model", "rotation", "--distance", "3"), "--model rotation is given with --bag"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "--bag", "missing", *arguments]) == 1
    assert said in capsys.readouterr().err


def test_pairs_of_a_recording_as_files(small: tuple[StreetDrive, Path], tmp_path: Path) -> None:
    arguments = ["bag", str(small[1]), "--pairs", str(tmp_path / "pairs"), "--set", f"pairing.thermal_offset={-DELAY}"]
    assert main(arguments) == 0
    thermal, rgb = (sorted((tmp_path / "pairs" / name).iterdir()) for name in ("infrared", "visible"))
    assert [each.stem for each in thermal] == [each.stem for each in rgb]
    assert len(thermal) == 108
    raw = recordings.read(small[1], "/thermal/image_raw")[7][1]
    counts = np.frombuffer(raw.data.tobytes(), np.uint16).reshape(256, 320)
    assert np.array_equal(cv2.imread(str(thermal[7]), cv2.IMREAD_UNCHANGED), counts)
    assert cv2.imread(str(rgb[7])).shape == (240, 320, 3)


@pytest.mark.slow
def test_a_minute_of_the_second_rig(tmp_path: Path) -> None:
    drive = StreetDrive(1)
    record(tmp_path / "bag", drive, seconds=60.0, start=17.0)
    output = tmp_path / "rig.yaml"
    arguments = ["--bag", str(tmp_path / "bag"), "--baseline", "0.12", "-o", str(output), "--quiet"]
    assert main(["calibrate", *arguments]) == 0
    turn, swing, late = _errors(drive, output)
    assert turn < 0.2
    assert swing < 5
    assert late < 3


@pytest.mark.slow
def test_cameras_of_two_drives_are_refused(
    small: tuple[StreetDrive, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = StreetDrive(2, rgb_size=(320, 240), thermal_size=(320, 256), oversampling=1)
    record(tmp_path / "other", other, seconds=12.0, start=71.0)
    messages = [
        recordings.Message(topic, "sensor_msgs/msg/" + kind, received, message)
        for bag, camera in ((small[1], "thermal"), (tmp_path / "other", "rgb"))
        for topic, kind in ((f"/{camera}/image_raw", "Image"), (f"/{camera}/camera_info", "CameraInfo"))
        for received, message in recordings.read(bag, topic)
    ]
    recordings.write(tmp_path / "mixed", sorted(messages, key=lambda message: message.received))
    output = tmp_path / "rig.yaml"
    arguments = ["--bag", str(tmp_path / "mixed"), "--baseline", "0.2", "-o", str(output), "--pairs", "24", "--quiet"]
    assert main(["calibrate", *arguments]) == 1
    assert "not trusted" in capsys.readouterr().err
    assert not output.exists()
