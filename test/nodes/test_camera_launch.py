"""The launch files of camera pairs, with the real launch_ros and stand-ins for the camera drivers.

Skipped where launch_ros is not installed.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pytest
import yaml
from stand_in_cameras import install

pytest.importorskip("rclpy", reason="needs ROS 2: run scripts/test, which brings it")
pytest.importorskip("launch_ros", reason="launch_ros is not installed (it comes with ROS 2, not with the wheels)")

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.launch_description_sources import get_launch_description_from_python_launch_file

from camf_ros.errors import DataError
from camf_ros.imaging.camera_model import Extrinsics
from camf_ros.imaging.registration_file import RegistrationFile, write_registration
from camf_ros.nodes.launching import preset_parameters
from camf_ros.nodes.topics import free_domain
from camf_ros.resources import share_file
from camf_ros.settings.parameter_file import preset_file, read_parameters

pytestmark = pytest.mark.ros

FILES = ("uvc_thermal.launch.py", "oak_t.launch.py", "gazebo.launch.py")
PATIENCE = 120


def description(name: str) -> LaunchDescription:
    return get_launch_description_from_python_launch_file(str(share_file(f"launch/{name}")))


@pytest.mark.parametrize("name", FILES)
def test_every_argument_has_a_description_and_a_default(name):
    declared = [entity for entity in description(name).entities if isinstance(entity, DeclareLaunchArgument)]
    assert {"preset", "namespace"} <= {argument.name for argument in declared}
    for argument in declared:
        assert len(argument.description) > 15, argument.name
        assert argument.default_value is not None, argument.name


def test_texts_of_a_preset_stay_texts(tmp_path):
    """Launch would make a boolean of off."""
    file = tmp_path / "mine.yaml"
    file.write_text("fusion: {ros__parameters: {thermal: {dead_pixels: 'off', scale: 0.1}}}")
    values = preset_parameters(str(file), "fusion")
    assert values["thermal.dead_pixels"].evaluate(LaunchContext()) == "off"
    assert values["thermal.scale"] == 0.1
    assert preset_parameters("", "fusion") == {}
    with pytest.raises(DataError, match="no parameters for usb_cam"):
        preset_parameters(str(file), "usb_cam")


@pytest.fixture
def launch(tmp_path, model):
    """Starts a launch file among stand-ins, waits for a fused image, and gives what was seen and said."""
    prefix = os.pathsep.join([str(install(tmp_path)), os.environ["AMENT_PREFIX_PATH"]])
    environment = {
        **os.environ,
        "AMENT_PREFIX_PATH": prefix,
        "ROS_DOMAIN_ID": str(free_domain()),
    }
    for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        environment.pop(name, None)
    running = []

    def start(file: str, *arguments: str, fused: str = "/fused/image", node: str = "/fusion") -> tuple[dict, str]:
        process = subprocess.Popen(
            ["ros2", "launch", "camf_ros", file, f"model:={model}", "device:=cpu", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        listener = subprocess.run(
            [sys.executable, "-c", LISTEN, fused, node, str(PATIENCE)],
            env=environment,
            cwd=tmp_path,  # with -c the current folder comes first, and a checkout has no messages
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE)
        assert listener.returncode == 0, listener.stdout + listener.stderr + output
        assert "Traceback" not in output, output
        return json.loads(listener.stdout), output

    yield start
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()


def expected(preset: str) -> dict[str, object]:
    return {
        name: value
        for name, value in read_parameters(preset_file(preset), "fusion").items()
        if name.startswith("thermal.")
    }


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["boson_640", "lepton_3_telemetry"])
def test_uvc_thermal_and_realsense(launch, preset):
    seen, output = launch("uvc_thermal.launch.py", f"preset:={preset}", "video_device:=/dev/video4")
    assert (seen["size"], seen["encoding"]) == ([640, 480], "rgb8")
    assert seen["thermal"] == seen["thermal"] | expected(preset)
    rate = {"boson_640": 30, "lepton_3_telemetry": 9}[preset]
    assert f"video_device /dev/video4, mono16 at {rate} Hz" in output
    assert output.count("large images: fastdds.xml") == 2, "each driver gets the profile"
    assert "unknown parameters: []" in output
    assert "enable_depth False" in output


@pytest.mark.slow
def test_uvc_thermal_and_a_realsense_with_depth(launch, tmp_path):
    pose = Extrinsics((1, 0, 0, 0, 1, 0, 0, 0, 1), (0.05, 0.0, 0.0))
    write_registration(tmp_path / "rig.yaml", RegistrationFile((256, 320), (480, 640), None, pose))
    values = {"registration": {"mode": "calibrated", "file": str(tmp_path / "rig.yaml")}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"/**": {"ros__parameters": values}}))
    seen, output = launch(
        "uvc_thermal.launch.py", "preset:=boson_320", "depth:=true", f"params_file:={tmp_path / 'params.yaml'}"
    )
    assert "enable_depth True" in output
    assert seen["depth"].startswith("100 % of the last image")


@pytest.mark.slow
def test_uvc_thermal_with_another_rgb_camera_in_a_namespace(launch):
    """The RGB camera is started elsewhere: here another topic of the thermal driver stands for it."""
    seen, output = launch(
        "uvc_thermal.launch.py",
        "namespace:=robot",
        "realsense:=false",
        "rgb_topic:=thermal/other/image_raw",
        "preset:=boson_320",
        fused="/robot/fused/image",
        node="/robot/fusion",
    )
    assert (seen["size"], seen["encoding"]) == ([320, 256], "mono8")
    assert "realsense2_camera" not in output


@pytest.mark.slow
def test_oak_t(launch):
    """The driver's params_file is its own, not the fusion node's, which has the same name."""
    seen, output = launch("oak_t.launch.py")
    assert (seen["size"], seen["encoding"]) == ([640, 400], "rgb8")
    assert seen["thermal"] == seen["thermal"] | expected("oak_t")
    assert "pipeline Thermal" in output
    assert "large images: fastdds.xml" in output


@pytest.mark.slow
def test_gazebo(launch):
    seen, output = launch("gazebo.launch.py", "gui:=false")
    assert (seen["size"], seen["encoding"]) == ([1280, 1024], "rgb8")
    assert seen["thermal"] == seen["thermal"] | expected("gazebo")
    assert seen["use_sim_time"]
    assert re.search(r"gz sim -r -s --headless-rendering /\S+/config/gazebo/yard\.sdf$", output, re.MULTILINE)


def test_a_missing_driver_is_named_before_anything_starts(tmp_path):
    done = subprocess.run(
        ["ros2", "launch", "camf_ros", "oak_t.launch.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    output = done.stdout + done.stderr
    assert "depthai_ros_driver" in output
    assert "process started" not in output


LISTEN = """
import json, sys, time
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.parameter import parameter_value_to_python
from sensor_msgs.msg import Image
from camf_ros.msg import ChannelWeights
rclpy.init()
node = rclpy.create_node("listener")
images, weights, depth = [], [], [None]
def diagnostics(message):
    depth[:] = [v.value for s in message.status for v in s.values if v.key == "depth"] or depth
node.create_subscription(DiagnosticArray, "/diagnostics", diagnostics, 5)
node.create_subscription(Image, sys.argv[1], images.append, 5)
node.create_subscription(ChannelWeights, sys.argv[2] + "/channel_weights", weights.append, 5)
end = time.time() + float(sys.argv[3])

def wait(done):
    while time.time() < end and not done():
        rclpy.spin_once(node, timeout_sec=0.1)
    assert done()

def call(kind, service, **request):
    client = node.create_client(kind, sys.argv[2] + service)
    wait(client.service_is_ready)
    future = client.call_async(kind.Request(**request))
    wait(future.done)
    return future.result()

wait(lambda: images and any(w.sources == ChannelWeights.SOURCE_BOTH for w in weights))
names = call(ListParameters, "/list_parameters", prefixes=["thermal"], depth=0).result.names
values = call(GetParameters, "/get_parameters", names=[*names, "registration.mode", "use_sim_time"]).values
values = [parameter_value_to_python(value) for value in values]
wait(lambda: values[-2] != "depth" or (depth[0] or "").startswith("100 %"))
print(json.dumps({
    "depth": depth[0],
    "size": [images[-1].width, images[-1].height],
    "encoding": images[-1].encoding,
    "thermal": dict(zip(names, values)),
    "use_sim_time": values[-1],
}))
"""
