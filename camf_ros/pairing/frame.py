"""A frame as the pairing sees it: when it was taken, when it came, and something that the caller knows it by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Frame(Generic[Item]):
    """One frame of a stream.

    Attributes:
        stamp: When it was taken, whole nanoseconds of any clock, the same one for both streams.
        arrived: When it came here, seconds of a clock that never jumps.
        item: The caller's.
    """

    stamp: int
    arrived: float
    item: Item
