"""One setting: default, description, range, choices, unit, and whether it can change while the node runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, TypeVar

from camf_ros.errors import ParameterError

Value = bool | int | float | str
_V = TypeVar("_V", bool, int, float, str)

_KEY = "setting"


@dataclass(frozen=True)
class Spec:
    """What is known about one setting.

    Attributes:
        name: Full name, parts separated by dots (``pairing.slop``).
        default: Its value if nobody sets it; gives the type.
        description: A sentence or two for people.
        minimum: Smallest value of a number.
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
        """The value in the setting's type.

        Raises:
            ParameterError: If type, range or choice do not fit.
        """
        kind = type(self.default)
        # ROS tells 1 from 1.0, people do not.
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not kind:
            raise self._error(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            low = -math.inf if self.minimum is None else self.minimum
            high = math.inf if self.maximum is None else self.maximum
            if not low <= value <= high:
                raise self._error(value)
        if self.choices and value not in self.choices:
            raise self._error(value)
        return value

    @property
    def accepted(self) -> str:
        """What :meth:`check` accepts, in words."""
        if self.choices:
            return " | ".join(f"'{choice}'" if choice == "" else choice for choice in self.choices)
        if self.minimum is None and self.maximum is None:
            return {bool: "true | false", str: "text"}.get(type(self.default), "number")
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.minimum:g} to {self.maximum:g}{unit}"

    def _error(self, value: object) -> ParameterError:
        return ParameterError(
            f"parameter {self.name} is {value!r}",
            expected=f"{self.accepted} ({type(self.default).__name__})",
            remedy="correct it in the parameter file or on the command line",
        )


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
    result: Any = field(default=default, metadata={_KEY: spec})
    return result  # type: ignore[no-any-return]


def part(kind: type[Any]) -> Any:
    """A field that is a settings dataclass itself; its settings get the field's name before theirs."""
    return field(default_factory=kind, metadata={_KEY: kind})
