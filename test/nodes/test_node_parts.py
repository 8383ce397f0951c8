"""The parts of the nodes that need no second process."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from itertools import pairwise

import numpy as np
import pytest
import rclpy
from hypothesis import given
from hypothesis import strategies as st

from camf_ros.engines.engine import DeviceMemory
from camf_ros.nodes import topics
from camf_ros.nodes.diagnostics import memory_values
from camf_ros.nodes.source_node import CameraClock
from camf_ros.nodes.statistics import Statistics, summarise
from camf_ros.nodes.topics import OLD_VARIABLE, VARIABLE, free_domain, profile_to_set
from camf_ros.nodes.worker import Mailbox, Worker


def test_mailbox_keeps_the_newest_and_counts_the_rest():
    mailbox: Mailbox[int] = Mailbox()
    for item in range(5):
        mailbox.put(item)
    assert mailbox.take() == 4
    assert mailbox.displaced == 4
    mailbox.put(9)
    assert mailbox.take() == 9
    assert mailbox.displaced == 4


def test_what_is_in_a_mailbox_at_the_end_is_counted():
    mailbox: Mailbox[int] = Mailbox()
    mailbox.put(1)
    mailbox.close()
    assert mailbox.displaced == 1
    assert mailbox.take() is None
    mailbox.put(2)
    assert mailbox.displaced == 2
    mailbox.close()
    assert mailbox.displaced == 2


def test_mailbox_wakes_a_waiting_taker_when_it_is_closed():
    mailbox: Mailbox[int] = Mailbox()
    taken: list[object] = []
    taker = threading.Thread(target=lambda: taken.append(mailbox.take()))
    taker.start()
    mailbox.close()
    taker.join(10)
    assert taken == [None]


def test_worker_goes_on_after_an_exception_of_any_kind():
    mailbox: Mailbox[int] = Mailbox()
    done, failed = [], []
    both = threading.Semaphore(0)

    def work(item):
        if item % 2:
            raise ValueError(item)
        done.append(item)
        both.release()

    def on_failure(error):
        failed.append(error.args[0])
        both.release()

    worker = Worker(mailbox, work, on_failure)
    worker.start()
    for item in (1, 2, 3, 4):
        mailbox.put(item)
        assert both.acquire(timeout=10)
    assert worker.stop()
    assert (done, failed) == ([2, 4], [1, 3])


def test_worker_can_be_stopped_without_having_been_started():
    assert Worker(Mailbox(), lambda _: None, lambda _: None).stop()


@given(
    rate=st.floats(1, 200),
    offset=st.floats(0, 1),
    jitter=st.floats(0, 0.1),
    seed=st.integers(0, 2**31 - 1),
)
def test_camera_clock_never_goes_back_and_keeps_its_beat(rate, offset, jitter, seed):
    clock = CameraClock(rate, offset=offset, jitter=jitter, seed=seed)
    times = [clock.next() for _ in range(50)]
    assert all(a < b for a, b in pairwise(times))
    beat = offset + np.arange(50) / rate
    assert np.abs(np.array(times) - beat).max() <= 1 / 3 / rate + 1e-9


def test_camera_clock_leaves_out_what_a_slow_driver_misses():
    clock = CameraClock(10.0, offset=0.0, jitter=0.0, seed=1)
    assert clock.next() == 0.0
    assert clock.skip_to(0.55) == 4
    assert clock.next() == pytest.approx(0.5)
    assert clock.skip_to(0.0) == 0
    assert clock.next() == pytest.approx(0.6)


def test_summary_of_nothing_and_of_known_values():
    assert summarise([]) == (0.0, 0.0, 0.0)
    assert summarise([float(value) for value in range(1, 102)]) == (51.0, 51.0, 96.0)


def test_memory_in_diagnostics():
    assert memory_values(12.4, None) == {"resident memory (MB)": "12"}
    device = DeviceMemory(held=1_000_000, free=2_400_000, total=4_000_000)
    assert memory_values(12.4, device) == {
        "resident memory (MB)": "12",
        "device memory held (MB)": "1",
        "device memory free (MB)": "2",
        "device memory total (MB)": "4",
    }


def test_statistics_count_what_they_are_told():
    statistics = Statistics(("thermal", "rgb"))
    statistics.frame("thermal", 10.0)
    statistics.pair(-0.004, 11.0)
    assert statistics.snapshot(11.5).unfused == 0.5
    statistics.fused(0.2, 0.1)
    statistics.passed("rgb", 0.3)
    statistics.rejected("encoding")
    statistics.rejected("encoding")
    snapshot = statistics.snapshot(12.5)
    assert snapshot.frames == {"thermal": 1, "rgb": 0}
    assert snapshot.ages == {"thermal": 2.5, "rgb": None}
    assert (snapshot.pair_age, snapshot.unfused) == (1.5, 0.0)
    assert snapshot.passed == {"thermal": 0, "rgb": 1}
    assert (snapshot.pairs, snapshot.fused, snapshot.rejected) == (1, 1, {"encoding": 2})
    assert snapshot.skew.mean == 0.004, "absolute"
    assert (snapshot.latency.mean, snapshot.inference.median) == (0.25, 0.1)
    statistics.pair(0.0, 20.0)
    statistics.pair(0.0, 20.1)
    assert statistics.snapshot(21.0).unfused == 1.0, "since the first pair that waits, not since the last image"
    statistics.resume()
    assert (statistics.snapshot(22.0).unfused, statistics.snapshot(22.0).pair_age) == (None, None)


def test_a_free_domain_has_no_participant_and_is_given_once(tmp_path):
    domain = free_domain()
    topics._held.pop().close()  # what is held is not free either: only the participant is to tell
    context = rclpy.Context()
    context.init(domain_id=domain)
    node = rclpy.create_node("there", context=context)
    code = "from camf_ros.nodes.topics import free_domain; print(*(free_domain() for _ in range(60)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    node.destroy_node()
    context.shutdown()
    others = {int(word) for word in done.stdout.split()}
    assert len(others) == 60
    assert others <= set(range(1, 102)) - {domain, int(os.environ["ROS_DOMAIN_ID"])}


@pytest.mark.parametrize("name", [OLD_VARIABLE, VARIABLE])
def test_a_profile_of_the_user_stays(name):
    assert profile_to_set({name: "/mine.xml"}) == {}


@pytest.mark.parametrize(
    ("distro", "variable"),
    [("humble", OLD_VARIABLE), ("jazzy", OLD_VARIABLE), ("kilted", VARIABLE), ("lyrical", VARIABLE), ("", VARIABLE)],
)
def test_without_a_profile_the_one_variable_that_this_distribution_reads_names_ours(distro, variable):
    chosen = profile_to_set({"ROS_DISTRO": distro})
    assert set(chosen) == {variable}
    assert chosen[variable].endswith("fastdds.xml")


def sent(statistics, camera, begin, count, period):
    """Frames at a beat; the time of the last one."""
    times = [begin + number * period for number in range(count)]
    for now in times:
        statistics.frame(camera, now)
    return times[-1]


def test_the_slower_camera_sets_the_period():
    statistics = Statistics(("thermal", "rgb"))
    assert statistics.work(100.0) == (None, math.inf, 0.0, 0.0)
    sent(statistics, "thermal", 100.0, 10, 0.125)
    assert statistics.work(101.2).period is None, "the other one has not sent yet"
    end = sent(statistics, "rgb", 100.5, 30, 0.03125)
    work = statistics.work(end)
    assert (work.period, work.steady) == (pytest.approx(0.125), 100.5)


def test_a_gap_begins_a_new_steady_time_and_keeps_the_period():
    statistics = Statistics(("rgb",))
    end = sent(statistics, "rgb", 100.0, 20, 0.1)
    assert statistics.work(end + 0.45).steady == 100.0, "a hiccup"
    assert statistics.work(end + 0.6).steady == math.inf
    statistics.frame("rgb", end + 4.0)
    assert statistics.work(end + 4.1) == (pytest.approx(0.1), end + 4.0, 0.0, 0.0)
    sent(statistics, "rgb", end + 4.1, 20, 0.1)
    assert statistics.work(end + 6.0).period == pytest.approx(0.1)
    statistics.resume()
    assert statistics.work(end + 6.1).steady == math.inf, "after a pause of the node as well"


def test_a_camera_that_becomes_slower_is_believed():
    statistics = Statistics(("rgb",))
    end = sent(statistics, "rgb", 100.0, 20, 1 / 30)
    end = sent(statistics, "rgb", end + 2.0, 20, 2.0)
    work = statistics.work(end)
    assert work.period == pytest.approx(2.0)
    assert work.steady < end - 20


def test_work_is_that_of_the_last_frames_but_for_an_engines_first():
    statistics = Statistics(("rgb",))
    for _ in range(2):
        for frame in (9.0, 9.0, 9.0, 0.25, 0.5):
            statistics.worked(frame, frame / 2)
        assert statistics.work(0.0)[2:] == (0.375, 0.1875)
        statistics.forget_work()
        assert statistics.work(0.0)[2:] == (0.0, 0.0)
