"""The fusion node when something is wrong: it says what, and the next good pair is fused."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from harness import scene
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from camf_ros.nodes.publishers import image_message

pytestmark = [pytest.mark.ros, pytest.mark.fault]


def broken(kind: str) -> tuple[Image, Image]:
    """A pair with one bad message; BROKEN has the reason under which it must be counted."""
    thermal, rgb = scene()
    good = image_message(thermal, "mono16", Header()), image_message(rgb, "rgb8", Header())
    if kind == "unknown encoding":
        good[1].encoding = "jpeg-in-disguise"
    elif kind == "rgb topic with counts":
        good[1].encoding = "16UC1"
    elif kind == "coloured thermal":
        return image_message(rgb, "rgb8", good[0].header), good[1]
    elif kind == "empty encoding":
        good[0].encoding = ""
    elif kind == "zero size":
        good[0].height = good[0].width = good[0].step = 0
        del good[0].data[:]
    elif kind == "zero height":
        good[1].height = 0
    elif kind == "truncated":
        del good[1].data[-10:]
    elif kind == "no data":
        del good[0].data[:]
    elif kind == "step too small":
        good[1].step = 100
    elif kind == "gigantic":
        good[0].height = good[0].width = 2**31
    elif kind == "all NaN":
        return image_message(np.full((32, 40), np.nan, np.float32), "32FC1", good[0].header), good[1]
    return good


BROKEN = {
    "unknown encoding": "encoding",
    "rgb topic with counts": "encoding",
    "coloured thermal": "encoding",
    "empty encoding": "encoding",
    "zero size": "image",
    "zero height": "image",
    "truncated": "image",
    "no data": "image",
    "step too small": "image",
    "gigantic": "image",
    "all NaN": "image",
}


def test_broken_messages_are_counted_by_reason_and_the_next_good_pair_is_fused(processes, probe, model):
    # The good pictures are all the same, beside broken ones that differ: as if the other camera were frozen.
    fusion = processes.start("fusion_node", model=model, device="cpu", diagnostics_period=0.1, on_missing="wait")
    probe.wait_for_node()
    expected = {"encoding": 0, "image": 0}

    def counted() -> dict[str, int]:
        return {reason: int(probe.diagnostics.get(f"rejected: {reason}", 0)) for reason in expected}

    for kind, reason in BROKEN.items():
        probe.send(*broken(kind))
        expected[reason] += 1
        assert probe.spin_until(lambda: counted() == expected), f"{kind}: {probe.diagnostics}"
        fused, _ = probe.fuse(*scene())
        assert fused.header == probe.header("rgb_frame"), f"after {kind}"
    assert fusion.poll() is None
    assert int(probe.diagnostics["rejected"]) == len(BROKEN)
    fusion.send_signal(signal.SIGINT)
    log, _ = fusion.communicate(timeout=30)
    assert "jpeg-in-disguise" in log
    assert "expected one of" in log
    assert "Traceback" not in log
    assert log.count("pair not fused (encoding)") < 4, "the log is throttled"


def test_nothing_is_lost_silently(fusion, probe):
    thermal, rgb = scene(0, (640, 480), (640, 480))
    for _ in range(30):
        probe.send(thermal, rgb)

    def accounted() -> int:
        keys = ("fused", "dropped for a newer pair", "rejected")
        return sum(int(probe.diagnostics.get(key, 0)) for key in keys)

    # What the middleware itself drops never was a pair; each pair is fused, displaced or rejected.
    assert probe.spin_until(
        lambda: (
            int(probe.diagnostics.get("dropped for a newer pair", 0)) > 0
            and accounted() == int(probe.diagnostics["pairs"])
        )
    ), probe.diagnostics


def test_stamps_too_far_apart_are_no_pair_and_the_node_says_so(processes, probe, model):
    fusion = processes.start("fusion_node", model=model, device="cpu", no_data_timeout=0.5, diagnostics_period=0.2)
    probe.wait_for_node()
    thermal, rgb = scene()
    for _ in range(15):
        probe.send(thermal, rgb, skew=0.05)
        probe.spin_for(0.1)
    assert probe.fused == []
    assert "no pair" in probe.levels["inputs"][1]
    assert probe.levels["inputs"][0] == b"\x01"
    fusion.send_signal(signal.SIGINT)
    log, _ = fusion.communicate(timeout=30)
    assert "pairing.slop" in log


def test_pairs_that_stop_coming_are_reported_although_there_were_some(processes, probe, model):
    processes.start("fusion_node", model=model, device="cpu", no_data_timeout=0.5, diagnostics_period=0.2)
    probe.wait_for_node()
    thermal, rgb = scene()
    probe.fuse(thermal, rgb)

    def reported() -> bool:
        probe.send(thermal, rgb, skew=0.05)
        probe.spin_for(0.1)
        return "no pair for" in probe.levels["inputs"][1]

    assert any(reported() for _ in range(100)), probe.levels
    assert probe.levels["inputs"][0] == b"\x01"


def test_a_stamp_before_all_time_is_counted_and_the_next_pair_is_fused(processes, probe, model):
    processes.start("fusion_node", model=model, device="cpu", diagnostics_period=0.1)
    probe.wait_for_node()
    message = image_message(scene()[1], "rgb8", Header())
    message.header.stamp.sec = -7
    probe.rgb.publish(message)
    assert probe.spin_until(lambda: probe.diagnostics.get("rejected: stamp") == "1"), probe.diagnostics
    probe.fuse(*scene())


def test_simulated_time_that_stands_still_is_named(processes, probe, model):
    fusion = processes.start("fusion_node", model=model, device="cpu", use_sim_time=True, no_data_timeout=0.5)
    probe.wait_for_node()
    assert probe.spin_until(lambda: bool(probe.diagnostics)), "diagnostics go on by the steady clock"
    probe.fuse(*scene())
    probe.spin_for(1.5)
    fusion.send_signal(signal.SIGINT)
    log, _ = fusion.communicate(timeout=30)
    assert "/clock" in log


def test_camera_info_of_another_size_is_not_passed_on(fusion, probe):
    probe.rgb_info.publish(CameraInfo(width=640, height=480))
    probe.spin_for(0.2)
    probe.fuse(*scene())
    probe.spin_for(0.3)
    assert probe.infos == []
    fusion.send_signal(signal.SIGINT)
    log, _ = fusion.communicate(timeout=30)
    assert "640 x 480" in log


def test_without_a_runtime_the_node_says_what_to_install(processes, model, tmp_path, monkeypatch):
    for name in ("torch", "openvino", "onnxruntime"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not here')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    process = processes.start("fusion_node", model=model)
    log, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "pip install openvino or onnxruntime, or torch and safetensors" in log
    assert "Traceback" not in log


def test_checkpoint_alone_without_pytorch(processes, model, tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("raise ImportError('not here')\n")
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(model.read_bytes())
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    process = processes.start("fusion_node", model=alone)
    log, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"run 'camf export {alone}' on a machine with PyTorch" in log
    assert "Traceback" not in log


def test_silence_is_explained(processes, probe, model):
    fusion = processes.start("fusion_node", model=model, device="cpu", no_data_timeout=0.5, diagnostics_period=0.2)
    probe.wait_for_node()
    probe.spin_for(1.5)
    assert probe.levels["inputs"] == (b"\x03", "no frames from thermal and rgb"), "stale"
    fusion.send_signal(signal.SIGINT)
    log, _ = fusion.communicate(timeout=30)
    assert log.count("shared-memory") == 2, "once for each camera"


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"model": "no-such-model"}, ["no-such-model", "camf train"]),
        ({"model": "/no/such/file.safetensors"}, ["/no/such/file.safetensors"]),
        ({"gain": 99.0}, ["gain"]),
        ({"reference": "lidar"}, ["reference", "lidar", "rgb | thermal"]),
        ({"gain": "much"}, ["gain"]),
        ({"pairing__slop": 0.0}, ["pairing.slop", "exact"]),
    ],
)
def test_unusable_settings_end_the_node_with_a_clear_line(processes, model, parameters, words):
    process = processes.start("fusion_node", **{"model": model, **parameters})
    log, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in log
    for word in words:
        assert word in log


def test_a_crashing_cv_bridge_does_not_stop_the_node(processes, probe, model, tmp_path, monkeypatch):
    package = tmp_path / "cv_bridge"
    package.mkdir()
    (package / "__init__.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    processes.start("fusion_node", model=model, device="cpu")
    probe.wait_for_node()
    probe.fuse(*scene())
    assert probe.spin_until(lambda: probe.diagnostics.get("image conversion") == "own")


def test_engine_that_fails_is_replaced_and_told(processes, probe, model):
    """On a machine without TensorRT: fused all the same, with a warning in the log and a state that is not OK."""
    fusion = processes.start("fusion_node", model=model, device="cpu", engine="tensorrt", diagnostics_period=0.2)
    probe.wait_for_node()
    fused, _ = probe.fuse(*scene())
    assert fused.encoding == "rgb8"
    assert probe.spin_until(lambda: probe.levels.get("fusion", (b"", ""))[0] == b"\x01")
    assert "engine tensorrt failed, openvino runs instead" in probe.levels["fusion"][1]
    fusion.send_signal(signal.SIGINT)
    log, _ = fusion.communicate(timeout=30)
    assert log.count("engine tensorrt failed, openvino runs instead") == 1
    assert "[WARN]" in log
