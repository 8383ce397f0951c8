"""camf calibrate: files for the node from pairs of the night street; wrong usage and results that are not trusted."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from camf_ros.calibration.motions import corner_distance
from camf_ros.cli.main import main
from camf_ros.imaging.camera_model import Camera, Extrinsics
from camf_ros.imaging.registration_file import RegistrationFile, read_registration, write_registration

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "calibration"))
import street_pairs as street

TRUTH = street.similarity(3.0, 1.06, 14.0, -9.0)
IDENTITY = Extrinsics((1, 0, 0, 0, 1, 0, 0, 0, 1), (0.1, 0.0, 0.0))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return street.write(street.misaligned(TRUTH, 2), tmp_path_factory.mktemp("pairs") / "data")


def calibrate(*arguments: object) -> int:
    return main(["calibrate", *map(str, arguments)])


def test_file_overlay_and_what_is_said(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, overlay = tmp_path / "new" / "rig.yaml", tmp_path / "rig.png"
    assert calibrate("--data", data, "--output", output, "--overlay", overlay) == 0
    file = read_registration(output)
    assert (file.thermal_size, file.rgb_size) == (street.SIZE, street.SIZE)
    assert file.homography is not None
    assert corner_distance(np.linalg.inv(file.homography), TRUTH, street.SIZE) < 1.5
    said = capsys.readouterr()
    assert "2 of 2 pairs" in said.out
    assert "residual_px" in said.out
    assert "searching" in said.err or "reading" in said.err, "a progress bar"
    facts = file.provenance
    assert facts["trusted"] is True
    assert facts["pairs"] == ["00", "01"]
    assert facts["residual_px"] < 2
    assert facts["command"].startswith("camf calibrate --data ")
    assert facts["date"].endswith("+00:00")
    picture = cv2.imread(str(overlay))
    assert picture.shape[1] > 2 * street.SIZE[1]
    # Where edges lie on each other colours vanish.
    half = street.SIZE[1]
    before, after = picture[30:, :half].astype(int), picture[30:, -half:].astype(int)
    inner = (slice(40, -40), slice(60, -60))
    assert (
        np.abs(after[inner][..., 0] - after[inner][..., 2]).mean()
        < np.abs(before[inner][..., 0] - before[inner][..., 2]).mean()
    )


def test_untrusted_result_is_not_written_unless_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = street.registered(1)[0]
    noise = np.random.default_rng(1).normal(128, 6, street.SIZE).astype(np.uint8)
    data = street.write([pair._replace(thermal=noise)], tmp_path / "data")
    output = tmp_path / "rig.yaml"
    arguments = ("--data", data, "--output", output, "--quiet", "--search", "5,2,4")
    assert calibrate(*arguments) == 1
    assert not output.exists()
    error = capsys.readouterr().err
    assert "not trusted: edges agree by" in error
    assert "--force" in error
    assert calibrate(*arguments, "--force") == 0
    provenance = read_registration(output).provenance
    assert provenance["trusted"] is False
    assert "edges agree" in provenance["doubts"][0]


def test_the_advice_for_cameras_that_are_far_off_helps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = street.similarity(2.0, 1.04, 95.0, 20.0)
    data = street.write(street.misaligned(truth, 2), tmp_path / "data")
    output = tmp_path / "rig.yaml"
    arguments = ("--data", data, "--output", output, "--quiet")
    assert calibrate(*arguments) == 1
    error = capsys.readouterr().err
    assert "farther off than --search 10,8,16 reaches, give --search 25,10,30, or a rough registration file" in error
    assert "--start FILE" in error
    assert calibrate(*arguments, "--search", "25,10,30") == 0
    found = read_registration(output).homography
    assert found is not None
    assert corner_distance(np.linalg.inv(found), truth, street.SIZE) < 2.5


def test_start_from_a_file(data: Path, tmp_path: Path) -> None:
    """Farther off than the search reaches, but for the start; made for pictures of twice the size."""
    start = tmp_path / "start.yaml"
    rough = np.linalg.inv(street.similarity(2.5, 1.05, 12.0, -7.0))
    double = np.diag([2.0, 2.0, 1.0])
    height, width = street.SIZE
    size = (2 * height, 2 * width)
    write_registration(start, RegistrationFile(size, size, double @ rough @ np.linalg.inv(double)))
    output = tmp_path / "rig.yaml"
    assert calibrate("--data", data, "--start", start, "--search", "1,1,2", "--output", output, "--quiet") == 0
    found = read_registration(output).homography
    assert found is not None
    assert corner_distance(np.linalg.inv(found), TRUTH, street.SIZE) < 1.5


def test_rotation(tmp_path: Path) -> None:
    """Lenses with distortion, a known position and an unknown turn."""
    k = (420.0, 0.0, 255.5, 0.0, 420.0, 143.5, 0.0, 0.0, 1.0)
    camera = Camera(512, 288, k, "plumb_bob", ())
    turned = cv2.Rodrigues(np.array([0.02, -0.03, 0.04]))[0]
    matrix = camera.k @ turned.T @ (np.eye(3) - np.outer([0.1, 0, 0], [0, 0, 1]) / 6.0) @ np.linalg.inv(camera.k)
    data = street.write(street.misaligned(matrix, 2), tmp_path / "data")
    start, output = tmp_path / "start.yaml", tmp_path / "rig.yaml"
    write_registration(start, RegistrationFile(street.SIZE, street.SIZE, None, IDENTITY, camera, camera))
    arguments = ("--data", data, "--model", "rotation", "--start", start, "--distance", 6, "--output", output)
    assert calibrate(*arguments, "--quiet") == 0
    file = read_registration(output)
    assert file.extrinsics is not None
    assert file.extrinsics.translation == IDENTITY.translation
    assert np.degrees(np.linalg.norm(cv2.Rodrigues(file.extrinsics.r @ turned.T)[0])) < 0.3
    assert (file.thermal, file.rgb) == (camera, camera)
    assert file.provenance["distance_m"] == 6.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--checkerboard", "9"), "--checkerboard is '9'"),
        (("--checkerboard", "9x2"), "inner corners"),
        (("--search", "1,2"), "--search is '1,2'"),
        (("--search", "50,2,2"), "three numbers"),
        (("--pairs", "0"), "--pairs is 0"),
        (("--model", "rotation"), "without --start"),
        (("--model", "rotation", "--start", "x.yaml"), "--distance is missing"),
        (("--distance", "3"), "--distance is given with --model auto"),
        (("--model", "rotation", "--start", "x.yaml", "--distance", "0"), "--distance is 0"),
        (("--output", "rig.txt"), "name of a .yaml file"),
        (("--overlay", "rig.jpg"), "name of a .png file"),
        (("--start", "none.yaml"), "cannot be opened"),
    ],
)
def test_wrong_usage(data: Path, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate("--data", data, *arguments) == 1
    assert said in capsys.readouterr().err


def test_start_without_what_the_model_needs(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = tmp_path / "start.yaml"
    write_registration(start, RegistrationFile(street.SIZE, street.SIZE, None, IDENTITY))
    assert calibrate("--data", data, "--start", start) == 1
    assert "has no homography" in capsys.readouterr().err
    assert calibrate("--data", data, "--start", start, "--model", "rotation", "--distance", 5) == 1
    assert "has no thermal.k and rgb.k" in capsys.readouterr().err


def test_pictures_that_do_not_belong_to_two_cameras(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = street.registered(2)
    data = street.write([one, two._replace(thermal=two.thermal[:200])], tmp_path / "data")
    assert calibrate("--data", data) == 1
    assert "each always of one size" in capsys.readouterr().err
    (data / "infrared" / "01.png").unlink()
    assert calibrate("--data", data) == 1
    assert "01: no picture of this name" in capsys.readouterr().err
    tiny = street.write([one._replace(thermal=one.thermal[:20])], tmp_path / "tiny")
    assert calibrate("--data", tiny) == 1
    assert "too small" in capsys.readouterr().err


def test_pictures_are_not_overwritten(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = data / "visible" / "00.png"
    assert calibrate("--data", data, "--overlay", picture) == 1
    assert "is an input" in capsys.readouterr().err


def test_start_is_not_overwritten(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It may say more than is calibrated anew."""
    start = tmp_path / "rig.yaml"
    write_registration(start, RegistrationFile(street.SIZE, street.SIZE, np.eye(3), extrinsics=IDENTITY))
    before = start.read_bytes()
    assert calibrate("--data", data, "--start", start, "--output", start) == 1
    assert "is an input" in capsys.readouterr().err
    assert start.read_bytes() == before


def test_file_is_plain_yaml(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "rig.yaml"
    assert calibrate("--data", data, "--model", "affine", "--output", output, "--quiet") == 0
    tree = yaml.safe_load(output.read_text(encoding="utf-8"))
    assert tree["homography"][2] == [0.0, 0.0, 1.0]
