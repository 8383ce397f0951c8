"""YAML files that people write, read so that nothing in them does harm: neither their size nor what they make."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import yaml

from camf_ros.errors import DataError

#: Bytes. Far more than any of our files has, and still read within seconds.
MAX_SIZE = 2**20
#: Values in the tree, counted as often as they occur.
MAX_VALUES = 2**19
_MERGE = "tag:yaml.org,2002:merge"
_SHOWN = 200


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Plain data only. No merge keys: with aliases a few lines of them make mappings that no memory holds."""

    def flatten_mapping(self, node: Any) -> None:
        for key, _ in node.value:
            if key.tag == _MERGE:
                raise yaml.constructor.ConstructorError(None, None, "found a merge key", key.start_mark)


def read_yaml(path: Path, what: str, remedy: str = "") -> Any:
    """The tree in a YAML file: mappings, lists, text, numbers, truth values, dates.

    ``what`` the file is (``parameter file``) and the ``remedy`` if it cannot be opened are for errors.

    Raises:
        DataError: If it cannot be read, is too large, or is no YAML.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise DataError(f"the {what} {path} cannot be opened ({error.strerror})", remedy=remedy) from error
    if len(content) > MAX_SIZE:
        raise DataError(f"the {what} {path} is too large", expected=f"at most {MAX_SIZE} bytes")
    try:
        tree = yaml.load(content.decode("utf-8"), _Loader)
        size = _size(tree, {})
    # ValueError: a date that is none, a number with thousands of digits, bytes that are no text.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"the {what} {path} is no YAML ({str(error)[:_SHOWN]})") from error
    if size > MAX_VALUES:
        raise DataError(f"the {what} {path} stands for {size:.3g} values", expected=f"at most {MAX_VALUES}")
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
