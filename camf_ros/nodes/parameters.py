"""ROS parameters from the definition of the settings, and settings from ROS parameters."""

from __future__ import annotations

import difflib
import math
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from camf_ros.errors import CamfError, ParameterError
from camf_ros.settings.table import Spec, build, specs

_S = TypeVar("_S")
_QOS = "qos_overrides"
# What ROS itself declares, later or on some distributions only.
_OF_ROS = ("use_sim_time", "start_type_description_service", f"{_QOS}.")


class NodeParameters(Generic[_S]):
    """Declares a settings class on a node and keeps the settings up to date.

    Attributes:
        settings: The settings in force; replaced as a whole after a change that was accepted.
    """

    def __init__(
        self,
        node: Node,
        kind: type[_S],
        changed: Callable[[_S], None] | None = None,
        locked: Callable[[], str] | None = None,
    ) -> None:
        """Declare all parameters and read their values.

        Args:
            node: Whose parameters.
            kind: Settings class.
            changed: Called with new settings before a change at run time is accepted; refuses it with a
                :class:`~camf_ros.errors.CamfError`.
            locked: Says why settings that are not dynamic cannot change now; empty if they can. Left out: they never
                can.

        Raises:
            ParameterError: If a value from the parameter file or the command line cannot be used.
        """
        self._node = node
        self._kind = kind
        self._changed = changed
        self._locked = locked
        self._specs = specs(kind)
        for spec in self._specs.values():
            _declare(node, spec, read_only=not spec.dynamic and locked is None)
        self.settings: _S = build(kind, self.values())
        node.add_on_set_parameters_callback(self._on_set)
        self._tell_foreign_names()

    def _tell_foreign_names(self) -> None:
        """ROS drops what nobody declared; who has misspelled a name must hear of it, once, at the start."""
        given = getattr(self._node, "_parameter_overrides", {})
        for name in given:
            if name in self._specs or name.startswith(_OF_ROS) or self._node.has_parameter(name):
                continue
            hint = _hint(name, list(self._specs))
            self._node.get_logger().warning(f"parameter {name!r} is none of this node's and is ignored{hint}")

    def values(self) -> dict[str, object]:
        """Value of each parameter as the settings take it, by full name; raises ParameterError if one is wrong."""
        return {name: spec.check(self._node.get_parameter(name).value) for name, spec in self._specs.items()}

    def _on_set(self, parameters: Sequence[Parameter[Any]]) -> SetParametersResult:
        ours = {parameter.name: parameter.value for parameter in parameters if parameter.name in self._specs}
        if not ours:
            return SetParametersResult(successful=True)
        current = self.values()
        fixed = [name for name, value in ours.items() if not self._specs[name].dynamic and value != current[name]]
        reason = self._locked() if self._locked and fixed else ""
        if reason:
            return SetParametersResult(successful=False, reason=f"{', '.join(fixed)} cannot change now: {reason}")
        try:
            # Validated as a whole, so that settings that contradict each other are never in force, not even in between.
            settings = build(self._kind, {**current, **ours})
            if self._changed:
                self._changed(settings)
        except CamfError as error:
            return SetParametersResult(successful=False, reason=str(error))
        except Exception as error:  # from a callback it would end the node
            self._node.get_logger().error("".join(traceback.format_exception(error)))
            return SetParametersResult(successful=False, reason=repr(error))
        self.settings = settings
        return SetParametersResult(successful=True)


def tell_unused_overrides(node: Node) -> None:
    """Warn of ``qos_overrides`` that no topic has taken; to be called when all topics are there."""
    given = [name for name in getattr(node, "_parameter_overrides", {}) if name.startswith(f"{_QOS}.")]
    taken = [f"{_QOS}.{name}" for name in node.get_parameters_by_prefix(_QOS)]
    for name in given:
        if name not in taken:
            hint = _hint(name, taken)
            node.get_logger().warning(f"parameter {name!r} is ignored: no topic here has such a setting{hint}")


def _hint(name: str, known: Sequence[str]) -> str:
    like = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {like[0]}?" if like else ""


def _declare(node: Node, spec: Spec, *, read_only: bool) -> None:
    try:
        node.declare_parameter(spec.name, spec.default, _descriptor(spec, read_only=read_only))
    except InvalidParameterValueException as error:
        raise ParameterError(
            f"parameter {spec.name} cannot be used ({error})",
            expected=f"{spec.accepted} ({type(spec.default).__name__})",
            remedy="correct it in the parameter file or on the command line",
        ) from error


def _descriptor(spec: Spec, *, read_only: bool) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=spec.description,
        additional_constraints=f"accepts {spec.accepted}" if spec.choices else "",
        read_only=read_only,
        # The settings tell types better: people write 1 for 1.0, and off, of which YAML makes a truth value.
        dynamic_typing=True,
    )
    low = -math.inf if spec.minimum is None else spec.minimum
    high = math.inf if spec.maximum is None else spec.maximum
    if isinstance(spec.default, float) and math.isfinite(low) and math.isfinite(high):
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high, step=0.0)]
    elif isinstance(spec.default, int) and not isinstance(spec.default, bool) and math.isfinite(low + high):
        descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
    return descriptor
