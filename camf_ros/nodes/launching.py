"""Parts of the launch files: checked arguments, camera presets, launch files of drivers, memory for large images.

An error that launch meets after it has started a process leaves that process running. So a launch file checks what it
can before its first node. This module needs ``launch`` and ``launch_ros``, which no node does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.parameter_descriptions import ParameterValue
from rclpy.exceptions import InvalidNamespaceException, InvalidTopicNameException
from rclpy.validate_namespace import validate_namespace
from rclpy.validate_topic_name import validate_topic_name

from camf_ros.errors import ParameterError, shown
from camf_ros.nodes.topics import profile_to_set
from camf_ros.resources import share_file
from camf_ros.settings.parameter_file import preset_file, read_parameters


def namespace_argument() -> DeclareLaunchArgument:
    """The argument ``namespace`` of the launch files that start several nodes."""
    return DeclareLaunchArgument(
        "namespace", default_value="", description="Namespace of all nodes and their relative topics."
    )


def text(context: LaunchContext, name: str) -> str:
    """Value of an argument."""
    return str(LaunchConfiguration(name).perform(context))


def choice(context: LaunchContext, name: str, choices: Sequence[str]) -> str:
    """Value of an argument that is one of several words, in lower case.

    Raises:
        ParameterError: If it is none of them.
    """
    value = text(context, name).lower()
    if value not in choices:
        raise ParameterError(
            f"launch argument {name} is {shown(text(context, name))}",
            expected=f"one of {', '.join(repr(word) for word in choices)}",
        )
    return value


def flag(context: LaunchContext, name: str) -> bool | None:
    """Value of an argument that says yes or no; None if it is empty.

    Raises:
        ParameterError: If it says neither.
    """
    value = text(context, name).lower()
    if value not in {"", "true", "false", "1", "0"}:
        raise ParameterError(f"launch argument {name} is {shown(text(context, name))}", expected="true or false")
    return value in {"true", "1"} if value else None


def number(context: LaunchContext, name: str) -> float:
    """Value of an argument that is a number.

    Raises:
        ParameterError: If it is none.
    """
    try:
        return float(text(context, name))
    except ValueError:
        raise ParameterError(f"launch argument {name} is {shown(text(context, name))}", expected="a number") from None


def topic(context: LaunchContext, name: str) -> str:
    """Value of an argument that is the name of a topic; may be empty.

    Raises:
        ParameterError: If no topic can have this name.
    """
    value = text(context, name)
    try:
        if value:
            validate_topic_name(value)
    except InvalidTopicNameException:
        raise ParameterError(
            f"launch argument {name} is {shown(value)}",
            expected="the name of a topic: letters, digits, _ and /, and no part that starts with a digit",
        ) from None
    return value


def namespace(context: LaunchContext) -> str:
    """Value of the argument ``namespace``; may be empty.

    Raises:
        ParameterError: If no node can have it.
    """
    value = text(context, "namespace")
    try:
        if value.strip("/"):
            validate_namespace(f"/{value.strip('/')}")
    except InvalidNamespaceException:
        raise ParameterError(
            f"launch argument namespace is {shown(value)}", expected="letters, digits, _ and / between them"
        ) from None
    return value


def parameter_file(context: LaunchContext, name: str, node: str) -> list[str]:
    """Value of an argument that names a parameter file, for ``Node(parameters=...)``; nothing if it is empty.

    Raises:
        DataError: If it cannot be read, or has nothing for the node.
    """
    value = text(context, name)
    if value:
        read_parameters(Path(value), node)
    return [value] if value else []


def installed(package: str, remedy: str) -> None:
    """Make sure that a package is there.

    Raises:
        ParameterError: If it is not.
    """
    try:
        get_package_share_directory(package)
    except PackageNotFoundError:
        raise ParameterError(f"package {package} is not installed", remedy=remedy) from None


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
    """Another package's launch file (its path in the share folder), with arguments that are seen by it alone.

    Names of this launch file's arguments that mean another thing there must be among them. Raises PackageNotFoundError
    if the package is not installed, at once, before anything is started.
    """
    path = Path(get_package_share_directory(package)) / file
    return GroupAction(
        [IncludeLaunchDescription(PythonLaunchDescriptionSource(str(path)), launch_arguments=arguments.items())]
    )


def fusion(**arguments: object) -> IncludeLaunchDescription:
    """The fusion node by ``fusion.launch.py``, in the namespace of the argument ``namespace``.

    Arguments are those of ``fusion.launch.py``, as texts or substitutions.
    """
    arguments.setdefault("namespace", LaunchConfiguration("namespace"))
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(share_file("launch/fusion.launch.py"))), launch_arguments=arguments.items()
    )
