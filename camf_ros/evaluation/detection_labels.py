"""Boxes that people drew, in COCO's format, and which of a detector's classes they are compared with."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from camf_ros.errors import DataError, ParameterError, shown

_LISTS = ("images", "annotations", "categories")


class ScoredClass(NamedTuple):
    """One class of the table."""

    name: str  #: As it is called there
    labels: tuple[str, ...]  #: Categories of the labels that count as it
    detector: tuple[int, ...]  #: Classes of the detector that count as it, as indices


class Box(NamedTuple):
    """One object."""

    left: float  #: Pixels, as the others
    top: float
    width: float
    height: float
    category: str  #: Of the labels
    crowd: bool  #: Whether it is a region of many (``iscrowd``): what is found in it counts neither way
    ignored: bool  #: Whether finding it counts neither way (``ignore``)


class LabelledImage(NamedTuple):
    """One picture."""

    name: str  #: Of its file, without folder and ending
    width: int  #: Pixels
    height: int
    group: str  #: Such as ``day`` or ``night``; empty where the labels have no groups
    boxes: tuple[Box, ...]  #: What is in it


class Labels(NamedTuple):
    """A file of labels."""

    images: tuple[LabelledImage, ...]  #: In its order
    categories: tuple[str, ...]  #: Names, in its order


def read_labels(path: Path, *, attribute: str = "time", night: Path | None = None) -> Labels:
    """Read labels and check them; raises DataError if a file cannot be read or is not as follows.

    ``path`` is JSON with ``images`` (``id``, ``file_name``, ``width``, ``height``), ``categories`` (``id``, ``name``)
    and ``annotations`` (``image_id``, ``category_id``, ``bbox`` of left, top, width, height; ``iscrowd`` and ``ignore``
    where they are 1). ``attribute`` is the entry that names the group of an image, such as ``"time": "night"``: all
    images have it, or none. ``night`` is used instead: a text file with the names of the pictures by night, one a line.
    """
    content = _json(path)
    categories = {_whole(entry, "id", path): _text(entry, "name", path) for entry in content["categories"]}
    if len(set(categories.values())) < len(content["categories"]):
        raise DataError(f"{path}: two categories have one id or name", expected="each once")
    boxes: dict[int, list[Box]] = {_whole(entry, "id", path): [] for entry in content["images"]}
    if len(boxes) < len(content["images"]):
        raise DataError(f"{path}: two images have one id", expected="each once")
    for number, entry in enumerate(content["annotations"]):
        image, category = _whole(entry, "image_id", path), _whole(entry, "category_id", path)
        if image not in boxes or category not in categories:
            what = f"image_id {image}" if image not in boxes else f"category_id {category}"
            raise DataError(f"{path}: annotation {number} has {what}", expected="an id that is in the file")
        side = _sides(entry.get("bbox"), f"{path}: annotation {number}")
        boxes[image].append(Box(*side, categories[category], bool(entry.get("iscrowd")), bool(entry.get("ignore"))))
    names = [Path(_text(entry, "file_name", path)).stem for entry in content["images"]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: two images are called {twice[0]}", expected="one name for each, without the ending")
    groups = _groups(content["images"], names, attribute, night, path)
    images = [
        LabelledImage(
            name, _whole(entry, "width", path), _whole(entry, "height", path), group, tuple(boxes[entry["id"]])
        )
        for name, entry, group in zip(names, content["images"], groups, strict=True)
    ]
    if not images:
        raise DataError(f"{path} has no images", expected="at least one")
    return Labels(tuple(images), tuple(categories.values()))


def scored_classes(wanted: Sequence[str], labels: Labels, detector: Sequence[str], count: int) -> list[ScoredClass]:
    """Which categories are compared with which of the detector's ``count`` classes.

    An entry of ``wanted`` is ``NAME``, or ``NAME=CLASS,CLASS``: categories and detector's classes of these names count
    as NAME, as does the category NAME itself. A number is the index of a detector's class. Empty: all categories.
    ``detector`` has the names of its classes, if known. Raises ParameterError if a name is not known, or counts twice.
    """
    result: list[ScoredClass] = []
    for text in wanted or labels.categories:
        name, _, rest = text.partition("=")
        parts = [part for part in rest.split(",") if part] or [name]
        categories = tuple(each for each in labels.categories if each == name or each in parts)
        if not categories:
            raise ParameterError(
                f"class {text!r} is no category of the labels", expected=f"some of {', '.join(labels.categories)}"
            )
        result.append(ScoredClass(name, categories, tuple(_index(each, detector, count) for each in parts)))
    for field in ("labels", "detector"):
        used = [each for scored in result for each in getattr(scored, field)]
        again = [each for each in used if used.count(each) > 1]
        if again:
            shown_as = again[0] if field == "labels" or not detector else detector[again[0]]
            raise ParameterError(f"{shown_as!r} counts as two classes", expected="each category and class once")
    return result


def _index(name: str, detector: Sequence[str], count: int) -> int:
    if name in detector:
        return list(detector).index(name)
    if name.isdecimal() and int(name) < count:
        return int(name)
    known = ", ".join(detector) if detector else f"its classes have no names: numbers from 0 to {count - 1}"
    raise ParameterError(
        f"the detector knows no class {name!r}",
        expected=known,
        remedy=f"say which of its classes count, --classes {name}=CLASS,CLASS, or leave the category out",
    )


def _json(path: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error})", expected="labels in COCO's format") from error
    for name in _LISTS:
        entries = content.get(name) if isinstance(content, Mapping) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise DataError(f"{path} has no list {name!r}", expected=f"labels in COCO's format: {', '.join(_LISTS)}")
    return dict(content)


def _groups(
    entries: Iterable[Mapping[str, Any]], names: Sequence[str], attribute: str, night: Path | None, path: Path
) -> list[str]:
    if night is None:
        groups = [str(entry.get(attribute, "")) for entry in entries]
        without = [name for name, group in zip(names, groups, strict=True) if not group]
        if without and len(without) < len(groups):
            raise DataError(f"{path}: image {without[0]} has no {attribute!r}, and others have", expected="all or none")
        return groups
    try:
        lines = night.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{night} cannot be read ({error})", expected="names of pictures, one a line") from error
    listed = {Path(line.strip()).stem for line in lines if line.strip() and not line.startswith("#")}
    unknown = sorted(listed - set(names))
    if unknown:
        raise DataError(f"{night} names {unknown[0]}", expected="names of pictures that are in the labels")
    return ["night" if name in listed else "day" for name in names]


def _whole(entry: Mapping[str, Any], key: str, path: Path) -> int:
    value = entry.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise DataError(f"{path}: {key} is {shown(value)}", expected="a whole number")
    return value


def _text(entry: Mapping[str, Any], key: str, path: Path) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise DataError(f"{path}: {key} is {shown(value)}", expected="a text")
    return value


def _sides(value: object, where: str) -> tuple[float, float, float, float]:
    if isinstance(value, list) and len(value) == 4:
        numbers = [float(each) if isinstance(each, (int, float)) else math.nan for each in value]
        if all(map(math.isfinite, numbers)) and min(numbers[2:]) > 0:
            return numbers[0], numbers[1], numbers[2], numbers[3]
    raise DataError(f"{where} has bbox {shown(value)}", expected="left, top, width and height, the last two above 0")
