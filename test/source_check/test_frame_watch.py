"""Frozen pictures are found by their bits and by time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camf_ros.source_check.measures import FrameWatch

Frame = np.ndarray


def frames(count: int, seed: int = 0) -> list[Frame]:
    return list(np.random.default_rng(seed).integers(0, 16384, (count, 60, 80)).astype(np.uint16))


def show(watch: FrameWatch, stream: list[Frame], rate: float, start: float = 0.0, every: float = 2.0) -> list[float]:
    """What each look finds."""
    found, next_look = [], start
    for number, frame in enumerate(stream):
        now = start + number / rate
        watch.note(frame, now, now)
        if now >= next_look:
            next_look += every
            found.append(watch.frozen()[0])
    return found


@pytest.mark.parametrize("rate", [9.0, 30.0, 60.0])
def test_live_frames_are_not_frozen(rate: float) -> None:
    assert max(show(FrameWatch(), frames(200), rate)) == 0


@given(repeats=st.integers(1, 4), rate=st.sampled_from([9.0, 30.0, 60.0]))
def test_repeated_frames_of_a_slow_camera_are_not_frozen(repeats: int, rate: float) -> None:
    stream = [frame for frame in frames(60) for _ in range(repeats)]
    assert max(show(FrameWatch(), stream, rate)) == 0


@given(still=st.floats(4.5, 60), rate=st.sampled_from([9.0, 30.0]))
def test_a_still_stream_is_frozen_for_the_time_that_looks_have_seen(still: float, rate: float) -> None:
    watch = FrameWatch()
    show(watch, frames(20), rate)
    start = 100.0
    found = show(watch, [frames(1, seed=5)[0]] * round(still * rate), rate, start)
    assert found == sorted(found)
    assert still - 4.1 <= found[-1] <= still


def test_copies_are_the_same_frame() -> None:
    one = frames(1)[0]
    assert show(FrameWatch(), [one.copy() for _ in range(90)], 9.0)[-1] > 5


def test_something_small_that_moves_keeps_a_clean_scene_alive() -> None:
    stream = []
    for number in range(100):
        frame = np.full((480, 640), 7, np.uint8)
        frame[100, number] = 8
        stream.append(frame)
    assert max(show(FrameWatch(), stream, 9.0)) == 0


def test_one_message_again_and_again_is_not_a_new_frame() -> None:
    watch, one = FrameWatch(), frames(1)[0]
    for number in range(100):
        watch.note(one, 5.0, number / 9)
    assert watch.frozen() == (0.0, 0)


def test_a_silent_camera_is_not_frozen() -> None:
    watch = FrameWatch()
    assert watch.frozen() == (0.0, 0)
    assert show(watch, [frames(1)[0]] * 90, 9.0)[-1] > 5
    watch.frozen()
    assert watch.frozen() == (0.0, 0)


def test_a_thaw_is_seen_at_the_next_look() -> None:
    watch = FrameWatch()
    assert show(watch, [frames(1)[0]] * 90, 9.0)[-1] > 5
    watch.note(frames(1, seed=9)[0], 20.0, 20.0)
    assert watch.frozen()[0] == 0


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (3,), (480, 640, 3)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    watch = FrameWatch()
    for now in (0.0, 1.0, 2.0):
        watch.note(np.zeros(shape, np.uint8), now, now)
        watch.frozen()
    assert watch.frozen() == (0.0, 0)


def test_a_view_with_padding() -> None:
    watch = FrameWatch()
    wide = frames(1)[0]
    for now in (0.0, 1.0, 2.0, 3.0):
        watch.note(wide[:, :77], now, now)
        duration, count = watch.frozen()
    assert (duration, count) == (2.0, 4)
