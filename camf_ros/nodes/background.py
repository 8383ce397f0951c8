"""A thread that does something now and then, beside the fusion and with less claim to the processor."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable

# Of the thread alone, on Linux; 0 to 19, higher yields to all others.
_NICE = 10
_JOIN_TIMEOUT = 5.0


class Background:
    """Calls a function once a period until it is stopped."""

    def __init__(
        self, name: str, period: float, work: Callable[[], None], failed: Callable[[str, Exception], None]
    ) -> None:
        """Start.

        Args:
            name: Of the thread.
            period: Seconds between the end of one call and the next.
            work: What to do, in the thread.
            failed: Called there with the name and every exception of ``work``; the thread goes on.
        """
        self._name, self._period, self._work, self._failed = name, period, work, failed
        self._stopped = threading.Event()
        # A daemon: what hangs in it must not keep the process alive after shutdown.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; waits a moment for a call at work."""
        self._stopped.set()
        self._thread.join(_JOIN_TIMEOUT)

    def _run(self) -> None:
        if hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):  # the fusion is a little slower then, and nothing else
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while not self._stopped.wait(self._period):
            try:
                self._work()
            except Exception as error:  # whatever it is: this thread is an extra, and must not end the node
                self._failed(self._name, error)
