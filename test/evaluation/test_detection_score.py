"""Labels in COCO's format, and average precision, recall and intervals against values worked out by hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detecting import SQUARE, coco, write_labels
from numpy.testing import assert_allclose

from camf_ros.errors import CamfError, DataError, ParameterError
from camf_ros.evaluation.detection_labels import Labels, read_labels, scored_classes
from camf_ros.evaluation.detection_score import Matched, compare
from camf_ros.evaluation.onnx_detector import Detections

pytest.importorskip("pycocotools")

NAMES = ("lamp", "fire", "tree")
LAMP = ["lamp"]


def found(*rows: tuple[float, float, float]) -> Detections:
    """Of (left, top, score): lamps."""
    boxes = np.array([[x, y, x + SQUARE, y + SQUARE] for x, y, _ in rows], np.float32).reshape(-1, 4)
    return Detections(boxes, np.array([score for *_, score in rows], np.float32), np.zeros(len(rows), np.intp))


def matched(labels: Labels, *pictures: Detections, false_positives: float = 1.0) -> Matched:
    return Matched(labels, scored_classes(LAMP, labels, NAMES, 3), pictures, false_positives)


def labels_of(tmp_path: Path, content: dict[str, Any], **options: Any) -> Labels:
    return read_labels(write_labels(tmp_path / "labels.json", content), **options)


def test_figures(tmp_path: Path) -> None:
    """Two pictures with two lamps each. Right, wrong, right by score: precision 1 up to recall 1/4, then 2/3 to 1/2."""
    labels = labels_of(tmp_path, coco({"a": [(0, 0), (40, 0)], "b": [(0, 0), (40, 24)]}))
    both = matched(labels, found((0, 0, 0.9), (16, 24, 0.8)), found((40, 24, 0.7)))
    [[ap50, ap, recall]] = both.figures([0, 1])
    # Of the 101 recalls 26 are up to 0.25, and 25 from there up to 0.5.
    assert ap50 == pytest.approx(100 * (26 + 25 * 2 / 3) / 101)
    assert ap == pytest.approx(ap50), "boxes that fit exactly count at every overlap"
    assert recall == 50
    [[ap50, _, recall]] = both.figures([0])
    assert ap50 == pytest.approx(100 * 51 / 101)
    assert recall == 50
    # The same picture twice is as the picture once.
    assert_allclose(both.figures([0, 0]), both.figures([0]))


def test_overlap(tmp_path: Path) -> None:
    """Moved by 4 of 16 pixels, 12 of 20 in common: found at overlaps of 0.5, 0.55 and 0.6 of the ten."""
    labels = labels_of(tmp_path, coco({"a": [(0, 0)]}))
    assert_allclose(matched(labels, found((4, 0, 0.9))).figures([0]), [[100, 30, 100]])
    assert_allclose(matched(labels, found((6, 0, 0.9))).figures([0]), [[0, 0, 0]])


@pytest.mark.parametrize(("allowed", "recall"), [(0.4, 25), (0.5, 50), (1.0, 75), (2.0, 75)])
def test_recall_at_false_positives(tmp_path: Path, allowed: float, recall: float) -> None:
    labels = labels_of(tmp_path, coco({"a": [(0, 0), (40, 0)], "b": [(0, 0), (40, 24)]}))
    pictures = found((0, 0, 0.9), (16, 24, 0.8), (40, 0, 0.3)), found((40, 24, 0.7), (16, 24, 0.5))
    assert matched(labels, *pictures, false_positives=allowed).figures([0, 1])[0, 2] == recall


@pytest.mark.parametrize("flag", ["ignore", "iscrowd"])
def test_ignored_boxes_count_neither_way(tmp_path: Path, flag: str) -> None:
    content = coco({"a": [(0, 0), (40, 0)]})
    content["annotations"][1][flag] = 1
    labels = labels_of(tmp_path, content)
    assert_allclose(matched(labels, found((0, 0, 0.5))).figures([0]), [[100, 100, 100]])
    with_it = matched(labels, found((40, 0, 0.9), (0, 0, 0.5)), false_positives=0.1)
    assert_allclose(with_it.figures([0]), [[100, 100, 100]])


def test_classes_that_count_as_one(tmp_path: Path) -> None:
    content = coco({"a": [(0, 0), (40, 0)]})
    content["annotations"][1]["category_id"] = 9
    labels = labels_of(tmp_path, content)
    [light] = scored_classes(["light=lamp,fire"], labels, NAMES, 3)
    assert light == ("light", ("lamp", "fire"), (0, 1))
    figures = Matched(labels, [light], [found((0, 0, 0.9), (40, 0, 0.8))], 1.0).figures([0])
    assert_allclose(figures, [[100, 100, 100]])
    each = scored_classes([], labels, NAMES, 3)
    assert each == [("lamp", ("lamp",), (0,)), ("fire", ("fire",), (1,))]
    # The fire is not found, and the second lamp is none.
    assert_allclose(Matched(labels, each, [found((0, 0, 0.9), (40, 0, 0.8))], 1.0).figures([0])[:, 0], [100, 0])
    assert scored_classes(["lamp=2"], labels, (), 3) == [("lamp", ("lamp",), (2,))]


def test_nothing_labelled_is_no_figure(tmp_path: Path) -> None:
    labels = labels_of(tmp_path, coco({"a": [(0, 0)], "b": []}))
    one = matched(labels, found((0, 0, 0.9)), found())
    assert np.isnan(one.figures([1])).all()
    assert_allclose(one.figures([0, 1]), [[100, 100, 100]])


def test_intervals(tmp_path: Path) -> None:
    """Over the same resampled pictures: where one is better everywhere, its difference is above 0 in every draw."""
    names = [f"p{number}" for number in range(12)]
    labels = labels_of(tmp_path, coco({name: [(0, 0), (40, 0)] for name in names}))
    some = matched(labels, *(found((0, 0, 0.9)) if number % 2 else found() for number in range(12)))
    more = matched(labels, *(found((0, 0, 0.9), (40, 0, 0.8)) for _ in names))
    rows = compare({"more": more, "some": some}, list(range(12)), 50)
    assert rows["more"].mean[0] == 100
    assert_allclose(rows["more"].interval, 100)
    low, high = rows["some"].interval[:, 0]
    assert low < rows["some"].mean[0] < high
    difference, least, most = rows["more"].minus["some"][:, 0]
    assert difference == pytest.approx(100 - rows["some"].mean[0])
    assert 0 < least < difference < most
    assert (least, most) == pytest.approx((100 - high, 100 - low))
    assert rows["some"].minus == {}
    again = compare({"more": more, "some": some}, list(range(12)), 50)
    assert_allclose(again["some"].interval, rows["some"].interval)
    assert np.isnan(compare({"more": more}, [0], 0)["more"].interval).all()


def test_groups(tmp_path: Path) -> None:
    scenes = {"a": [(0, 0)], "b": []}
    assert [image.group for image in labels_of(tmp_path, coco(scenes)).images] == ["", ""]
    content = coco(scenes, time="day", place="town")
    content["images"][1]["time"] = "night"
    assert [image.group for image in labels_of(tmp_path, content).images] == ["day", "night"]
    assert [image.group for image in labels_of(tmp_path, content, attribute="place").images] == ["town", "town"]
    night = tmp_path / "night.txt"
    night.write_text("# by night\na.png\n\n")
    assert [image.group for image in labels_of(tmp_path, content, night=night).images] == ["night", "day"]
    night.write_text("c\n")
    with pytest.raises(DataError, match="names c"):
        labels_of(tmp_path, content, night=night)
    del content["images"][0]["time"]
    with pytest.raises(DataError, match="image a has no 'time', and others have"):
        labels_of(tmp_path, content)


def change(content: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    *way, last = [int(part) if part.isdecimal() else part for part in place.split(".")]
    target: Any = content
    for part in way:
        target = target[part]
    target[last] = value
    return content


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("images", {}, "has no list 'images'"),
        ("annotations", [1], "has no list 'annotations'"),
        ("images", [], "annotation 0 has image_id 0"),
        ("images.1.id", 0, "two images have one id"),
        ("images.1.file_name", "other/a.jpg", "two images are called a"),
        ("images.1.width", "64", "width is '64'; expected a whole number"),
        ("images.1.file_name", 3, "file_name is 3; expected a text"),
        ("annotations.0.category_id", 5, "annotation 0 has category_id 5"),
        ("annotations.0.bbox", [0, 0, 16], "annotation 0 has bbox"),
        ("annotations.0.bbox", [0, 0, 16, 0], "annotation 0 has bbox"),
        ("annotations.0.bbox", [0, 0, 16, float("inf")], "annotation 0 has bbox"),
        ("categories.1.name", "lamp", "two categories have one id or name"),
    ],
)
def test_labels_that_are_none(tmp_path: Path, place: str, value: Any, message: str) -> None:
    content = change(coco({"a": [(0, 0)], "b": []}), place, value)
    with pytest.raises(DataError) as caught:
        labels_of(tmp_path, content)
    assert message in str(caught.value)


def test_files_that_are_no_labels(tmp_path: Path) -> None:
    for text in ("no json", "[1]", '{"images": []}'):
        (tmp_path / "labels.json").write_text(text)
        with pytest.raises(DataError, match="labels"):
            read_labels(tmp_path / "labels.json")
    with pytest.raises(DataError, match="cannot be read"):
        read_labels(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("classes", "detector", "message"),
    [
        (["bird"], NAMES, "class 'bird' is no category of the labels; expected some of lamp, fire"),
        (["lamp=bird"], NAMES, "the detector knows no class 'bird'; expected lamp, fire, tree"),
        (["lamp"], (), "numbers from 0 to 2"),
        (["lamp=3"], NAMES, "the detector knows no class '3'"),
        (["lamp", "fire=lamp"], NAMES, "counts as two classes"),
        (["lamp", "lamp"], NAMES, "'lamp' counts as two classes"),
        (["lamp", "fire=0"], NAMES, "'lamp' counts as two classes"),
    ],
)
def test_classes_that_do_not_fit(tmp_path: Path, classes: list[str], detector: tuple[str, ...], message: str) -> None:
    labels = labels_of(tmp_path, coco({"a": [(0, 0)]}))
    with pytest.raises(ParameterError) as caught:
        scored_classes(classes, labels, detector, 3)
    assert message in str(caught.value)


def test_without_pycocotools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = labels_of(tmp_path, coco({"a": [(0, 0)]}))
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(CamfError, match="pip install 'pycocotools"):
        matched(labels, found())
