"""Names of topics and services, each written once, and the environment of processes that talk over them.

Relative names follow the namespace, ``~/`` ones the node. A Fast DDS profile that the user has set stays.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Collection, Mapping
from typing import Any

from camf_ros import outputs
from camf_ros.resources import share_file

THERMAL = "thermal"
RGB = "rgb"

THERMAL_IMAGE = "thermal/image_raw"
THERMAL_INFO = "thermal/camera_info"
RGB_IMAGE = "rgb/image_raw"
RGB_INFO = "rgb/camera_info"
DEPTH_IMAGE = "depth/image"
DEPTH_INFO = "depth/camera_info"

FUSED_IMAGE = "fused/image"
FUSED_INFO = "fused/camera_info"
DETECTOR_IMAGE = "fused/detector_image"
FUSED_MASK = "fused/mask"
REGISTERED_IMAGE = "thermal/registered/image"
REGISTERED_GREY = "thermal/registered/mono8"
REGISTERED_INFO = "thermal/registered/camera_info"
THERMAL_COLOUR = "thermal/colour"
ISOTHERM = "thermal/isotherm"
TEMPERATURES = "thermal/temperatures"
#: Of what is made beside the fused image, by its name in :mod:`camf_ros.outputs`.
OTHERS = {
    outputs.REGISTERED: REGISTERED_IMAGE,
    outputs.REGISTERED_GREY: REGISTERED_GREY,
    outputs.MASK: FUSED_MASK,
    outputs.COLOUR: THERMAL_COLOUR,
    outputs.ISOTHERM: ISOTHERM,
    outputs.MEASURED: TEMPERATURES,
}
CHANNEL_WEIGHTS = "~/channel_weights"
EXPLANATION = "~/explanation"
DIAGNOSTICS = "/diagnostics"

ENABLE = "~/enable"
RELOAD = "~/reload"
SAVE_SNAPSHOT = "~/save_snapshot"

#: What Fast DDS 2 (Humble to Jazzy) reads, and what Fast DDS 3 (Kilted and later) reads; 3 reads the old one too, and
#: takes a profile that both name for an error.
OLD_VARIABLE, VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
_FAST_DDS_2 = {"humble", "iron", "jazzy"}


def others(names: Collection[str]) -> dict[str, tuple[str, str]]:
    """Topic and type of what has these names in :data:`OTHERS`, in the root namespace.

    With registered pictures comes the camera_info of these, as :data:`camf_ros.outputs.REGISTERED_INFO`.
    """
    image, info = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"
    kinds = {outputs.MEASURED: outputs.TEMPERATURES}
    found = {name: (f"/{topic}", kinds.get(name, image)) for name, topic in OTHERS.items() if name in names}
    if outputs.REGISTERED in names or outputs.REGISTERED_GREY in names:
        found[outputs.REGISTERED_INFO] = f"/{REGISTERED_INFO}", info
    return found


def compressed(node: Any, topic: str, transport: str = "compressed") -> str:
    """Where image_transport has an image topic as CompressedImage: beside it, also where it is remapped."""
    return f"{node.resolve_topic_name(topic)}/{transport}"


def profile_to_set(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variable that a process needs to get the profile with a larger shared-memory segment than the default.

    None if a profile is set in the environment (this process' own when left out) already.
    """
    known = os.environ if environment is None else environment
    if known.get(OLD_VARIABLE) or known.get(VARIABLE):
        return {}
    variable = OLD_VARIABLE if known.get("ROS_DISTRO") in _FAST_DDS_2 else VARIABLE
    return {variable: str(share_file("config/fastdds.xml"))}


def this_machine_alone() -> dict[str, str]:
    """The variables that keep a process' topics on this machine."""
    # The first is Humble's, the second what later distributions have; those warn about the first.
    local = {"ROS_LOCALHOST_ONLY": "1"} if os.environ.get("ROS_DISTRO") == "humble" else {}
    return {**local, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def private_environment(domain: int | None = None) -> dict[str, str]:
    """This process' environment, but with a ROS domain on this machine alone: a robot must not see what runs in it.

    The domain is a free one if none is given.
    """
    number = free_domain() if domain is None else domain
    own = {"ROS_DOMAIN_ID": str(number), "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **profile_to_set(), **this_machine_alone(), **own}


# Sockets at the discovery ports of the domains that this process holds.
_held: list[socket.socket] = []


def free_domain() -> int:
    """A ROS domain from 1 to 101 that nobody on this machine uses; this process holds it until it ends.

    Each participant binds ports of its domain (DDSI-RTPS 2.5, 9.6.2): two of its own, and one that all share, unless
    discovery is by unicast. This process holds the shared one. If all domains are in use, it is any of them.
    """
    domains = random.sample(range(1, 102), 101)
    for domain in domains:
        first = 7400 + 250 * domain
        if all(_is_free(port) for port in range(first + 10, first + 30)):
            holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                holder.bind(("", first))
            except OSError:
                holder.close()
                continue
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # for the participants that come
            _held.append(holder)
            return domain
    return domains[0]


def _is_free(port: int) -> bool:
    """Whether no socket on this machine is bound to a UDP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.bind(("", port))
        except OSError:
            return False
    return True
