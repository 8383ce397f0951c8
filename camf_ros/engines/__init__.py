"""Inference engines: one file a runtime, all behind the Protocol in :mod:`camf_ros.engines.engine`."""

import sys

# Importing openvino reports to Google Analytics by a thread of its own and leaves files in the home folder, unless this
# package of Intel's is missing. Nobody has asked the owner of the robot; so it is missing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
