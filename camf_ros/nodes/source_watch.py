"""The source check on the node's live pictures, in a thread of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camf_ros.nodes.background import Background
from camf_ros.nodes.fuser import Fuser
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.source_check.check import SourceCheck, SourceReport
from camf_ros.source_check.source_model import read_source_model


class SourceWatch:
    """Looks at the newest pictures of a fuser once a period.

    Attributes:
        report: The last one; None before the first.
    """

    def __init__(self, settings: FusionSettings, fuser: Fuser, failed: Callable[[str, Exception], None]) -> None:
        """Start.

        Args:
            settings: Of the node.
            fuser: Whose pictures.
            failed: Called with a name and each exception in the thread.
        """
        self._settings, self._fuser = settings.source_check, fuser
        self._check: SourceCheck | None = None
        self._seen: dict[str, NDArray[np.uint8]] = {}
        self.report: SourceReport | None = None
        fuser.watched = self._note
        self._thread = Background("source check", settings.source_check.period, self._look, failed)

    def close(self) -> None:
        """Stop to look."""
        self._fuser.watched = None
        self._thread.stop()

    def _note(self, camera: str, image: NDArray[Any], stamp: float) -> None:
        # In the worker's thread.
        if self._check is not None:
            self._check.note(camera, image, stamp, time.monotonic())

    def _look(self) -> None:
        if self._check is None:
            self._check = SourceCheck(read_source_model(self._settings.model), self._settings)
        pictures = self._fuser.pictures
        # One that has not changed since the last look is none: what its camera is up to, nobody knows.
        new = {camera: image for camera, image in pictures.items() if self._seen.get(camera) is not image}
        self._seen = dict(pictures)
        if new:
            self.report = self._check.look(new.get("thermal"), new.get("rgb"), time.monotonic())
