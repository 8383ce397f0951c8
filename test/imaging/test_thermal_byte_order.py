"""Thermal values whose bytes are in the wrong order are noticed, and a parameter turns them round."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import plain_thermal as plain
import pytest
from numpy.typing import NDArray

from camf_ros.imaging.thermal.defects import WARNING
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd, put_right
from camf_ros.settings.thermal import ThermalSettings

SWAPPED = ThermalSettings(byte_order="swapped")


def street(moment: float = 4.0) -> NDArray[np.uint16]:
    return np.asarray(plain.street(320, 256).thermal(moment), np.uint16)


def signed(counts: NDArray[np.uint16]) -> NDArray[np.int16]:
    return (counts.astype(np.int32) - 7400).astype(np.int16)


def suspected(picture: NDArray[Any], **others: Any) -> bool:
    front_end = ThermalFrontEnd(ThermalSettings(**others))
    front_end.apply(picture, 1.0)
    assert front_end.state is not None
    assert (WARNING in front_end.state.warnings) == front_end.state.swapped
    return front_end.state.swapped


@pytest.mark.parametrize("agc", ["plateau", "linear", "clahe", "temperature"])
@pytest.mark.parametrize("moment", [4.0, 12.0])
def test_wrong_order_is_noticed_and_turned_round(agc: str, moment: float) -> None:
    for right, wrong in (
        (street(moment), street(moment).byteswap()),
        (signed(street(moment)).astype(np.float32), signed(street(moment)).byteswap().astype(np.float32)),
        ((celsius := street(moment).astype(np.float32) / 32 - 220), celsius.byteswap()),
    ):
        assert not suspected(right, agc=agc)
        assert suspected(wrong, agc=agc)
        np.testing.assert_array_equal(put_right(wrong, SWAPPED), right)


PICTURES = {
    "noise": np.random.default_rng(0).integers(0, 65536, (256, 320)).astype(np.uint16),
    "an even wall": np.random.default_rng(0).normal(7300, 3, (256, 320)).astype(np.uint16),
    "noisy": np.random.default_rng(0).normal(20_000, 4000, (256, 320)).astype(np.uint16),
    "8 bits in the high byte": (street() // 30 << 8).astype(np.uint16),
    "14 bits in the high ones": (street() << 2).astype(np.uint16),
    "8 bits in both": (street() // 32 % 256 * 257).astype(np.uint16),
    "over the whole range": cv2.normalize(street(), None, 0, 65535, cv2.NORM_MINMAX).astype(np.uint16),  # type: ignore[call-overload]
    "something very hot": np.maximum(street(), 60_000 * (np.arange(320) > 250).astype(np.uint16)),
    "large floats": street().astype(np.float32) * 1e4,
}


@pytest.mark.parametrize("kind", PICTURES)
def test_others_are_not_suspected(kind: str) -> None:
    assert not suspected(PICTURES[kind])


def test_8_bit_pictures_have_no_order() -> None:
    picture = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(put_right(picture, SWAPPED), picture)
