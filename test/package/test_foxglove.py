"""The Foxglove layout shows topics and message fields that the nodes have, and places every panel once."""

from __future__ import annotations

import json
import re

import pytest
from camf_ros.msg import ChannelWeights

from camf_ros.nodes import topics
from camf_ros.resources import share_file

# Panel types of Foxglove and Lichtblick.
TYPES = {"Image", "Plot", "DiagnosticSummary"}


@pytest.fixture(scope="module")
def layout():
    return json.loads(share_file("config/foxglove.json").read_text(encoding="utf-8"))


def placed(node) -> list[str]:
    return [node] if isinstance(node, str) else [*placed(node["first"]), *placed(node["second"])]


def test_every_panel_has_one_place_and_a_known_type(layout):
    assert sorted(placed(layout["layout"])) == sorted(layout["configById"])
    assert {name.partition("!")[0] for name in layout["configById"]} == TYPES


def test_pictures_on_the_topics_of_the_nodes(layout):
    shown = {
        panel["imageMode"]["imageTopic"]: panel["imageMode"].get("calibrationTopic")
        for panel in layout["configById"].values()
        if "imageMode" in panel
    }
    assert shown == {
        f"/{topics.THERMAL_IMAGE}": f"/{topics.THERMAL_INFO}",
        f"/{topics.RGB_IMAGE}": f"/{topics.RGB_INFO}",
        f"/{topics.FUSED_IMAGE}": f"/{topics.FUSED_INFO}",
        f"/{topics.DETECTOR_IMAGE}": f"/{topics.FUSED_INFO}",
        topics.EXPLANATION.replace("~", "/fusion"): None,
    }
    assert layout["configById"]["DiagnosticSummary!all"]["topicToRender"] == topics.DIAGNOSTICS


def test_plots_fields_of_the_message(layout):
    topic = topics.CHANNEL_WEIGHTS.replace("~", "/fusion")
    values = [
        path["value"] for panel in layout["configById"].values() for path in panel.get("paths", []) if path["enabled"]
    ]
    assert len(values) == 5
    types = ChannelWeights.get_fields_and_field_types()
    for value in values:
        field, index = re.fullmatch(rf"{topic}\.(\w+)(\[:\])?", value).groups()
        assert types[field].startswith("sequence") is (index is not None)
