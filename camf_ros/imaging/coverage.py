"""Which camera sees what: where only one does, the fused picture shows that one."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.luminance import grey_as_colour


class Shares(NamedTuple):
    """What :meth:`Coverage.fill` mixes, (H, W) each, 0 to 1: their sum is 1, or 0 where no camera sees anything."""

    fused: NDArray[np.float32]
    thermal: NDArray[np.float32]
    rgb: NDArray[np.float32]


class Coverage:
    """The parts of a picture that both cameras, one, or none of them sees.

    Attributes:
        both: (H, W), where both see something.
        overlap: Share of the picture that is, 0 to 1.
        needs_thermal: Whether some part is seen by the thermal camera alone.
    """

    def __init__(self, thermal: NDArray[np.uint8], rgb: NDArray[np.uint8], feather: int) -> None:
        """Compute the parts.

        Args:
            thermal: (H, W), not 0 where the thermal camera sees something.
            rgb: (H, W), likewise for the RGB camera.
            feather: Width of the transition from the fused part to others, pixels; it lies in the fused part.
        """
        thermal_only, rgb_only = (thermal > 0) & (rgb == 0), (rgb > 0) & (thermal == 0)
        self.both = both = (thermal > 0) & (rgb > 0)
        self.overlap = float(both.mean())
        self.needs_thermal = bool(thermal_only.any())
        # Only where the other picture lies beside it: at the border to nothing there is nothing to go over to.
        self._rgb_share = _ramp(both, rgb_only, feather)
        self._thermal_share = _ramp(both & ~self._rgb_share.covered, thermal_only, feather)
        self._rgb_only = rgb_only.astype(np.uint8) if rgb_only.any() else None
        self._thermal_only = thermal_only.astype(np.uint8) if thermal_only.any() else None
        nothing = (thermal == 0) & (rgb == 0)
        self._nothing = nothing if nothing.any() else None

    @property
    def complete(self) -> bool:
        """Whether both cameras see everything."""
        return bool(self.overlap == 1.0)

    def fill(
        self, fused: NDArray[np.uint8], thermal: NDArray[np.uint8] | None, rgb: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """The fused picture where both see something, else the one that does; black where none does.

        Args:
            fused: (H, W) or (H, W, 3).
            thermal: (H, W); None is enough where :attr:`needs_thermal` is False.
            rgb: The shape of ``fused``.

        Returns:
            A new array; the inputs are not written.
        """
        result: NDArray[np.uint8] = fused.copy()
        if self._rgb_only is not None:
            cv2.copyTo(rgb, self._rgb_only, result)
            self._rgb_share.blend(result, rgb)
        if self._thermal_only is not None and thermal is not None:
            grey = thermal if fused.ndim == 2 else grey_as_colour(thermal)
            cv2.copyTo(grey, self._thermal_only, result)
            self._thermal_share.blend(result, grey)
        if self._nothing is not None:
            result[self._nothing] = 0
        return result

    def shares(self) -> Shares:
        """How much of each picture :meth:`fill` takes at each place."""
        shape = self._rgb_share.covered.shape
        parts = [np.zeros(shape, np.float32) for _ in range(2)]
        masks = self._thermal_only, self._rgb_only
        for part, only, ramp in zip(parts, masks, (self._thermal_share, self._rgb_share), strict=True):
            if only is not None:
                part[only > 0] = 1
                part.reshape(-1)[ramp.places] = ramp.share
        fused = 1 - parts[0] - parts[1]
        if self._nothing is not None:
            fused[self._nothing] = 0
        return Shares(fused, *parts)


class _Ramp:
    """A transition: pixels by their place in the picture, and the share that the other picture has there."""

    def __init__(self, places: NDArray[np.intp], share: NDArray[np.float32], covered: NDArray[np.bool_]) -> None:
        self.places, self.share, self.covered = places, share, covered

    def blend(self, picture: NDArray[np.uint8], other: NDArray[np.uint8]) -> None:
        """Mix the other picture into this one, in place."""
        if not self.places.size:
            return
        channels = (-1,) if picture.ndim == 2 else (-1, picture.shape[2])
        flat, source = picture.reshape(channels), other.reshape(channels)
        share = self.share if picture.ndim == 2 else self.share[:, None]
        here = flat[self.places].astype(np.float32)
        flat[self.places] = np.rint(here + share * (source[self.places] - here)).astype(np.uint8)


def _ramp(both: NDArray[np.bool_], other: NDArray[np.bool_], feather: int) -> _Ramp:
    """The share falls from 1 at the other part to 0 ``feather`` pixels into the fused one."""
    if feather == 0 or not other.any():
        return _Ramp(np.empty(0, np.intp), np.empty(0, np.float32), np.zeros_like(both))
    distance = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    covered = both & (distance < feather + 1)
    places = np.flatnonzero(covered)
    share = 1 - distance.ravel()[places] / (feather + 1)
    return _Ramp(places, share.astype(np.float32), covered)
