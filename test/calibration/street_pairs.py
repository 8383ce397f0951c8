"""Pairs of the simulated night street, the thermal picture under a known mapping."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.calibration.align import Pair
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.settings.thermal_settings import ThermalSettings
from camf_scene.night_street import NightStreet

SIZE = (288, 512)


@cache
def _street() -> NightStreet:
    return NightStreet(3, rgb_size=SIZE[::-1], thermal_size=SIZE[::-1])


@cache
def _pair(number: int) -> Pair:
    t = 3.7 * number
    thermal = ThermalFrontEnd(ThermalSettings()).apply(_street().thermal(t), 0.0)
    rgb = np.asarray(cv2.cvtColor(_street().rgb(t), cv2.COLOR_RGB2GRAY), np.uint8)
    return Pair(thermal, rgb, f"{number:02d}")


def registered(count: int) -> list[Pair]:
    return [_pair(number) for number in range(count)]


def misaligned(matrix: NDArray[np.float64], count: int) -> list[Pair]:
    """Pairs whose thermal picture shows at ``matrix @ p`` what the RGB one shows at p."""
    return [
        pair._replace(
            thermal=np.asarray(
                cv2.warpPerspective(
                    pair.thermal, matrix, SIZE[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
                ),
                np.uint8,
            )
        )
        for pair in registered(count)
    ]


def similarity(turn: float, zoom: float, dx: float, dy: float) -> NDArray[np.float64]:
    """About the middle; degrees and pixels."""
    c, s = zoom * np.cos(np.radians(turn)), zoom * np.sin(np.radians(turn))
    x, y = (SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2
    return np.array([[c, -s, x - c * x + s * y + dx], [s, c, y - s * x - c * y + dy], [0, 0, 1.0]])


def write(pairs: list[Pair], folder: Path) -> Path:
    for source in ("infrared", "visible"):
        (folder / source).mkdir(parents=True)
    for pair in pairs:
        cv2.imwrite(str(folder / "infrared" / f"{pair.name}.png"), pair.thermal)
        cv2.imwrite(str(folder / "visible" / f"{pair.name}.png"), pair.rgb)
    return folder
