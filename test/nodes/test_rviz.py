"""The RViz layout names displays that RViz has, on topics that the nodes have, with fitting quality of service."""

from __future__ import annotations

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


@pytest.fixture(scope="module")
def layout():
    return yaml.safe_load(share_file("config/fusion.rviz").read_text(encoding="utf-8"))


def classes(node) -> set[str]:
    if isinstance(node, dict):
        own = {node["Class"]} if node.get("Class") else set()
        return own.union(*(classes(value) for value in node.values()))
    return set().union(*(classes(value) for value in node)) if isinstance(node, list) else set()


def test_every_class_exists_in_rviz(layout):
    assert classes(layout) == KNOWN


def test_three_pictures_on_the_topics_of_the_nodes(layout):
    displays = layout["Visualization Manager"]["Displays"]
    shown = {d["Name"]: (d["Topic"]["Value"], d["Topic"]["Reliability Policy"]) for d in displays}
    assert shown == {
        # Cameras publish best effort: asking for reliable would show nothing.
        "Thermal": (topics.THERMAL_IMAGE, "Best Effort"),
        "RGB": (topics.RGB_IMAGE, "Best Effort"),
        "Fused": (topics.FUSED_IMAGE, "Reliable"),
    }
    # RViz lays out a window for each display by its name.
    assert set(shown) <= set(layout["Window Geometry"])
