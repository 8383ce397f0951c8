"""A process that was told to end does end, and says where it was if that took too long."""

from __future__ import annotations

import faulthandler
import signal


def end_within(seconds: int) -> None:
    """End this process by SIGALRM after a while, unless it has ended by itself before.

    Whatever holds it: a runtime in native code, which no exception reaches, or a library's clean-up when Python has
    already gone. As long as Python is there, the stack of every thread is written to standard error first.

    Args:
        seconds: Until then, at least 1.
    """
    if not hasattr(signal, "alarm"):
        return  # not on this system: its user has to do it
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    # Chained: after the stacks comes what the signal does by default.
    faulthandler.register(signal.SIGALRM, all_threads=True, chain=True)
    signal.alarm(seconds)
