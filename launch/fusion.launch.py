"""Starts the fusion node on the topics of your cameras.

``ros2 launch camf_ros fusion.launch.py --show-args`` lists the arguments. A value that is not given here keeps what the
parameter file says.
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from camf_ros.nodes import topics
from camf_ros.nodes.launching import large_images, preset_parameters
from camf_ros.settings.fusion import FusionSettings
from camf_ros.settings.table import specs

SETTINGS = specs(FusionSettings)
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
        "detector_topic",
        default_value="",
        description="Topic for the detector images, which have the camera_info of the fused ones. Empty: "
        "detector_image beside the fused images.",
    ),
    DeclareLaunchArgument(
        "params_file",
        default_value=PathJoinSubstitution([SHARE, "config", "fusion.yaml"]),
        description="Parameter file of the node.",
    ),
    DeclareLaunchArgument(
        "preset",
        default_value="",
        description="Camera preset, a name in config/cameras or a parameter file: its values for the fusion node "
        "replace those of params_file. Empty: none.",
    ),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node and its relative topics."),
    DeclareLaunchArgument(
        "model",
        default_value="",
        description="Name of a shipped model, or path of a .safetensors file. Empty: as the parameter file says.",
    ),
    DeclareLaunchArgument(
        "engine",
        default_value="",
        choices=["", *SETTINGS["engine"].choices],
        description="Runtime of the network. Empty: as the parameter file says.",
    ),
    DeclareLaunchArgument(
        "device",
        default_value="",
        choices=["", *SETTINGS["device"].choices],
        description="Where the network runs. Empty: as the parameter file says.",
    ),
    DeclareLaunchArgument(
        "autostart",
        default_value="",
        choices=["", "true", "false"],
        description="Configure and activate at the start; false: leave it to a lifecycle manager. Empty: as the "
        "parameter file says.",
    ),
    DeclareLaunchArgument(
        "use_sim_time",
        default_value="",
        choices=["", "true", "false"],
        description="Take the time from /clock, as with a simulator or 'ros2 bag play --clock'. Empty: as the "
        "parameter file says, else false.",
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
        description="Also start RViz with thermal, RGB, fused image and its explanation.",
    ),
]


def info_topic(image_topic: str) -> str:
    """Topic of the camera_info that belongs to an image topic, by the convention of image_transport."""
    return beside(image_topic, "camera_info")


def beside(topic: str, name: str) -> str:
    """A topic of another name in the same namespace."""
    return f"{topic.rpartition('/')[0]}/{name}" if "/" in topic else name


def nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The nodes, once the arguments are known."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    # As texts: a model called 1e3 is not a number.
    texts = ("model", "engine", "device")
    given = {name: ParameterValue(value(name), value_type=str) for name in texts if value(name)}
    given |= {name: value(name) == "true" for name in ("autostart", "use_sim_time") if value(name)}
    remappings = []
    for argument, image, info in (
        ("thermal_topic", topics.THERMAL_IMAGE, topics.THERMAL_INFO),
        ("rgb_topic", topics.RGB_IMAGE, topics.RGB_INFO),
        ("fused_topic", topics.FUSED_IMAGE, topics.FUSED_INFO),
    ):
        wanted = value(argument)
        if wanted != image:
            remappings += [(image, wanted), (info, info_topic(wanted))]
    detector = value("detector_topic") or beside(value("fused_topic"), "detector_image")
    if detector != topics.DETECTOR_IMAGE:
        remappings.append((topics.DETECTOR_IMAGE, detector))
    fusion = Node(
        package="camf_ros",
        executable="fusion_node",
        name="fusion",
        namespace=value("namespace"),
        # The file first, then what was given by hand: an argument left out keeps the file's value.
        parameters=[value("params_file"), preset_parameters(value("preset"), "fusion"), given],
        remappings=remappings,
        arguments=["--ros-args", "--log-level", value("log_level")],
        output="screen",
        # An inference on a slow CPU may take longer than the 5 s that launch gives by default.
        sigterm_timeout="15",
        # Then it is given the time after which it ends itself, whatever hangs, and says where.
        sigkill_timeout="20",
    )
    if value("rviz") == "false":
        return [fusion]
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        namespace=value("namespace"),
        arguments=["-d", PathJoinSubstitution([SHARE, "config", "fusion.rviz"])],
        parameters=[{"use_sim_time": value("use_sim_time") == "true"}],
        remappings=remappings,
        output="screen",
    )
    return [fusion, rviz]


def generate_launch_description() -> LaunchDescription:
    """What ``ros2 launch`` calls."""
    return LaunchDescription(
        [
            *ARGUMENTS,
            *large_images(),
            OpaqueFunction(function=nodes),
        ]
    )
