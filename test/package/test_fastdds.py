"""The Fast DDS profile keeps its promise: camera images reach another process, all of them, best effort."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

PROFILE = Path(__file__).resolve().parents[2] / "config" / "fastdds.xml"
TRAFFIC = Path(__file__).with_name("image_traffic.py")
NAMESPACE = {"dds": "http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"}
FRAMES = 60
SEGMENT = 128 * 1024 * 1024


def test_segment_and_transports() -> None:
    profiles = ET.parse(PROFILE).getroot()
    assert profiles.findtext(".//dds:segment_size", namespaces=NAMESPACE) == str(SEGMENT)
    described = [
        element.text for element in profiles.findall(".//dds:transport_descriptor/dds:transport_id", NAMESPACE)
    ]
    used = [element.text for element in profiles.findall(".//dds:userTransports/dds:transport_id", NAMESPACE)]
    assert used == described
    kinds = [element.text for element in profiles.findall(".//dds:transport_descriptor/dds:type", NAMESPACE)]
    assert kinds == ["SHM", "UDPv4"]
    participant = profiles.find("dds:participant", NAMESPACE)
    assert participant is not None
    assert participant.get("is_default_profile") == "true"


def free_shared_memory() -> int:
    try:
        state = os.statvfs("/dev/shm")
    except OSError:
        return 0
    return state.f_bavail * state.f_frsize


@pytest.mark.ros
@pytest.mark.skipif(free_shared_memory() < 4 * SEGMENT, reason="less than 512 MiB of shared memory (/dev/shm)")
def test_no_image_is_lost_between_processes() -> None:
    rclpy = pytest.importorskip("rclpy")
    if "fastrtps" not in rclpy.utilities.get_rmw_implementation_identifier():
        pytest.skip("the profile is for Fast DDS, and ROS uses another DDS here")
    names = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
    environment = {**os.environ, **dict.fromkeys(names, str(PROFILE))}

    counter = subprocess.Popen(
        [sys.executable, str(TRAFFIC), "count"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert counter.stdout is not None
        assert counter.stdout.readline() == "ready\n"
        subprocess.run([sys.executable, str(TRAFFIC), "publish", str(FRAMES)], env=environment, timeout=120, check=True)
        answer, _ = counter.communicate(timeout=30)  # closes its standard input, which ends it
    finally:
        counter.kill()
        counter.wait()
    assert json.loads(answer) == {"rgb/image_raw": FRAMES, "thermal/image_raw": FRAMES}
