"""Starts a USB thermal camera with usb_cam, optionally a RealSense, and the fusion node.

The arguments of fusion.launch.py work too, and with a RealSense those of rs_launch.py. docs/cameras.md lists the
presets.
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from camf_ros.nodes.launching import (
    driver,
    flag,
    fusion,
    installed,
    large_images,
    namespace,
    namespace_argument,
    preset_parameters,
    text,
)

ARGUMENTS = [
    DeclareLaunchArgument(
        "preset",
        default_value="boson_640",
        description="Thermal camera: boson_640, boson_320, lepton_3, lepton_2 (these two also with _telemetry), or a "
        "parameter file with sections for usb_cam and fusion.",
    ),
    DeclareLaunchArgument("video_device", default_value="/dev/video0", description="Device of the thermal camera."),
    DeclareLaunchArgument(
        "thermal_info_url",
        default_value="",
        description="URL of the calibration of the thermal camera, such as file:///home/robot/boson.yaml. Empty: none.",
    ),
    DeclareLaunchArgument(
        "realsense",
        default_value="true",
        description="true: start a RealSense as RGB camera; false: use an RGB camera that you start yourself.",
    ),
    DeclareLaunchArgument(
        "rgb_topic",
        default_value="camera/camera/color/image_raw",
        description="Image topic of the RGB camera. Default: that of the RealSense.",
    ),
    DeclareLaunchArgument(
        "depth",
        default_value="false",
        description="true: registration.mode depth, and with a RealSense depth images aligned to RGB. Give a "
        "params_file with registration.file, as from camf calibrate.",
    ),
    DeclareLaunchArgument(
        "depth_topic",
        default_value="camera/camera/aligned_depth_to_color/image_raw",
        description="Topic of depth images aligned to RGB. The default is that of the RealSense.",
    ),
    namespace_argument(),
]


def node(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The fusion node, once the arguments are known."""
    topics = {name: LaunchConfiguration(name) for name in ("preset", "rgb_topic", "depth_topic")}
    # Left out where it is not needed, so that it can be given by hand.
    mode = {"registration_mode": "depth"} if flag(context, "depth") else {}
    return [fusion(**topics, **mode)]


def cameras(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The drivers, once the arguments are known."""
    place = namespace(context).strip("/")
    prefix = f"/{place}" if place else ""
    # usb_cam sets these controls even when nobody asked; a thermal camera has none of them. -1 leaves them alone.
    untouched = dict.fromkeys(("brightness", "contrast", "saturation", "sharpness", "gain", "focus"), -1)
    thermal = Node(
        package="usb_cam",
        executable="usb_cam_node_exe",
        name="usb_cam",
        namespace=f"{prefix}/thermal",
        parameters=[
            untouched,
            preset_parameters(text(context, "preset"), "usb_cam"),
            {
                "camera_name": "thermal",
                "frame_id": "thermal_optical_frame",
                "video_device": ParameterValue(text(context, "video_device"), value_type=str),
                "camera_info_url": ParameterValue(text(context, "thermal_info_url"), value_type=str),
            },
        ],
        output="screen",
    )
    if not flag(context, "realsense"):
        return [thermal]
    depth = "true" if flag(context, "depth") else "false"
    # A scope of its own: rs_launch.py has names that are arguments of fusion.launch.py too.
    realsense = driver(
        "realsense2_camera",
        "launch/rs_launch.py",
        {
            "camera_namespace": f"{prefix}/camera",
            "camera_name": "camera",
            "enable_depth": depth,
            "align_depth.enable": depth,
        },
    )
    return [thermal, realsense]


def check(context: LaunchContext) -> None:
    """Find what is wrong with the arguments before anything is started."""
    installed("usb_cam", "install it: sudo apt install ros-$ROS_DISTRO-usb-cam")
    cameras(context)
    node(context)


def generate_launch_description() -> LaunchDescription:
    """What ``ros2 launch`` calls."""
    return LaunchDescription(
        [
            *ARGUMENTS,
            *large_images(),
            OpaqueFunction(function=check),
            OpaqueFunction(function=node),
            OpaqueFunction(function=cameras),
        ]
    )
