"""A camera that stops or freezes is noticed in time; still scenes and slow cameras are not mistaken for it."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camf_ros.pairing.arrivals import Missing, Presence, fingerprint

TIMEOUT = 0.5
#: Content of a frame by its time.
Content = Callable[[float], bytes]


def live(t: float) -> bytes:
    return repr(t).encode()


def still(_: float) -> bytes:
    return b"still"


def held(seconds: float) -> Content:
    return lambda t: str(int(t / seconds + 1e-9)).encode()


def until(end: float, content: Content = live) -> Content:
    """Another picture all the time, and the same one from ``end`` on."""
    return lambda t: content(min(t, end))


def watch(a: tuple[float, Content], b: tuple[float, Content], end: float = 4.0) -> list[tuple[float, str, str]]:
    """Cameras of so many Hz; when something is missing, as (time, camera, reason), at every frame of either."""
    presence = Presence(("a", "b"), TIMEOUT, 0.0)
    frames = [
        ((k + phase) / rate, name, content)
        for name, (rate, content), phase in (("a", a, 0.0), ("b", b, 0.4))
        for k in range(int(end * rate))
    ]
    seen = []
    for t, name, content in sorted(frames, key=lambda frame: frame[0]):
        presence.arrived(name, content(t), t)
        for camera in ("a", "b"):
            state = presence.missing(camera, t)
            if state:
                seen.append((t, camera, state.reason))
                assert presence.alone("b" if camera == "a" else "a", t) == (
                    presence.missing("b" if camera == "a" else "a", t) is None
                )
    return seen


@pytest.mark.parametrize("rates", [(30, 30), (30, 9), (9, 30), (60, 8.7), (30, 1), (1, 30), (0.5, 0.5)])
def test_live_cameras_are_there(rates: tuple[float, float]) -> None:
    """After a moment in which nothing is known of a slow one."""
    assert [seen for seen in watch((rates[0], live), (rates[1], live), 20.0) if seen[0] > 1.5] == []


@pytest.mark.parametrize("rates", [(30, 30), (30, 9), (9, 30)])
def test_a_still_scene_before_two_perfect_cameras_is_no_fault(rates: tuple[float, float]) -> None:
    assert watch((rates[0], still), (rates[1], still)) == []


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0])
def test_pictures_that_are_shown_for_a_while_and_change_together_are_no_fault(seconds: float) -> None:
    assert watch((30, held(seconds)), (30, held(seconds))) == []
    assert watch((30, held(seconds)), (15, held(seconds))) == []


def test_nine_pictures_a_second_at_sixty_frames_are_no_fault() -> None:
    assert watch((60, held(1 / 9)), (30, live)) == []


@pytest.mark.parametrize("rates", [(30, 30), (30, 9), (9, 30)])
def test_a_frozen_camera_is_noticed_soon(rates: tuple[float, float]) -> None:
    seen = watch((rates[0], live), (rates[1], until(1.0)))
    assert {(camera, reason) for _, camera, reason in seen} == {("b", "frozen")}
    first = seen[0][0]
    # The timeout, the other's next change, and three frames of its own.
    assert 1.0 + TIMEOUT < first < 1.0 + TIMEOUT + 1 / rates[0] + 5 / rates[1]
    assert seen[-1][0] > 3.9, "and stays noticed"


def test_a_frozen_camera_is_back_with_its_first_new_picture() -> None:
    presence = Presence(("a", "b"), TIMEOUT, 0.0)
    for k in range(60):
        presence.arrived("a", live(k / 30), k / 30)
        presence.arrived("b", b"same", k / 30)
    assert presence.missing("b", 59 / 30) == Missing("frozen", pytest.approx(59 / 30))
    assert presence.alone("a", 59 / 30)
    presence.arrived("b", b"new", 2.0)
    assert presence.missing("b", 2.0) is None
    assert not presence.alone("a", 2.0)


def test_a_silent_camera_is_noticed_after_the_timeout() -> None:
    presence = Presence(("a", "b"), TIMEOUT, 10.0)
    for k in range(10):
        presence.arrived("a", live(k), 10.0 + 0.05 * k)
    assert presence.missing("b", 10.5) is None, "it may only just have been started"
    assert presence.missing("b", 10.6) == Missing("silent", pytest.approx(0.6))
    assert presence.alone("a", 10.6)
    assert not presence.alone("b", 10.6)
    presence.arrived("b", b"1", 10.7)
    assert presence.missing("b", 10.7) is None, "it is back with its first frame"
    for k in range(10):
        presence.arrived("b", live(k), 10.7 + 0.05 * k)
    assert presence.alone("b", 11.16)
    assert presence.missing("a", 11.16) == Missing("silent", pytest.approx(0.71))


def test_both_silent_means_that_neither_is_left() -> None:
    presence = Presence(("a", "b"), TIMEOUT, 0.0)
    for k in range(4):
        presence.arrived("a", live(k), 0.1 * k)
        presence.arrived("b", live(k), 0.1 * k)
    assert presence.missing("a", 60.0) is presence.missing("b", 60.0) is None


def test_first_frame_after_a_common_pause_is_not_alone() -> None:
    presence = Presence(("a", "b"), TIMEOUT, 0.0)
    for k in range(20):
        for camera in ("a", "b"):
            presence.arrived(camera, live(k), 2.0 * k)
            assert not presence.alone(camera, 2.0 * k)


def test_a_slow_camera_is_missed_after_some_of_its_periods() -> None:
    seen = watch((30, live), (1, live), 8.0)
    assert [entry for entry in seen if entry[0] > 1.5] == []
    presence = Presence(("a", "b"), TIMEOUT, 0.0)
    for k in range(600):
        t = k / 30
        presence.arrived("a", live(t), t)
        if k % 30 == 0 and t <= 5:
            presence.arrived("b", live(t), t)
        assert presence.alone("a", t) == (0.5 < t < 1 or t > 8.0), t


def test_a_camera_that_is_left_is_left_even_when_it_shows_a_still_scene() -> None:
    presence = Presence(("a", "b"), TIMEOUT, 0.0)
    for k in range(90):
        presence.arrived("a", b"same", k / 30)
    assert presence.alone("a", 3.0)


def judged(presence: Presence, begin: float, end: float, cause: str) -> None:
    """Both cameras at 10 Hz; what becomes of b's frames."""
    for k in range(round(10 * begin), round(10 * end)):
        for camera in ("a", "b"):
            presence.arrived(camera, live(k), k / 10)
        presence.judged("a", k / 10)
        presence.judged("b", k / 10, cause)


def test_a_camera_of_which_nothing_can_be_used_is_missing() -> None:
    presence = Presence(("a", "b"), TIMEOUT, 0.0)
    judged(presence, 0.0, 1.0, "")
    judged(presence, 1.0, 1.5, "too small")
    assert presence.missing("b", 1.4) is None, "less than the timeout after 0.9"
    judged(presence, 1.5, 2.0, "too dark")
    assert presence.missing("b", 1.9) == Missing("refused", pytest.approx(1.0), "too dark")
    assert presence.alone("a", 1.9)
    assert not presence.alone("b", 1.9)
    presence.judged("b", 2.0)
    assert presence.missing("b", 2.0) is None, "it is back with its first good frame"


def test_a_few_bad_frames_are_no_missing_camera() -> None:
    presence = Presence(("a", "b"), TIMEOUT, 0.0)
    for k in range(100):
        for camera in ("a", "b"):
            presence.arrived(camera, live(k), k)
        presence.judged("b", k, "odd" if k % 3 else "")
        assert presence.missing("b", k) is None


def test_both_refused_leaves_nobody_and_one_refused_is_tried_where_the_other_is_silent() -> None:
    presence = Presence(("a", "b"), TIMEOUT, 0.0)
    for k in range(10):
        for camera in ("a", "b"):
            presence.arrived(camera, live(k), k / 10)
            presence.judged(camera, k / 10, "odd")
    assert not presence.alone("a", 0.9)
    assert not presence.alone("b", 0.9)
    for k in range(10, 30):
        presence.arrived("a", live(k), k / 10)
    assert presence.missing("a", 2.9) == Missing("refused", pytest.approx(2.9), "odd")
    assert presence.alone("a", 2.9), "no pair would tell that it can be used again"


@given(
    st.lists(st.tuples(st.floats(0, 0.4), st.sampled_from("ab"), st.integers(0, 2)), max_size=60),
    st.floats(0.01, 2),
)
def test_nothing_is_both_there_and_missing(events: list[tuple[float, str, int]], timeout: float) -> None:
    presence, now, last = Presence(("a", "b"), timeout, 0.0), 0.0, {"a": 0.0, "b": 0.0}
    for gap, camera, content in events:
        now += gap
        presence.arrived(camera, bytes([content]), now)
        last[camera] = now
        for name in "ab":
            state = presence.missing(name, now)
            assert state is None or state.seconds > timeout
            if state is not None and state.reason == "silent":
                assert state.seconds == pytest.approx(now - last[name])
        assert not (presence.alone("a", now) and presence.alone("b", now))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_small_object_that_moves_in_a_picture_without_noise_is_seen(kind: type[np.generic]) -> None:
    """12 x 24 pixels of 640 x 512, wherever they are; and one grey level of one pixel."""
    seen = set()
    places = [(row, column) for row in range(0, 488, 61) for column in range(0, 628, 9)]
    for row, column in places:
        picture = np.full((512, 640), 90, kind)
        picture[row : row + 24, column : column + 12] = 140
        seen.add(fingerprint(SimpleNamespace(data=array("B", picture.tobytes()))))
    assert len(seen) == len(places)
    picture = np.full((512, 640), 90, kind)
    same = fingerprint(SimpleNamespace(data=picture.tobytes()))
    assert same == fingerprint(SimpleNamespace(data=array("B", picture.tobytes())))
    picture[300, 333] += 1
    assert same != fingerprint(SimpleNamespace(data=picture.tobytes()))


def test_a_picture_without_bytes_has_a_fingerprint() -> None:
    assert fingerprint(SimpleNamespace(data=array("B"))) == b""


@pytest.mark.parametrize("rates", [(30, 30), (30, 9), (1, 0.5)])
def test_two_cameras_that_stand_still_are_told_while_they_send(rates: tuple[float, float]) -> None:
    presence = Presence(("a", "b"), TIMEOUT, 0.0)
    frames = sorted((k / rate, name) for name, rate in zip("ab", rates, strict=True) for k in range(int(20 * rate)))
    for t, name in frames:
        presence.arrived(name, b"same", t)
    last = frames[-1][0]
    assert presence.still(last) > 15
    assert presence.still(last + 60) == 0, "silence is another thing"
    presence.arrived("b", b"other", last)
    assert presence.still(last) == 0


def test_one_that_stands_still_is_not_both() -> None:
    presence = Presence(("a", "b"), TIMEOUT, 0.0)
    for k in range(100):
        presence.arrived("a", b"same", k / 10)
        presence.arrived("b", live(k), k / 10)
    assert presence.still(9.9) == 0
