"""Starts the fusion node on the topics of your cameras.

``ros2 launch camf_ros fusion.launch.py --show-args`` lists the arguments. A value that is not given here keeps what the
parameter file says.
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from camf_ros.nodes import topics
from camf_ros.nodes.middleware import profile_to_set

SHARE = FindPackageShare("camf_ros")

ARGUMENTS = [
    DeclareLaunchArgument(
        "thermal_topic",
        default_value=topics.THERMAL_IMAGE,
        description="Image topic of the thermal camera. Its camera_info is looked for beside it.",
    ),
    DeclareLaunchArgument(
        "rgb_topic",
        default_value=topics.RGB_IMAGE,
        description="Image topic of the RGB camera. Its camera_info is looked for beside it.",
    ),
    DeclareLaunchArgument(
        "fused_topic",
        default_value=topics.FUSED_IMAGE,
        description="Topic for the fused images. Its camera_info is published beside it.",
    ),
    DeclareLaunchArgument(
        "params_file",
        default_value=PathJoinSubstitution([SHARE, "config", "fusion.yaml"]),
        description="Parameter file of the node.",
    ),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node and its relative topics."),
    DeclareLaunchArgument(
        "model",
        default_value="",
        description="Name of a shipped model, or path of a .safetensors file. Empty: as the parameter file says.",
    ),
    DeclareLaunchArgument(
        "device",
        default_value="",
        choices=["", "auto", "cpu", "cuda"],
        description="Where the network runs. Empty: as the parameter file says.",
    ),
    DeclareLaunchArgument(
        "use_sim_time",
        default_value="false",
        choices=["true", "false"],
        description="Take the time from /clock, as with a simulator or 'ros2 bag play --clock'.",
    ),
    DeclareLaunchArgument(
        "log_level",
        default_value="info",
        choices=["debug", "info", "warn", "error", "fatal"],
        description="Least severe messages that the node logs.",
    ),
    DeclareLaunchArgument(
        "rviz",
        default_value="false",
        choices=["true", "false"],
        description="Also start RViz with thermal, RGB and fused image.",
    ),
]


def info_topic(image_topic: str) -> str:
    """Topic of the camera_info that belongs to an image topic, by the convention of image_transport."""
    return f"{image_topic.rpartition('/')[0]}/camera_info" if "/" in image_topic else "camera_info"


def fusion_node(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The node, once the arguments are known."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    given = {name: value(name) for name in ("model", "device") if value(name)}
    remappings = []
    for argument, image, info in (
        ("thermal_topic", topics.THERMAL_IMAGE, topics.THERMAL_INFO),
        ("rgb_topic", topics.RGB_IMAGE, topics.RGB_INFO),
        ("fused_topic", topics.FUSED_IMAGE, topics.FUSED_INFO),
    ):
        wanted = value(argument)
        if wanted != image:
            remappings += [(image, wanted), (info, info_topic(wanted))]
    return [
        Node(
            package="camf_ros",
            executable="fusion_node",
            name="fusion",
            namespace=value("namespace"),
            # The file first, then what was given by hand: an argument left out keeps the file's value.
            parameters=[value("params_file"), {"use_sim_time": value("use_sim_time") == "true", **given}],
            remappings=remappings,
            arguments=["--ros-args", "--log-level", value("log_level")],
            output="screen",
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """What ``ros2 launch`` calls."""
    return LaunchDescription(
        [
            *ARGUMENTS,
            *(SetEnvironmentVariable(name, path) for name, path in profile_to_set().items()),
            OpaqueFunction(function=fusion_node),
            Node(
                package="rviz2",
                executable="rviz2",
                namespace=LaunchConfiguration("namespace"),
                arguments=["-d", PathJoinSubstitution([SHARE, "config", "fusion.rviz"])],
                parameters=[{"use_sim_time": LaunchConfiguration("use_sim_time")}],
                remappings=[
                    (topics.THERMAL_IMAGE, LaunchConfiguration("thermal_topic")),
                    (topics.RGB_IMAGE, LaunchConfiguration("rgb_topic")),
                    (topics.FUSED_IMAGE, LaunchConfiguration("fused_topic")),
                ],
                condition=IfCondition(LaunchConfiguration("rviz")),
                output="screen",
            ),
        ]
    )
