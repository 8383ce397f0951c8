"""camf fuse of videos: frames by their times, levels and gain that follow the scene, files whole or not at all."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fusing import (
    SHAPE,
    Fuse,
    colour,
    frames_of,
    read_video,
    save_all,
    snapshot,
    thermal,
    write_varying,
    write_video,
)
from PIL import Image
from small_training import sharp, soft

from camf_ros.pipeline import FusionPipeline

pytestmark = pytest.mark.usefixtures("fresh_logging")


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


def test_varying_intervals_are_paired_by_the_time_of_each_frame(tmp_path: Path, fuse: Fuse, reference: Any) -> None:
    """By the mean rate, or by numbers, all but the first would be wrong."""
    times = [0.0, 0.1, 0.13, 0.4, 0.8, 0.81]
    grey = [np.repeat(soft(number, *SHAPE)[:, :, None], 3, axis=2) for number in range(6)]
    one = write_varying(tmp_path / "t.mkv", grey, times)
    two = write_video(tmp_path / "v.mkv", [np.dstack([sharp(number, *SHAPE)] * 3) for number in range(9)], 10.0)
    opened = [read_video(path)[1] for path in (one, two)]
    assert [len(frames) for frames in opened] == [6, 9]
    status, lines = fuse(one, two, "--output", tmp_path / "fused")
    assert (status, lines[-1]) == (0, f"9 fused into {tmp_path / 'fused'}, 0 skipped")
    assert f"the frames of {one} come at varying intervals: paired by the time of each" in lines
    nearest = [0, 1, 2, 3, 3, 3, 4, 4, 4]  # at 0.6 s both neighbours are as near
    wanted = [(opened[0][k][:, :, 0], opened[1][i], i / 10) for i, k in enumerate(nearest)]
    for got, want in zip(frames_of(tmp_path / "fused"), reference(wanted), strict=True):
        np.testing.assert_array_equal(got, want)

    # The varying one leads: its own times are those that the levels follow.
    assert fuse(one, two, "--output", tmp_path / "other", "--reference", "thermal")[0] == 0
    wanted = [(opened[0][k][:, :, 0], opened[1][i], times[k]) for k, i in enumerate([0, 1, 1, 4, 8, 8])]
    for got, want in zip(frames_of(tmp_path / "other"), reference(wanted, reference="thermal"), strict=True):
        np.testing.assert_array_equal(got, want)


def test_videos_that_start_apart(tmp_path: Path, fuse: Fuse, reference: Any) -> None:
    infrared = [thermal(number, 500 * number) for number in range(5)]
    one = write_video(tmp_path / "t.mkv", infrared, 10.0)
    two = write_video(tmp_path / "v.mkv", [np.dstack([sharp(number, *SHAPE)] * 3) for number in range(5)], 10.0)
    _, opened = read_video(two)
    ended, begun = f"{one} has ended", f"{two} has not begun"
    other_ended, other_begun = f"{two} has ended", f"{one} has not begun"
    for offset, pairs, of_rgb, of_thermal in (
        (-0.2, [(2, 0), (3, 1), (4, 2)], ended, begun),
        (0.2, [(0, 2), (1, 3), (2, 4)], other_begun, other_ended),
    ):
        reasons = [f"2 frames of {two}: {of_rgb}", f"2 frames of {one}: {of_thermal}"]
        output = tmp_path / f"fused_{pairs[0][0]}"
        status, lines = fuse(one, two, "--output", output, "--set", f"pairing.thermal_offset={offset}")
        assert status == 1
        assert [line.removeprefix("skipped ") for line in lines[:2]] == reasons
        assert lines[-1] == f"3 fused into {output}, 4 skipped"
        wanted = reference([(infrared[k], opened[i], i / 10) for k, i in pairs])
        for got, want in zip(frames_of(output), wanted, strict=True):
            np.testing.assert_array_equal(got, want)


def test_numbered_pictures_are_read_as_all_pictures_are(tmp_path: Path, fuse: Fuse, reference: Any) -> None:
    """OpenCV's own reader of numbered pictures refuses 32-bit counts, and does not say which picture is damaged."""
    counts = [thermal(number, 2000 * number).astype(np.int32) for number in range(4)]
    for number, frame in enumerate(counts, 7):
        Image.fromarray(frame).save(tmp_path / f"t{number}.tiff")
    (tmp_path / "t8.tiff").write_bytes((tmp_path / "t8.tiff").read_bytes()[:-100])
    visible = [colour(number) for number in range(4)]
    status, lines = fuse(tmp_path / "t%d.tiff", save_all(tmp_path / "v", visible), "--output", tmp_path / "fused")
    assert (status, lines[-1]) == (1, f"3 fused into {tmp_path / 'fused'}, 1 skipped")
    assert lines[1].startswith(f"skipped frames 1: {tmp_path / 't8.tiff'} cannot be read as a picture (")
    expected = reference([(counts[i].astype(np.float32), visible[i], i / 25) for i in (0, 2, 3)])
    for got, want in zip(frames_of(tmp_path / "fused"), expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_pictures_for_detectors(tmp_path: Path, fuse: Fuse, reference: Any) -> None:
    infrared, visible = [thermal(number, 2000 * number) for number in range(3)], [colour(k) for k in range(3)]
    one, two = save_all(tmp_path / "t", infrared), save_all(tmp_path / "v", visible)
    assert fuse(one, two, "--output", tmp_path / "fused", "--for", "detector")[0] == 0
    frames = [(infrared[i], visible[i], i / 25) for i in range(3)]
    for got, want in zip(frames_of(tmp_path / "fused"), reference(frames, for_detector=True), strict=True):
        np.testing.assert_array_equal(got, want)


def test_gain_of_a_video_does_not_flicker(tmp_path: Path, fuse: Fuse, monkeypatch: pytest.MonkeyPatch) -> None:
    """RGB shows now this, now that: picture by picture the gain would jump, in the video it hardly moves."""
    original, gains = FusionPipeline.for_eyes, []

    def recorded(self: FusionPipeline, *arguments: Any, **more: Any) -> Any:
        frame = original(self, *arguments, **more)
        gains.append(frame.gain)
        return frame

    monkeypatch.setattr(FusionPipeline, "for_eyes", recorded)
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
    assert lines[1].startswith("skipped frames 1 to 3, 5: the thermal frame is in colour")
    assert lines[2] == f"2 fused into {tmp_path / 'fused'}, 4 skipped"
    assert [path.name for path in sorted((tmp_path / "fused").iterdir())] == ["000000.png", "000004.png"]


def test_interrupted_video_keeps_what_was_fused(tmp_path: Path, fuse: Fuse, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = save_all(tmp_path / "t", [soft(1, *SHAPE)] * 4), save_all(tmp_path / "v", [colour(1)] * 4)
    original, calls = FusionPipeline.for_eyes, []

    def interrupted(self: FusionPipeline, *arguments: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, *arguments, **more)

    monkeypatch.setattr(FusionPipeline, "for_eyes", interrupted)
    status, lines = fuse(one, two, "--output", tmp_path / "fused.mp4")
    assert status == 1
    assert lines[1:] == ["skipped the rest: interrupted", f"2 fused into {tmp_path / 'fused.mp4'}, 1 skipped"]
    assert len(read_video(tmp_path / "fused.mp4")[1]) == 2


def test_failed_video_leaves_nothing_half_done(tmp_path: Path, fuse: Fuse, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = save_all(tmp_path / "t", [soft(1, *SHAPE)] * 2), save_all(tmp_path / "v", [colour(1)] * 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "fused.mp4").write_text("an older one")
    original, calls = FusionPipeline.for_eyes, []

    def broken(self: FusionPipeline, *arguments: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise ZeroDivisionError
        return original(self, *arguments, **more)

    monkeypatch.setattr(FusionPipeline, "for_eyes", broken)
    with pytest.raises(ZeroDivisionError):
        fuse(one, two, "--output", tmp_path / "out" / "fused.mp4")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["fused.mp4"]
    assert (tmp_path / "out" / "fused.mp4").read_text() == "an older one"


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


def test_a_full_disk_leaves_the_video_that_was_there(tmp_path: Path, fuse: Fuse) -> None:
    """OpenCV's writer says nothing of it."""
    one = write_video(tmp_path / "t.mkv", [thermal(number, 60 * number) for number in range(30)], 10.0)
    two = write_video(tmp_path / "v.mkv", [sharp(number, *SHAPE) for number in range(30)], 10.0)
    output = tmp_path / "out.mp4"
    assert fuse(one, two, "--output", output)[0] == 0
    before, files = output.read_bytes(), sorted(tmp_path.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        status, lines = fuse(one, two, "--output", output)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert status == 1
    assert "is the disk full?" in lines[-1]
    assert output.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == files


def test_registration_of_videos_is_looked_at_before_they_are(tmp_path: Path, fuse: Fuse) -> None:
    one = write_video(tmp_path / "t.mkv", [thermal(1)], 10.0)
    two = write_video(tmp_path / "v.mkv", [sharp(1, *SHAPE)], 10.0)
    options = ("--set", "registration.mode=homography", "--set", f"registration.file={tmp_path / 'none.yaml'}")
    status, lines = fuse(one, two, "--output", tmp_path / "out.mp4", *options)
    assert status == 1
    assert "none.yaml" in lines[-1]
    assert not (tmp_path / "out.mp4").exists()
