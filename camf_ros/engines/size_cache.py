"""What is prepared for one picture size and kept for the next frame of that size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")
# Two cameras' sizes while one is replaced by the other; each entry can hold much memory.
_KEPT = 2


class SizeCache(Generic[_T]):
    """Prepares on first use, and forgets the size that has not been used for longest.

    It does not keep the function that prepares, which is its owner's: the two would hold each other, and a model
    that is replaced would keep its memory and threads until Python's garbage collector looks for such rings.
    """

    def __init__(self, kept: int = _KEPT) -> None:
        """Begin empty.

        Args:
            kept: Number of sizes to keep.
        """
        self._kept = kept
        self._entries: OrderedDict[tuple[int, int], _T] = OrderedDict()

    def get(self, prepare: Callable[[int, int], _T], height: int, width: int) -> _T:
        """What belongs to a size.

        Args:
            prepare: Makes what is needed for pictures of a height and width.
            height: Of the pictures.
            width: Likewise.
        """
        size = (height, width)
        if size not in self._entries:
            # First, so that the memory of the one can be used for the other.
            while len(self._entries) >= self._kept:
                self._entries.popitem(last=False)
            self._entries[size] = prepare(height, width)
        self._entries.move_to_end(size)
        return self._entries[size]

    def forget(self, height: int, width: int) -> None:
        """Drop what belongs to a size, if there is anything: it failed, and may hold much memory."""
        self._entries.pop((height, width), None)
