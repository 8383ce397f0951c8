"""Starts the demo without hardware: the source node simulates the cameras, the fusion node fuses them."""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from camf_ros.nodes.launching import fusion, large_images, namespace, namespace_argument, number, text

SHARE = FindPackageShare("camf_ros")

ARGUMENTS = [
    DeclareLaunchArgument(
        "pairs",
        default_value="",
        description="Folder with images of equal names in infrared and visible. Empty: a simulated street at night.",
    ),
    DeclareLaunchArgument("rate", default_value="15.0", description="Rate of the RGB camera in Hz."),
    DeclareLaunchArgument("thermal_rate", default_value="0.0", description="Thermal rate in Hz. 0: as RGB."),
    namespace_argument(),
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


def source(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The node that plays both cameras, once the arguments are known."""
    return [
        Node(
            package="camf_ros",
            executable="source_node",
            name="source",
            namespace=namespace(context),
            parameters=[
                PathJoinSubstitution([SHARE, "config", "source.yaml"]),
                {
                    "pairs": ParameterValue(text(context, "pairs"), value_type=str),
                    "rate": number(context, "rate"),
                    "thermal_rate": number(context, "thermal_rate"),
                },
            ],
            output="screen",
        )
    ]


def check(context: LaunchContext) -> None:
    """Find what is wrong with the arguments before anything is started."""
    source(context)


def generate_launch_description() -> LaunchDescription:
    """What ``ros2 launch`` calls. Arguments of fusion.launch.py can be given too."""
    return LaunchDescription(
        [
            *ARGUMENTS,
            *large_images(),
            OpaqueFunction(function=check),
            fusion(rviz=LaunchConfiguration("rviz"), foxglove=LaunchConfiguration("foxglove")),
            OpaqueFunction(function=source),
        ]
    )
