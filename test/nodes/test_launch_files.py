"""The launch files, with the real launch and launch_ros; skipped where those are not installed."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run scripts/test, which brings it")
pytest.importorskip("launch_ros", reason="launch_ros is not installed (it comes with ROS 2, not with the wheels)")

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch.actions import DeclareLaunchArgument

from camf_ros.imaging.camera_model import Extrinsics
from camf_ros.imaging.registration_file import RegistrationFile, write_registration
from camf_ros.nodes.topics import free_domain
from camf_ros.resources import share_file

pytestmark = pytest.mark.ros


def installed_package(name: str) -> bool:
    try:
        get_package_share_directory(name)
    except PackageNotFoundError:
        return False
    return True


FILES = ("fusion.launch.py", "demo.launch.py", "detector.launch.py")


def description(name: str):
    path = share_file(f"launch/{name}")
    spec = importlib.util.spec_from_file_location(name.removesuffix(".launch.py"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generate_launch_description()


def arguments(name: str) -> dict[str, DeclareLaunchArgument]:
    return {entity.name: entity for entity in description(name).entities if isinstance(entity, DeclareLaunchArgument)}


@pytest.mark.parametrize("name", FILES)
def test_every_argument_has_a_description_and_a_default(name):
    for argument in arguments(name).values():
        assert len(argument.description) > 15, argument.name
        assert argument.default_value is not None, argument.name


def test_fusion_has_the_arguments_that_people_expect():
    declared = arguments("fusion.launch.py")
    assert set(declared) == {
        "thermal_topic",
        "thermal_info_topic",
        "rgb_topic",
        "rgb_info_topic",
        "depth_topic",
        "depth_info_topic",
        "fused_topic",
        "detector_topic",
        "params_file",
        "preset",
        "namespace",
        "registration_mode",
        "model",
        "engine",
        "device",
        "autostart",
        "use_sim_time",
        "log_level",
        "rviz",
        "foxglove",
    }


@pytest.fixture
def launched():
    """Starts `ros2 launch`, ends it as Ctrl-C does, and gives its output."""
    running = []

    def start(*command: str, package: tuple[str, ...] = ("camf_ros",)) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "ROS_DOMAIN_ID": str(free_domain()),
        }
        process = subprocess.Popen(
            ["ros2", "launch", *package, *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        running.append((process, environment))
        return process

    start.environment = lambda: running[-1][1]
    yield start
    for process, _ in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()


def stop(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    return output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["fusion.launch.py", "device:=abacus"], "device is 'abacus'; expected one of '', 'auto', 'cpu', 'cuda'"),
        (["fusion.launch.py", "log_level:=loud"], "log_level is 'loud'"),
        (["fusion.launch.py", "autostart:=maybe"], "autostart is 'maybe'; expected true or false"),
        (["fusion.launch.py", "params_file:=/no/file.yaml"], "/no/file.yaml cannot be opened"),
        (["fusion.launch.py", "thermal_topic:=a b"], "thermal_topic is 'a b'; expected the name of a topic"),
        (["fusion.launch.py", "namespace:=1 robot"], "namespace is '1 robot'"),
        (["fusion.launch.py", "preset:=no-such"], "camera preset 'no-such' is unknown"),
        (
            ["fusion.launch.py", "thermal_topic:=/rig/thermal", "rgb_topic:=/rig/rgb"],
            "thermal/camera_info and rgb/camera_info would both be topic /rig/camera_info",
        ),
        (
            ["fusion.launch.py", "rgb_topic:=/rig/rgb", "fused_topic:=/rig/fused"],
            "rgb/camera_info and fused/camera_info would both be topic /rig/camera_info",
        ),
        (
            ["fusion.launch.py", "rgb_topic:=/rig/rgb", "depth_topic:=/rig/depth"],
            "rgb/camera_info and depth/camera_info would both be topic /rig/camera_info",
        ),
        (["demo.launch.py", "device:=abacus"], "device is 'abacus'"),
        (["demo.launch.py", "rate:=often"], "rate is 'often'; expected a number"),
        (["detector.launch.py", "engine:=steam"], "engine is 'steam'"),
        (["detector.launch.py", "detector_params_file:=/no/file.yaml"], "/no/file.yaml cannot be opened"),
    ],
    ids=" ".join,
)
def test_a_wrong_argument_ends_with_one_sentence_before_anything_starts(launched, arguments, reason):
    process = launched(*arguments)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert reason in output
    assert "Traceback" not in output
    assert "process started" not in output


@pytest.mark.parametrize(("viewer", "package"), [("rviz", "rviz2"), ("foxglove", "foxglove_bridge")])
def test_a_viewer_that_is_not_installed_starts_nothing(launched, viewer, package):
    if installed_package(package):
        pytest.skip(f"{package} is installed")
    process = launched("demo.launch.py", f"{viewer}:=True")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"package {package} is not installed; install it" in output
    assert "process started" not in output


def test_words_of_any_case_and_the_default_for_what_is_left_out(launched, tmp_path):
    """Without a parameter file of its own, the launch file leaves room for SetParameter around it."""
    file = tmp_path / "around.launch.py"
    file.write_text(AROUND, encoding="utf-8")
    process = launched(str(file), package=())
    code = (
        "import rclpy; from rcl_interfaces.srv import GetParameters; rclpy.init(); n = rclpy.create_node('asker')\n"
        "c = n.create_client(GetParameters, '/fusion/get_parameters'); assert c.wait_for_service(60)\n"
        "f = c.call_async(GetParameters.Request(names=['reference', 'autostart', 'use_sim_time', 'engine']))\n"
        "rclpy.spin_until_future_complete(n, f, timeout_sec=60); a, b, c, d = f.result().values\n"
        "print(a.string_value, b.bool_value, c.bool_value, d.string_value)"
    )
    asked = subprocess.run(
        [sys.executable, "-c", code],
        env=launched.environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    output = stop(process)
    assert asked.stdout == "thermal False True openvino\n", asked.stderr + output


@pytest.mark.slow
def test_demo_launch_fuses_and_ends_on_ctrl_c(launched, model, tmp_path):
    process = launched("demo.launch.py", f"model:={model}", "namespace:=robot", "rate:=5.0", "device:=cpu")
    listener = subprocess.run(
        [sys.executable, "-c", LISTEN, "/robot/fused/image", "/robot/fusion/channel_weights"],
        env=launched.environment(),
        cwd=tmp_path,  # with -c the current folder comes first, and a checkout has no messages
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    output = stop(process)
    assert listener.returncode == 0, listener.stdout + listener.stderr + output
    assert "1280x720 rgb8" in listener.stdout
    assert "weights of small, 16 channels" in listener.stdout
    assert "process has died" not in output
    assert process.returncode == 0, output


@pytest.mark.slow
def test_topics_are_remapped_with_their_camera_info(launched, model, tmp_path):
    with_depth = tmp_path / "depth.yaml"
    side_by_side = Extrinsics((1, 0, 0, 0, 1, 0, 0, 0, 1), (0.12, 0.0, 0.0))
    write_registration(tmp_path / "rig.yaml", RegistrationFile((512, 640), (720, 1280), extrinsics=side_by_side))
    registration = f"{{mode: depth, file: {tmp_path / 'rig.yaml'}}}"
    with_depth.write_text(f"/**: {{ros__parameters: {{registration: {registration}}}}}\n", encoding="utf-8")
    process = launched(
        "fusion.launch.py",
        f"model:={model}",
        "thermal_topic:=/boson/image_raw",
        "rgb_topic:=/zed/rgb/image",
        "depth_topic:=/zed/depth/image",
        "fused_topic:=/out/picture",
        f"params_file:={with_depth}",
    )
    code = (
        "import rclpy, time; rclpy.init(); n = rclpy.create_node('graph'); end = time.time() + 60\n"
        "want = {'/boson/image_raw', '/boson/camera_info', '/zed/rgb/image', '/zed/rgb/camera_info',"
        " '/zed/depth/image', '/zed/depth/camera_info',"
        " '/out/picture', '/out/camera_info', '/fusion/channel_weights'}\n"
        "while time.time() < end and not want <= {t for t, _ in n.get_topic_names_and_types()}: time.sleep(0.2)\n"
        "missing = want - {t for t, _ in n.get_topic_names_and_types()}; print('missing', missing)\n"
        "raise SystemExit(bool(missing))"
    )
    graph = subprocess.run(
        [sys.executable, "-c", code], env=launched.environment(), capture_output=True, text=True, check=False
    )
    output = stop(process)
    assert graph.returncode == 0, graph.stdout + graph.stderr + output


def test_a_wrong_model_ends_with_its_reason_in_the_output(launched):
    process = launched("fusion.launch.py", "model:=no-such-model")
    end = time.monotonic() + 60
    output = ""
    while "no-such-model' is unknown" not in output and time.monotonic() < end:
        output += process.stdout.readline()
    assert "no-such-model' is unknown" in output
    stop(process)


@pytest.mark.slow
def test_a_lifecycle_node_of_launch_ros_is_configured_and_activated(launched, model, tmp_path):
    file = tmp_path / "managed.launch.py"
    file.write_text(MANAGED.replace("MODEL", str(model)), encoding="utf-8")
    process = launched(str(file), package=())
    command = ["ros2", "lifecycle", "get", "/robot/fusion"]
    end, state = time.monotonic() + 60, ""
    while "active [3]" not in state and time.monotonic() < end:
        state = subprocess.run(
            command, env=launched.environment(), capture_output=True, text=True, timeout=60, check=False
        ).stdout
    output = stop(process)
    assert "active [3]" in state, output
    assert "Traceback" not in output


AROUND = """
from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import SetParameter
from camf_ros.resources import share_file


def generate_launch_description():
    fusion = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(share_file("launch/fusion.launch.py"))),
        launch_arguments={
            "autostart": "False", "use_sim_time": "TRUE", "log_level": "INFO", "engine": "OpenVINO"
        }.items(),
    )
    return LaunchDescription([GroupAction([SetParameter("reference", "thermal"), fusion])])
"""

MANAGED = """
from launch import LaunchDescription
from launch.actions import EmitEvent, RegisterEventHandler
from launch.events import matches_action
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition


def generate_launch_description():
    node = LifecycleNode(
        package="camf_ros",
        executable="fusion_node",
        name="fusion",
        namespace="robot",
        parameters=[{"autostart": False, "device": "cpu", "model": "MODEL"}],
        output="screen",
    )

    def change(transition):
        event = ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition)
        return EmitEvent(event=event)

    activate = OnStateTransition(
        target_lifecycle_node=node, goal_state="inactive", entities=[change(Transition.TRANSITION_ACTIVATE)]
    )
    return LaunchDescription([RegisterEventHandler(activate), node, change(Transition.TRANSITION_CONFIGURE)])
"""

LISTEN = """
import sys, time
import rclpy
from sensor_msgs.msg import Image
from camf_ros.msg import ChannelWeights
rclpy.init()
node = rclpy.create_node("listener")
images, weights = [], []
node.create_subscription(Image, sys.argv[1], images.append, 5)
node.create_subscription(ChannelWeights, sys.argv[2], weights.append, 5)
end = time.time() + 90
while time.time() < end and not (images and weights):
    rclpy.spin_once(node, timeout_sec=0.1)
if images and weights:
    print(f"{images[0].width}x{images[0].height} {images[0].encoding}")
    print(f"weights of {weights[0].model_name}, {len(weights[0].infrared_weight)} channels")
sys.exit(not (images and weights))
"""
