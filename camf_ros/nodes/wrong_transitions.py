"""A request for a transition that the state does not have is refused, and does not end the node.

Before Kilted rclpy raises in the callback of its own service then (``ros2 lifecycle set /fusion activate`` on a node
that is active already), and what a callback raises ends the process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode


def refuse_wrong_transitions(node: LifecycleNode) -> None:
    """Answer such requests with failure, and say so in the log.

    Args:
        node: Whose service ``~/change_state`` exists, which is so from its construction on.
    """
    for service in node.services:
        if service.srv_type is ChangeState:
            service.callback = partial(_answered, node, service.callback)


def _answered(
    node: LifecycleNode, answer: Callable[[Any, Any], Any], request: ChangeState.Request, response: ChangeState.Response
) -> ChangeState.Response:
    try:
        return answer(request, response)
    except Exception as error:
        wanted = request.transition.label or request.transition.id
        node.get_logger().error(
            f"transition {wanted} was not possible ({error}); "
            f"ros2 lifecycle list {node.get_fully_qualified_name()} shows those that are"
        )
        response.success = False
        return response
