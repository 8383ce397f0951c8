"""The explanation as a picture on a topic: made in a thread of its own, and only while somebody looks."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from sensor_msgs.msg import Image

from camf_ros.errors import EngineError
from camf_ros.explain.explanation import Explainer, Place
from camf_ros.explain.panel import render
from camf_ros.imaging.memory_budget import check_explanation
from camf_ros.models import Model, find_model
from camf_ros.nodes import topics
from camf_ros.nodes.background import Background
from camf_ros.nodes.fuser import FusedPair, Fuser
from camf_ros.nodes.image_messages import image_message
from camf_ros.nodes.qos import publish
from camf_ros.settings.fusion_settings import FusionSettings


class Explaining:
    """Explains the newest fused image once a period."""

    def __init__(
        self, node: Node, settings: FusionSettings, fuser: Fuser, failed: Callable[[str, Exception], None]
    ) -> None:
        """Start.

        Args:
            node: Whose topic.
            settings: Of the node.
            fuser: Whose images.
            failed: Called with a name and each exception in the thread.
        """
        self._node, self._settings, self._fuser = node, settings, fuser
        # Who explains a model, by its hash, or why nobody can.
        self._known: tuple[str, Explainer | EngineError] | None = None
        self._shown: tuple[FusedPair, tuple[int, int] | None] | None = None
        self._publisher = publish(node, Image, topics.EXPLANATION)
        self._thread = Background("explanation", settings.explanation_period, self._explain, failed)

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
            check_explanation(pair.frame.worked_at, self._fuser.budget)
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
        self._fuser.keep_amounts(False)
        self._node.destroy_publisher(self._publisher)

    def _explain(self) -> None:
        pair, pixel = self._fuser.last, self._settings.explained_pixel
        watched = self._publisher.get_subscription_count() > 0
        self._fuser.keep_amounts(watched)
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
