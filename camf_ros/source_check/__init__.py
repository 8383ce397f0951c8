"""Is thermal thermal, and RGB RGB? The auxiliary classifier watches both cameras and says how sure it is.

Knows no ROS and no engine. :class:`SourceCheck` is fed from a node and answers with a :class:`SourceReport`.
"""

from camf_ros.source_check.check import SourceCheck
from camf_ros.source_check.model import SourceModel, read_source_model
from camf_ros.source_check.report import CameraReport, Finding, SourceReport

__all__ = ["CameraReport", "Finding", "SourceCheck", "SourceModel", "SourceReport", "read_source_model"]
