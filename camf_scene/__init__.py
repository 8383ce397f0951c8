"""A procedural night street for an RGB and a thermal camera in the same place: no files, no network.

``NightStreet(seed).rgb(t)`` is uint8 RGB (720, 1280, 3), ``.thermal(t)`` uint16 counts 0..16383 (512, 640), both at
time ``t`` in seconds and with the same field of view. ``.people(t)`` says where the people are.
"""

from .camera import PERIOD, Pinhole
from .night_street import NightStreet
from .people import Box

__all__ = ["PERIOD", "Box", "NightStreet", "Pinhole"]
