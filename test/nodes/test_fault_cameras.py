"""Cameras that die, change, or send what no camera sends: the next good pair is fused, and nothing leaks."""

from __future__ import annotations

import random

import numpy as np
import pytest
from harness import pixels, scene
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from trouble import Footprint, assert_nothing_leaked, counted, kill, settled, start_watched

from camf_ros.imaging.encodings import ENCODINGS
from camf_ros.nodes.publishers import image_message

pytestmark = [pytest.mark.ros, pytest.mark.fault]


def test_camera_process_is_killed_and_started_again(processes, probe, model):
    node = start_watched(processes, probe, model, missing_timeout=0.3)
    settled(probe, node.pid)
    for number in range(2):
        fused = len(probe.fused)
        cameras = processes.start("source_node", rate=10.0, reliability="reliable")
        assert probe.spin_until(lambda fused=fused: len(probe.fused) > fused + 3), probe.diagnostics
        kill(cameras)
        assert probe.spin_until(lambda: "no frames" in probe.levels["inputs"][1]), probe.levels
        if number == 0:  # with a network for that size
            before = Footprint.of(node.pid)
        fused = len(probe.fused)
    # The stamps of the cameras were those of today, ours go back to 1970.
    for _ in range(3):
        probe.send(*scene())
        probe.spin_for(0.1)
    assert probe.spin_until(lambda: len(probe.fused) > fused), probe.diagnostics
    assert_nothing_leaked(probe, node.pid, before)


def test_size_and_encoding_change_from_frame_to_frame(processes, probe, model):
    node = start_watched(processes, probe, model)
    before = settled(probe, node.pid)
    rng = random.Random(3)
    sizes = [(rng.randrange(32, 160, 2), rng.randrange(32, 160, 2)) for _ in range(20)]
    for number, size in enumerate(sizes):
        thermal, rgb = scene(number, size, rng.choice(sizes))
        encoding = ("rgb8", "bgr8", "mono8", "rgba8", "16UC3")[number % 4]
        channels = {"mono8": rgb[:, :, 0], "rgba8": np.dstack([rgb, rgb[:, :, 0]])}
        picture = np.ascontiguousarray(channels.get(encoding, rgb))
        sent = Image(height=size[1], width=size[0], encoding=encoding, step=picture.strides[0], data=picture.tobytes())
        kind = (np.uint16, np.uint8, np.float32)[number % 3]
        counts = (thermal // 32).astype(kind)
        fused, _ = probe.fuse(counts, sent, thermal_encoding="32FC1" if kind is np.float32 else "mono16")
        assert (fused.width, fused.height) == size
        assert fused.encoding == ("mono8" if encoding == "mono8" else "rgb8")
        assert np.ptp(pixels(fused)) > 0
    assert counted(probe, "rejected") == 0
    # Two sizes have a network of their own, and all others share a third one. Each brings threads of its runtime.
    assert_nothing_leaked(probe, node.pid, before, memory=64, threads=8)


def noise(rng: random.Random) -> Image:
    """A message of which nothing can be relied upon."""
    side = lambda: rng.choice((0, 1, 2, 3, rng.randrange(64), 2**16, 2**31, 2**32 - 1))  # noqa: E731
    return Image(
        height=side(),
        width=side(),
        step=side(),
        encoding=rng.choice((*ENCODINGS, "", "RGB8", "jpeg", "é" * 20, "x" * 300)),
        is_bigendian=rng.randrange(256),
        data=rng.randbytes(rng.choice((0, 1, 100, 4096, 50_000))),
    )


def test_random_bytes(processes, probe, model):
    node = start_watched(processes, probe, model)
    before = settled(probe, node.pid)
    rng = random.Random(7)
    pairs = counted(probe, "pairs")
    for number in range(120):
        thermal, rgb = scene(number)
        good = image_message(thermal, "mono16", Header()), image_message(rgb, "rgb8", Header())
        pair = rng.choice(((noise(rng), good[1]), (good[0], noise(rng)), (noise(rng), noise(rng))))
        probe.rgb_info.publish(
            CameraInfo(width=rng.getrandbits(32), k=[rng.choice((np.nan, 1e300, 0.0, -1.0)) for _ in range(9)])
        )
        wanted = counted(probe, "pairs") + 1
        probe.send(*pair)
        # Each at its turn, so that none is displaced by the next.
        if number % 10 == 9:
            assert probe.spin_until(lambda wanted=wanted: counted(probe, "pairs") >= wanted), probe.diagnostics
    assert node.poll() is None
    probe.fuse(*scene())

    def accounted() -> bool:
        done = sum(counted(probe, key) for key in ("fused", "rejected", "dropped for a newer pair"))
        return counted(probe, "pairs") > pairs and done == counted(probe, "pairs")

    assert probe.spin_until(accounted), probe.diagnostics
    assert counted(probe, "rejected") > 0
    assert counted(probe, "rejected: internal") == 0, "an error of ours, not of the messages"
    assert_nothing_leaked(probe, node.pid, before)


def spoilt(kind: str) -> np.ndarray:
    """A thermal frame in degrees, some of it without meaning."""
    frame = scene(5)[0].astype(np.float32) / 100 - 50
    rng = np.random.default_rng(1)
    some = rng.random(frame.shape) < 0.3
    if kind == "one that is left":
        frame[:], frame[3, 3] = np.nan, 20.0
    else:
        frame[some] = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf, "huge": 3e38, "tiny": 1e-45}[kind]
    return frame


def test_nan_and_infinity(processes, probe, model):
    node = start_watched(processes, probe, model)
    before = settled(probe, node.pid)
    kinds = ("nan", "inf", "-inf", "huge", "tiny", "one that is left")
    for agc in ("linear", "plateau", "clahe", "temperature"):
        assert probe.set_parameter("fusion", "thermal.agc", agc) == (True, "")
        for number, kind in enumerate(kinds):
            fused, weights = probe.fuse(spoilt(kind), scene(number)[1], thermal_encoding="32FC1")
            assert np.ptp(pixels(fused)) > 0, f"{agc}, {kind}"
            assert np.isfinite(weights.gain), f"{agc}, {kind}"
            assert np.isfinite([weights.infrared_weight, weights.visible_weight, weights.infrared_share]).all()
            # Infinity says that something is there; no number says that nothing is.
            assert counted(probe, "rejected") == 0, f"{agc}, {kind}"
    assert_nothing_leaked(probe, node.pid, before)
