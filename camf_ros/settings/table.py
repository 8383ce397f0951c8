"""From settings classes to tables of specs, and from tables of values back to settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from camf_ros.errors import ParameterError
from camf_ros.settings.spec import KEY, Spec, Value

_S = TypeVar("_S")


def specs(kind: type[Any], prefix: str = "") -> dict[str, Spec]:
    """All settings of a class and its parts, by full name, in the order of the definition."""
    result: dict[str, Spec] = {}
    for field in fields(kind):
        entry, name = field.metadata.get(KEY), f"{prefix}{field.name}"
        if isinstance(entry, Spec):
            result[name] = replace(entry, name=name)
        elif entry is not None:
            result.update(specs(entry, f"{name}."))
    return result


def build(kind: type[_S], values: Mapping[str, object], **others: object) -> _S:
    """Settings from values by full name; what is not named keeps its default.

    Args:
        kind: Settings class.
        values: By full name.
        others: Values of fields that are no settings.

    Raises:
        ParameterError: On an unknown name, a wrong type, a value out of range, or values that contradict each other.
    """
    table = specs(kind)
    unknown = [repr(name) for name in values if name not in table]
    if unknown:
        raise ParameterError(
            f"unknown parameters {', '.join(sorted(unknown))}", expected=f"names out of {sorted(table)}"
        )
    return _build(kind, {name: table[name].check(value) for name, value in values.items()}, "", others)


def _build(kind: type[_S], values: Mapping[str, Value], prefix: str, others: Mapping[str, object]) -> _S:
    arguments: dict[str, Any] = dict(others)
    for field in fields(kind):  # type: ignore[arg-type]
        entry, name = field.metadata.get(KEY), f"{prefix}{field.name}"
        if isinstance(entry, Spec):
            if name in values:
                arguments[field.name] = values[name]
        elif entry is not None:
            arguments[field.name] = _build(entry, values, f"{name}.", {})
    return kind(**arguments)
