"""The settings table: what is known about one setting, and tables of values back to settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from camf_ros.errors import ParameterError, shown

Value = bool | int | float | str | tuple[str, ...]
_S = TypeVar("_S")
_V = TypeVar("_V", bool, int, float, str, tuple[str, ...])

#: Under this key a field's metadata holds its Spec, or the settings class that the field is made of.
KEY = "setting"

# What YAML makes of off, no and false, and of on, yes and true.
_SWITCH = {False: "off", True: "on"}
_TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "a string", tuple: "a list of strings"}


@dataclass(frozen=True)
class Spec:
    """What is known about one setting.

    Attributes:
        name: Full name, parts separated by dots (``pairing.slop``).
        default: Its value if nobody sets it; gives the type.
        description: A sentence or two for people.
        minimum: Smallest value of a number; numbers have both limits.
        maximum: Largest value of a number.
        choices: Closed list of texts.
        unit: Of a number, empty where it has none.
        dynamic: Whether it can change while the node runs.
    """

    name: str
    default: Value
    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""
    dynamic: bool = False

    def check(self, value: object) -> Value:
        """The value in the setting's type; ``off`` where YAML has made a truth value of it.

        Raises:
            ParameterError: If type, range or choice do not fit.
        """
        kind = type(self.default)
        if kind is tuple:
            if not isinstance(value, (list, tuple)) or not all(isinstance(text, str) and text for text in value):
                raise self._error(value)
            return tuple(value)
        if isinstance(value, bool) and _SWITCH[value] in self.choices:
            return _SWITCH[value]
        # ROS tells 1 from 1.0, people do not; compared before it is converted, because a huge one has no float.
        whole = isinstance(value, int) and not isinstance(value, bool)
        if type(value) is not kind and not (kind is float and whole):
            raise self._error(value)
        if self.minimum is not None and self.maximum is not None:
            # Written so that NaN, which compares with nothing, fails.
            if not self.minimum <= value <= self.maximum:  # type: ignore[operator]
                raise self._error(value)
        elif self.choices and value not in self.choices:
            raise self._error(value)
        return kind(value)  # type: ignore[arg-type, call-overload]

    @property
    def accepted(self) -> str:
        """What :meth:`check` accepts, in words."""
        if self.choices:
            return " | ".join(self.choices)
        if self.minimum is None or self.maximum is None:
            return _TYPES[type(self.default)]
        unit = f" {self.unit}" if self.unit else ""
        return f"{_number(self.minimum)} to {_number(self.maximum)}{unit}"

    def _error(self, value: object) -> ParameterError:
        remedy = "correct it in the parameter file or on the command line"
        if isinstance(self.default, str) and isinstance(value, (bool, int, float)):
            text = _SWITCH[value] if isinstance(value, bool) else value
            remedy += f", where a string that looks like a number or a boolean needs quotes (\"'{text}'\")"
        kind, accepted = _TYPES[type(self.default)], self.accepted
        return ParameterError(
            f"parameter {self.name} is {shown(value)}",
            expected=kind if accepted == kind else f"{kind}: {accepted}",
            remedy=remedy,
        )


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


def setting(
    default: _V,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    unit: str = "",
    dynamic: bool = False,
) -> _V:
    """A field of a settings dataclass; see :class:`Spec` for the arguments."""
    spec = Spec("", default, description, minimum, maximum, choices, unit, dynamic)
    # A dataclass field in place of its value is how the standard library types field() as well.
    result: Any = field(default=default, metadata={KEY: spec})
    return result  # type: ignore[no-any-return]


def part(kind: type[Any]) -> Any:
    """A field that is a settings dataclass itself; its settings get the field's name before theirs."""
    return field(default_factory=kind, metadata={KEY: kind})


def specs(kind: type[Any], prefix: str = "") -> dict[str, Spec]:
    """All settings of a class and its parts, by full name, in the order of the definition."""
    result: dict[str, Spec] = {}
    for item in fields(kind):
        entry, name = item.metadata.get(KEY), f"{prefix}{item.name}"
        if isinstance(entry, Spec):
            result[name] = replace(entry, name=name)
        elif entry is not None:
            result.update(specs(entry, f"{name}."))
    return result


def build(kind: type[_S], values: Mapping[str, object], **others: object) -> _S:
    """Settings from values by full name; what is not named keeps its default. ``others``: fields that are no settings.

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
    for item in fields(kind):  # type: ignore[arg-type]
        entry, name = item.metadata.get(KEY), f"{prefix}{item.name}"
        if isinstance(entry, Spec):
            if name in values:
                arguments[item.name] = values[name]
        elif entry is not None:
            arguments[item.name] = _build(entry, values, f"{name}.", {})
    return kind(**arguments)
