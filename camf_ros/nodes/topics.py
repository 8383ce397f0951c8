"""Names of topics and services, each written once. Relative ones follow the namespace, ``~/`` ones the node."""

from typing import Any

THERMAL = "thermal"
RGB = "rgb"

THERMAL_IMAGE = "thermal/image_raw"
THERMAL_INFO = "thermal/camera_info"
RGB_IMAGE = "rgb/image_raw"
RGB_INFO = "rgb/camera_info"

FUSED_IMAGE = "fused/image"
FUSED_INFO = "fused/camera_info"
DETECTOR_IMAGE = "fused/detector_image"
CHANNEL_WEIGHTS = "~/channel_weights"
EXPLANATION = "~/explanation"
DIAGNOSTICS = "/diagnostics"

ENABLE = "~/enable"
RELOAD = "~/reload"
SAVE_SNAPSHOT = "~/save_snapshot"


def compressed(node: Any, topic: str) -> str:
    """Where image_transport has an image topic as CompressedImage: beside it, also where it is remapped."""
    return f"{node.resolve_topic_name(topic)}/compressed"
