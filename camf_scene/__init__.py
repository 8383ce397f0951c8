"""Procedural streets for an RGB and a thermal camera: no files, no network.

``NightStreet(seed).rgb(t)`` is uint8 RGB (720, 1280, 3), ``.thermal(t)`` uint16 counts 0..16383 (512, 640), both at
time ``t`` in seconds, from the same place and with the same field of view. ``.people(t)`` says where the people are.

``StreetDrive(seed)`` has two cameras side by side that drive through a street, with true depth and poses.
"""

from .camera import PERIOD, Pinhole
from .drive import StreetDrive
from .night_street import NightStreet
from .people import Box

__all__ = ["PERIOD", "Box", "NightStreet", "Pinhole", "StreetDrive"]
