"""How much of what people labelled a detector found: average precision and recall, with intervals.

AP50 is the average precision where a box counts as found if it overlaps by half (intersection over union), AP the mean
over overlaps from 0.5 to 0.95: COCO's figures, computed by pycocotools, at most 100 boxes a picture. Per cent.
"""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import CamfError, to_install
from camf_ros.evaluation.detection_labels import Labels, ScoredClass
from camf_ros.evaluation.onnx_detector import Detections

#: The figures of each class, in the order of :meth:`Matched.figures`.
FIGURES = ("AP50", "AP", "recall")
#: At which a box counts as found, for AP.
OVERLAPS = tuple(np.linspace(0.5, 0.95, 10).tolist())
_MOST_BOXES = 100
# Of pictures; beyond it an annotation counts neither way, by which ``ignore`` is told.
_LARGEST_AREA = 1e10
_SEED = 1

Floats = NDArray[np.float64]


def pycocotools() -> tuple[Any, Any]:
    """Its classes COCO and COCOeval; raises CamfError if it is not installed."""
    try:
        from pycocotools.coco import COCO  # noqa: PLC0415 - only detectors are scored with it
        from pycocotools.cocoeval import COCOeval  # noqa: PLC0415
    except ImportError as error:
        raise CamfError(
            f"pycocotools cannot be imported ({error})",
            remedy=to_install(error, "install it: pip install 'pycocotools>=2.0.8'", own={"pycocotools"}),
        ) from error
    return COCO, COCOeval


class Matched:
    """The detections of all pictures, matched with the labels once; figures of any selection of pictures.

    ``found`` has the detections of each image of the labels, with indices into ``classes``. Recall is at so many
    ``false_positives`` for each picture and class. AP is the mean over ``overlaps``, of which the first is 0.5.
    """

    def __init__(
        self,
        labels: Labels,
        classes: Sequence[ScoredClass],
        found: Sequence[Detections],
        false_positives: float,
        overlaps: Sequence[float] = OVERLAPS,
    ) -> None:
        coco, evaluation = pycocotools()
        self._classes, self._false_positives, self._count = len(classes), false_positives, len(labels.images)
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools tells what it does
            truth = _indexed(coco(), len(labels.images), self._classes, _annotations(labels, classes))
            boxes = _indexed(coco(), len(labels.images), self._classes, _results(found))
            self._evaluation = evaluation(truth, boxes, "bbox")
            params = self._evaluation.params
            params.iouThrs = np.array(overlaps)
            params.areaRng, params.areaRngLbl, params.maxDets = [[0, _LARGEST_AREA]], ["all"], [_MOST_BOXES]
            self._evaluation.evaluate()

    def figures(self, pictures: Sequence[int]) -> Floats:
        """(classes, 3): AP50, AP and recall, per cent, of some pictures, each as often as it is named.

        A class of which nothing is labelled in them has NaN.
        """
        entries = self._evaluation.evalImgs
        chosen = [[entries[k * self._count + i] for i in pictures] for k in range(self._classes)]
        part = copy.copy(self._evaluation)
        part.evalImgs = [entry for entries in chosen for entry in entries]
        part.params = copy.copy(self._evaluation.params)
        part.params.imgIds = list(range(len(pictures)))
        part._paramsEval = part.params
        with contextlib.redirect_stdout(io.StringIO()):
            part.accumulate()
        # Overlaps, recalls, classes.
        precision = part.eval["precision"][:, :, :, 0, 0]
        precision = np.where(precision < 0, np.nan, precision).mean(axis=1)
        recall = [self._recall([entry for entry in entries if entry], len(pictures)) for entries in chosen]
        return 100 * np.stack([precision[0], precision.mean(axis=0), np.array(recall)], axis=1)

    def _recall(self, entries: Sequence[Mapping[str, Any]], pictures: int) -> float:
        """Largest share of the objects that is found with no more false positives than allowed; NaN without objects."""
        objects = sum(int((np.asarray(entry["gtIgnore"]) == 0).sum()) for entry in entries)
        if not objects:
            return float("nan")
        scores = np.concatenate([np.asarray(entry["dtScores"], float) for entry in entries])
        hit = np.concatenate([entry["dtMatches"][0] > 0 for entry in entries])
        counts = np.concatenate([entry["dtIgnore"][0] == 0 for entry in entries])
        hit = hit[counts][np.argsort(-scores[counts], kind="stable")]
        allowed = np.cumsum(~hit) <= self._false_positives * pictures
        return float(hit[allowed].sum()) / objects


class Row(NamedTuple):
    """Figures of one kind of pictures on a group of scenes."""

    classes: Floats  #: (classes, 3), as :meth:`Matched.figures`
    mean: Floats  #: (3,), over the classes
    interval: Floats  #: (2, 3), where 95 % of the means of resampled scenes lie
    #: By name of another row: (3, 3), how far this mean is above that one's, and the interval of that over the same
    #: resampled scenes: difference, low and high, by figure.
    minus: dict[str, Floats]


def compare(matched: Mapping[str, Matched], pictures: Sequence[int], draws: int) -> dict[str, Row]:
    """The first row and those that it is compared with, on one group of pictures, given by their indices.

    The scenes are resampled ``draws`` times for the intervals; 0: the intervals are NaN.
    """
    random = np.random.default_rng(_SEED)
    chosen = [random.choice(np.asarray(pictures), len(pictures)).tolist() for _ in range(draws)]
    values = {name: each.figures(pictures) for name, each in matched.items()}
    resampled = {name: np.array([_mean(each.figures(draw)) for draw in chosen]) for name, each in matched.items()}
    first = next(iter(matched))
    rows = {}
    for name, value in values.items():
        others = [other for other in matched if other != first] if name == first else []
        minus = {
            other: np.vstack([_mean(value) - _mean(values[other]), _interval(resampled[name] - resampled[other])])
            for other in others
        }
        rows[name] = Row(value, _mean(value), _interval(resampled[name]), minus)
    return rows


def _mean(figures: Floats) -> Floats:
    """Over the classes of which there are objects."""
    some = ~np.isnan(figures).all(axis=1)
    return figures[some].mean(axis=0) if some.any() else np.full(figures.shape[1], np.nan)


def _interval(resampled: Floats) -> Floats:
    known = resampled[~np.isnan(resampled).any(axis=1)] if resampled.size else resampled
    if not known.size:
        return np.full((2, len(FIGURES)), np.nan)
    return np.asarray(np.percentile(known, [2.5, 97.5], axis=0))


def _annotations(labels: Labels, classes: Sequence[ScoredClass]) -> list[dict[str, Any]]:
    number = {category: index for index, scored in enumerate(classes) for category in scored.labels}
    return [
        {
            "image_id": image,
            "category_id": number[box.category],
            "bbox": [box.left, box.top, box.width, box.height],
            "area": 2 * _LARGEST_AREA if box.ignored else box.width * box.height,
            "iscrowd": int(box.crowd),
        }
        for image, entry in enumerate(labels.images)
        for box in entry.boxes
        if box.category in number
    ]


def _results(found: Sequence[Detections]) -> list[dict[str, Any]]:
    return [
        {
            "image_id": image,
            "category_id": int(kind),
            "bbox": [left, top, right - left, bottom - top],
            "area": (right - left) * (bottom - top),
            "score": score,
            "iscrowd": 0,
        }
        for image, each in enumerate(found)
        for (left, top, right, bottom), score, kind in zip(
            each.boxes.tolist(), each.scores.tolist(), each.classes, strict=True
        )
    ]


def _indexed(coco: Any, images: int, classes: int, annotations: list[dict[str, Any]]) -> Any:
    """A COCO object of annotations, whose ids count from 1: pycocotools takes 0 for no match."""
    coco.dataset = {
        "images": [{"id": image} for image in range(images)],
        "categories": [{"id": number} for number in range(classes)],
        "annotations": [{**entry, "id": number} for number, entry in enumerate(annotations, start=1)],
    }
    coco.createIndex()
    return coco
