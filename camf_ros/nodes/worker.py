"""The one thread that owns the pipeline and publishes, so that nothing slow ever blocks the executor."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Generic, TypeVar

from camf_ros.nodes.mailbox import Mailbox

_T = TypeVar("_T")

# An inference on a slow CPU may be under way when the node is asked to stop.
_JOIN_TIMEOUT = 10.0


class Worker(Generic[_T]):
    """Takes items out of a mailbox and works on them until it is stopped."""

    def __init__(self, mailbox: Mailbox[_T], work: Callable[[_T], None], failed: Callable[[Exception], None]) -> None:
        """Prepare; :meth:`start` starts.

        Args:
            mailbox: Where items come from; closed by :meth:`stop`.
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
        """Let the item in work finish and end the thread.

        Returns:
            Whether it ended in time.
        """
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
