"""The Fast DDS profile of this package: large images need a larger shared-memory segment than the default.

A profile that the user has set stays.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from camf_ros.resources import share_file

#: What Fast DDS 2 (Humble to Jazzy) reads, and what Fast DDS 3 (Kilted and later) reads; 3 reads the old one too, and
#: takes a profile that both name for an error.
OLD_VARIABLE, VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
_FAST_DDS_2 = {"humble", "iron", "jazzy"}


def profile_to_set(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variable that a process needs to get the profile; none if a profile is set in the environment already.

    Args:
        environment: This process' own when left out.
    """
    known = os.environ if environment is None else environment
    if known.get(OLD_VARIABLE) or known.get(VARIABLE):
        return {}
    variable = OLD_VARIABLE if known.get("ROS_DISTRO") in _FAST_DDS_2 else VARIABLE
    return {variable: str(share_file("config/fastdds.xml"))}
