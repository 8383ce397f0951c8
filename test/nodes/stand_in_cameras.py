"""Stand-ins for camera drivers: the topics, encodings and launch arguments of the real ones, without the cameras.

``install(folder)`` makes packages that ``ros2 launch`` finds; run as a program this file is one of their executables.
What they have in common with the drivers was read in usb_cam 0.8.1, realsense-ros 4.55, depthai-ros 2 and 3, and
ros_gz 1.0.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import yaml

#: Parameters of usb_cam with their defaults, which give their types.
USB_CAM = {
    "camera_name": "default_cam",
    "camera_info_url": "",
    "framerate": 30.0,
    "frame_id": "default_cam",
    "image_height": 480,
    "image_width": 640,
    "io_method": "mmap",
    "pixel_format": "yuyv",
    "av_device_format": "YUV422P",
    "video_device": "/dev/video0",
    "brightness": 50,
    "contrast": -1,
    "saturation": -1,
    "sharpness": -1,
    "gain": -1,
    "auto_white_balance": True,
    "white_balance": 4000,
    "autoexposure": True,
    "exposure": 100,
    "autofocus": False,
    "focus": -1,
}
#: What usb_cam sends without conversion, by ``pixel_format``.
USB_CAM_RAW = {"mono8": "mono8", "mono16": "mono16", "yuyv": "yuv422_yuy2", "uyvy": "yuv422", "rgb8": "rgb8"}
#: Names and defaults of the arguments that matter here of the drivers' launch files, and what these start.
LAUNCH_FILES = {
    "realsense2_camera/launch/rs_launch.py": (
        {
            "camera_name": "camera",
            "camera_namespace": "camera",
            "config_file": "''",
            "log_level": "info",
            "output": "screen",
            "enable_color": "true",
            "enable_depth": "true",
            "align_depth.enable": "false",
        },
        "Node(package='realsense2_camera', executable='realsense2_camera_node', namespace=text('camera_namespace'),"
        " name=text('camera_name'), output=text('output'), parameters=[{'enable_depth': text('enable_depth'),"
        " 'align_depth.enable': text('align_depth.enable')}],"
        " arguments=['--ros-args', '--log-level', text('log_level')])",
    ),
    "depthai_ros_driver/launch/oak_t.launch.py": (
        {"name": "oak", "namespace": "", "params_file": "/none.yaml", "use_rviz": "False"},
        "Node(package='depthai_ros_driver', executable='driver_node', namespace=text('namespace'), name=text('name'),"
        " parameters=[text('params_file')], output='both')",
    ),
    "ros_gz_sim/launch/gz_sim.launch.py": (
        {"gz_args": "", "gz_version": "8", "debugger": "false", "on_exit_shutdown": "false"},
        "LogInfo(msg=['gz sim ', text('gz_args')])",
    ),
}
EXECUTABLES = (
    "usb_cam/usb_cam_node_exe",
    "realsense2_camera/realsense2_camera_node",
    "depthai_ros_driver/driver_node",
    "ros_gz_bridge/parameter_bridge",
)
OAK_T = "/**: {ros__parameters: {pipeline_gen: {i_pipeline_type: Thermal}}}\n"
LAUNCH = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo
from launch.substitutions import LaunchConfiguration as text
from launch_ros.actions import Node


def generate_launch_description():
    arguments = [DeclareLaunchArgument(name, default_value=value) for name, value in {arguments!r}.items()]
    return LaunchDescription([*arguments, {action}])
"""


def install(folder: Path) -> Path:
    """Packages of the drivers' names below a prefix for ``AMENT_PREFIX_PATH``."""
    names = {Path(path).parts[0] for path in (*LAUNCH_FILES, *EXECUTABLES)}
    files = {f"ament_index/resource_index/packages/{name}": "" for name in names}
    files["depthai_ros_driver/config/oak_t.yaml"] = OAK_T
    for path, (arguments, action) in LAUNCH_FILES.items():
        files[path] = LAUNCH.format(arguments=arguments, action=action)
    for name, text in files.items():
        (folder / "share" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "share" / name).write_text(text, encoding="utf-8")
    for path in EXECUTABLES:
        program = folder / "lib" / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" {program.name} "$@"\n', encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder


def scene(encoding: str, width: int, height: int, kelvin: bool = False) -> np.ndarray:
    """A warm square on a cold ground, as the encoding has it; temperatures in hundredths of a kelvin if wanted."""
    warm = np.zeros((height, width), bool)
    warm[height // 4 : height // 2, width // 4 : width // 2] = True
    texture = np.random.default_rng(1).normal(0, 3, (height, width))
    if encoding == "32FC1":
        return (np.where(warm, 31.0, 12.0) + texture / 30).astype(np.float32)
    if encoding == "mono16":
        return (np.where(warm, 30600, 28400) + texture if kelvin else np.where(warm, 9000, 7000) + texture).astype(
            "<u2"
        )
    return np.clip(np.where(warm, 90, 60) + texture, 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2)


class StandIn:
    """A node that sends pictures of one scene on topics of the driver's names."""

    def __init__(self, name: str) -> None:
        import rclpy  # noqa: PLC0415 - presets are checked without ROS
        from rclpy.node import Node  # noqa: PLC0415

        rclpy.init()
        self._rclpy, self._number = rclpy, 0
        self.node = Node(name)
        # Into the output of the launch file, for the test.
        profile = os.environ.get("FASTDDS_DEFAULT_PROFILES_FILE") or os.environ.get("FASTRTPS_DEFAULT_PROFILES_FILE")
        self.say(f"large images: {Path(profile or 'none').name}")

    def say(self, text: str) -> None:
        self.node.get_logger().info(text)

    def parameters(self, known: dict[str, Any]) -> dict[str, Any]:
        """Declare the driver's parameters; those that it does not have are named."""
        values = {name: self.node.declare_parameter(name, value).value for name, value in known.items()}
        overrides = self.node._parameter_overrides
        self.say(f"unknown parameters: {sorted(set(overrides) - set(known) - {'use_sim_time'})}")
        return values

    def send(self, topic: str, info: str, encoding: str, picture: np.ndarray, frame_id: str) -> Any:
        """Publishers of an image topic and its camera_info, and a function that sends one of each."""
        from sensor_msgs.msg import CameraInfo, Image  # noqa: PLC0415

        images, infos = self.node.create_publisher(Image, topic, 10), self.node.create_publisher(CameraInfo, info, 10)
        height, width = picture.shape[:2]
        message = Image(height=height, width=width, encoding=encoding, step=picture[0].nbytes)
        message.header.frame_id = frame_id
        message.data.frombytes(picture.tobytes())

        def send(stamp: Any) -> None:
            # A picture that never changes is taken for a frozen camera.
            message.data[0] = message.data[0] ^ 1
            message.header.stamp = stamp
            images.publish(message)
            k = [float(width), 0.0, width / 2, 0.0, float(width), height / 2, 0.0, 0.0, 1.0]
            infos.publish(CameraInfo(header=message.header, height=height, width=width, k=k))

        return send

    def run(self, senders: list[Any], rate: float, clock: Any = None) -> None:
        """Send on all topics with equal stamps until the process is told to end."""
        from rclpy.time import Time  # noqa: PLC0415

        def tick() -> None:
            self._number += 1
            stamp = Time(seconds=self._number / rate) if clock else self.node.get_clock().now()
            if clock:
                clock(stamp.to_msg())
            for send in senders:
                send(stamp.to_msg())

        self.node.create_timer(1 / rate, tick)
        try:
            self._rclpy.spin(self.node)
        except (KeyboardInterrupt, self._rclpy.executors.ExternalShutdownException):
            threading.Event().wait(0.1)


def usb_cam(stand_in: StandIn) -> None:
    values = stand_in.parameters(USB_CAM)
    encoding = USB_CAM_RAW[values["pixel_format"]]
    picture = scene(encoding, values["image_width"], values["image_height"])
    # The board of a Lepton sends telemetry below the picture when it is asked for these heights.
    telemetry = {122: 2, 63: 3}.get(values["image_height"], 0)
    picture[picture.shape[0] - telemetry :] = 65535
    stand_in.say(f"video_device {values['video_device']}, {encoding} at {values['framerate']:g} Hz")
    thermal = stand_in.send("image_raw", "camera_info", encoding, picture, values["frame_id"])
    # The real driver has none of these: they stand for an RGB camera that is started elsewhere.
    other = stand_in.send("other/image_raw", "other/camera_info", encoding, picture, values["frame_id"])
    stand_in.run([thermal, other], values["framerate"])


def realsense(stand_in: StandIn) -> None:
    depth, aligned = (
        stand_in.node.declare_parameter(name, True).value for name in ("enable_depth", "align_depth.enable")
    )
    stand_in.say(f"enable_depth {depth}")
    senders = []
    if depth and aligned:
        metres, topic = np.full((480, 640), 4000, "<u2"), "~/aligned_depth_to_color"
        senders.append(stand_in.send(f"{topic}/image_raw", f"{topic}/camera_info", "16UC1", metres, "color_frame"))
    picture = scene("rgb8", 640, 480)
    senders.append(stand_in.send("~/color/image_raw", "~/color/camera_info", "rgb8", picture, "color_frame"))
    stand_in.run(senders, 30.0)


def oak_t(stand_in: StandIn) -> None:
    stand_in.say(f"pipeline {stand_in.node.declare_parameter('pipeline_gen.i_pipeline_type', 'RGBD').value}")
    folder = "~/thermal/raw_data"
    thermal = stand_in.send(
        f"{folder}/image_raw", f"{folder}/camera_info", "32FC1", scene("32FC1", 256, 192), "thermal"
    )
    rgb = stand_in.send("~/rgb/image_raw", "~/rgb/camera_info", "bgr8", scene("bgr8", 640, 400), "rgb")
    stand_in.run([thermal, rgb], 25.0)


def gazebo_bridge(stand_in: StandIn) -> None:
    from rosgraph_msgs.msg import Clock  # noqa: PLC0415

    file = Path(stand_in.node.declare_parameter("config_file", "").value)
    bridged = {entry["topic_name"]: entry for entry in yaml.safe_load(file.read_text(encoding="utf-8"))}
    assert {entry["direction"] for entry in bridged.values()} == {"GZ_TO_ROS"}
    clock = stand_in.node.create_publisher(Clock, "/clock", 10)
    cameras = {"thermal": ("mono16", 640, 512), "rgb": ("rgb8", 1280, 1024)}
    assert set(bridged) == {"/clock", *(f"/{name}/{what}" for name in cameras for what in ("image_raw", "camera_info"))}
    senders = [
        stand_in.send(f"/{name}/image_raw", f"/{name}/camera_info", shape[0], scene(*shape, kelvin=True), name)
        for name, shape in cameras.items()
    ]
    stand_in.run(senders, 15.0, lambda stamp: clock.publish(Clock(clock=stamp)))


if __name__ == "__main__":
    role = {"usb_cam_node_exe": usb_cam, "realsense2_camera_node": realsense, "driver_node": oak_t}
    role.get(sys.argv[1], gazebo_bridge)(StandIn(sys.argv[1]))
