"""Starts the fusion node on the topics of your cameras.

``ros2 launch camf_ros fusion.launch.py --show-args`` lists the arguments. If you leave an argument out, the value comes
from the parameter file, else from ``SetParameter`` of a launch file that includes this one, else it is the default.
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from camf_ros.errors import ParameterError
from camf_ros.nodes import topics
from camf_ros.nodes.launching import (
    choice,
    flag,
    installed,
    large_images,
    namespace,
    parameter_file,
    preset_parameters,
    text,
    topic,
)
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.table import specs

SETTINGS = specs(FusionSettings)
SHARE = FindPackageShare("camf_ros")
LEVELS = ("debug", "info", "warn", "error", "fatal")

ARGUMENTS = [
    DeclareLaunchArgument(
        "thermal_topic",
        default_value=topics.THERMAL_IMAGE,
        description="Image topic of the thermal camera.",
    ),
    DeclareLaunchArgument(
        "thermal_info_topic",
        default_value="",
        description="Topic of the thermal camera_info. Empty: camera_info in the namespace of thermal_topic.",
    ),
    DeclareLaunchArgument(
        "rgb_topic",
        default_value=topics.RGB_IMAGE,
        description="Image topic of the RGB camera.",
    ),
    DeclareLaunchArgument(
        "rgb_info_topic",
        default_value="",
        description="Topic of the RGB camera_info. Empty: camera_info in the namespace of rgb_topic.",
    ),
    DeclareLaunchArgument(
        "depth_topic",
        default_value=topics.DEPTH_IMAGE,
        description="Topic of depth images aligned to RGB, for registration.mode depth.",
    ),
    DeclareLaunchArgument(
        "depth_info_topic",
        default_value="",
        description="Topic of the depth camera_info. Empty: camera_info in the namespace of depth_topic.",
    ),
    DeclareLaunchArgument(
        "fused_topic",
        default_value=topics.FUSED_IMAGE,
        description="Topic of the fused images. camera_info is published in the same namespace.",
    ),
    DeclareLaunchArgument(
        "detector_topic",
        default_value="",
        description="Topic of the detector images. Empty: detector_image in the namespace of fused_topic.",
    ),
    DeclareLaunchArgument(
        "params_file",
        default_value="",
        description="Parameter file of the node, such as a copy of config/fusion.yaml. Empty: none.",
    ),
    DeclareLaunchArgument(
        "preset",
        default_value="",
        description="Camera preset: a name in config/cameras, or a parameter file. Its values override those of "
        "params_file. Empty: none.",
    ),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node and its relative topics."),
    DeclareLaunchArgument(
        "model",
        default_value="",
        description="Name of a shipped model, or path of a .safetensors file. Empty: as in the parameter file.",
    ),
    DeclareLaunchArgument(
        "engine",
        default_value="",
        description=f"Runtime of the network: {', '.join(SETTINGS['engine'].choices)}. "
        "Empty: as in the parameter file.",
    ),
    DeclareLaunchArgument(
        "registration_mode",
        default_value="",
        description=f"How the images are aligned: {', '.join(SETTINGS['registration.mode'].choices)}. "
        "Empty: as in the parameter file.",
    ),
    DeclareLaunchArgument(
        "device",
        default_value="",
        description=f"Where the network runs: {', '.join(SETTINGS['device'].choices)}. "
        "Empty: as in the parameter file.",
    ),
    DeclareLaunchArgument(
        "autostart",
        default_value="",
        description="true: configure and activate at start; false: wait for a lifecycle manager. Empty: as in the "
        "parameter file.",
    ),
    DeclareLaunchArgument(
        "use_sim_time",
        default_value="",
        description="true: use the time of /clock, from a simulator or 'ros2 bag play --clock'; false: use the system "
        "time. Empty: as in the parameter file.",
    ),
    DeclareLaunchArgument(
        "log_level",
        default_value="info",
        description=f"Lowest severity that the node logs: {', '.join(LEVELS)}.",
    ),
    DeclareLaunchArgument(
        "rviz",
        default_value="false",
        description="true: also start RViz with thermal, RGB, fused image and its explanation.",
    ),
    DeclareLaunchArgument(
        "foxglove",
        default_value="false",
        description="true: also start foxglove_bridge, for config/foxglove.json: all images, weights and diagnostics.",
    ),
]


def beside(topic: str, name: str) -> str:
    """A topic of another name in the same namespace."""
    return f"{topic.rpartition('/')[0]}/{name}" if "/" in topic else name


def remappings(context: LaunchContext) -> list[tuple[str, str]]:
    """From the names that the node has for its topics to those that are wanted.

    Raises:
        ParameterError: If a name is no topic, or two topics would have the same name.
    """
    # By the convention of image_transport an image's camera_info is beside it.
    thermal, rgb, depth, fused = (topic(context, f"{name}_topic") for name in ("thermal", "rgb", "depth", "fused"))
    wanted = {
        topics.THERMAL_IMAGE: thermal,
        topics.THERMAL_INFO: topic(context, "thermal_info_topic") or beside(thermal, "camera_info"),
        topics.RGB_IMAGE: rgb,
        topics.RGB_INFO: topic(context, "rgb_info_topic") or beside(rgb, "camera_info"),
        topics.DEPTH_IMAGE: depth,
        topics.DEPTH_INFO: topic(context, "depth_info_topic") or beside(depth, "camera_info"),
        topics.FUSED_IMAGE: fused,
        topics.FUSED_INFO: beside(fused, "camera_info"),
        topics.DETECTOR_IMAGE: topic(context, "detector_topic") or beside(fused, "detector_image"),
    }
    names: dict[str, str] = {}
    for own, name in wanted.items():
        resolved = name if name.startswith("/") else f"/{namespace(context).strip('/')}/{name}".replace("//", "/")
        other = names.setdefault(resolved, own)
        if other != own:
            raise ParameterError(
                f"{other} and {own} would both be topic {name}",
                expected="a topic for each",
                remedy="set the info topics of the cameras, and give the fused images a namespace of their own",
            )
    return [(own, name) for own, name in wanted.items() if own != name]


def nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The nodes, once the arguments are known."""
    # As texts: a model called 1e3 is not a number.
    given: dict[str, object] = {
        name: ParameterValue(value, value_type=str)
        for name, value in (
            ("model", text(context, "model")),
            ("engine", choice(context, "engine", ["", *SETTINGS["engine"].choices])),
            ("device", choice(context, "device", ["", *SETTINGS["device"].choices])),
            (
                "registration.mode",
                choice(context, "registration_mode", ["", *SETTINGS["registration.mode"].choices]),
            ),
        )
        if value
    }
    simulated = flag(context, "use_sim_time")
    flags = {"autostart": flag(context, "autostart"), "use_sim_time": simulated}
    given |= {name: value for name, value in flags.items() if value is not None}
    wanted, place = remappings(context), namespace(context)
    with_rviz, with_foxglove = flag(context, "rviz"), flag(context, "foxglove")
    if with_rviz:
        installed("rviz2", "install it (sudo apt install ros-$ROS_DISTRO-rviz2), or leave out rviz:=true")
    if with_foxglove:
        package = "foxglove_bridge"
        installed(package, "install it (sudo apt install ros-$ROS_DISTRO-foxglove-bridge), or leave out foxglove:=true")
    fusion = Node(
        package="camf_ros",
        executable="fusion_node",
        name="fusion",
        namespace=place,
        # The file first, then what was given by hand: an argument left out keeps the file's value.
        parameters=[
            *parameter_file(context, "params_file", "fusion"),
            preset_parameters(text(context, "preset"), "fusion"),
            given,
        ],
        remappings=wanted,
        arguments=["--ros-args", "--log-level", choice(context, "log_level", LEVELS)],
        output="screen",
        # An inference on a slow CPU may take longer than the 5 s that launch gives by default.
        sigterm_timeout="15",
        # Then it is given the time after which it ends itself, whatever hangs, and says where.
        sigkill_timeout="20",
    )
    viewer_time = {} if simulated is None else {"use_sim_time": simulated}
    viewers = []
    if with_rviz:
        layout = PathJoinSubstitution([SHARE, "config", "fusion.rviz"])
        viewers.append(
            Node(
                package="rviz2",
                executable="rviz2",
                namespace=place,
                arguments=["-d", layout],
                parameters=[viewer_time],
                remappings=wanted,
                output="screen",
            )
        )
    if with_foxglove:
        viewers.append(
            Node(
                package="foxglove_bridge",
                executable="foxglove_bridge",
                namespace=place,
                parameters=[viewer_time],
                output="screen",
            )
        )
    return [fusion, *viewers]


def generate_launch_description() -> LaunchDescription:
    """What ``ros2 launch`` calls."""
    return LaunchDescription(
        [
            *ARGUMENTS,
            *large_images(),
            OpaqueFunction(function=nodes),
        ]
    )
