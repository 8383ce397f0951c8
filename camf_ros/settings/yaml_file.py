"""YAML files that people write, read so that nothing in them does harm: neither their size nor what they make."""

from __future__ import annotations

import math
import os
import re
import stat
from pathlib import Path
from typing import Any, ClassVar

import yaml

from camf_ros.errors import DataError

#: Bytes. More than any of our files has, and read within a fraction of a second whatever they are.
MAX_SIZE = 2**16
#: Values in the tree, counted as often as they occur.
MAX_VALUES = 2**13
_MERGE = "tag:yaml.org,2002:merge"
_TAGS = (None, *(f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "seq", "map")))
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_SHOWN = 200


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Plain data only, and numbers only as they are mostly written: no dates, and nothing to the base of 60.

    No merge keys: with aliases a few lines of them make mappings that no memory holds.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}
    yaml_constructors: ClassVar[dict[str | None, Any]] = {tag: yaml.SafeLoader.yaml_constructors[tag] for tag in _TAGS}
    count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.count += 1
        if self.count > MAX_VALUES:
            raise yaml.composer.ComposerError(None, None, f"found more than {MAX_VALUES} values")
        return super().compose_node(parent, index)

    def construct_scalar(self, node: Any) -> Any:
        if ":" in node.value and node.tag in _NUMBERS:
            raise yaml.constructor.ConstructorError(None, None, "found a number to the base of 60", node.start_mark)
        return super().construct_scalar(node)

    def flatten_mapping(self, node: Any) -> None:
        for key, _ in node.value:
            if key.tag == _MERGE:
                raise yaml.constructor.ConstructorError(None, None, "found a merge key", key.start_mark)


for _kind, _pattern, _first in (
    ("bool", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    ("float", r"[-+]?(\d+\.\d*([eE][-+]\d+)?|\.\d+([eE][-+]\d+)?|\.(inf|Inf|INF))|\.(nan|NaN|NAN)", "-+0123456789."),
    ("int", r"[-+]?(0b[01]+|0[0-7]*|[1-9]\d*|0x[0-9a-fA-F]+)", "-+0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"(?:{_pattern})$", re.ASCII), list(_first))


def read_yaml(path: Path, what: str, remedy: str = "") -> Any:
    """The tree in a YAML file: mappings, lists, text, numbers, truth values.

    ``what`` the file is (``parameter file``) and the ``remedy`` if it cannot be opened are for errors.

    Raises:
        DataError: If it cannot be read, is no regular file, is too large, or is no YAML.
    """
    try:
        # A FIFO that nobody writes to is opened at once, too, and then refused.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DataError(f"the {what} {path} is no regular file", remedy=remedy)
            content = file.read(MAX_SIZE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"the {what} {path} cannot be opened ({reason})", remedy=remedy) from error
    if len(content) > MAX_SIZE:
        raise DataError(f"the {what} {path} is too large", expected=f"at most {MAX_SIZE} bytes")
    return parsed(content, f"the {what} {path}")


def parsed(content: bytes, what: str) -> Any:
    """The tree in a YAML document; raises DataError if it is no YAML, or stands for too much. ``what`` it is."""
    try:
        tree = yaml.load(content.decode("utf-8"), _Loader)
        size = _size(tree, {})
    # Not YAML's own: a tag that does not fit its value, a number with thousands of digits, bytes that are no text.
    except (yaml.YAMLError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
        raise DataError(f"{what} is no YAML ({str(error)[:_SHOWN]})") from error
    if size > MAX_VALUES:
        raise DataError(f"{what} stands for {size:.3g} values", expected=f"at most {MAX_VALUES}")
    return tree


def _size(tree: Any, known: dict[int, float]) -> float:
    """Number of values, those that aliases repeat as often as they do; infinite where one holds itself."""
    if not isinstance(tree, (dict, list, set)):
        return 1
    if id(tree) not in known:
        known[id(tree)] = math.inf
        parts = tree.values() if isinstance(tree, dict) else tree
        known[id(tree)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(tree)]
