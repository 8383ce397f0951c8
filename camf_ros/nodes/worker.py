"""The one thread that owns the pipeline and publishes, the mailbox that it takes its work from, and threads' memory.

So nothing slow ever blocks the executor: a subscription's callback only fills the mailbox. What is about memory is
about glibc; elsewhere nothing happens.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import traceback
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")

# An inference on a slow CPU may be under way when the node is asked to stop.
_JOIN_TIMEOUT = 10.0
# malloc.h
_M_ARENA_MAX = -8
# So that two threads that want memory at the same time need not wait for each other; more brought no speed.
_ARENAS = 2


class Mailbox(Generic[_T]):
    """One slot: the newest item wins, losses are counted. :meth:`put` never waits and never raises."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: _T | None = None
        self._closed = False
        self._displaced = 0

    def put(self, item: _T) -> None:
        """Leave an item; one that nobody has taken yet is dropped for it. Once closed, it is dropped itself."""
        with self._changed:
            if self._closed:
                self._displaced += 1
                return
            if self._item is not None:
                self._displaced += 1
            self._item = item
            self._changed.notify()

    def take(self) -> _T | None:
        """Wait for an item and take it; None once the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed)
            item, self._item = self._item, None
            return None if self._closed else item

    def close(self) -> None:
        """Wake the taker for the last time; an item that nobody has taken is dropped."""
        with self._changed:
            if self._item is not None:
                self._item = None
                self._displaced += 1
            self._closed = True
            self._changed.notify_all()

    @property
    def displaced(self) -> int:
        """How many items were dropped: for a newer one, or at the end."""
        with self._changed:
            return self._displaced


class Worker(Generic[_T]):
    """Takes items out of a mailbox and works on them until it is stopped."""

    def __init__(self, mailbox: Mailbox[_T], work: Callable[[_T], None], failed: Callable[[Exception], None]) -> None:
        """Prepare; :meth:`start` starts.

        Args:
            mailbox: Closed by :meth:`stop`.
            work: Called with each item in the worker's thread.
            failed: Called there with every exception of ``work``; the worker goes on afterwards.
        """
        self._mailbox = mailbox
        self._work = work
        self._failed = failed
        # A daemon: a hung runtime must not keep the process alive after shutdown.
        self._thread = threading.Thread(target=self._run, name="fusion worker", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> bool:
        """Let the item in work finish and end the thread; whether it ended in time."""
        self._mailbox.close()
        if self._thread.is_alive():
            self._thread.join(_JOIN_TIMEOUT)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._mailbox.take()) is not None:
            try:
                self._work(item)
            except Exception as error:  # whatever it is: counted and logged, and the next pair is fused
                try:
                    self._failed(error)
                except Exception:  # not even reporting works; going on is all that is left
                    traceback.print_exc()


def limit_arenas() -> None:
    """Let all threads take their memory out of two pools; to be called before there are many threads.

    Without this glibc makes up to eight pools for each processor, and each new thread takes another one: every model
    that is loaded and every activation of the node. Each pool keeps the gaps of the largest pictures that it has seen,
    and the process grows for hours before all of them have. Who has set ``MALLOC_ARENA_MAX``, or the same in
    ``GLIBC_TUNABLES``, has chosen already.
    """
    if "MALLOC_ARENA_MAX" in os.environ or "arena_max" in os.environ.get("GLIBC_TUNABLES", ""):
        return
    with _if_glibc():
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def trim() -> None:
    """Return free memory to the system, after much was freed; takes milliseconds.

    By itself glibc returns only what lies at the end of a pool, and only when that is large.
    """
    with _if_glibc():
        ctypes.CDLL(None).malloc_trim(0)


def _if_glibc() -> contextlib.AbstractContextManager[None]:
    """Another C library has no such function, or cannot be looked into."""
    return contextlib.suppress(OSError, AttributeError, TypeError)
