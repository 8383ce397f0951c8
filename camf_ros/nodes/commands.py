"""Services of the fusion node: pause and go on, load anew, save what was fused last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from camf_ros.errors import CamfError
from camf_ros.explain.explanation import Explainer
from camf_ros.fusion import FusedPair
from camf_ros.nodes import topics
from camf_ros.nodes.background import Failed
from camf_ros.snapshots import Snapshots


class Commands:
    """Offers the services."""

    def __init__(
        self,
        node: Node,
        *,
        enable: Callable[[bool], None],
        reload: Callable[[], str],
        last: Callable[[], FusedPair | None],
        explainer: Callable[[FusedPair], Explainer | None],
        parameters: Callable[[], Mapping[str, object]],
        failed: Failed,
    ) -> None:
        """Create them.

        ``enable`` pauses or goes on, ``reload`` loads model and registration anew and says what happens: both raise
        CamfError if they cannot. ``last`` is what was fused last, ``explainer`` who can explain it, from any thread;
        ``failed`` is called there where a snapshot could not be written.
        """
        self._enable, self._reload, self._last, self._parameters = enable, reload, last, parameters
        self._explainer = explainer
        self._snapshots = Snapshots(
            lambda folder: node.get_logger().info(f"snapshot written: {folder}"),
            lambda error: failed("snapshot", error),
        )
        node.create_service(SetBool, topics.ENABLE, self._on_enable)
        node.create_service(Trigger, topics.RELOAD, self._on_reload)
        node.create_service(Trigger, topics.SAVE_SNAPSHOT, self._on_save)

    def close(self) -> None:
        """Wait a moment for a snapshot that is being written."""
        self._snapshots.close()

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        def act() -> str:
            self._enable(request.data)
            return "fusing" if request.data else "paused"

        return _answer(response, act)

    def _on_reload(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:  # noqa: ARG002
        return _answer(response, self._reload)

    def _on_save(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:  # noqa: ARG002
        return _answer(response, self._save)

    def _save(self) -> str:
        pair = self._last()
        if pair is None:
            raise CamfError("nothing was fused yet")
        return str(self._snapshots.save(pair, self._parameters(), lambda: self._explainer(pair)))


def _answer(response: Any, act: Callable[[], str]) -> Any:
    try:
        response.message, response.success = act(), True
    except Exception as error:  # from a callback it would end the node
        response.message, response.success = str(error) or repr(error), False
    return response
