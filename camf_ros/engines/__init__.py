"""Inference engines: one file a runtime, all behind the Protocol in :mod:`camf_ros.engines.engine`."""
