"""Settings of nodes and tools: frozen dataclasses whose fields carry description, range and unit.

The same definition declares ROS parameters, reads YAML, writes ``config/*.yaml`` and the parameter page of the docs.
"""
