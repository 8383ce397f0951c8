"""What becomes of the frames of two cameras: pairs, lone frames, and which time they are paired by."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camf_ros.errors import CamfError
from camf_ros.pairing.arrivals import Frame, StampError, StampRule
from camf_ros.pairing.nearest import NearestStamps
from camf_ros.pairing.synchronizer import CAMERAS, ExactSynchronizer, Filter, ImagePair, LoneFrame, PairStream
from camf_ros.settings.fusion_settings import FusionSettings, PairingSettings

MS = 1_000_000


class Feed:
    """A stream, fed with frames by their camera and stamp in ms; they arrive at that time, and all differ."""

    def __init__(self, *, on_missing: str = "wait", missing_timeout: float = 0.5, **pairing: object) -> None:
        settings = PairingSettings(**pairing)  # type: ignore[arg-type]
        self.settings = FusionSettings(on_missing=on_missing, missing_timeout=missing_timeout, pairing=settings)
        self.number = 0
        self.found: list[ImagePair | LoneFrame] = []
        self.stream = PairStream(self.settings, 0.0, self.found.append)

    def __call__(self, *frames: tuple[str, int], content: bytes | None = None) -> list[tuple[object, ...]]:
        for camera, stamp in frames:
            self.number += 1
            own = str(self.number).encode() if content is None else content
            self.stream.add(camera, f"{camera} {stamp}", stamp * MS, own, 1e-3 * stamp)
        return self.short()

    def short(self) -> list[tuple[object, ...]]:
        return [
            (each.camera, each.message) if isinstance(each, LoneFrame) else (each.thermal, each.rgb)
            for each in self.found
        ]


def test_pairs_have_thermal_first_whichever_comes_first() -> None:
    feed = Feed(slop=0.02)
    feed(("rgb", 1000), ("thermal", 1005), ("thermal", 1100), ("rgb", 1110), ("thermal", 1200), ("rgb", 1205))
    assert feed.short()[:2] == [("thermal 1005", "rgb 1000"), ("thermal 1100", "rgb 1110")]
    pair = feed.found[0]
    assert isinstance(pair, ImagePair)
    assert (pair.time, pair.arrived) == pytest.approx((1.005, 1.005))
    assert pair.skew == pytest.approx(0.005, abs=1e-15)


@pytest.mark.parametrize("policy", ["nearest", "exact"])
@pytest.mark.parametrize("offset", [-0.05, 0.05])
def test_offsets_count_in_the_pairing_and_in_no_time(policy: str, offset: float) -> None:
    feed = Feed(policy=policy, slop=0.001, thermal_offset=offset)
    shift = round(1000 * offset)
    for stamp in (2000, 2100, 2200, 2300):
        feed(*sorted([("thermal", stamp), ("rgb", stamp + shift)], key=lambda each: each[1]))
    assert feed.short()[:3] == [(f"thermal {s}", f"rgb {s + shift}") for s in (2000, 2100, 2200)]
    pairs = [pair for pair in feed.found if isinstance(pair, ImagePair)][:3]
    assert [pair.skew for pair in pairs] == [0, 0, 0]
    assert [pair.time for pair in pairs] == pytest.approx([2.0, 2.1, 2.2])


def test_a_pair_that_waits_comes_out_at_its_deadline_and_not_before() -> None:
    feed = Feed(slop=0.05, max_delay=0.1)
    assert feed.stream.deadline() is None
    feed(("rgb", 1000), ("thermal", 1010))
    assert feed.found == []
    assert feed.stream.deadline() == pytest.approx(1.11)
    feed.stream.expire(1.1)
    assert feed.found == []
    feed.stream.expire(feed.stream.deadline() or 0)
    assert feed.short() == [("thermal 1010", "rgb 1000")]
    assert feed.stream.deadline() is None


def test_frames_pass_while_the_other_camera_is_missing_and_come_in_no_pair_then() -> None:
    feed = Feed(on_missing="pass_through", missing_timeout=0.5, slop=0.05)
    feed(*[("rgb", 400 + 50 * k) for k in range(6)])
    passed = [("rgb", f"rgb {stamp}") for stamp in (550, 600, 650)]
    assert feed.short() == passed, "after the timeout"
    assert set(feed.stream.missing(0.65)) == {"thermal"}
    feed(("thermal", 660), ("rgb", 700), ("thermal", 710), ("rgb", 750), ("thermal", 760))
    assert feed.short()[:3] == passed
    assert ("thermal 660", "rgb 650") not in feed.short(), "650 was handed out alone"
    assert ("thermal 710", "rgb 700") in feed.short()
    assert feed.stream.missing(0.76) == {}


def test_whether_frames_pass_can_change_on_the_way() -> None:
    feed = Feed(on_missing="wait")
    feed(*[("rgb", 1000 + 50 * k) for k in range(5)])
    assert feed.found == []
    feed.stream.configure(FusionSettings(on_missing="pass_through"))
    assert feed(("rgb", 1250)) == [("rgb", "rgb 1250")]


def test_a_frozen_camera_is_missing() -> None:
    feed = Feed(on_missing="pass_through", missing_timeout=0.3)
    for stamp in range(1000, 2000, 50):
        feed(("thermal", stamp), content=b"stuck")
        feed(("rgb", stamp))
    assert feed.short()[-1] == ("rgb", "rgb 1950")
    assert feed.stream.missing(1.95)["thermal"].reason == "frozen"


def test_a_camera_whose_frames_are_refused_is_missing_and_its_newest_one_is_tried() -> None:
    feed = Feed(on_missing="pass_through", missing_timeout=0.3, slop=0.02)
    error = CamfError("odd")
    error.camera = "thermal"

    def both(stamp: int) -> list[ImagePair | LoneFrame]:
        before = len(feed.found)
        feed(("thermal", stamp), ("rgb", stamp))
        return feed.found[before:]

    for stamp in range(1000, 1500, 100):
        for item in both(stamp):
            feed.stream.refused(item, error)
    assert feed.stream.missing(1.4)["thermal"].cause == "odd"
    (first,) = both(1500)
    assert isinstance(first, LoneFrame)
    assert (first.camera, first.message, first.suspect) == ("rgb", "rgb 1500", "thermal 1500")
    feed.stream.refused(first, error)
    (second,) = both(1600)
    assert isinstance(second, LoneFrame)
    feed(("rgb", 1650))
    assert isinstance(feed.found[-1], LoneFrame)
    assert feed.found[-1].suspect is None, "each is tried once"
    feed.stream.used(second)
    assert feed.stream.missing(1.65) == {}
    both(1700)
    both(1800)
    assert ("thermal 1700", "rgb 1700") in feed.short()


def test_frames_without_a_usable_stamp_make_a_missing_camera() -> None:
    feed = Feed(on_missing="pass_through", missing_timeout=0.3)
    for stamp in range(1000, 1600, 100):
        message = SimpleNamespace(header=SimpleNamespace(stamp=time_of(0)), data=str(stamp).encode())
        with pytest.raises(StampError):
            feed.stream.take("thermal", message, 1e-3 * stamp, lambda: 0)
        feed(("rgb", stamp))
    assert "stamp is 0 s" in feed.stream.missing(1.5)["thermal"].cause
    assert feed.short()[-1] == ("rgb", "rgb 1500")


def test_what_came_into_no_pair_is_counted() -> None:
    feed = Feed(slop=0.02)
    feed(("rgb", 1000), ("rgb", 1033), ("rgb", 1067), ("thermal", 1033), ("rgb", 1100), ("rgb", 1100))
    assert feed.stream.dropped["rgb spare"] == 1
    assert feed.stream.dropped["rgb duplicate"] == 1
    assert Feed(policy="exact").stream.dropped == {}


def test_exact_forgets_the_time_before_a_jump_and_keeps_what_is_merely_late() -> None:
    feed = Feed(policy="exact", queue_size=3)
    feed(*[("rgb", 90_000 + 100 * k) for k in range(5)], ("thermal", 95_000))
    assert feed(("thermal", 2000), ("rgb", 2000)) == [("thermal 2000", "rgb 2000")]
    feed = Feed(policy="exact", queue_size=3)
    assert feed(("rgb", 2100), ("rgb", 1500), ("thermal", 2100)) == [("thermal 2100", "rgb 2100")]


STREAM = st.lists(st.tuples(st.sampled_from([0, 1]), st.integers(0, 40)), max_size=60)


@given(frames=STREAM, queue_size=st.integers(1, 5))
def test_exact_takes_each_frame_once_and_equal_stamps_only(frames: list[tuple[int, int]], queue_size: int) -> None:
    inputs, matches = (Filter(), Filter()), []
    synchronizer = ExactSynchronizer(inputs, queue_size)
    synchronizer.registerCallback(lambda *pair: matches.append(pair))
    for number, (stream, stamp) in enumerate(frames):
        inputs[stream].signalMessage(Frame(number, 10 * MS * stamp, 0.0))
    assert all(first.time == second.time for first, second in matches)
    used = [frame.message for match in matches for frame in match]
    assert len(used) == len(set(used))
    streams = dict(enumerate(stream for stream, _ in frames))
    assert all(streams[first.message] == 0 and streams[second.message] == 1 for first, second in matches)
    assert all(len(queue) <= queue_size for queue in synchronizer._queues)


@given(frames=STREAM)
def test_nearest_decides_as_its_rule_does(frames: list[tuple[int, int]]) -> None:
    settings = FusionSettings(on_missing="wait")
    pairing = settings.pairing
    found: list[ImagePair | LoneFrame] = []
    stream = PairStream(settings, 0.0, found.append)
    rule = NearestStamps(slop=round(1e9 * pairing.slop), max_delay=pairing.max_delay, queue_size=pairing.queue_size)
    for number, (place, stamp) in enumerate(frames):
        now = 0.01 * number
        expected = rule.add(place, Frame(number, 10 * MS * stamp, now), now)
        found.clear()
        stream.add(CAMERAS[place], number, 10 * MS * stamp, b"%d" % number, now)
        assert [(pair.thermal, pair.rgb) for pair in found if isinstance(pair, ImagePair)] == [
            (first.message, second.message) for first, second in expected
        ]
        assert stream.deadline() == rule.deadline()


def time_of(sec: int, nanosec: int = 0) -> SimpleNamespace:
    return SimpleNamespace(sec=sec, nanosec=nanosec)


def test_times_are_the_stamps() -> None:
    warnings: list[str] = []
    rule = StampRule(PairingSettings(), warnings.append)
    assert rule.time("rgb", time_of(3, 4), lambda: 99) == 3_000_000_004
    for unusable in (time_of(-3, 4), time_of(0)):
        with pytest.raises(StampError, match=f"rgb frame: stamp is {unusable.sec} s; expected a time after 0"):
            rule.time("rgb", unusable, lambda: 99)
    assert warnings == []


def test_frames_without_stamp_have_their_arrival_and_a_warning_a_camera() -> None:
    warnings: list[str] = []
    rule = StampRule(PairingSettings(zero_stamps="arrival"), warnings.append)
    assert [rule.time(camera, time_of(0), lambda: 99) for camera in ("rgb", "rgb", "thermal")] == [99, 99, 99]
    assert [text.split()[0] for text in warnings] == ["rgb", "thermal"]
    assert rule.time("rgb", time_of(1), lambda: 99) == 1_000_000_000


def test_stamps_of_another_clock_are_ignored() -> None:
    rule = StampRule(PairingSettings(thermal_stamps="arrival"), lambda _: None)
    assert rule.time("thermal", time_of(-5), lambda: 99) == 99
    assert rule.time("rgb", time_of(5), lambda: 99) == 5_000_000_000
