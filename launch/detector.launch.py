"""Starts the demo's cameras, the fusion node, and the example of a detector that listens to it."""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("camf_ros")


def detector(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The detector, once the arguments are known."""
    model = LaunchConfiguration("detector_model").perform(context)
    return [
        Node(
            package="camf_ros",
            executable="detector_example",
            name="detector",
            namespace=LaunchConfiguration("namespace"),
            # The file first: an argument left out keeps the file's value.
            parameters=[
                LaunchConfiguration("detector_params_file"),
                {"model": ParameterValue(model, value_type=str)} if model else {},
            ],
            output="screen",
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """What ``ros2 launch`` calls. Arguments of demo.launch.py and fusion.launch.py can be given too."""
    demo = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PathJoinSubstitution([SHARE, "launch", "demo.launch.py"])),
        launch_arguments={"namespace": LaunchConfiguration("namespace")}.items(),
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
            DeclareLaunchArgument(
                "detector_model",
                default_value="",
                description="ONNX file of the detector (YOLOX or YOLOv8). Empty: as the parameter file says.",
            ),
            # First the demo: it sets what the middleware needs for large images, for all that are started after it.
            demo,
            OpaqueFunction(function=detector),
        ]
    )
