"""Spots as vision_msgs/Detection2DArray, where vision_msgs is installed (Humble or later)."""

from __future__ import annotations

from typing import Any

from std_msgs.msg import Header

from camf_ros.examples.bright_spots import Spot

try:
    from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose
except ImportError:
    Detection2DArray = None

#: Type of the message; None where vision_msgs is missing.
MESSAGE: Any = Detection2DArray


def message(header: Header, spots: list[Spot]) -> Any:
    """The message of the spots of one picture, under its header; only where :data:`MESSAGE` is not None."""
    return Detection2DArray(header=header, detections=[_detection(header, spot) for spot in spots])


def _detection(header: Header, spot: Spot) -> Any:
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = "bright spot"
    hypothesis.hypothesis.score = 1.0
    result = Detection2D(header=header, results=[hypothesis])
    result.bbox.center.position.x, result.bbox.center.position.y = spot.column, spot.row
    result.bbox.size_x = result.bbox.size_y = spot.diameter
    return result
