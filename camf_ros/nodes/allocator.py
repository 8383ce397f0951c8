"""Memory of a process with many threads that stays what it is. All of it is about glibc; elsewhere nothing happens."""

from __future__ import annotations

import contextlib
import ctypes
import os

# malloc.h
_M_ARENA_MAX = -8
# So that two threads that want memory at the same time need not wait for each other; more brought no speed.
_ARENAS = 2


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
