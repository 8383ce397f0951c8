"""Parts of the launch files: camera presets, the launch file of a camera driver, memory for large images.

It needs ``launch`` and ``launch_ros``, which no node does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.parameter_descriptions import ParameterValue

from camf_ros.nodes.middleware import profile_to_set
from camf_ros.resources import share_file
from camf_ros.settings.parameter_file import preset_file, read_parameters


def namespace_argument() -> DeclareLaunchArgument:
    """The argument ``namespace`` of the launch files that start several nodes."""
    return DeclareLaunchArgument(
        "namespace", default_value="", description="Namespace of all nodes and their relative topics."
    )


def large_images() -> list[SetEnvironmentVariable]:
    """Gives the processes that are started after it the Fast DDS profile, unless the user has set one."""
    return [SetEnvironmentVariable(name, path) for name, path in profile_to_set().items()]


def preset_parameters(preset: str, node: str) -> dict[str, object]:
    """What a camera preset has for a node, for ``Node(parameters=[...])``; nothing for an empty name.

    Raises:
        DataError: If there is no such preset, or it has nothing for the node.
    """
    if not preset:
        return {}
    values = read_parameters(preset_file(preset), node)
    # A text stays a text: launch would read 'off' as false.
    return {
        name: ParameterValue(value, value_type=str) if isinstance(value, str) else value
        for name, value in values.items()
    }


def driver(package: str, file: str, arguments: Mapping[str, str]) -> GroupAction:
    """Another package's launch file, with arguments that are seen by it alone.

    Args:
        package: Package of the driver.
        file: Its launch file, by its path in the package's share folder.
        arguments: Names of this launch file's arguments that mean another thing there must be among them.

    Raises:
        PackageNotFoundError: If the package is not installed; at once, before anything is started.
    """
    path = Path(get_package_share_directory(package)) / file
    return GroupAction(
        [IncludeLaunchDescription(PythonLaunchDescriptionSource(str(path)), launch_arguments=arguments.items())]
    )


def fusion(**arguments: object) -> IncludeLaunchDescription:
    """The fusion node by ``fusion.launch.py``, in the namespace of the argument ``namespace``.

    Args:
        arguments: For ``fusion.launch.py``, as texts or substitutions.
    """
    arguments.setdefault("namespace", LaunchConfiguration("namespace"))
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(share_file("launch/fusion.launch.py"))), launch_arguments=arguments.items()
    )
