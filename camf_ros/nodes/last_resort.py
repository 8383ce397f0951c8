"""A process that was told to end does end, and says where it was if that took too long."""

from __future__ import annotations

import contextlib
import faulthandler
import signal
import threading
import time
from collections.abc import Callable

_LOOK = 1.0


class LastResort:
    """Ends this process by SIGALRM when it does not end by itself.

    Whatever holds it: a callback that never returns, a runtime in native code, which no exception reaches, or a
    library's clean-up when Python has already gone. As long as Python is there, the stack of every thread is written
    to standard error first.
    """

    def __init__(self, seconds: int, told: Callable[[], bool]) -> None:
        """Get ready; from the main thread.

        Args:
            seconds: From the word to the end, at least 1.
            told: Whether the process was told to end; asked once a second in a thread.
        """
        self._seconds, self._told = seconds, told
        self._armed = False
        if not hasattr(signal, "alarm"):
            return  # not on this system: its user has to do it
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        with contextlib.suppress(AttributeError, OSError, RuntimeError, ValueError):  # no standard error to write to
            # Chained: after the stacks comes what the signal does by default.
            faulthandler.register(signal.SIGALRM, all_threads=True, chain=True)
        # For when the main thread hangs already, and does not get as far as to call arm().
        threading.Thread(target=self._watch, name="last resort", daemon=True).start()

    def arm(self) -> None:
        """The process was told to end: from now on the time runs."""
        if not self._armed and hasattr(signal, "alarm"):
            self._armed = True
            signal.alarm(self._seconds)

    def _watch(self) -> None:
        while not self._told():
            time.sleep(_LOOK)
        self.arm()
