"""Starts Gazebo with a thermal and an RGB camera in a yard at night, the bridge to ROS, and the fusion node.

The arguments of fusion.launch.py work too.
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from camf_ros.nodes.launching import driver, flag, fusion, installed, large_images, namespace_argument, text
from camf_ros.resources import share_file

ARGUMENTS = [
    DeclareLaunchArgument(
        "world",
        default_value=str(share_file("config/gazebo/yard.sdf")),
        description="World with cameras on the topics /thermal/image_raw and /rgb/image_raw.",
    ),
    DeclareLaunchArgument(
        "gui",
        default_value="true",
        description="true: show the window of Gazebo; false: start only the server, which needs no screen.",
    ),
    DeclareLaunchArgument(
        "preset", default_value="gazebo", description="Camera preset of the fusion node, see fusion.launch.py."
    ),
    namespace_argument(),
]


def simulation(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Gazebo and the bridge, once the arguments are known."""
    installed("ros_gz_sim", "install it: sudo apt install ros-$ROS_DISTRO-ros-gz")
    installed("ros_gz_bridge", "install it: sudo apt install ros-$ROS_DISTRO-ros-gz")
    world = text(context, "world")
    options = "-r" if flag(context, "gui") else "-r -s --headless-rendering"
    bridge = Node(
        package="ros_gz_bridge",
        executable="parameter_bridge",
        name="gazebo_bridge",
        parameters=[{"config_file": str(share_file("config/gazebo/bridge.yaml"))}],
        output="screen",
    )
    gazebo = {"gz_args": f"{options} {world}", "on_exit_shutdown": "true"}
    return [driver("ros_gz_sim", "launch/gz_sim.launch.py", gazebo), bridge]


def check(context: LaunchContext) -> None:
    """Find what is wrong before anything is started."""
    simulation(context)


def generate_launch_description() -> LaunchDescription:
    """What ``ros2 launch`` calls."""
    return LaunchDescription(
        [
            *ARGUMENTS,
            *large_images(),
            OpaqueFunction(function=check),
            fusion(
                preset=LaunchConfiguration("preset"),
                thermal_topic="/thermal/image_raw",
                rgb_topic="/rgb/image_raw",
                use_sim_time="true",
            ),
            OpaqueFunction(function=simulation),
        ]
    )
