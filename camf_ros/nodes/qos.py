"""Quality of service of the topics: sensible defaults, and the user's ``qos_overrides`` over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

#: Subscriptions to cameras: best effort accepts both kinds of publishers.
SENSOR_INPUT = QoSProfile(reliability=ReliabilityPolicy.BEST_EFFORT, history=HistoryPolicy.KEEP_LAST, depth=5)
#: Publishers: reliable serves both kinds of subscriptions (RViz asks for reliable); a short queue, because an old
#: picture is worth nothing.
OUTPUT = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=2)

_POLICIES = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)


def subscribe(node: Node, kind: type[Any], topic: str, callback: Callable[[Any], None]) -> Any:
    """A subscription to a camera, or to what belongs to one."""
    return node.create_subscription(
        kind, topic, callback, _own(SENSOR_INPUT), qos_overriding_options=QoSOverridingOptions(_POLICIES)
    )


def publish(node: Node, kind: type[Any], topic: str) -> Any:
    """A publisher of results."""
    return node.create_publisher(kind, topic, _own(OUTPUT), qos_overriding_options=QoSOverridingOptions(_POLICIES))


def _own(profile: QoSProfile) -> QoSProfile:
    # Overrides are written into the profile that is handed over.
    return QoSProfile(reliability=profile.reliability, history=profile.history, depth=profile.depth)
