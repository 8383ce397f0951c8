"""Starts the driver (depthai-ros) of an OAK Thermal, which has a thermal and an RGB sensor, and the fusion node.

The arguments of fusion.launch.py work too.
"""

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration

from camf_ros.nodes.launching import driver, fusion, installed, large_images, namespace_argument, text

ARGUMENTS = [
    DeclareLaunchArgument(
        "oak_params_file",
        default_value="",
        description="Parameter file of the camera driver. Empty: config/oak_t.yaml of the driver.",
    ),
    DeclareLaunchArgument(
        "preset", default_value="oak_t", description="Camera preset of the fusion node, see fusion.launch.py."
    ),
    namespace_argument(),
]


def camera(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The driver, once the arguments are known."""
    package = "depthai_ros_driver"
    installed(package, "install it: sudo apt install ros-$ROS_DISTRO-depthai-ros")
    file = text(context, "oak_params_file")
    # These arguments have the same names in fusion.launch.py and mean something else there.
    own = {
        "params_file": file or f"{get_package_share_directory(package)}/config/oak_t.yaml",
        "namespace": "",
        "name": "oak",
        "use_rviz": "false",
    }
    return [driver(package, "launch/oak_t.launch.py", own)]


def check(context: LaunchContext) -> None:
    """Find what is wrong before anything is started."""
    camera(context)


def generate_launch_description() -> LaunchDescription:
    """What ``ros2 launch`` calls."""
    return LaunchDescription(
        [
            *ARGUMENTS,
            *large_images(),
            OpaqueFunction(function=check),
            # The raw output has temperatures; thermal/image_raw has the picture that the camera has made of them.
            fusion(
                preset=LaunchConfiguration("preset"),
                thermal_topic="/oak/thermal/raw_data/image_raw",
                rgb_topic="/oak/rgb/image_raw",
            ),
            OpaqueFunction(function=camera),
        ]
    )
