"""What runs beside the fusion, each in a thread of its own with less claim to the processor: explanation, source check.

The explanation is made only while somebody looks at its topic.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import Image

from camf_ros.errors import EngineError
from camf_ros.explain.explanation import Explainer, Place
from camf_ros.explain.panel import render
from camf_ros.fusion import FusedPair, Fusion
from camf_ros.imaging.memory_budget import check_explanation
from camf_ros.models import Model, find_model
from camf_ros.nodes import topics
from camf_ros.nodes.publishers import image_message, publish
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.source_check.check import SourceCheck, SourceReport
from camf_ros.source_check.source_model import read_source_model

#: Called with a name and each exception in a thread.
Failed = Callable[[str, Exception], None]

# Of the thread alone, on Linux; 0 to 19, higher yields to all others.
_NICE = 10
_JOIN_TIMEOUT = 5.0


class _Background:
    """Calls a function once a period until it is stopped; the thread goes on after an exception."""

    def __init__(self, name: str, period: float, work: Callable[[], None], failed: Failed) -> None:
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


class Explaining:
    """Explains the newest fused image once a period, and publishes the picture of it."""

    def __init__(self, node: Node, settings: FusionSettings, fusion: Fusion, failed: Failed) -> None:
        """Start."""
        self._node, self._settings, self._fusion = node, settings, fusion
        # Who explains a model, by its hash, or why nobody can.
        self._known: tuple[str, Explainer | EngineError] | None = None
        self._shown: tuple[FusedPair, tuple[int, int] | None] | None = None
        self._publisher = publish(node, Image, topics.EXPLANATION)
        self._thread = _Background("explanation", settings.explanation_period, self._explain, failed)

    def configure(self, settings: FusionSettings) -> None:
        """Use other settings from the next explanation on; from any thread."""
        self._settings = settings

    def explainer(self, pair: FusedPair) -> Explainer | None:
        """Who can explain a pair; None where the file of its model has become another.

        Raises:
            CheckpointError: If that cannot be read.
            EngineError: If it does not blend, or no runtime works.
            ImageError: If the pictures are so large that explaining them would need more memory than a pair may.
        """
        if pair.frame is not None:
            check_explanation(pair.frame.worked_at, self._fusion.pipeline.budget)
        known = self._known
        if known is None or known[0] != pair.model_hash:
            model = find_model(pair.model)
            if model.info().hash != pair.model_hash:
                return None
            known = pair.model_hash, _explainer_or_reason(model)
            self._known = known
        if isinstance(known[1], EngineError):
            raise known[1].with_traceback(None)
        return known[1]

    def close(self) -> None:
        """Stop, and destroy the publisher."""
        self._thread.stop()
        self._fusion.pipeline.keep_amounts = False
        self._node.destroy_publisher(self._publisher)

    def _explain(self) -> None:
        pair, pixel = self._fusion.last, self._settings.explained_pixel
        watched = self._publisher.get_subscription_count() > 0
        # From the next frame on; pictures stay the same.
        self._fusion.pipeline.keep_amounts = watched
        if pair is None or pair.frame is None or not watched:
            return
        if self._shown is not None and self._shown[0] is pair and self._shown[1] == pixel:
            return
        self._shown = pair, pixel
        explainer = self.explainer(pair)
        if explainer is None:
            return  # until the model is loaded anew
        panel = render(explainer.explain(pair.frame), place=Place(*pixel) if pixel else None)
        self._publisher.publish(image_message(panel, "rgb8", pair.header))


def _explainer_or_reason(model: Model) -> Explainer | EngineError:
    try:
        return Explainer(model)
    except EngineError as error:
        return error


class SourceWatch:
    """Runs the source check on the newest pictures of a fusion once a period, where the settings want it.

    Attributes:
        report: The last one; None before the first.
    """

    def __init__(self, settings: FusionSettings, fusion: Fusion, failed: Failed) -> None:
        """Start."""
        self._settings, self._fusion = settings.source_check, fusion
        self._check: SourceCheck | None = None
        self._seen: dict[str, NDArray[np.uint8]] = {}
        self.report: SourceReport | None = None
        fusion.watched = self._note
        self._thread = _Background("source check", settings.source_check.period, self._look, failed)

    def close(self) -> None:
        """Stop to look."""
        self._fusion.watched = None
        self._thread.stop()

    def _note(self, camera: str, image: NDArray[Any], stamp: float) -> None:
        # In the worker's thread.
        if self._check is not None:
            self._check.note(camera, image, stamp, time.monotonic())

    def _look(self) -> None:
        if self._check is None:
            self._check = SourceCheck(read_source_model(self._settings.model), self._settings)
        pictures = self._fusion.pipeline.pictures
        # One that has not changed since the last look is none: what its camera is up to, nobody knows.
        new = {camera: image for camera, image in pictures.items() if self._seen.get(camera) is not image}
        self._seen = dict(pictures)
        if new:
            self.report = self._check.look(new.get("thermal"), new.get("rgb"), time.monotonic())
