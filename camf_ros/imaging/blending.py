"""Two pictures to one: blended by amounts for each place and scale, or one alone where only its camera sees."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.luminance import grey_as_colour

#: What blending raises where there is no memory.
FAILURES: tuple[type[Exception], ...] = (MemoryError, cv2.error)
# The fused picture gets the level of one beside it: worked out on cells, so many along the longer side; from the border
# on so many of them; a local mean is of so many (standard deviation); what is narrower is no part but a hole.
_LEVEL_CELLS, _LEVEL_REACH, _LEVEL_SIGMA, _LEVEL_HOLE = 160, 27, 4.0, 5
Grey = NDArray[np.uint8]
Map = NDArray[np.float32]
#: For each level, finest first, (2, h, w): amounts of the first and of the second picture. The first level's are of
#: half its size, as are the second level's.
Amounts = Sequence[Map]


class Blender:
    """Blends pictures of one size by a Laplacian pyramid; keeps its memory for the next pair, so one thread uses it.

    Level l of the result is ``a_l L_l(A) + b_l L_l(B)``: the same function as :func:`camf_ros.network.blend.blend`, in
    float32, because the picture needs more precision than the network that decides the amounts, and because what comes
    from which camera stays exactly separable.
    """

    def __init__(self, height: int, width: int, levels: int) -> None:
        """Pictures are padded to multiples of ``2 ** (levels - 1)`` by repeating their border."""
        self._size = height, width
        self._padding = padding(height, width, levels)
        rows, columns = height + self._padding[0], width + self._padding[1]
        shapes = [(rows >> level, columns >> level) for level in range(levels)]
        self._pictures = [[np.empty(shape, np.float32) for shape in shapes] for _ in range(2)]
        self._work = [[np.empty(shape, np.float32) for shape in shapes] for _ in range(3)]

    def blend(self, first: Grey, second: Grey, amounts: Amounts) -> Grey:
        """The blended picture, (H, W), clipped to 0 to 255 and rounded."""
        self._reduce(first, second)
        blended = self._collapse(amounts, (0, 1))
        rounded = cv2.addWeighted(blended, 1.0, blended, 0.0, 0.0, dtype=cv2.CV_8U)  # and clipped
        return np.asarray(rounded, np.uint8)[: self._size[0], : self._size[1]]

    def parts(self, first: Grey, second: Grey, amounts: Amounts) -> tuple[Map, Map]:
        """What each picture gives to the blended one, (H, W) grey levels: their sum is it before it is clipped."""
        self._reduce(first, second)
        height, width = self._size
        one, other = (self._collapse(amounts, (source,))[:height, :width].copy() for source in (0, 1))
        return one, other

    def bands(self, first: Grey, second: Grey, amounts: Amounts) -> list[tuple[Map, Map]]:
        """What each picture gives to each level of the blended pyramid, finest first, grey levels.

        For level l ``a_l L_l(first)`` and ``b_l L_l(second)``, (h, w) with ``h = ceil(H / 2 ** l)``; the last is the
        low-pass rest.
        """
        self._reduce(first, second)
        result, last = [], len(amounts) - 1
        for level, (own, amount) in enumerate(zip(zip(*self._pictures, strict=True), amounts, strict=True)):
            height, width = (-(-side >> level) for side in self._size)
            size = own[0].shape[::-1]
            weighted = []
            for source, picture in enumerate(own):
                detail = picture
                if level < last:
                    smaller = self._pictures[source][level + 1]
                    detail = picture - cv2.resize(smaller, size, interpolation=cv2.INTER_LINEAR)
                at = cv2.resize(amount[source], size, interpolation=cv2.INTER_LINEAR) if level == 0 else amount[source]
                weighted.append(np.asarray(detail * at, np.float32)[:height, :width])
            result.append((weighted[0], weighted[1]))
        return result

    def _reduce(self, *pictures: Grey) -> None:
        """Gaussian pyramids of means of 2 x 2."""
        for pyramid, picture in zip(self._pictures, pictures, strict=True):
            pyramid[0][...] = padded(picture, self._padding)
            for larger, smaller in pairwise(pyramid):
                cv2.resize(larger, smaller.shape[::-1], smaller, interpolation=cv2.INTER_AREA)

    def _collapse(self, amounts: Amounts, sources: Sequence[int]) -> Map:
        result, detail, amount = self._work
        last = len(result) - 1
        result[last][...] = 0
        for source in sources:
            result[last] += amounts[last][source] * self._pictures[source][last]
        for level in range(last - 1, -1, -1):
            size = result[level].shape[::-1]
            cv2.resize(result[level + 1], size, result[level], interpolation=cv2.INTER_LINEAR)
            for source in sources:
                pyramid, at = self._pictures[source], amounts[level][source]
                cv2.resize(pyramid[level + 1], size, detail[level], interpolation=cv2.INTER_LINEAR)
                cv2.subtract(pyramid[level], detail[level], detail[level])
                if level == 0:
                    at = np.asarray(cv2.resize(at, size, amount[0], interpolation=cv2.INTER_LINEAR), np.float32)
                cv2.multiply(detail[level], at, detail[level])
                cv2.add(result[level], detail[level], result[level])
        return result[0]


def padding(height: int, width: int, levels: int) -> tuple[int, int]:
    """Rows below and columns to the right that a picture lacks for a pyramid."""
    step = 2 ** (levels - 1)
    return -height % step, -width % step


def padded(picture: Grey, missing: tuple[int, int]) -> Grey:
    """A picture with its border repeated below and to the right."""
    if missing == (0, 0):
        return picture
    return np.asarray(cv2.copyMakeBorder(picture, 0, missing[0], 0, missing[1], cv2.BORDER_REPLICATE), np.uint8)


class Shares(NamedTuple):
    """What :meth:`Coverage.fill` mixes, (H, W) each, 0 to 1: their sum is 1, or 0 where no camera sees anything."""

    fused: NDArray[np.float32]
    thermal: NDArray[np.float32]
    rgb: NDArray[np.float32]


class Coverage:
    """The parts of a picture that both cameras, one, or none of them sees.

    Where one camera alone sees something its picture is shown as it is. Towards it the fused picture gets its level:
    the difference of their local means is added, all of it at the border and none of it a sixth of the picture away,
    so that no edge shows however different the two are. Holes, such as occlusions leave, do not change it. Detail goes
    over within the ``feather``.

    Attributes:
        both: (H, W), where both see something.
        overlap: Share of the picture that is, 0 to 1.
        needs_thermal: Whether some part is seen by the thermal camera alone.
    """

    def __init__(self, thermal: NDArray[np.uint8], rgb: NDArray[np.uint8], feather: int) -> None:
        """Of two (H, W) masks, not 0 where a camera sees something.

        ``feather``, pixels, is the width of the transition from the fused part to others; it lies in the fused part. 0
        leaves a hard edge, and the levels as they are.
        """
        thermal_only, rgb_only = (thermal > 0) & (rgb == 0), (rgb > 0) & (thermal == 0)
        self.both = both = (thermal > 0) & (rgb > 0)
        self.overlap = float(both.mean())
        self.needs_thermal = bool(thermal_only.any())
        # A transition only where the other picture lies beside it, not at the border to nothing.
        self._rgb_share = _ramp(both, rgb_only, feather)
        self._thermal_share = _ramp(both & ~self._rgb_share.covered, thermal_only, feather)
        self._rgb_only = rgb_only.astype(np.uint8) if rgb_only.any() else None
        self._thermal_only = thermal_only.astype(np.uint8) if thermal_only.any() else None
        parts = [_cells(only) if feather and only.any() else None for only in (thermal_only, rgb_only)]
        self._levels = [_Levels(both, part) if part is not None and part.any() else None for part in parts]
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

        ``fused`` and ``rgb`` are (H, W) or (H, W, 3), ``thermal`` is (H, W) or, where :attr:`needs_thermal` is False,
        None. The inputs are not written.
        """
        result: NDArray[np.uint8] = fused.copy()
        offsets = [
            levels.of(np.asarray(cv2.subtract(_grey(other), _grey(fused), dtype=cv2.CV_32F), np.float32))
            for levels, other in self._levelled(thermal, rgb)
        ]
        if offsets:
            offset = offsets[0] if len(offsets) == 1 else offsets[0] + offsets[1]
            cv2.add(result, offset if fused.ndim == 2 else cv2.merge([offset] * 3), result, dtype=cv2.CV_8U)
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

    def fill_parts(
        self, parts: Sequence[Map], thermal: NDArray[np.uint8] | None, rgb: NDArray[np.uint8]
    ) -> tuple[Map, Map, Map]:
        """What :meth:`fill` makes of a picture's parts: from thermal, from RGB, and what clipping added.

        All are grey, (H, W). What :meth:`fill` makes of their sum is the sum of the results, but for rounding.
        """
        changed = list(parts)
        for levels, other in self._levelled(thermal, rgb):
            changed = [now - levels.of(part) for now, part in zip(changed, parts, strict=True)]
            changed[0 if other is thermal else 1] += levels.of(other)
        total = changed[0] + changed[1] + changed[2]
        changed[2] = changed[2] + np.clip(total, 0, 255) - total
        shares = self.shares()
        of_thermal, of_rgb, clipping = (shares.fused * each for each in changed)
        if thermal is not None:
            of_thermal += shares.thermal * thermal
        return of_thermal, of_rgb + shares.rgb * rgb, clipping

    def _levelled(
        self, thermal: NDArray[np.uint8] | None, rgb: NDArray[np.uint8]
    ) -> list[tuple[_Levels, NDArray[np.uint8]]]:
        pictures = zip(self._levels, (thermal, rgb), strict=True)
        return [(levels, other) for levels, other in pictures if levels is not None and other is not None]

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


class _Levels:
    """Local means of what both cameras see, as far as they count near the part that one of them sees alone."""

    def __init__(self, both: NDArray[np.bool_], part: NDArray[np.uint8]) -> None:
        """``part`` is 1 in the cells that one camera sees alone, as :func:`_cells` gives it."""
        self._both = both.astype(np.float32)
        self._full, self._cells = both.shape[::-1], part.shape[::-1]
        distance = cv2.distanceTransform(1 - part, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        # From centre to centre; the border is half a cell before the first.
        share = np.cos(np.pi * np.clip((distance - 0.5) / _LEVEL_REACH, 0, 1)) / 2 + 0.5
        self._share = share / np.maximum(self._blurred(self._both), 1e-3)

    def of(self, picture: NDArray[np.uint8] | Map) -> Map:
        """Means around each place, (H, W), of a picture of this size: whole at the border, 0 far from it."""
        seen = np.asarray(cv2.multiply(picture, self._both, dtype=cv2.CV_32F), np.float32)
        means = self._share * self._blurred(seen)
        return np.asarray(cv2.resize(means, self._full, interpolation=cv2.INTER_LINEAR), np.float32)

    def _blurred(self, values: Map) -> Map:
        small = cv2.resize(values, self._cells, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(small, (0, 0), _LEVEL_SIGMA, borderType=cv2.BORDER_REPLICATE), np.float32)


def _cells(only: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """1 in the cells of which one camera alone sees most, without holes; at the picture's border as if it went on."""
    height, width = only.shape
    step = max(1, max(height, width) // _LEVEL_CELLS)
    share = cv2.resize(only.astype(np.float32), (-(-width // step), -(-height // step)), interpolation=cv2.INTER_AREA)
    edge = _LEVEL_HOLE
    grown = cv2.copyMakeBorder((share > 0.5).astype(np.uint8), edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    opened = cv2.morphologyEx(grown, cv2.MORPH_OPEN, np.ones((edge, edge), np.uint8))
    return np.asarray(opened[edge:-edge, edge:-edge], np.uint8)


def _grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


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
    distance = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    covered = both & (distance < feather + 1)
    places = np.flatnonzero(covered)
    share = 1 - distance.ravel()[places] / (feather + 1)
    return _Ramp(places, share.astype(np.float32), covered)
