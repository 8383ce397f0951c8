"""camf fuse: pictures and folders; what it writes, what it skips and says, and what it never overwrites."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fusing import SHAPE, Array, Fuse, colour, load, save, save_all, snapshot, thermal
from small_training import sharp, soft

from camf_ros.cli.main import main
from camf_ros.imaging.registration_file import RegistrationFile, write_registration

pytestmark = pytest.mark.usefixtures("fresh_logging")

# --- one picture ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("visible", [colour(1), sharp(1, *SHAPE), colour(1, (36, 40))], ids=["colour", "grey", "size"])
def test_two_pictures(tmp_path: Path, fuse: Fuse, reference: Any, bits: int, visible: Array) -> None:
    infrared = thermal(1) if bits == 16 else soft(1, *SHAPE)
    one, two = save(tmp_path / "t.png", infrared), save(tmp_path / "v.png", visible)
    output = tmp_path / "new" / "fused.png"
    status, lines = fuse(one, two, "--output", output)
    assert (status, lines) == (0, [f"1 fused into {output}, 0 skipped"])
    (expected,) = reference([(infrared, visible, 0.0)])
    np.testing.assert_array_equal(load(output), expected)
    assert load(output).shape == visible.shape


@pytest.mark.parametrize("visible", [colour(1, (36, 40)), sharp(1, *SHAPE)], ids=["colour", "grey"])
def test_picture_for_detectors(tmp_path: Path, fuse: Fuse, reference: Any, visible: Array) -> None:
    one, two = save(tmp_path / "t.png", thermal(1)), save(tmp_path / "v.png", visible)
    output = tmp_path / "fused.png"
    assert fuse(one, two, "--output", output, "--for", "detector")[0] == 0
    (expected,) = reference([(thermal(1), visible, 0.0)], for_detector=True)
    np.testing.assert_array_equal(load(output), expected)
    assert load(output).shape == (*visible.shape[:2], 3), "in colour, also where RGB is grey"
    assert fuse(one, two, "--output", output, "--for", "eyes")[0] == 0
    np.testing.assert_array_equal(load(output), reference([(thermal(1), visible, 0.0)])[0])


def test_gain_and_reference(tmp_path: Path, fuse: Fuse, reference: Any) -> None:
    one, two = save(tmp_path / "t.png", thermal(1)), save(tmp_path / "v.png", colour(1, (36, 40)))
    output = tmp_path / "fused.png"
    for settings in ({"gain": 1.3}, {"reference": "thermal"}):
        ((name, value),) = settings.items()
        assert fuse(one, two, "--output", output, f"--{name}", value)[0] == 0
        np.testing.assert_array_equal(load(output), reference([(thermal(1), colour(1, (36, 40)), 0.0)], **settings)[0])
        assert not np.array_equal(load(output), reference([(thermal(1), colour(1, (36, 40)), 0.0)])[0])
    assert load(output).shape == (*SHAPE, 3)


def test_pictures_that_need_too_much_memory(tmp_path: Path, fuse: Fuse) -> None:
    one, two = save(tmp_path / "t.png", thermal(1)), save(tmp_path / "v.png", np.zeros((1200, 1600, 3), np.uint8))
    output = tmp_path / "fused.png"
    status, lines = fuse(one, two, "--output", output, "--set", "memory_limit=50")
    assert status == 1
    assert "v.png: size is 1600 x 1200 would need about" in lines[0]
    assert not output.exists()
    status, lines = fuse(one, two, "--output", output, "--set", "memory_limit=300")
    assert status == 0
    assert lines[0].startswith("the network works at ")
    assert load(output).shape == (1200, 1600, 3)


def test_parameters_of_the_node(tmp_path: Path, fuse: Fuse, reference: Any) -> None:
    """From its file, and single ones over the file's; the command's own options over both."""
    one, two = save(tmp_path / "t.png", thermal(1)), save(tmp_path / "v.png", colour(1, (36, 40)))
    file, output = tmp_path / "fusion.yaml", tmp_path / "fused.png"
    file.write_text("/**:\n  ros__parameters:\n    gain: 0.7\n    reference: thermal\n    use_sim_time: true\n")
    pair = (thermal(1), colour(1, (36, 40)), 0.0)
    for options, expected in (
        ([], {"gain": 0.7, "reference": "thermal"}),
        (["--set", "gain=1.3"], {"gain": 1.3, "reference": "thermal"}),
        (["--set", "gain=1.3", "--gain", "0.9", "--reference", "rgb"], {"gain": 0.9}),
    ):
        assert fuse(one, two, "--output", output, "--params-file", file, *options)[0] == 0
        np.testing.assert_array_equal(load(output), reference([pair], **expected)[0])


def test_registration_of_pictures(tmp_path: Path, fuse: Fuse) -> None:
    """The thermal camera sees the left half; the rest shows RGB as it is."""
    rig = tmp_path / "rig.yaml"
    write_registration(rig, RegistrationFile(SHAPE, (SHAPE[0], 2 * SHAPE[1]), np.eye(3)))
    rgb = colour(1, (SHAPE[0], 2 * SHAPE[1]))
    one, two = save(tmp_path / "t.png", thermal(1)), save(tmp_path / "v.png", rgb)
    options = ["--set", "registration.mode=homography", "--set", f"registration.file={rig}"]
    assert fuse(one, two, "--output", tmp_path / "fused.png", *options)[0] == 0
    fused = load(tmp_path / "fused.png")
    np.testing.assert_array_equal(fused[:, SHAPE[1] + 1 :], rgb[:, SHAPE[1] + 1 :])
    assert not np.array_equal(fused[:, : SHAPE[1] - 6], rgb[:, : SHAPE[1] - 6])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--set", "gain"], "--set gain; expected NAME=VALUE"),
        (["--set", "gian=1"], "unknown parameters 'gian'"),
        (["--set", "gain=9"], "parameter gain is 9"),
        (["--set", "registration.mode=homography"], "registration.file is empty"),
        (["--set", "registration.mode=homography", "--set", "registration.file=/no/rig.yaml"], "/no/rig.yaml"),
        (["--params-file", "/no/fusion.yaml"], "/no/fusion.yaml cannot be opened"),
    ],
)
def test_parameters_that_cannot_be(tmp_path: Path, fuse: Fuse, options: list[str], said: str) -> None:
    one, two = save(tmp_path / "t.png", thermal(1)), save(tmp_path / "v.png", colour(1))
    status, lines = fuse(one, two, "--output", tmp_path / "fused.png", *options)
    assert status == 1
    assert said in lines[-1]
    assert not (tmp_path / "fused.png").exists()


def test_grey_infrared_stored_as_colour(tmp_path: Path, fuse: Fuse, reference: Any) -> None:
    grey = soft(1, *SHAPE)
    two = save(tmp_path / "v.png", colour(1))
    for stored in (np.dstack([grey] * 3), np.dstack([grey] * 4), np.dstack([thermal(1)] * 3)):
        one = save(tmp_path / "t.png", stored)
        assert fuse(one, two, "--output", tmp_path / "fused.png")[0] == 0
        values = thermal(1) if stored.dtype == np.uint16 else grey
        np.testing.assert_array_equal(load(tmp_path / "fused.png"), reference([(values, colour(1), 0.0)])[0])


def test_palette_is_refused(tmp_path: Path, fuse: Fuse) -> None:
    """Also what catches two inputs in the wrong order."""
    one, two = save(tmp_path / "t.png", soft(1, *SHAPE)), save(tmp_path / "v.png", colour(1))
    status, lines = fuse(two, one, "--output", tmp_path / "fused.png")
    assert status == 1
    assert len(lines) == 2
    assert lines[0].startswith(f"skipped v: {two} is in colour; expected grey values or counts")
    assert lines[1] == f"0 fused into {tmp_path / 'fused.png'}, 1 skipped"
    assert not (tmp_path / "fused.png").exists()


# --- folders --------------------------------------------------------------------------------------------------------


def test_two_folders_of_unrelated_stills(tmp_path: Path, fuse: Fuse, reference: Any) -> None:
    """Every picture gets thermal levels and a gain of its own: as if each were fused alone."""
    warm = {"a": 0, "b": 9000, "c": 30000}
    for number, (name, level) in enumerate(warm.items()):
        save(tmp_path / "t" / f"{name}.tiff", thermal(number, level))
        save(tmp_path / "v" / f"{name}.png", colour(number))
    output = tmp_path / "fused"
    assert fuse(tmp_path / "t", tmp_path / "v", "--output", output) == (0, [f"3 fused into {output}, 0 skipped"])
    assert sorted(path.name for path in output.iterdir()) == ["a.png", "b.png", "c.png"]
    for number, (name, level) in enumerate(warm.items()):
        (expected,) = reference([(thermal(number, level), colour(number), 0.0)])
        np.testing.assert_array_equal(load(output / f"{name}.png"), expected)
    # Again: what an earlier run wrote may be written anew.
    assert fuse(tmp_path / "t", tmp_path / "v", "--output", output)[0] == 0


def test_what_is_skipped_is_named(tmp_path: Path, fuse: Fuse) -> None:
    for name in ("bad", "double", "good", "lonely", "tinted"):
        save(tmp_path / "t" / f"{name}.png", soft(1, *SHAPE))
        save(tmp_path / "v" / f"{name}.png", colour(1))
    (tmp_path / "v" / "bad.png").write_text("no picture")
    save(tmp_path / "v" / "double.jpg", colour(1))
    (tmp_path / "v" / "lonely.png").unlink()
    save(tmp_path / "t" / "tinted.png", colour(1))
    save(tmp_path / "v" / "extra.png", colour(1))
    (tmp_path / "t" / "notes.txt").touch()
    output = tmp_path / "fused"
    status, lines = fuse(tmp_path / "t", tmp_path / "v", "--output", output)
    assert status == 1
    assert [path.name for path in output.iterdir()] == ["good.png"]
    assert lines[0] == f"not pictures, ignored in {tmp_path / 't'}: notes.txt"
    assert lines[-1] == f"1 fused into {output}, 5 skipped"
    skipped = dict(line.removeprefix("skipped ").split(": ", 1) for line in lines[1:-1])
    assert skipped.keys() == {"bad", "double", "extra", "lonely", "tinted"}
    for name, reason in {
        "bad": "cannot be read as a picture",
        "double": "has both double.jpg and double.png",
        "extra": f"no picture of this name in {tmp_path / 't'}",
        "lonely": f"no picture of this name in {tmp_path / 'v'}",
        "tinted": "is in colour",
    }.items():
        assert reason in skipped[name]


# --- inputs stay as they are ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["itself", "spelling", "link", "hard link"])
def test_a_picture_is_never_overwritten(tmp_path: Path, fuse: Fuse, way: str) -> None:
    one, two = save(tmp_path / "t.png", soft(1, *SHAPE)), save(tmp_path / "v.png", colour(1))
    output = tmp_path / "out.png"
    if way == "itself":
        output = two
    elif way == "spelling":
        (tmp_path / "x").mkdir()
        output = tmp_path / "x" / ".." / "t.png"
    elif way == "link":
        output.symlink_to(one)
    else:
        os.link(two, output)
    before = snapshot(tmp_path)
    status, lines = fuse(one, two, "--output", output)
    assert status == 1
    assert lines == [f"camf fuse: the output {output} is an input; name another output"]
    assert snapshot(tmp_path) == before


def test_folders_are_never_overwritten(tmp_path: Path, fuse: Fuse) -> None:
    for name in ("a", "b"):
        save(tmp_path / "t" / f"{name}.png", soft(1, *SHAPE))
        save(tmp_path / "v" / f"{name}.png", colour(1))
    (tmp_path / "again").symlink_to(tmp_path / "v")
    (tmp_path / "mixed").mkdir()
    os.link(tmp_path / "t" / "b.png", tmp_path / "mixed" / "b.png")
    before = snapshot(tmp_path)
    for output in ("t", "v", "again", "mixed"):
        status, lines = fuse(tmp_path / "t", tmp_path / "v", "--output", tmp_path / output)
        assert status == 1
        assert "is an input" in lines[0]
    assert snapshot(tmp_path) == before


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["t.png", "v.png", "--output", "x.jpg"], "expected the name of a .png file"),
        (["t.png", "v.png", "--output", "t"], "expected the name of a .png file"),
        (["t.png", "v", "--output", "x.png"], "t.png is a picture and v a folder; expected two inputs of one kind"),
        (["t.png", "none.png", "--output", "x.png"], "none.png does not exist"),
        (["none", "void", "--output", "x"], "none does not exist"),
        (["t/f_%03d.png", "text.mp4", "--output", "x"], "text.mp4 cannot be opened"),
        (["t/f_%03d.png", "v/f_%03d.png", "--output", "x.avi"], "expected an .mp4 file, or a folder"),
        (["t/f_%03d.png", "v/f_%03d.png", "--output", "text"], "expected an .mp4 file, or a folder"),
        (["t", "v", "--output", "text"], "expected a folder"),
        (["t", "v", "--output", "text/x"], "cannot be made"),
        (["empty", "empty2", "--output", "x"], "there are no pictures in"),
        (["t.png", "v.png", "--output", "x.png", "--gain", "7"], "parameter gain is 7"),
        (["t.png", "v.png", "--output", "x.png", "--device", "tpu"], "device is 'tpu'"),
        (["t.png", "v.png", "--output", "x.png", "--precision", "int4"], "precision is 'int4'"),
    ],
)
def test_mistakes(
    tmp_path: Path,
    small_paper_model: Path,
    *,
    arguments: list[str],
    message: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENCV_LOG_LEVEL", "SILENT")
    save(tmp_path / "t.png", soft(1, *SHAPE))
    save(tmp_path / "v.png", colour(1))
    save_all(tmp_path / "t", [soft(1, *SHAPE)])
    save_all(tmp_path / "v", [colour(1)])
    for name in ("text", "text.mp4"):
        (tmp_path / name).write_text("no picture")
    for name in ("empty", "empty2"):
        (tmp_path / name).mkdir()
    before = snapshot(tmp_path)
    more = [] if "--device" in arguments else ["--device", "cpu"]
    assert main(["fuse", *arguments, "--model", str(small_paper_model), "--quiet", *more]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("camf fuse: ")
    assert message in err.splitlines()[-1]
    assert snapshot(tmp_path) == before


def test_progress_bar(tmp_path: Path, small_paper_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_all(tmp_path / "t", [soft(1, *SHAPE)] * 2)
    save_all(tmp_path / "v", [colour(1)] * 2)
    more = ["--model", str(small_paper_model), "--device", "cpu", "--output"]
    assert main(["fuse", str(tmp_path / "t"), str(tmp_path / "v"), *more, str(tmp_path / "a")]) == 0
    assert "2/2" in capsys.readouterr().err
    patterns = [str(tmp_path / source / "f_%03d.png") for source in ("t", "v")]
    assert main(["fuse", *patterns, *more, str(tmp_path / "b.mp4")]) == 0
    assert "2/2" in capsys.readouterr().err
