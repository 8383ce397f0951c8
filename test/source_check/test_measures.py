"""Plain measures of pictures, and frozen pictures, which are found by their bits and by time."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from made_up import coloured, textured

from camf_ros.source_check.measured import LEAST_DETAIL, LEAST_STRUCTURE
from camf_ros.source_check.measures import SMALLEST_SIDE, FrameWatch, measure, unsuitable
from camf_ros.source_check.source_model import place, reduction


@given(
    hnp.arrays(
        np.uint8,
        st.tuples(*[st.integers(SMALLEST_SIDE, 70)] * 2).flatmap(lambda hw: st.sampled_from([hw, (*hw, 3)])),
        elements=st.integers(0, 255),
        fill=st.integers(0, 255),
    )
)
def test_every_measure_is_a_number_in_its_range(image: np.ndarray) -> None:
    found = measure(image)
    assert all(math.isfinite(value) for value in asdict(found).values())
    assert 0 <= found.mean <= 255
    assert all(0 <= share <= 1 for share in (found.black, found.white))
    assert found.detail >= 0
    assert found.structure >= 0


def test_flat_pictures() -> None:
    black = measure(np.zeros((100, 100, 3), np.uint8))
    assert (black.mean, black.deviation, black.black, black.white, black.structure) == (0, 0, 1, 0, 0)
    assert measure(np.full((100, 100), 255, np.uint8)).white == 1


def test_shares_are_counted() -> None:
    image = np.full((96, 96), 100, np.uint8)
    image[:24] = 0
    image[24:36] = 255
    found = measure(image)
    assert (found.black, found.white) == (0.25, 0.125)


def test_colour() -> None:
    grey = textured(128)
    assert measure(grey).colour == 0
    assert measure(np.repeat(grey[..., None], 3, axis=2)).grey
    assert not measure(coloured(grey)).grey


def test_noise_has_no_structure_and_a_picture_has() -> None:
    rng = np.random.default_rng(0)
    loud = measure(np.clip(rng.normal(128, 40, (480, 640)), 0, 255).astype(np.uint8))
    assert loud.structure < LEAST_STRUCTURE
    quiet = measure(np.clip(rng.normal(2, 2, (480, 640)), 0, 255).astype(np.uint8))
    assert quiet.detail < LEAST_DETAIL
    picture = measure(textured(128, (480, 640)))
    assert picture.structure > LEAST_STRUCTURE
    assert picture.detail > LEAST_DETAIL


def test_places_cover_the_square() -> None:
    places = np.array([place(number) for number in range(64)])
    assert np.histogram2d(*places.T, bins=4, range=[[0, 1], [0, 1]])[0].min() >= 2


def test_large_pictures_are_reduced() -> None:
    assert [reduction(shape) for shape in ((120, 160), (512, 640), (720, 1280, 3), (1080, 1920), (2160, 3840))] == [
        1,
        1,
        2,
        3,
        5,
    ]


@pytest.mark.parametrize(
    "image",
    [
        None,
        np.zeros((SMALLEST_SIDE - 1, 200), np.uint8),
        np.zeros((200, 200), np.uint16),
        np.zeros((9,), np.uint8),
        np.zeros((99, 99, 4), np.uint8),
    ],
    ids=["none", "small", "raw", "flat", "alpha"],
)
def test_unsuitable_pictures_have_a_reason(image: np.ndarray | None) -> None:
    assert unsuitable(image)


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
