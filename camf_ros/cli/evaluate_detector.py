"""The part of camf evaluate that runs a detector: which labelled objects it finds in fused images."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camf_ros.cli.options import engine_of, picture_sizes
from camf_ros.errors import ParameterError
from camf_ros.files import make_folder, write_json

if TYPE_CHECKING:
    from camf_ros.evaluation.detection_labels import Labels, ScoredClass
    from camf_ros.evaluation.detection_pictures import Source
    from camf_ros.evaluation.detection_score import Matched, Row
    from camf_ros.evaluation.onnx_detector import OnnxDetector
    from camf_ros.evaluation.samples import Found


def add_detector_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that go with ``--detector``."""
    add = parser.add_argument_group("detector, instead of the nine metrics").add_argument
    add("--detector", type=Path, metavar="MODEL.onnx", help="detector to run: YOLOX, or YOLOv8 or later")
    add("--labels", type=Path, metavar="LABELS.json", help="labelled boxes in COCO format")
    text = (
        "images to compare with: rgb, thermal, thermal-inverted, average, two-passes (rgb and thermal-inverted), or a "
        "folder of images (default: rgb)"
    )
    add("--against", nargs="+", default=["rgb"], metavar="IMAGES", help=text)
    text = "categories to score, each with the classes that count for it, such as car=car,bus,truck (default: all)"
    add("--classes", nargs="+", default=[], metavar="NAME[=CLASS,..]", help=text)
    add("--group-by", default="time", metavar="KEY", help="image entry in the labels to group rows by (default: time)")
    add("--night", type=Path, metavar="FILE", help="names of the night images, to group by instead of --group-by")
    add("--detector-size", metavar="WIDTHxHEIGHT", help="input size of the detector (default: as in the file)")
    runtimes = ("auto", "openvino", "onnxruntime")
    add("--detector-runtime", choices=runtimes, default="auto", help="runtime of the detector (default: auto)")
    text = "false boxes per image and class at which recall is given (default: 1)"
    add("--false-positives", type=float, default=1.0, metavar="N", help=text)
    add("--draws", type=int, default=300, metavar="N", help="resamplings for the 95 %% intervals (default: 300)")


def run_detector(arguments: argparse.Namespace) -> int:
    """Score the images, or report all problems."""
    from tqdm import tqdm

    from camf_ros.evaluation.detection_labels import read_labels, scored_classes
    from camf_ros.evaluation.detection_pictures import check_pictures
    from camf_ros.evaluation.detection_score import Matched, compare, pycocotools
    from camf_ros.evaluation.onnx_detector import OnnxDetector, joined
    from camf_ros.evaluation.samples import find_samples

    if arguments.labels is None:
        raise ParameterError("--detector is given without --labels", expected="labels in COCO's format")
    if not arguments.false_positives > 0 or arguments.draws < 0:
        raise ParameterError("--false-positives or --draws is out of range", expected="above 0, and 0 or more")
    pycocotools()  # now rather than after minutes of fusion
    labels = read_labels(arguments.labels, attribute=arguments.group_by, night=arguments.night)
    size = None
    if arguments.detector_size is not None:
        width, height = picture_sizes("--detector-size", arguments.detector_size)[0]
        size = height, width
    detector = OnnxDetector(
        arguments.detector,
        runtime=arguments.detector_runtime,
        threads=arguments.threads,
        size=size,
    )
    classes = scored_classes(arguments.classes, labels, detector.names, detector.classes)
    sources, folders = _sources(arguments)
    found = find_samples(arguments.data)
    tell_ignored(found)
    samples = {sample.name: sample for sample in found.samples}
    bar = {"disable": arguments.quiet, "unit": "picture"}
    checks = tqdm(
        check_pictures(labels.images, samples, folders), total=len(labels.images), desc="reading", leave=False, **bar
    )
    problems = [*found.problems, *(problem for problem in checks if problem)]
    if problems:
        return refuse(problems)
    unlabelled = len(samples) - len(labels.images)
    if unlabelled:
        print(f"{unlabelled} pairs of {arguments.data} have no labels, and are left out", file=sys.stderr)
    groups = [scored.detector for scored in classes]
    matched: dict[str, Matched] = {}
    for name, source in sources.items():
        boxes = []
        for image in tqdm(labels.images, desc=name, **bar):
            passes = [detector.detect(picture, groups) for picture in source(samples[image.name])]
            boxes.append(joined(passes) if len(passes) > 1 else passes[0])
        matched[name] = Matched(labels, classes, boxes, arguments.false_positives)
    parts = _parts(labels)
    steps = tqdm(parts.items(), desc="resampling", **{**bar, "unit": "group"})
    rows = {part: compare(matched, pictures, arguments.draws) for part, pictures in steps}
    counts = {part: len(pictures) for part, pictures in parts.items()}
    if arguments.json is not None:
        _write_json(arguments, detector, classes, counts, rows)
    print(f"{detector.description}, {len(labels.images)} pictures of {arguments.data}")
    print(_table(classes, counts, rows, arguments.false_positives))
    return 0


def tell_ignored(found: Found) -> None:
    """Name the files that are not called like pictures."""
    if found.ignored:
        print(f"not pictures, ignored: {', '.join(map(str, found.ignored))}", file=sys.stderr)


def refuse(problems: Iterable[str]) -> int:
    """Tell all problems; the exit status. A mean over what is left would pass for one over all."""
    lines = list(problems)
    for line in lines:
        print(f"camf evaluate: {line}", file=sys.stderr)
    print(f"camf evaluate: nothing scored because of {len(lines)} problems", file=sys.stderr)
    return 1


def _sources(arguments: argparse.Namespace) -> tuple[dict[str, Source], list[Source]]:
    """What is scored, first, and what it is compared with, by name; and those of them that are folders."""
    from camf_ros.evaluation.detection_pictures import BASELINES, of_folder, of_model
    from camf_ros.settings.fusion_settings import FusionSettings

    sources: dict[str, Source] = {}
    folders: list[Source] = []

    def add(name: str) -> None:
        if name in BASELINES:
            sources[name] = BASELINES[name]
        else:
            folder = Path(name)
            if folder.resolve().name in sources:
                raise ParameterError(f"two kinds of pictures are called {folder.name}", expected="different names")
            sources[folder.resolve().name] = of_folder(folder)
            folders.append(sources[folder.resolve().name])

    if arguments.model is not None:
        engine = engine_of(arguments)
        sources[engine.model_name] = of_model(engine, FusionSettings())
    elif arguments.fused is not None:
        add(str(arguments.fused))
    else:
        if arguments.baseline not in BASELINES:
            raise ParameterError(f"--baseline is {arguments.baseline}", expected=", ".join(BASELINES))
        add(arguments.baseline)
    for name in arguments.against:
        if name not in sources:
            add(name)
    return sources, folders


def _parts(labels: Labels) -> dict[str, list[int]]:
    """Pictures of each group, all first."""
    names = sorted({image.group for image in labels.images} - {""})
    parts = {"all": list(range(len(labels.images)))}
    for name in names:
        parts[name] = [number for number, image in enumerate(labels.images) if image.group == name]
    return parts


def _table(
    classes: Sequence[ScoredClass], counts: Mapping[str, int], rows: Mapping[str, Mapping[str, Row]], allowed: float
) -> str:
    width = max(len(name) for each in rows.values() for name in (*each, "pictures"))
    columns = [*(scored.name[:10] for scored in classes), "mean"]
    head = "".join(f"{name:>11}" for name in columns)
    lines = [
        f"per cent: AP50, AP and recall at {allowed:g} false positives a picture; 95 % intervals of the mean AP50",
        f"{'pictures':{width}}{head}{'AP':>8}{'recall':>8}  {'AP50':14}",
    ]
    for part, each in rows.items():
        lines.append(f"{part}, {counts[part]} pictures")
        first = next(iter(each.values()))
        for name, row in each.items():
            figures = "".join(f"{value:11.1f}" for value in (*row.classes[:, 0], row.mean[0]))
            low, high = row.interval[:, 0]
            more = ""
            if name in first.minus:
                difference = first.minus[name][:, 0]
                more = f"  {next(iter(each))} {difference[0]:+.1f} [{difference[1]:+.1f}, {difference[2]:+.1f}]"
            lines.append(f"{name:{width}}{figures}{row.mean[1]:8.1f}{row.mean[2]:8.1f}  [{low:.1f}, {high:.1f}]{more}")
    return "\n".join(lines)


def _write_json(
    arguments: argparse.Namespace,
    detector: OnnxDetector,
    classes: Sequence[ScoredClass],
    counts: Mapping[str, int],
    rows: Mapping[str, Mapping[str, Row]],
) -> None:
    content: dict[str, Any] = {
        "detector": detector.description,
        "false_positives": arguments.false_positives,
        "draws": arguments.draws,
        "classes": {scored.name: {"labels": scored.labels, "detector": scored.detector} for scored in classes},
        "groups": {
            part: {"pictures": counts[part], "rows": {name: _row(classes, row) for name, row in each.items()}}
            for part, each in rows.items()
        },
    }
    make_folder(arguments.json.parent)
    write_json(arguments.json, content)


def _row(classes: Sequence[ScoredClass], row: Row) -> dict[str, Any]:
    from camf_ros.evaluation.detection_score import FIGURES

    def figures(values: Iterable[float]) -> dict[str, float | None]:
        # NaN, where nothing is labelled, is not JSON.
        return {name: None if math.isnan(value) else float(value) for name, value in zip(FIGURES, values, strict=True)}

    return {
        **{scored.name: figures(values) for scored, values in zip(classes, row.classes, strict=True)},
        "mean": figures(row.mean),
        "mean_low": figures(row.interval[0]),
        "mean_high": figures(row.interval[1]),
        "minus": {
            other: {key: figures(values) for key, values in zip(("difference", "low", "high"), each, strict=True)}
            for other, each in row.minus.items()
        },
    }
