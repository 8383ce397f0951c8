"""The SROS2 policy allows what the fusion node uses, and nothing else."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from harness import start_fusion

from camf_ros.resources import share_file

pytestmark = pytest.mark.ros

# Not there in every distribution, or with certain settings alone: compressed images, simulated time, transforms, depth.
AT_TIMES = {
    "publish": {
        f"/{name}/compressed" for name in ("fused/image", "fused/detector_image", "thermal/colour", "thermal/isotherm")
    },
    "subscribe": {
        "/thermal/image_raw/compressed",
        "/rgb/image_raw/compressed",
        "/depth/image",
        "/depth/image/compressedDepth",
        "/depth/camera_info",
        "/clock",
        "/parameter_events",
        "/tf",
        "/tf_static",
    },
    "reply": {"/fusion/get_type_description"},
}


@pytest.fixture
def allowed():
    profile = ElementTree.parse(share_file("config/sros2_policy.xml")).find(".//profile[@node='fusion']")
    result = {}
    for group in profile:
        ((permission, value),) = group.attrib.items()
        assert value == "ALLOW"
        names = [entry.text.replace("~", "/fusion") for entry in group]
        assert len(names) == len(set(names))
        result[permission] = {name if name.startswith("/") else f"/{name}" for name in names}
    return result


def test_the_policy_is_what_the_node_uses(processes, probe, model, allowed):
    start_fusion(processes, probe, model)
    node = probe.node

    def used():
        return {
            "publish": {name for name, _ in node.get_publisher_names_and_types_by_node("fusion", "/")},
            "subscribe": {name for name, _ in node.get_subscriber_names_and_types_by_node("fusion", "/")},
            "reply": {name for name, _ in node.get_service_names_and_types_by_node("fusion", "/")},
        }

    def agrees():
        found = used()
        return all(allowed[group] - AT_TIMES[group] <= found[group] <= allowed[group] for group in allowed)

    assert probe.spin_until(agrees), {group: used()[group] ^ allowed[group] for group in allowed}
