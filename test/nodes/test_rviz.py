"""The RViz layout names displays that RViz has, on topics that the nodes have, with fitting quality of service."""

from __future__ import annotations

import re

import pytest
import yaml

from camf_ros.nodes import topics
from camf_ros.resources import share_file

# From rviz_default_plugins and rviz_common, plugins_description.xml.
KNOWN = {
    "rviz_default_plugins/Image",
    "rviz_default_plugins/MoveCamera",
    "rviz_default_plugins/Orbit",
    "rviz_default_plugins/TF",
    "rviz_common/Displays",
    "rviz_common/Time",
}
# The properties of its image display, and those of a topic with its quality of service.
IMAGE = {"Class", "Name", "Enabled", "Value", "Topic", "Normalize Range", "Min Value", "Max Value", "Median window"}
TOPIC = {"Value", "Depth", "Durability Policy", "History Policy", "Reliability Policy"}


@pytest.fixture(scope="module")
def layout():
    return yaml.safe_load(share_file("config/fusion.rviz").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def displays(layout):
    return {display["Name"]: display for display in layout["Visualization Manager"]["Displays"]}


def classes(node) -> set[str]:
    if isinstance(node, dict):
        own = {node["Class"]} if node.get("Class") else set()
        return own.union(*(classes(value) for value in node.values()))
    return set().union(*(classes(value) for value in node)) if isinstance(node, list) else set()


def docked(state: str) -> list[str]:
    """Names of the dock widgets in a QMainWindow's state: Qt writes 0xfb, the length in bytes, the name in UTF-16."""
    data = bytes.fromhex(state)
    found = []
    for match in re.finditer(b"\xfb\x00\x00\x00", data):
        length = data[match.end()]
        found.append(data[match.end() + 1 : match.end() + 1 + length].decode("utf-16-be"))
    return found


def test_every_class_and_property_exists_in_rviz(layout, displays):
    assert classes(layout) == KNOWN
    for display in displays.values():
        assert set(display) == IMAGE
        assert set(display["Topic"]) == TOPIC


def test_four_pictures_on_the_topics_of_the_nodes(displays):
    assert {name: (d["Topic"]["Value"], d["Topic"]["Reliability Policy"]) for name, d in displays.items()} == {
        # Cameras publish best effort: asking for reliable would show nothing.
        "Thermal": (topics.THERMAL_IMAGE, "Best Effort"),
        "RGB": (topics.RGB_IMAGE, "Best Effort"),
        "Fused": (topics.FUSED_IMAGE, "Reliable"),
        "Explanation": ("fusion/explanation", "Reliable"),
    }
    assert all(display["Enabled"] for display in displays.values())


def test_raw_counts_are_stretched(displays):
    """Unlike that, RViz shows a picture of counts as white: its range is 0 to 1."""
    assert displays["Thermal"]["Normalize Range"] is True


def test_each_picture_and_panel_has_its_place_in_the_window(layout, displays):
    window = layout["Window Geometry"]
    names = {*displays, *(panel["Name"] for panel in layout["Panels"])}
    places = docked(window["QMainWindow State"])
    assert len(places) == len(set(places))
    assert set(places) == names
    # RViz also says of each whether it is hidden.
    assert all(window[name] == {"collapsed": False} for name in names)
    assert (window["Hide Left Dock"], window["Hide Right Dock"]) == (False, False)


def test_the_fixed_frame_is_that_of_the_played_camera(layout):
    assert layout["Visualization Manager"]["Global Options"]["Fixed Frame"] == "rgb_optical_frame"
