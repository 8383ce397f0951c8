"""Starts the simulated cameras of the demo, the fusion node, and the example detector."""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from camf_ros.nodes.launching import namespace, namespace_argument, parameter_file, text

SHARE = FindPackageShare("camf_ros")


def detector(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The detector, once the arguments are known."""
    model = text(context, "detector_model")
    return [
        Node(
            package="camf_ros",
            executable="detector_example",
            name="detector",
            namespace=namespace(context),
            # The file first: an argument left out keeps the file's value.
            parameters=[
                *parameter_file(context, "detector_params_file", "detector"),
                {"model": ParameterValue(model, value_type=str)} if model else {},
            ],
            output="screen",
        )
    ]


def check(context: LaunchContext) -> None:
    """Find what is wrong with the arguments before anything is started."""
    detector(context)


def generate_launch_description() -> LaunchDescription:
    """What ``ros2 launch`` calls. Arguments of demo.launch.py and fusion.launch.py can be given too."""
    demo = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PathJoinSubstitution([SHARE, "launch", "demo.launch.py"])),
        launch_arguments={"namespace": LaunchConfiguration("namespace")}.items(),
    )
    return LaunchDescription(
        [
            namespace_argument(),
            DeclareLaunchArgument(
                "detector_params_file",
                default_value=PathJoinSubstitution([SHARE, "config", "detector.yaml"]),
                description="Parameter file of the detector.",
            ),
            DeclareLaunchArgument(
                "detector_model",
                default_value="",
                description="ONNX file of the detector (YOLOX, YOLOv8 or later). Empty: as in the parameter file.",
            ),
            OpaqueFunction(function=check),
            # The demo sets the Fast DDS profile for large images for all processes that are started after it.
            demo,
            OpaqueFunction(function=detector),
        ]
    )
