"""camf bag: what it says, its exit status, and that its options do what they say."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="needs rosbags: pip install rosbags")

from recordings import (
    DETECTOR,
    FUSED,
    INFO,
    MS,
    RGB,
    START,
    THERMAL,
    WEIGHTS,
    header,
    image,
    pixels,
    raw,
    read,
    scene,
    street,
    topics,
    write,
)

from camf_ros.cli import bag as command
from camf_ros.cli.main import main
from camf_ros.detector_picture import Wanted

pytestmark = pytest.mark.usefixtures("fresh_logging")

Run = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def run(small_paper_model: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit status and the lines on stderr."""

    def call(*arguments: object, quiet: bool = True) -> tuple[int, list[str]]:
        capsys.readouterr()
        logging.getLogger().handlers[:] = []
        more = ["--model", small_paper_model, "--engine", "torch", "--device", "cpu", "--precision", "float32"]
        status = main(["bag", *map(str, [*arguments, *more]), *(["--quiet"] if quiet else [])])
        out, err = capsys.readouterr()
        assert out == ""
        assert "Traceback" not in err
        return status, err.splitlines()

    return call


def test_summary(tmp_path: Path, run: Run) -> None:
    source, output = write(tmp_path / "in", street(3)), tmp_path / "out"
    assert run(source, "--output", output) == (
        0,
        [
            f"3 pairs fused into {output}",
            "thermal: 3 frames, 0 passed through alone, 0 unpaired",
            "rgb: 3 frames, 0 passed through alone, 0 unpaired",
        ],
    )
    assert len(read(output, FUSED)) == 3


def test_unpaired_passed_and_rejected(tmp_path: Path, run: Run) -> None:
    messages = street(4)
    messages[3].content.header = header(0)
    end = START + 400 * MS
    for k in range(20):  # RGB alone, at 20 Hz
        messages.append(image(RGB, scene(k)[1], end + k * 50 * MS))
    status, lines = run(write(tmp_path / "in", messages), "--output", tmp_path / "out")
    assert status == 1
    assert lines[0] == (
        "1 rejected (stamp): rgb frame: stamp is 0 s; expected a time after 0; check the driver, "
        "or set pairing.zero_stamps to arrival"
    )
    assert lines[1] == f"3 pairs fused into {tmp_path / 'out'}"
    assert lines[2] == "thermal: 4 frames, 0 passed through alone, 1 unpaired; in no pair: 1 unmatched"
    # Silent for half a second at 811 ms. The pairing counts those that are passed through too.
    assert lines[3] == "rgb: 24 frames, 11 passed through alone, 9 unpaired; in no pair: 10 unmatched"


def test_nothing_to_pair(tmp_path: Path, run: Run) -> None:
    status, lines = run(write(tmp_path / "in", street(5, skew=50 * MS)), "--output", tmp_path / "out")
    assert status == 1
    assert "pairing.slop (0.04 s)" in lines[-1]


def test_parameters_of_the_node(tmp_path: Path, run: Run) -> None:
    source, file = write(tmp_path / "in", street(2)), tmp_path / "fusion.yaml"
    file.write_text("/**:\n  ros__parameters:\n    gain: 0.7\n    reference: thermal\n    use_sim_time: true\n")
    for number, (options, gain, size) in enumerate(
        [
            ([], 0.7, (40, 32)),
            (["--set", "gain=1.3"], 1.3, (40, 32)),
            (["--set", "gain=1.3", "--gain", "0.9", "--reference", "rgb"], 0.9, (64, 48)),
        ]
    ):
        output = tmp_path / f"out{number}"
        assert run(source, "--output", output, "--params-file", file, *options)[0] == 0
        assert [weight.gain for _, weight in read(output, WEIGHTS)] == [np.float32(gain)] * 2
        assert {(each.width, each.height) for _, each in read(output, FUSED)} == {size}


def test_topics_and_storage(tmp_path: Path, run: Run) -> None:
    names = {RGB: "/front/colour", THERMAL: "/front/heat"}
    source = write(tmp_path / "in", [each._replace(topic=names.get(each.topic, each.topic)) for each in street(2)])
    status, lines = run(source, "--output", tmp_path / "out")
    assert status == 1
    assert "--thermal-topic" in lines[0]
    assert "/front/colour (Image, 2 messages), /front/heat (Image, 2 messages)" in lines[0]
    options = ["--thermal-topic", "front/heat", "--rgb-topic", "/front/colour", "--fused-topic", "/front/fused/image"]
    assert run(source, "--output", tmp_path / "out", *options, "--storage", "sqlite3", "--fused-only")[0] == 0
    assert set(topics(tmp_path / "out")) == {"/front/fused/image", "/front/fused/camera_info", WEIGHTS}
    assert (tmp_path / "out" / "out.db3").is_file()


def test_which_picture(tmp_path: Path, run: Run) -> None:
    source = write(tmp_path / "in", street(2))
    written = {"eyes": {FUSED}, "detector": {DETECTOR}, "both": {FUSED, DETECTOR}}
    for name, expected in written.items():
        assert run(source, "--output", tmp_path / name, "--fused-only", "--for", name)[0] == 0
        assert set(topics(tmp_path / name)) == {*expected, INFO, WEIGHTS}
    options = ["--for", "both", "--detector-topic", "front/detector", "--weights-topic", "/front/weights"]
    assert run(tmp_path / "eyes", "--output", tmp_path / "none", *options)[0] == 1, "there are no cameras in it"
    assert run(source, "--output", tmp_path / "named", *options)[0] == 0
    assert {"/front/detector", FUSED, INFO, "/front/weights"} < set(topics(tmp_path / "named"))
    status, lines = run(tmp_path / "named", "--output", tmp_path / "again", *options)
    assert status == 1
    assert "has /fused/image, /front/detector, /fused/camera_info, /front/weights already" in lines[0]


def test_names_are_those_of_the_node() -> None:
    from camf_ros.bag.reader import BagTopics  # noqa: PLC0415

    own = BagTopics()
    outputs = [topic for topic, _ in own.outputs(Wanted(detector=True)).values()]
    assert (own.thermal, own.rgb, *outputs) == (THERMAL, RGB, FUSED, DETECTOR, INFO, WEIGHTS)


def test_errors_are_one_line(tmp_path: Path, run: Run) -> None:
    source = write(tmp_path / "in", street(2))
    assert run(tmp_path / "none", "--output", tmp_path / "out") == (
        1,
        [
            f"camf bag: {tmp_path / 'none'} does not exist; expected a rosbag2: a folder with metadata.yaml, "
            "or a .mcap or .db3 file"
        ],
    )
    for options, word in ((["--distro", "melodic"], "humble"), (["--set", "pairing.slop=far"], "pairing.slop")):
        status, lines = run(source, "--output", tmp_path / "out", *options)
        assert (status, len(lines)) == (1, 1)
        assert word in lines[0]
    assert not (tmp_path / "out").exists()


def test_progress_is_shown_and_ctrl_c_leaves_nothing(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "in", street(3))
    status, lines = run(source, "--output", tmp_path / "out", quiet=False)
    assert status == 0
    assert any("msg" in line for line in lines)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("camf_ros.pipeline.FusionPipeline.for_eyes", interrupt)
    status, lines = run(source, "--output", tmp_path / "other")
    assert status == 130
    assert lines == [f"nothing was written: {tmp_path / 'other'} is as it was", "camf bag: interrupted"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    assert len(raw(source)) == 7


def test_without_rosbags_the_remedy_is_named(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys  # noqa: PLC0415

    for name in [name for name in sys.modules if name.split(".")[0] == "rosbags" or name.startswith("camf_ros.bag")]:
        monkeypatch.delitem(sys.modules, name)
    missing = ModuleNotFoundError("No module named 'rosbags'", name="rosbags")

    class Without:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name == "rosbags":
                raise missing

    monkeypatch.setattr(sys, "meta_path", [Without, *sys.meta_path])
    status, lines = run(tmp_path / "in", "--output", tmp_path / "out")
    assert status == 1
    assert lines == ["camf bag: rosbags is not installed; pip install rosbags"]
    assert command.__doc__ is not None


def test_frames_are_those_of_camf_fuse(tmp_path: Path, run: Run, small_paper_model: Path) -> None:
    """The two offline commands agree on one pair."""
    import cv2  # noqa: PLC0415

    thermal, rgb = scene(0)
    cv2.imwrite(str(tmp_path / "t.png"), thermal)
    cv2.imwrite(str(tmp_path / "v.png"), np.ascontiguousarray(rgb[:, :, ::-1]))
    assert run(write(tmp_path / "in", street(1)), "--output", tmp_path / "out")[0] == 0
    model = ["--model", str(small_paper_model), "--engine", "torch", "--device", "cpu", "--precision", "float32"]
    files = [str(tmp_path / name) for name in ("t.png", "v.png")]
    assert main(["fuse", *files, "--output", str(tmp_path / "f.png"), *model, "--quiet"]) == 0
    expected = cv2.imread(str(tmp_path / "f.png"))
    assert expected is not None
    np.testing.assert_array_equal(pixels(read(tmp_path / "out", FUSED)[0][1]), expected[:, :, ::-1])
