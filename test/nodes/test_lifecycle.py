"""The fusion node as a managed node: transitions, their failures, and changes of model and registration at work."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import yaml
from harness import PATIENCE, pixels, scene
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from small_model import make_small_network, write_model
from std_srvs.srv import SetBool, Trigger
from trouble import Trouble, counted

from camf_ros.imaging.camera_model import Camera, Extrinsics
from camf_ros.imaging.registration_file import RegistrationFile, write_registration
from camf_ros.nodes.publishers import image_message
from camf_ros.nodes.running import refuse_wrong_transitions

pytestmark = [pytest.mark.ros, pytest.mark.fault]

CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE


def call(probe, kind, name, **fields):
    future = probe.client(kind, f"fusion/{name}").call_async(kind.Request(**fields))
    assert probe.spin_until(future.done)
    return future.result()


def change(probe, transition) -> bool:
    return call(probe, ChangeState, "change_state", transition=Transition(id=transition)).success


def state(probe) -> int:
    return call(probe, GetState, "get_state").current_state.id


@pytest.fixture(scope="module")
def other_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("other") / "other.safetensors"
    return write_model(path, make_small_network(6, encoder=(2, 2, 4), heads=(2, 2, 2)), name="other")


def started(processes, model, **parameters):
    return processes.start(
        "fusion_node",
        model=str(model),
        device="cpu",
        precision="float32",
        threads=1,
        diagnostics_period=0.1,
        **parameters,
    )


def log_of(process) -> str:
    """What a node has said, once it is told to end; never a traceback."""
    process.terminate()
    log, _ = process.communicate(timeout=30)
    assert "Traceback" not in log
    return str(log)


def test_every_transition_and_back_again(processes, probe, model):
    process = started(processes, model, autostart=False)
    assert state(probe) == State.PRIMARY_STATE_UNCONFIGURED
    assert probe.spin_until(lambda: probe.diagnostics.get("state") == "unconfigured")
    assert probe.node.count_subscribers("thermal/image_raw") == 0
    images = []
    for _ in range(2):
        assert change(probe, CONFIGURE)
        assert state(probe) == State.PRIMARY_STATE_INACTIVE
        assert probe.spin_until(lambda: probe.diagnostics.get("state") == "inactive")
        assert probe.spin_until(lambda: probe.node.count_publishers("fused/image") == 1)
        assert probe.node.count_subscribers("thermal/image_raw") == 0
        for _ in range(2):
            assert change(probe, ACTIVATE)
            probe.wait_for_node()
            images.append(pixels(probe.fuse(*scene(1))[0]))
            assert probe.spin_until(lambda: probe.diagnostics.get("fused") == str(len(images))), "the counters go on"
            assert change(probe, DEACTIVATE)
            assert probe.spin_until(lambda: probe.node.count_subscribers("thermal/image_raw") == 0)
        assert change(probe, CLEANUP)
        assert probe.spin_until(lambda: probe.node.count_publishers("fused/image") == 0)
    assert all(np.array_equal(image, images[0]) for image in images)
    assert not change(probe, ACTIVATE), "nothing is configured"
    assert change(probe, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    log_of(process)
    assert process.returncode == 0


def test_a_transition_that_rclpy_raises_for_is_refused():
    """As its service does before Kilted; what a callback raises ends the process."""

    def rclpys(request, response):
        if request.transition.id == CLEANUP:
            raise RuntimeError("Transition is not registered")
        response.success = True
        return response

    said = []
    service = SimpleNamespace(srv_type=ChangeState, callback=rclpys)
    other = SimpleNamespace(srv_type=GetState, callback=rclpys)
    node = SimpleNamespace(
        services=[other, service],
        get_logger=lambda: SimpleNamespace(error=said.append),
        get_fully_qualified_name=lambda: "/fusion",
    )
    refuse_wrong_transitions(node)
    assert other.callback is rclpys
    good, wrong = (ChangeState.Request(transition=Transition(id=id)) for id in (ACTIVATE, CLEANUP))
    assert service.callback(good, ChangeState.Response()).success
    assert said == []
    assert not service.callback(wrong, ChangeState.Response()).success
    assert said == [
        f"transition {CLEANUP} was not possible (Transition is not registered); "
        "ros2 lifecycle list /fusion shows those that are"
    ]


def test_a_transition_that_fails_leaves_the_node_usable(processes, probe, model, tmp_path):
    process = started(processes, tmp_path / "missing.safetensors", autostart=False)
    assert not change(probe, CONFIGURE)
    assert state(probe) == State.PRIMARY_STATE_UNCONFIGURED
    assert not call(probe, SetBool, "enable", data=True).success
    answer = call(probe, Trigger, "reload")
    assert (answer.success, answer.message.startswith("nothing is loaded")) == (False, True)
    assert probe.set_parameter("fusion", "model", str(model)) == (True, "")
    assert call(probe, SetBool, "enable", data=True).success, "configures as well"
    probe.wait_for_node()
    probe.fuse(*scene(1))
    log = log_of(process)
    assert "there is no model file" in log


def test_a_node_that_starts_by_itself_and_cannot_says_so_and_ends(processes, tmp_path):
    process = started(processes, tmp_path / "missing.safetensors")
    log, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "cannot start: there is no model file" in log
    assert "Traceback" not in log


def test_pause_and_go_on(processes, probe, model):
    started(processes, model)
    probe.wait_for_node()
    probe.fuse(*scene(1))
    for _ in range(2):
        assert call(probe, SetBool, "enable", data=False).message == "paused"
    assert state(probe) == State.PRIMARY_STATE_INACTIVE
    fused = len(probe.fused)
    probe.send(*scene(2))
    probe.spin_for(0.5)
    assert len(probe.fused) == fused
    assert call(probe, SetBool, "enable", data=True).success
    probe.wait_for_node()
    probe.fuse(*scene(3))


def unpaired(probe) -> int:
    """Thermal frames that came into no pair, for whatever reason."""
    return sum(int(value) for key, value in probe.diagnostics.items() if key.startswith("unpaired: thermal"))


def test_counts_go_on_and_ages_do_not_after_a_pause(processes, probe, model):
    process = started(processes, model, no_data_timeout=5.0, on_missing="wait")
    probe.wait_for_node()
    probe.fuse(*scene(1))
    for _ in range(3):  # these have no counterpart
        probe.advance()
        probe.thermal.publish(image_message(scene(1)[0], "mono16", probe.header("thermal_frame")))
        probe.spin_for(0.1)
    probe.fuse(*scene(2))
    assert probe.spin_until(lambda: unpaired(probe) >= 2), probe.diagnostics
    before = unpaired(probe)
    assert call(probe, SetBool, "enable", data=False).success
    probe.spin_for(6.0)
    probe.diagnostics.clear()
    assert call(probe, SetBool, "enable", data=True).success
    assert probe.spin_until(lambda: "thermal age (s)" in probe.diagnostics)
    assert probe.diagnostics["thermal age (s)"] == "never"
    probe.wait_for_node()
    probe.fuse(*scene(3))
    assert probe.spin_until(lambda: counted(probe, "fused") == 3)
    assert unpaired(probe) >= before
    process.terminate()
    log, _ = process.communicate(timeout=30)
    assert "stopped arriving" not in log, "nobody listened"


def test_period_of_the_diagnostics_changes_while_inactive(processes, probe, model):
    started(processes, model)
    probe.wait_for_node()
    assert change(probe, DEACTIVATE)
    assert probe.set_parameter("fusion", "diagnostics_period", 60.0) == (True, "")
    assert change(probe, ACTIVATE)
    probe.spin_for(0.5)
    probe.diagnostics.clear()
    probe.spin_for(1.5)
    assert probe.diagnostics == {}, "15 messages earlier"


def test_refused_registration_leaves_what_is_at_work(processes, probe, model, tmp_path):
    """Transforms need a library that may be missing; whatever refuses a change, nothing of it is in force."""
    if importlib.util.find_spec("tf2_ros"):
        pytest.skip("tf2_ros is installed, and nothing is refused")
    rig = tmp_path / "rig.yaml"
    lens = Camera(64, 48, (60.0, 0.0, 32.0, 0.0, 60.0, 24.0, 0.0, 0.0, 1.0))
    side = Extrinsics((1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0))
    write_registration(rig, RegistrationFile((48, 64), (48, 64), extrinsics=side, thermal=lens, rgb=lens))
    started(processes, model, registration__mode="calibrated", registration__file=str(rig))
    probe.wait_for_node()
    pair = scene(1, thermal_size=(64, 48))
    before = pixels(probe.fuse(*pair)[0])
    done, reason = probe.set_parameter("fusion", "registration.extrinsics", "tf")
    assert (done, "tf2_ros" in reason) == (False, True)
    # But for the automatic gain, which follows the pictures.
    np.testing.assert_allclose(pixels(probe.fuse(*pair)[0]).astype(int), before, atol=2)


def test_an_inference_that_hangs_over_a_pause_is_not_joined_by_another(processes, probe, model, tmp_path, monkeypatch):
    trouble = Trouble(tmp_path, monkeypatch)  # which shortens the patience of a pause to 3 s
    process = started(processes, model, on_missing="wait")
    probe.wait_for_node()
    probe.fuse(*scene(1))
    trouble.order(20)
    probe.send(*scene(2))
    probe.spin_for(1.0)
    assert change(probe, DEACTIVATE)
    assert not change(probe, ACTIVATE)
    assert state(probe) == State.PRIMARY_STATE_INACTIVE
    trouble.order("")
    assert any(change(probe, ACTIVATE) for _ in range(200))
    probe.wait_for_node()
    probe.fuse(*scene(3))
    log = log_of(process)
    assert "an inference from before the pause has not come back" in log


WITHOUT_COLLECTOR = """
import gc, sys, weakref, rclpy
from camf_ros.nodes.fusion_node import FusionNode

rclpy.init(args=sys.argv)
node = FusionNode()
gc.disable()
active = node._active
held = {name: weakref.ref(getattr(active, name)) for name in ("inputs", "worker", "explaining", "source_watch")}
held["active"] = weakref.ref(active)
del active
model = weakref.ref(node._loaded.fusion.running.chosen.engine)
node.trigger_deactivate()
assert [name for name, ref in held.items() if ref() is not None] == []
node.trigger_cleanup()
assert model() is None
node.destroy_node()
rclpy.shutdown()
"""


def test_what_a_state_held_is_freed_when_it_is_left(model, tmp_path):
    """And not when Python's collector comes by: each holds images, or copies of a model, in very few objects."""
    script = tmp_path / "without_collector.py"
    script.write_text(WITHOUT_COLLECTOR)
    command = [sys.executable, str(script), "--ros-args", "-p", f"model:={model}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr


def test_another_model_takes_over_between_two_frames(processes, probe, model, other_model, tmp_path):
    process = started(processes, model)
    probe.wait_for_node()
    assert probe.fuse(*scene(1))[1].model_name == "small"

    done, reason = probe.set_parameter("fusion", "model", str(tmp_path / "missing.safetensors"))
    assert (done, "there is no model file" in reason) == (False, True)
    assert probe.fuse(*scene(1))[1].model_name == "small"

    assert probe.set_parameter("fusion", "model", str(other_model)) == (True, "")
    for seed in range(200):  # frames go on while it is loaded
        weights = probe.fuse(*scene(seed))[1]
        if weights.model_name == "other":
            break
    assert (weights.model_name, len(weights.infrared_weight)) == ("other", 8)
    assert probe.spin_until(lambda: probe.diagnostics["model"] == "other")

    # The file goes away, and a reload is refused; then it is there again, with other weights.
    other_model.rename(tmp_path / "away.safetensors")
    answer = call(probe, Trigger, "reload")
    assert (answer.success, "there is no model file" in answer.message) == (False, True)
    assert probe.fuse(*scene(1))[1].model_name == "other"
    write_model(other_model, make_small_network(9, encoder=(2, 2, 4), heads=(2, 2, 2)), name="third")
    assert call(probe, Trigger, "reload").success
    assert probe.spin_until(lambda: probe.diagnostics["model"] == "third")
    assert probe.fuse(*scene(1))[1].model_name == "third"
    log_of(process)


def test_registration_changes_at_work_and_a_file_is_read_anew(processes, probe, model, tmp_path):
    started(processes, model)
    probe.wait_for_node()
    thermal, rgb = scene(1)
    whole = pixels(probe.fuse(thermal, rgb)[0])
    rig = tmp_path / "rig.yaml"
    done, reason = probe.set_parameter("fusion", "registration.file", str(rig))
    assert done, "no mode reads it yet"
    done, reason = probe.set_parameter("fusion", "registration.mode", "homography")
    assert (done, "rig.yaml" in reason) == (False, True)
    write_registration(rig, RegistrationFile((32, 40), (48, 64), np.diag([1.0, 1.5, 1.0])))
    assert probe.set_parameter("fusion", "registration.mode", "homography") == (True, "")
    left = pixels(probe.fuse(thermal, rgb)[0])
    np.testing.assert_array_equal(left[:, 41:], rgb[:, 41:])
    assert not np.array_equal(left, whole)
    write_registration(rig, RegistrationFile((32, 40), (48, 64), np.array([[1.0, 0, 24], [0, 1.5, 0], [0, 0, 1]])))
    assert call(probe, Trigger, "reload").success
    right = pixels(probe.fuse(thermal, rgb)[0])
    np.testing.assert_array_equal(right[:, :23], rgb[:, :23])
    for damage in ("nonsense: [", None):
        rig.write_text(damage) if damage else rig.unlink()
        answer = call(probe, Trigger, "reload")
        assert (answer.success, "rig.yaml" in answer.message) == (False, True)
        # But for the automatic gain, which follows the pictures.
        np.testing.assert_allclose(pixels(probe.fuse(thermal, rgb)[0]).astype(int), right, atol=2)


def test_settings_that_need_a_pause_are_refused_with_the_remedy(processes, probe, model):
    started(processes, model)
    probe.wait_for_node()
    done, reason = probe.set_parameter("fusion", "pairing.slop", 0.2)
    assert not done
    assert reason == "pairing.slop cannot change now: deactivate the node first (ros2 lifecycle set /fusion deactivate)"
    assert probe.set_parameter("fusion", "pairing.slop", 0.04) == (True, ""), "as it is already"
    assert change(probe, DEACTIVATE)
    assert probe.set_parameter("fusion", "pairing.slop", 0.2) == (True, "")
    assert change(probe, ACTIVATE)
    probe.wait_for_node()
    assert probe.fuse(*scene(1), skew=0.15)[1].skew == pytest.approx(0.15)


def test_snapshot(processes, probe, model, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    started(processes, model)
    probe.wait_for_node()
    answer = call(probe, Trigger, "save_snapshot")
    assert (answer.success, answer.message) == (False, "nothing was fused yet")
    thermal, rgb = scene(4)
    image, weights = probe.fuse(thermal, rgb)
    answer = call(probe, Trigger, "save_snapshot")
    assert answer.success, answer.message
    folder = Path(answer.message)
    assert folder.parent == tmp_path / ".ros" / "camf_ros" / "snapshots"
    assert probe.spin_until(folder.is_dir), "whole from the moment that it is there"
    read = {path.stem: cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in folder.glob("*.png")}
    np.testing.assert_array_equal(read["thermal"], thermal)
    np.testing.assert_array_equal(read["rgb"][:, :, ::-1], rgb)
    np.testing.assert_array_equal(read["fused"][:, :, ::-1], pixels(image))
    assert read["explanation"].shape == (720, 1280, 3)
    numbers = json.loads((folder / "weights.json").read_text())
    assert (numbers["model"], numbers["model_hash"]) == (str(model), weights.model_hash)
    assert numbers["infrared_weight"] == pytest.approx(list(weights.infrared_weight))
    parameters = yaml.safe_load((folder / "parameters.yaml").read_text())["/**"]["ros__parameters"]
    assert parameters["pairing"]["slop"] == 0.04
    assert parameters["model"] == str(model)
