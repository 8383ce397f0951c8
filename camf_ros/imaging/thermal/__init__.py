"""Thermal front end: raw counts or temperatures to the 8-bit grey picture that the network is given."""

from __future__ import annotations

from camf_ros.imaging.thermal.front_end import ThermalFrontEnd, ThermalState, put_right

__all__ = ["ThermalFrontEnd", "ThermalState", "put_right"]
