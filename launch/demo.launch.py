"""Starts cameras played by the source node, and fuses them: a first look without any hardware."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from camf_ros.nodes.launching import large_images

SHARE = FindPackageShare("camf_ros")

ARGUMENTS = [
    DeclareLaunchArgument(
        "pairs",
        default_value="",
        description="Folder with subfolders infrared and visible. Empty: an embedded scene, a street at night.",
    ),
    DeclareLaunchArgument("rate", default_value="15.0", description="RGB frames a second."),
    DeclareLaunchArgument(
        "thermal_rate", default_value="0.0", description="Thermal frames a second; 0: as many as RGB."
    ),
    DeclareLaunchArgument(
        "namespace", default_value="", description="Namespace of all nodes and their relative topics."
    ),
    DeclareLaunchArgument(
        "rviz",
        default_value="false",
        choices=["true", "false"],
        description="Also start RViz with thermal, RGB, fused image and its explanation.",
    ),
]


def generate_launch_description() -> LaunchDescription:
    """What ``ros2 launch`` calls. Arguments of fusion.launch.py can be given too."""
    source = Node(
        package="camf_ros",
        executable="source_node",
        name="source",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            PathJoinSubstitution([SHARE, "config", "source.yaml"]),
            {
                "pairs": ParameterValue(LaunchConfiguration("pairs"), value_type=str),
                "rate": ParameterValue(LaunchConfiguration("rate"), value_type=float),
                "thermal_rate": ParameterValue(LaunchConfiguration("thermal_rate"), value_type=float),
            },
        ],
        output="screen",
    )
    fusion = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PathJoinSubstitution([SHARE, "launch", "fusion.launch.py"])),
        launch_arguments={"namespace": LaunchConfiguration("namespace"), "rviz": LaunchConfiguration("rviz")}.items(),
    )
    return LaunchDescription([*ARGUMENTS, *large_images(), source, fusion])
