"""Findings as vision_msgs/Detection2DArray, where vision_msgs is installed (Humble or later)."""

from __future__ import annotations

from typing import Any

from std_msgs.msg import Header

from camf_ros.examples.finders import Finding

try:
    from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose
except ImportError:
    Detection2DArray = None

#: Type of the message; None where vision_msgs is missing.
MESSAGE: Any = Detection2DArray


def message(header: Header, findings: list[Finding]) -> Any:
    """The message of the findings in one picture, under its header; only where :data:`MESSAGE` is not None."""
    return Detection2DArray(header=header, detections=[_detection(header, finding) for finding in findings])


def _detection(header: Header, finding: Finding) -> Any:
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = finding.label
    hypothesis.hypothesis.score = finding.score
    result = Detection2D(header=header, results=[hypothesis])
    result.bbox.center.position.x, result.bbox.center.position.y = finding.column, finding.row
    result.bbox.size_x, result.bbox.size_y = finding.width, finding.height
    return result
