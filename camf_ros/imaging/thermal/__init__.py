"""Thermal front end: raw counts or temperatures to the 8-bit grey picture that the network is given."""
