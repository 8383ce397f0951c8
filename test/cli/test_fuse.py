"""camf fuse: pictures, folders and videos; what it writes, what it skips and says, and what it never overwrites."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from small_training import sharp, soft

from camf_ros.cli.main import main
from camf_ros.engines.torch_engine import TorchEngine
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion import FusionSettings

SHAPE = (24, 32)
Array = NDArray[Any]


@pytest.fixture(autouse=True)
def fresh_logging() -> Iterator[None]:
    """The command sets logging up for the whole process; none there before, so that it does."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.handlers[:] = []
    yield
    root.handlers[:] = before
    root.setLevel(level)


def thermal(seed: int, warm: int = 0) -> Array:
    """Counts of a 16-bit camera; warmer scenes lie higher."""
    return soft(seed, *SHAPE).astype(np.uint16) * 9 + np.uint16(20000 + warm)


def colour(seed: int, shape: tuple[int, int] = SHAPE) -> Array:
    """Blue, green, red."""
    grey = sharp(seed, *shape)
    return np.dstack([grey // 2, grey, 255 - grey])


def save(path: Path, image: Array) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def load(path: Path) -> Array:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return np.asarray(image)


@pytest.fixture
def reference(small_model: Path) -> Any:
    """Fuses as the node does: frames with stamps through one pipeline; blue, green, red out."""

    def fuse(frames: list[tuple[Array, Array, float]], **settings: Any) -> list[Array]:
        engine = TorchEngine(small_model, device="cpu", precision="float32")
        pipeline = FusionPipeline(engine, FusionSettings(**settings))
        fused = []
        for infrared, visible, stamp in frames:
            rgb = np.ascontiguousarray(visible[:, :, ::-1]) if visible.ndim == 3 else visible
            image = pipeline.fuse(infrared, rgb, stamp).image
            fused.append(image[:, :, ::-1] if image.ndim == 3 else image)
        return fused

    return fuse


class Fuse:
    def __init__(self, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._more = [
            "--model",
            str(model),
            "--engine",
            "torch",
            "--device",
            "cpu",
            "--precision",
            "float32",
            "--quiet",
        ]
        self._capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, list[str]]:
        """Exit status and the lines on stderr; nothing is ever on stdout."""
        self._capsys.readouterr()
        logging.getLogger().handlers[:] = []
        status = main(["fuse", *map(str, arguments), *self._more])
        out, err = self._capsys.readouterr()
        assert out == ""
        assert "Traceback" not in err
        return status, err.splitlines()


@pytest.fixture
def fuse(small_model: Path, capsys: pytest.CaptureFixture[str]) -> Fuse:
    return Fuse(small_model, capsys)


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


def test_gain_and_reference(tmp_path: Path, fuse: Fuse, reference: Any) -> None:
    one, two = save(tmp_path / "t.png", thermal(1)), save(tmp_path / "v.png", colour(1, (36, 40)))
    output = tmp_path / "fused.png"
    for settings in ({"gain": 1.3}, {"reference": "thermal"}):
        ((name, value),) = settings.items()
        assert fuse(one, two, "--output", output, f"--{name}", value)[0] == 0
        np.testing.assert_array_equal(load(output), reference([(thermal(1), colour(1, (36, 40)), 0.0)], **settings)[0])
        assert not np.array_equal(load(output), reference([(thermal(1), colour(1, (36, 40)), 0.0)])[0])
    assert load(output).shape == (*SHAPE, 3)


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


# --- videos ---------------------------------------------------------------------------------------------------------


def write_video(path: Path, frames: list[Array], rate: float) -> Path:
    """Lossless: grey of 8 or 16 bits, or colour."""
    first = frames[0]
    options = [cv2.VIDEOWRITER_PROP_IS_COLOR, int(first.ndim == 3)]
    if first.dtype == np.uint16:
        options += [cv2.VIDEOWRITER_PROP_DEPTH, cv2.CV_16U]
    size = (first.shape[1], first.shape[0])
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"FFV1"), rate, size, options)
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no lossless video")
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def read_video(path: Path) -> tuple[float, list[Array]]:
    capture = cv2.VideoCapture(str(path))
    assert capture.isOpened()
    frames = []
    while True:
        found, frame = capture.read()
        if not found:
            return capture.get(cv2.CAP_PROP_FPS), frames
        frames.append(np.asarray(frame))


def frames_of(folder: Path) -> list[Array]:
    return [load(path) for path in sorted(folder.iterdir())]


def test_videos_to_pngs_with_levels_that_follow_the_scene(tmp_path: Path, fuse: Fuse, reference: Any) -> None:
    infrared = [thermal(0, 60 * number) for number in range(4)]
    visible = [sharp(number, *SHAPE) for number in range(4)]
    one, two = write_video(tmp_path / "t.mkv", infrared, 5.0), write_video(tmp_path / "v.mkv", visible, 5.0)
    _, opened = read_video(two)  # as OpenCV decodes it
    output = tmp_path / "fused"
    assert fuse(one, two, "--output", output) == (0, [f"4 fused into {output}, 0 skipped"])
    assert [path.name for path in sorted(output.iterdir())] == [f"{number:06d}.png" for number in range(4)]
    expected = reference([(infrared[i], opened[i], i / 5) for i in range(4)])
    for got, want in zip(frames_of(output), expected, strict=True):
        np.testing.assert_array_equal(got, want)
    alone = reference([(infrared[3], opened[3], 0.0)])[0]
    assert not np.array_equal(expected[3], alone)


@pytest.mark.parametrize("reference_camera", ["rgb", "thermal"])
def test_other_frame_rates_are_paired_by_time(
    tmp_path: Path, fuse: Fuse, reference: Any, reference_camera: str
) -> None:
    """Thermal at 9 Hz with RGB at 30 Hz: the nearest frame, not the one of equal number."""
    infrared = [thermal(number, 500 * number) for number in range(3)]
    save_all(tmp_path / "t", infrared)
    visible = [np.dstack([sharp(number, *SHAPE)] * 3) for number in range(9)]
    one = write_video(tmp_path / "t.mkv", infrared, 9.0)
    two = write_video(tmp_path / "v.mkv", visible, 30.0)
    _, opened = read_video(two)
    output = tmp_path / "fused"
    status, lines = fuse(one, two, "--output", output, "--reference", reference_camera)
    # The time goes on with the leading camera, also while a thermal frame is shown again.
    # Times of RGB in thermal periods: 0, .3, .6, .9, 1.2, 1.5, 1.8, 2.1, 2.4; thermal in RGB periods: 0, 3.33, 6.67.
    if reference_camera == "rgb":
        nearest = [0, 0, 1, 1, 1, 2, 2, 2, 2]
        wanted = [(infrared[k], opened[i], i / 30) for i, k in enumerate(nearest)]
    else:
        wanted = [(infrared[i], opened[k], i / 9) for i, k in enumerate([0, 3, 7])]
    assert status == 0
    assert "nearest in time" in lines[0]
    for got, want in zip(frames_of(output), reference(wanted, reference=reference_camera), strict=True):
        np.testing.assert_array_equal(got, want)


def test_gain_of_a_video_does_not_flicker(tmp_path: Path, fuse: Fuse, monkeypatch: pytest.MonkeyPatch) -> None:
    """RGB shows now this, now that: picture by picture the gain would jump, in the video it hardly moves."""
    original, gains = FusionPipeline.fuse, []

    def recorded(self: FusionPipeline, *arguments: Any, **more: Any) -> Any:
        frame = original(self, *arguments, **more)
        gains.append(frame.gain)
        return frame

    monkeypatch.setattr(FusionPipeline, "fuse", recorded)
    visible = [np.dstack([picture(1, *SHAPE)] * 3) for picture in [sharp, soft] * 6]
    one = write_video(tmp_path / "t.mkv", [soft(1, *SHAPE)] * 4, 10.0)
    two = write_video(tmp_path / "v.mkv", visible, 30.0)
    fuse(one, two, "--output", tmp_path / "fused")
    steady = list(gains)
    gains.clear()
    save_all(tmp_path / "t", [soft(1, *SHAPE)] * 2)
    save_all(tmp_path / "v", visible[:2])
    assert fuse(tmp_path / "t", tmp_path / "v", "--output", tmp_path / "stills")[0] == 0
    jump = abs(gains[1] - gains[0])
    assert jump > 0.1
    assert len(steady) >= 9
    assert 0 < np.abs(np.diff(steady)).max() < jump / 20


def save_all(folder: Path, frames: list[Array]) -> str:
    for number, frame in enumerate(frames):
        save(folder / f"f_{number:03d}.png", frame)
    return str(folder / "f_%03d.png")


def test_numbered_pictures_keep_their_sixteen_bits(tmp_path: Path, fuse: Fuse, reference: Any) -> None:
    infrared = [thermal(number, 2000 * number) for number in range(3)]
    visible = [colour(number) for number in range(3)]
    one, two = save_all(tmp_path / "t", infrared), save_all(tmp_path / "v", visible)
    status, lines = fuse(one, two, "--output", tmp_path / "fused")
    assert (status, len(lines)) == (0, 2)
    assert "taken to be 25 frames a second" in lines[0]
    expected = reference([(infrared[i], visible[i], i / 25) for i in range(3)])
    for got, want in zip(frames_of(tmp_path / "fused"), expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_mp4(tmp_path: Path, fuse: Fuse, reference: Any) -> None:
    infrared = [soft(number, *SHAPE) for number in range(5)]
    visible = [np.dstack([soft(30 + number, *SHAPE), soft(40, *SHAPE), soft(50, *SHAPE)]) for number in range(5)]
    one, two = save_all(tmp_path / "t", infrared), write_video(tmp_path / "v.mkv", visible, 12.5)
    _, opened = read_video(two)
    output = tmp_path / "new" / "fused.mp4"
    assert fuse(one, two, "--output", output)[0] == 0
    rate, frames = read_video(output)
    assert rate == pytest.approx(12.5)
    assert [path.name for path in output.parent.iterdir()] == ["fused.mp4"]
    for got, want in zip(frames, reference([(infrared[i], opened[i], i / 12.5) for i in range(5)]), strict=True):
        assert np.abs(got.astype(int) - want).mean() < 8  # the codec loses something
        colours = want.reshape(-1, 3).mean(axis=0)
        np.testing.assert_allclose(got.reshape(-1, 3).mean(axis=0), colours, atol=6)


def test_mp4_with_odd_sides_says_what_is_lost(tmp_path: Path, fuse: Fuse) -> None:
    one = save_all(tmp_path / "t", [soft(1, 25, 33)] * 2)
    two = save_all(tmp_path / "v", [sharp(1, 25, 33)] * 2)
    status, lines = fuse(one, two, "--output", tmp_path / "fused.mp4")
    assert status == 0
    assert any("last row or column is missing" in line for line in lines)
    assert read_video(tmp_path / "fused.mp4")[1][0].shape == (24, 32, 3)


@pytest.mark.parametrize(("infrared", "visible"), [(3, 5), (5, 3)])
def test_rest_of_the_longer_video(tmp_path: Path, fuse: Fuse, infrared: int, visible: int) -> None:
    one = save_all(tmp_path / "t", [soft(1, *SHAPE)] * infrared)
    two = save_all(tmp_path / "v", [colour(1)] * visible)
    status, lines = fuse(one, two, "--output", tmp_path / "fused")
    longer, shorter = (one, two) if infrared > visible else (two, one)
    assert status == 1
    assert lines[1:] == [
        f"skipped 2 frames of {longer}: {shorter} has ended",
        f"3 fused into {tmp_path / 'fused'}, 2 skipped",
    ]


def test_frames_that_cannot_be_fused(tmp_path: Path, fuse: Fuse) -> None:
    """The others are fused, under their own numbers."""
    grey, palette = soft(1, *SHAPE), colour(1)
    one = save_all(tmp_path / "t", [grey, palette, palette, palette, grey, palette])
    two = save_all(tmp_path / "v", [colour(1)] * 6)
    status, lines = fuse(one, two, "--output", tmp_path / "fused")
    assert status == 1
    assert lines[1].startswith("skipped frames 1 to 3, 5: the infrared frame is in colour")
    assert lines[2] == f"2 fused into {tmp_path / 'fused'}, 4 skipped"
    assert [path.name for path in sorted((tmp_path / "fused").iterdir())] == ["000000.png", "000004.png"]


def test_interrupted_video_keeps_what_was_fused(tmp_path: Path, fuse: Fuse, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = save_all(tmp_path / "t", [soft(1, *SHAPE)] * 4), save_all(tmp_path / "v", [colour(1)] * 4)
    original, calls = FusionPipeline.fuse, []

    def interrupted(self: FusionPipeline, *arguments: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, *arguments, **more)

    monkeypatch.setattr(FusionPipeline, "fuse", interrupted)
    status, lines = fuse(one, two, "--output", tmp_path / "fused.mp4")
    assert status == 1
    assert lines[1:] == ["skipped the rest: interrupted", f"2 fused into {tmp_path / 'fused.mp4'}, 1 skipped"]
    assert len(read_video(tmp_path / "fused.mp4")[1]) == 2


def test_failed_video_leaves_nothing_half_done(tmp_path: Path, fuse: Fuse, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = save_all(tmp_path / "t", [soft(1, *SHAPE)] * 2), save_all(tmp_path / "v", [colour(1)] * 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "fused.mp4").write_text("an older one")
    original, calls = FusionPipeline.fuse, []

    def broken(self: FusionPipeline, *arguments: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise ZeroDivisionError
        return original(self, *arguments, **more)

    monkeypatch.setattr(FusionPipeline, "fuse", broken)
    with pytest.raises(ZeroDivisionError):
        fuse(one, two, "--output", tmp_path / "out" / "fused.mp4")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["fused.mp4"]
    assert (tmp_path / "out" / "fused.mp4").read_text() == "an older one"


# --- inputs stay as they are ----------------------------------------------------------------------------------------


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


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


def test_videos_are_never_overwritten(tmp_path: Path, fuse: Fuse) -> None:
    one, two = save_all(tmp_path / "t", [soft(1, *SHAPE)] * 2), save_all(tmp_path / "v", [colour(1)] * 2)
    video = write_video(tmp_path / "x.mkv", [colour(1)] * 2, 5.0)
    video = video.rename(tmp_path / "x.mp4")
    before = snapshot(tmp_path)
    for visible, output in ((two, tmp_path / "t"), (two, tmp_path / "v"), (str(video), video)):
        status, lines = fuse(one, visible, "--output", output)
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
        (["t.png", "none.png", "--output", "x.png"], "none.png a video"),
        (["none", "void", "--output", "x"], "none cannot be opened"),
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
    small_model: Path,
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
    assert main(["fuse", *arguments, "--model", str(small_model), "--quiet", *more]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("camf fuse: ")
    assert message in err.splitlines()[-1]
    assert snapshot(tmp_path) == before


def test_progress_bar(tmp_path: Path, small_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_all(tmp_path / "t", [soft(1, *SHAPE)] * 2)
    save_all(tmp_path / "v", [colour(1)] * 2)
    more = ["--model", str(small_model), "--device", "cpu", "--output"]
    assert main(["fuse", str(tmp_path / "t"), str(tmp_path / "v"), *more, str(tmp_path / "a")]) == 0
    assert "2/2" in capsys.readouterr().err
    patterns = [str(tmp_path / source / "f_%03d.png") for source in ("t", "v")]
    assert main(["fuse", *patterns, *more, str(tmp_path / "b.mp4")]) == 0
    assert "2/2" in capsys.readouterr().err
