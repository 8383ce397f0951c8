"""How often the source check warns where it should, and where it should not, on registered pairs.

    python3 benchmarks/source_check.py --data DIR roadscene/test tno/test --output FILE [--plot PNG]

Every pair is shown alone, for 40 s of simulated time, as it is and with each fault; a warning at any moment counts.
``right`` is the false alarms. ``right, grey`` is what they would be if the RGB camera sent grey pictures: colours speak
against "RGB looks infrared" and "swapped" by themselves. Each fault is detected if its own kind of finding comes. The
last part changes the confidence, which is what the numbers hang on. Cost is CPU time of one look.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from script import write_json
from tqdm import tqdm

from camf_ros.engines.choose import open_inspector
from camf_ros.imaging.luminance import RgbPicture
from camf_ros.imaging.pairs import find_pairs
from camf_ros.imaging.picture_files import read_picture, rgb_of
from camf_ros.models import find_model
from camf_ros.settings.fusion_settings import SourceCheckSettings
from camf_ros.source_check import check as kinds
from camf_ros.source_check.check import SourceCheck
from camf_ros.source_check.source_model import Classifier, SourceModel, accuracy, source_model

Picture = NDArray[np.uint8]

SHOWN, RATE = 40.0, 9.0
CONFIDENCES = (0.8, 0.9, 0.95, 0.98, 0.99)
# Standard deviation of the sensor's noise in pictures made up here, grey levels, and a defocus in parts of the height.
NOISE, DEFOCUS = 2.0, 0.08


@dataclass(frozen=True)
class Pair:
    """What both cameras show."""

    thermal: Picture
    rgb: Picture


class Remembering:
    """Asks a classifier about each two crops once: faults made from one pair share most of theirs."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._known: dict[tuple[bytes, bytes], NDArray[np.float32]] = {}

    def logits(self, first: Picture, second: Picture, /) -> NDArray[np.float32]:
        """As the classifier."""
        key = (first.tobytes(), second.tobytes())
        if key not in self._known:
            self._known[key] = self._classifier.logits(first, second)
        return self._known[key]


def _noise(shape: tuple[int, ...], level: float, deviation: float, rng: np.random.Generator) -> Picture:
    return np.clip(np.rint(rng.normal(level, deviation, shape)), 0, 255).astype(np.uint8)


def _defocused(image: Picture, rng: np.random.Generator) -> Picture:
    blurred = cv2.GaussianBlur(image.astype(np.float32), (0, 0), DEFOCUS * min(image.shape[:2]))
    return np.clip(np.rint(blurred + rng.normal(0, NOISE, image.shape)), 0, 255).astype(np.uint8)


def _luminance(image: Picture) -> Picture:
    return np.ascontiguousarray(RgbPicture(image).luminance)


def _mirrored(image: Picture) -> Picture:
    """Stands in for a second camera of the same kind: not the same crops, pixel by pixel."""
    return np.ascontiguousarray(image[:, ::-1])


#: What a pair becomes, and which finding should come; none where it is right.
FAULTS: Mapping[str, tuple[Callable[[Pair, np.random.Generator], Pair], tuple[str, str] | None]] = {
    "right": (lambda pair, _: pair, None),
    "right, grey": (lambda pair, _: Pair(pair.thermal, _luminance(pair.rgb)), None),
    "swapped": (lambda pair, _: Pair(_luminance(pair.rgb), pair.thermal), (kinds.SWAPPED, "")),
    "RGB is infrared": (lambda pair, _: Pair(pair.thermal, _mirrored(pair.thermal)), (kinds.RGB_INFRARED, "rgb")),
    "thermal is visible": (
        lambda pair, _: Pair(_mirrored(_luminance(pair.rgb)), pair.rgb),
        (kinds.THERMAL_VISIBLE, "thermal"),
    ),
    "RGB black with noise": (
        lambda pair, rng: Pair(pair.thermal, _noise(pair.rgb.shape, 0.0, NOISE, rng)),
        (kinds.COVERED, "rgb"),
    ),
    "RGB even grey": (
        lambda pair, rng: Pair(pair.thermal, _noise(pair.rgb.shape, 128.0, NOISE, rng)),
        (kinds.COVERED, "rgb"),
    ),
    "RGB defocused": (lambda pair, rng: Pair(pair.thermal, _defocused(pair.rgb, rng)), (kinds.COVERED, "rgb")),
    "thermal defocused": (lambda pair, rng: Pair(_defocused(pair.thermal, rng), pair.rgb), (kinds.COVERED, "thermal")),
    # What a stretch between percentiles makes of a shutter or a cap.
    "thermal stretched noise": (
        lambda pair, rng: Pair(_noise(pair.thermal.shape, 128.0, 40.0, rng), pair.rgb),
        (kinds.COVERED, "thermal"),
    ),
}


def shown(model: SourceModel, settings: SourceCheckSettings, pair: Pair) -> dict[tuple[str, str], float]:
    """When each kind of warning came first, seconds."""
    check = SourceCheck(model, settings)
    first: dict[tuple[str, str], float] = {}
    for number in range(math.ceil(SHOWN / settings.period)):
        now = number * settings.period
        for finding in check.look(pair.thermal, pair.rgb, now).findings:
            if finding.warning:
                first.setdefault((finding.kind, finding.camera), now)
    return first


def frozen(
    model: SourceModel, settings: SourceCheckSettings, pair: Pair, still: float, rng: np.random.Generator
) -> bool:
    """Whether a thermal camera whose frames repeat for so many seconds is called frozen; before and after it lives."""
    model = replace(model, weakness="not asked here")
    check, next_look, found = SourceCheck(model, settings), 0.0, False
    live = pair.thermal
    for number in range(round((10 + still + 10) * RATE)):
        now = number / RATE
        if not 10 <= now < 10 + still:
            live = np.clip(pair.thermal + rng.normal(0, NOISE, pair.thermal.shape), 0, 255).astype(np.uint8)
        check.note("thermal", live.copy(), now, now)
        if now >= next_look:
            next_look += settings.period
            report = check.look(live, pair.rgb, now)
            found = found or any(finding.kind == kinds.FROZEN for finding in report.findings)
    return found


def measure_folder(model: SourceModel, pairs: list[Pair], label: str) -> dict[str, Any]:
    """All rates of one model on one folder."""
    report: dict[str, Any] = {"pairs": len(pairs), "shown_s": SHOWN, "faults": {}, "frozen": {}, "confidence": []}
    rows: dict[float, dict[str, float]] = {confidence: {} for confidence in CONFIDENCES}
    default = SourceCheckSettings()
    seen: dict[str, list[dict[tuple[str, str], float]]] = {name: [] for name in FAULTS}
    swept: dict[tuple[float, str], list[bool]] = {}
    for row, pair in enumerate(tqdm(pairs, desc=label, unit="pair")):
        remembering = replace(model, classifier=Remembering(model.classifier))
        for number, (name, (make, wanted)) in enumerate(FAULTS.items()):
            changed = make(pair, np.random.default_rng([row, number]))
            seen[name].append(shown(remembering, default, changed))
            if wanted is not None and wanted[0] == kinds.COVERED:
                continue
            for confidence in CONFIDENCES:
                own = confidence == default.confidence
                first = seen[name][-1] if own else shown(remembering, replace(default, confidence=confidence), changed)
                said = {kind for kind, _ in first} - {kinds.COVERED, kinds.FROZEN}
                swept.setdefault((confidence, name), []).append(bool(said) if wanted is None else wanted in first)
    for name, (_, wanted) in FAULTS.items():
        report["faults"][name] = _summary(seen[name], wanted)
    for (confidence, name), found in swept.items():
        rows[confidence][name] = 100 * float(np.mean(found))
    report["confidence"] = [{"confidence": confidence, **row} for confidence, row in rows.items()]
    for still in (1.0, 2.0, 10.0, 30.0):
        found = [frozen(model, default, pair, still, np.random.default_rng(row)) for row, pair in enumerate(pairs[:5])]
        report["frozen"][f"{still:g} s"] = 100 * float(np.mean(found))
    return report


def _summary(seen: list[dict[tuple[str, str], float]], wanted: tuple[str, str] | None) -> dict[str, Any]:
    """Percent of the pairs."""
    every = sorted({key for first in seen for key in first})
    found: dict[str, Any] = {
        "warnings": {" ".join(key).strip(): 100 * float(np.mean([key in first for first in seen])) for key in every}
    }
    if wanted is None:
        found["any warning"] = 100 * float(np.mean([bool(first) for first in seen]))
    else:
        times = [first[wanted] for first in seen if wanted in first]
        found["detected"] = 100 * len(times) / len(seen)
        found["any warning"] = 100 * float(np.mean([bool(first) for first in seen]))
        found["after_s, median"] = float(np.median(times)) if times else None
    return found


def cost(model: SourceModel) -> dict[str, float]:
    """CPU milliseconds (all threads): the first look at both cameras, the best of later ones, and a note of a frame."""
    model = replace(model, weakness="")  # what it costs where it is asked
    rng = np.random.default_rng(0)
    rgb, raw = rng.integers(0, 256, (720, 1280, 3), np.uint8), rng.integers(0, 16384, (512, 640), np.uint16)
    thermal = np.asarray(cv2.GaussianBlur(rng.integers(0, 256, (512, 640), np.uint8), (0, 0), 3) * 2, np.uint8)
    rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), 3), np.uint8)
    check = SourceCheck(model)
    looks, notes = [], []
    for number in range(40):
        start, wall = time.process_time(), time.perf_counter()
        check.look(thermal, rgb, float(number))
        looks.append((time.process_time() - start, time.perf_counter() - wall))
        for camera, frame in (("thermal", raw), ("rgb", rgb)):
            wall = time.perf_counter()
            check.note(camera, frame, float(number), float(number))
            notes.append(time.perf_counter() - wall)
    first = 1e3 * looks[0][0]
    cpu, wall_time = (1e3 * min(column) for column in zip(*looks, strict=True))
    return {
        "first look, CPU ms": first,
        "look, CPU ms": cpu,
        "look, wall ms": wall_time,
        "note, wall ms (median)": 1e3 * float(np.median(notes)),
    }


def plot(report: dict[str, Any], path: Path) -> None:
    """Detection over false alarms, by confidence."""
    from camf_ros.cli.explain import matplotlib_pyplot  # noqa: PLC0415 (only for this)

    pyplot = matplotlib_pyplot()
    models = report["models"]
    folders = list(next(iter(models.values()))["folders"])
    figure, axes = pyplot.subplots(
        1, len(folders), figsize=(5 * len(folders), 3.6), sharex=True, sharey=True, squeeze=False
    )
    faults = ("swapped", "RGB is infrared", "thermal is visible")
    for axis, folder in zip(axes[0], folders, strict=True):
        for colour, (name, entry) in zip(("#0072b2", "#e69f00", "#009e73", "#cc79a7"), models.items(), strict=False):
            rows = entry["folders"][folder]["confidence"]
            for fault, mark in zip(faults, "os^", strict=True):
                axis.plot(
                    [row["right, grey"] for row in rows],
                    [row[fault] for row in rows],
                    color=colour,
                    marker=mark,
                    markersize=4,
                    linewidth=1,
                    label=f"{name}: {fault}",
                )
        axis.set(title=folder, xlabel="false alarms, % of right pairs without colours", ylim=(-3, 103))
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("detected, % of pairs")
    axes[0][-1].legend(fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("folders", nargs="+", help="below DIR, with infrared and visible in each")
    parser.add_argument("--models", nargs="+", default=[SourceCheckSettings().model], metavar="NAME")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw detection over false alarms")
    arguments = parser.parse_args()
    folders = {
        folder: [
            Pair(_luminance(_read(infrared)), _read(visible))
            for infrared, visible in find_pairs(arguments.data / folder)
        ]
        for folder in arguments.folders
    }
    report: dict[str, Any] = {"settings": vars(SourceCheckSettings()), "models": {}}
    for name in arguments.models:
        inspector = open_inspector(find_model(name))
        info = inspector.info
        model = source_model(inspector, info)
        report["models"][name] = {
            "hash": info.hash,
            "accuracy in training": accuracy(info.training),
            "not asked because": model.weakness,
            "calibration": vars(model.calibration),
            "cost": cost(model),
            "folders": {folder: measure_folder(model, pairs, f"{name}, {folder}") for folder, pairs in folders.items()},
        }
    write_json(arguments.output, report)
    for name, entry in report["models"].items():
        for folder, found in entry["folders"].items():
            print(f"{name}, {folder}: " + json.dumps(found["faults"]))
    if arguments.plot is not None:
        plot(report, arguments.plot)


def _read(path: Path) -> Picture:
    return rgb_of(read_picture(path), path.name)


if __name__ == "__main__":
    main()
