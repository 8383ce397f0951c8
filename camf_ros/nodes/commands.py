"""Services of the fusion node: pause and go on, load anew, save what was fused last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from camf_ros.errors import CamfError
from camf_ros.explain.explanation import Explainer
from camf_ros.nodes import topics
from camf_ros.nodes.fuser import FusedPair
from camf_ros.snapshot import save_snapshot

_FOLDER = "~/.ros/camf_ros/snapshots"


class Commands:
    """Offers the services."""

    def __init__(
        self,
        node: Node,
        *,
        enable: Callable[[bool], None],
        reload: Callable[[], str],
        last: Callable[[], tuple[FusedPair, Explainer | None] | None],
        parameters: Callable[[], Mapping[str, object]],
    ) -> None:
        """Create them.

        Args:
            node: Whose.
            enable: Pauses or goes on; raises CamfError if it cannot.
            reload: Loads model and registration anew and says what happens; raises CamfError if it cannot.
            last: What was fused last, and who can explain it.
            parameters: Values of all parameters, by name.
        """
        self._enable, self._reload, self._last, self._parameters = enable, reload, last, parameters
        node.create_service(SetBool, topics.ENABLE, self._on_enable)
        node.create_service(Trigger, topics.RELOAD, self._on_reload)
        node.create_service(Trigger, topics.SAVE_SNAPSHOT, self._on_save)

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
        last = self._last()
        if last is None:
            raise CamfError("nothing was fused yet")
        pair, explainer = last
        folder = Path(_FOLDER).expanduser() / datetime.now().astimezone().strftime("%Y%m%d-%H%M%S-%f")
        return str(
            save_snapshot(
                folder,
                thermal=pair.thermal,
                rgb=pair.rgb,
                frame=pair.frame,
                detector=pair.detector,
                model=pair.model,
                model_hash=pair.model_hash,
                parameters=self._parameters(),
                explainer=explainer,
            )
        )


def _answer(response: Any, act: Callable[[], str]) -> Any:
    try:
        response.message, response.success = act(), True
    except Exception as error:  # from a callback it would end the node
        response.message, response.success = str(error) or repr(error), False
    return response
