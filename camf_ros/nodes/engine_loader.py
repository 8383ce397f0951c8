"""Loads another engine in the background, so that the one at work goes on until it is ready."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable

import numpy as np

from camf_ros.engines.create import ChosenEngine, choose_engine
from camf_ros.errors import CamfError
from camf_ros.models import find_model
from camf_ros.settings.fusion import FusionSettings

#: Settings that ask for another engine.
ENGINE_SETTINGS = ("model", "engine", "device", "precision", "threads")


def same_engine(one: FusionSettings, other: FusionSettings) -> bool:
    """Whether two settings ask for the same engine."""
    return all(getattr(one, name) == getattr(other, name) for name in ENGINE_SETTINGS)


def check_model(settings: FusionSettings) -> None:
    """Look whether the model is there and whole, which takes milliseconds.

    Raises:
        CheckpointError: If it is not.
    """
    from camf_ros.network.checkpoint_file import read_checkpoint_file  # noqa: PLC0415 (needs what may be missing)

    read_checkpoint_file(find_model(settings.model))


class EngineLoader:
    """One thread that loads what was asked for last."""

    def __init__(
        self, size: Callable[[], tuple[int, int] | None], done: Callable[[ChosenEngine | None, str], None]
    ) -> None:
        """Prepare.

        Args:
            size: (height, width) to warm an engine up for; None if not known.
            done: Called in the loader's thread with each engine, or with None and the reason why there is none.
        """
        self._size, self._done = size, done
        self._wanted: FusionSettings | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False

    def request(self, settings: FusionSettings) -> None:
        """Load; what was asked for before and has not begun is forgotten."""
        with self._changed:
            self._wanted = settings
            if not self._busy:
                self._busy = True
                # A daemon: a runtime that hangs must not keep the process alive after shutdown.
                self._thread = threading.Thread(target=self._run, name="engine loader", daemon=True)
                self._thread.start()

    @property
    def loading(self) -> str:
        """Name of the model that is being loaded; empty if none is."""
        with self._changed:
            return self._wanted_name if self._busy else ""

    _wanted_name = ""

    def _run(self) -> None:
        while True:
            with self._changed:
                settings, self._wanted = self._wanted, None
                if settings is None:
                    self._busy = False
                    return
                self._wanted_name = settings.model
            chosen, reason = self._load(settings)
            with self._changed:
                stale = self._wanted is not None
            if not stale:
                self._done(chosen, reason)

    def _load(self, settings: FusionSettings) -> tuple[ChosenEngine | None, str]:
        try:
            chosen = choose_engine(settings)
            size = self._size()
            if size is not None:
                # What an engine prepares for a size of picture it prepares now, not while frames wait.
                grey = np.zeros(size, np.uint8)
                chosen.engine.fuse(grey, grey, gain=1.0)
        except CamfError as error:
            return None, str(error)
        except Exception as error:  # whatever a runtime raises: the old engine goes on
            return None, "".join(traceback.format_exception(error))
        return chosen, ""
