"""Starts the demo's cameras, the fusion node, and the example of a detector that listens to it."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("camf_ros")


def generate_launch_description() -> LaunchDescription:
    """What ``ros2 launch`` calls. Arguments of demo.launch.py and fusion.launch.py can be given too."""
    demo = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PathJoinSubstitution([SHARE, "launch", "demo.launch.py"])),
        launch_arguments={"namespace": LaunchConfiguration("namespace")}.items(),
    )
    detector = Node(
        package="camf_ros",
        executable="detector_example",
        name="detector",
        namespace=LaunchConfiguration("namespace"),
        parameters=[LaunchConfiguration("detector_params_file")],
        output="screen",
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "namespace", default_value="", description="Namespace of all nodes and their relative topics."
            ),
            DeclareLaunchArgument(
                "detector_params_file",
                default_value=PathJoinSubstitution([SHARE, "config", "detector.yaml"]),
                description="Parameter file of the detector.",
            ),
            # First the demo: it sets what the middleware needs for large images, for all that are started after it.
            demo,
            detector,
        ]
    )
