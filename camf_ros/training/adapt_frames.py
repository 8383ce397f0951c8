"""The pairs that a model is adapted to: those that differ, and none alike on both sides of the split."""

from __future__ import annotations

import hashlib
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import DataError
from camf_ros.imaging.warp import Rig
from camf_ros.source_check.measured import LEAST_DETAIL, LEAST_STRUCTURE
from camf_ros.source_check.measures import measure, unsuitable

Grey = NDArray[np.uint8]
CAMERAS = ("thermal", "rgb")

#: Pairs that differ, at least; and kept of a recording, at most: 200 of 640x512 and 1280x720 need a gigabyte.
FEWEST, MOST = 20, 200
# Mean difference of two pictures at a small size, grey levels, from which on they show different things.
_DIFFERENT = 4.0
_SMALL = (16, 12)
# Share of the pairs from which on a camera is said to be frozen or covered.
_MOST_OF_IT = 0.5
# Parts of a recording and those of them that are for validation; seconds that lie between those and what is trained on.
_PARTS, _HELD, _GAP = 10, (2, 7), 2.0
# Share of a folder's pictures for validation; bits of 64 in which the fingerprints of similar pictures differ, at most.
_SHARE, _ALIKE = 0.22, 12


class Frame(NamedTuple):
    """A pair as the cameras gave it, in their own geometries.

    Attributes:
        name: For messages.
        thermal: (h, w), grey levels with hot as white.
        rgb: (H, W), luminance.
        stamp: Seconds; None in a folder.
        rig: What was known about the cameras.
    """

    name: str
    thermal: Grey
    rgb: Grey
    stamp: float | None
    rig: Rig = Rig()


class Parts(NamedTuple):
    """A recording, split."""

    training: list[Frame]
    validation: list[Frame]


@dataclass
class Gathering:
    """Takes the pairs of a recording one after the other and keeps those that differ.

    Attributes:
        pairs: How many there were.
        kept: Those that differ.
    """

    pairs: int = 0
    kept: list[Frame] = field(default_factory=list)
    _frozen: Counter[str] = field(default_factory=Counter)
    _covered: Counter[str] = field(default_factory=Counter)
    _last: Frame | None = None
    _different: float = _DIFFERENT

    def add(self, frame: Frame) -> None:
        """Take the next pair; pairs of a recording come in the order of their stamps."""
        self.pairs += 1
        for camera, picture in zip(CAMERAS, (frame.thermal, frame.rgb), strict=True):
            if self._last is not None and np.array_equal(picture, getattr(self._last, camera)):
                self._frozen[camera] += 1
            if _shows_nothing(picture):
                self._covered[camera] += 1
        self._last = frame
        if frame.stamp is None or not self.kept or _distance(frame, self.kept[-1]) >= self._different:
            self.kept.append(frame)
        while len(self.kept) > MOST:
            self._different *= 1.25
            kept = [self.kept[0]]
            for each in self.kept[1:]:
                if _distance(each, kept[-1]) >= self._different:
                    kept.append(each)
            # Pictures of a folder are in no order: their neighbours say nothing.
            self.kept = kept if frame.stamp is not None else self.kept[:MOST]

    def check(self) -> None:
        """Refuse a recording that nothing can be learnt from.

        Raises:
            DataError: If a camera was frozen or covered for most of it, or too few pairs differ.
        """
        for camera in CAMERAS:
            for count, what in ((self._frozen, "frozen: bit-identical frames"), (self._covered, "covered: no detail")):
                if count[camera] > _MOST_OF_IT * self.pairs:
                    raise DataError(
                        f"the {camera} camera was {what} in {count[camera]} of {self.pairs} pairs",
                        expected="two cameras that show the scene",
                        remedy="see what the source check says of it, and record again",
                    )
        if len(self.kept) < FEWEST:
            raise DataError(
                f"{len(self.kept)} of {self.pairs} pairs differ from each other",
                expected=f"{FEWEST} or more",
                remedy="record for some minutes while the robot drives",
            )

    def parts(self) -> Parts:
        """Training and validation pairs, with nothing alike on both sides.

        Raises:
            DataError: If that leaves too few of either.
        """
        held = _by_stamp(self.kept) if self.kept[0].stamp is not None else _by_likeness(self.kept)
        parts = Parts(
            [frame for frame, side in zip(self.kept, held, strict=True) if side is False],
            [frame for frame, side in zip(self.kept, held, strict=True) if side],
        )
        if len(parts.training) < FEWEST // 2 or len(parts.validation) < FEWEST // 5:
            raise DataError(
                f"{len(parts.training)} pairs are left to train on and {len(parts.validation)} to validate on: "
                "the others are like these",
                expected=f"{FEWEST // 2} and {FEWEST // 5} or more",
                remedy="record for longer, and in more places",
            )
        return parts


def data_hash(frames: Sequence[Frame]) -> str:
    """SHA-256 (hex) over all pictures and stamps."""
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(f"{frame.name} {frame.stamp} {frame.thermal.shape} {frame.rgb.shape}\n".encode())
        digest.update(frame.thermal.tobytes())
        digest.update(frame.rgb.tobytes())
    return digest.hexdigest()


def _shows_nothing(picture: Grey) -> bool:
    if unsuitable(picture):
        return False
    found = measure(picture)
    return found.detail < LEAST_DETAIL or found.structure < LEAST_STRUCTURE


def _distance(one: Frame, other: Frame) -> float:
    """Mean difference at a small size, of the camera that shows more of it."""
    return max(
        float(cv2.absdiff(_reduced(first), _reduced(second)).mean())
        for first, second in ((one.thermal, other.thermal), (one.rgb, other.rgb))
    )


def _reduced(picture: Grey) -> Grey:
    return np.asarray(cv2.resize(picture, _SMALL, interpolation=cv2.INTER_AREA), np.uint8)


def _by_stamp(frames: Sequence[Frame]) -> list[bool | None]:
    """Of each frame whether it is for validation; None within the gap."""
    held: list[bool | None] = [row * _PARTS // len(frames) in _HELD for row in range(len(frames))]
    stamps = [frame.stamp or 0.0 for frame in frames]
    kept = held.copy()
    for row, side in enumerate(held):
        near = [other for other in (row - 1, row + 1) if 0 <= other < len(held)]
        if side is False and (
            any(held[other] for other in near)
            or any(there and abs(stamps[row] - stamp) < _GAP for there, stamp in zip(held, stamps, strict=True))
        ):
            kept[row] = None
    return kept


def _by_likeness(frames: Sequence[Frame]) -> list[bool | None]:
    """Groups of similar pictures, each on one side as a whole; which ones, the pictures' fingerprints decide."""
    prints = [(_fingerprint(frame.thermal), _fingerprint(frame.rgb)) for frame in frames]
    group = list(range(len(frames)))
    for row, one in enumerate(prints):
        for other in range(row):
            if min(int((a != b).sum()) for a, b in zip(one, prints[other], strict=True)) <= _ALIKE:
                old, new = group[row], group[other]
                group = [new if each == old else each for each in group]
    members: dict[int, list[int]] = {}
    for row, number in enumerate(group):
        members.setdefault(number, []).append(row)
    wanted, held = max(FEWEST // 5, round(_SHARE * len(frames))), set[int]()
    usual = statistics.median(len(rows) for rows in members.values())
    # Small groups first: one large group would be all of the validation, or all of the recording.
    for rows in sorted(
        members.values(),
        key=lambda rows: (len(rows) > usual, hashlib.sha256(np.packbits(prints[rows[0]][1]).tobytes()).digest()),
    ):
        if len(held) < wanted:
            held.update(rows)
    return [row in held for row in range(len(frames))]


def _fingerprint(picture: Grey) -> NDArray[np.bool_]:
    """64 bits: whether each of 8 x 9 parts is brighter than the next (difference hash)."""
    small = cv2.resize(picture, (9, 8), interpolation=cv2.INTER_AREA)
    return np.asarray(small[:, 1:] > small[:, :-1]).ravel()
