"""Loads another engine in the background, so that the one at work goes on until it is ready."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable

from camf_ros.engines.choose import ChosenEngine, choose_engine
from camf_ros.engines.engine import Engine
from camf_ros.errors import CamfError
from camf_ros.models import find_model
from camf_ros.settings.fusion import FusionSettings

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


class EngineLoader:
    """One thread that loads what was asked for last."""

    def __init__(self, warm_up: Callable[[Engine], None], done: Callable[[ChosenEngine | None, str], None]) -> None:
        """Prepare.

        Args:
            warm_up: Called in the loader's thread with each engine before it is handed out.
            done: Called there with the engine that is still wanted, or with None and the reason why there is none.
        """
        self._warm_up, self._done = warm_up, done
        self._wanted: FusionSettings | None = None
        self._name = ""
        # Of the last request or cancellation: what is loaded for an earlier one is not wanted any more.
        self._number = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False

    def request(self, settings: FusionSettings) -> None:
        """Load this, and not what was asked for before."""
        with self._changed:
            self._wanted, self._name = settings, settings.model
            self._number += 1
            if not self._busy:
                self._busy = True
                # A daemon: a runtime that hangs must not keep the process alive after shutdown.
                self._thread = threading.Thread(target=self._run, name="engine loader", daemon=True)
                self._thread.start()

    def cancel(self) -> None:
        """Nothing that was asked for is wanted any more. A runtime cannot be stopped: what it loads is dropped."""
        with self._changed:
            self._wanted, self._name = None, ""
            self._number += 1

    @property
    def loading(self) -> str:
        """Name of the model that is being loaded; empty if none is."""
        with self._changed:
            return self._name if self._busy else ""

    def _run(self) -> None:
        while True:
            with self._changed:
                settings, self._wanted = self._wanted, None
                if settings is None:
                    self._busy = False
                    return
                number = self._number
            chosen, reason = self._load(settings)
            with self._changed:
                wanted = number == self._number
            if wanted:
                self._done(chosen, reason)
            # One that is not wanted any more is not held while the next one is loaded.
            del chosen

    def _load(self, settings: FusionSettings) -> tuple[ChosenEngine | None, str]:
        try:
            chosen = choose_engine(settings)
            self._warm_up(chosen.engine)
        except CamfError as error:
            return None, str(error)
        except Exception as error:  # whatever a runtime raises: the old engine goes on
            return None, "".join(traceback.format_exception(error))
        return chosen, ""
