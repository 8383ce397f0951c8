"""Loads another engine in the background, so that the one at work goes on until it is ready."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from camf_ros.engines.choose import choose_engine
from camf_ros.errors import CamfError
from camf_ros.imaging.warp import Size
from camf_ros.models import find_model
from camf_ros.nodes.fuser import Fuser, Running
from camf_ros.settings.fusion_settings import FusionSettings

_T = TypeVar("_T")

#: Settings that ask for another engine.
ENGINE_SETTINGS = ("model", "engine", "device", "precision", "threads")


def same_engine(one: FusionSettings, other: FusionSettings) -> bool:
    """Whether two settings ask for the same engine."""
    return all(getattr(one, name) == getattr(other, name) for name in ENGINE_SETTINGS)


def check_model(settings: FusionSettings) -> None:
    """Look whether the model is there and what it says of itself, which takes milliseconds.

    Raises:
        CheckpointError: If it is not.
    """
    find_model(settings.model).info()


def load(settings: FusionSettings, processing: Size | None, fuser: Fuser | None) -> Running:
    """Load the engine that settings ask for, and have it prepare for the pictures of a fuser.

    Args:
        settings: Which engine, of which model.
        processing: As in :class:`camf_ros.nodes.fuser.Running`.
        fuser: What it is for, if that is there already.

    Raises:
        CamfError: As :func:`camf_ros.engines.choose.choose_engine`, or if the inference fails.
    """
    chosen = choose_engine(settings)
    if fuser is not None:
        fuser.warm_up(chosen.engine, processing)
    return Running(chosen, settings.model, processing)


class _Job(NamedTuple):
    """See :meth:`EngineLoader.run`."""

    name: str
    work: Callable[[Callable[[], bool]], Any]
    done: Callable[[Any, str], None]


class EngineLoader:
    """One thread that does what was asked for last."""

    def __init__(self) -> None:
        """Prepare."""
        self._next: _Job | None = None
        self._name = ""
        # Of the last request or cancellation: what is loaded for an earlier one is not wanted any more.
        self._number = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False

    def run(self, name: str, work: Callable[[Callable[[], bool]], _T], done: Callable[[_T | None, str], None]) -> None:
        """Do this, and not what was asked for before.

        Args:
            name: Of what is loaded.
            work: Called in the loader's thread with a function that says whether the result is still wanted.
            done: Called there with the result if it is, or with None and the reason why there is none.
        """
        with self._changed:
            self._next, self._name = _Job(name, work, done), name
            self._number += 1
            if not self._busy:
                self._busy = True
                # A daemon: a runtime that hangs must not keep the process alive after shutdown.
                self._thread = threading.Thread(target=self._run, name="engine loader", daemon=True)
                self._thread.start()

    def cancel(self) -> None:
        """Nothing that was asked for is wanted any more. A runtime cannot be stopped: what it loads is dropped."""
        with self._changed:
            self._next, self._name = None, ""
            self._number += 1

    @property
    def loading(self) -> str:
        """Name of what is being loaded; empty if nothing is."""
        with self._changed:
            return self._name if self._busy else ""

    def _run(self) -> None:
        while True:
            with self._changed:
                job, self._next = self._next, None
                if job is None:
                    self._busy = False
                    return
                number = self._number
            result, reason = self._attempt(job, number)
            if self._wanted(number):
                job.done(result, reason)
            # One that is not wanted any more is not held while the next one is loaded.
            del job, result

    def _attempt(self, job: _Job, number: int) -> tuple[Any, str]:
        try:
            return job.work(lambda: self._wanted(number)), ""
        except CamfError as error:
            return None, str(error)
        except Exception as error:  # whatever a runtime raises: the old engine goes on
            return None, "".join(traceback.format_exception(error))

    def _wanted(self, number: int) -> bool:
        with self._changed:
            return number == self._number
