"""The example's detector on the simulated street: what it finds of the people, in each camera's picture and fused.

    python3 benchmarks/detector.py
    python3 benchmarks/detector.py --cost docs/figures/detector-cost.json

A person is found when the centre of a spot lies within the box around the person. With OpenCV 4 the HOG people detector
is measured as well: there a person is found by a box whose intersection over union with the person's exceeds 0.3.

The second measures what the detector image costs: time of a frame in the pipeline, from thermal counts and RGB to the
pictures, when the fused image, the detector image or both are wanted. The three take turns, and the ratios are those of
the same rounds, so that other work on the machine slows all of them alike.
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from script import Station, machine, usable_cores, versions, write_json

from camf_ros.detector_picture import Wanted
from camf_ros.engines.choose import open_engine
from camf_ros.engines.engine import Engine
from camf_ros.examples.finders import BrightSpots
from camf_ros.models import find_model
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.demo_settings import DetectorSettings
from camf_ros.timing import ratio, take_turns
from camf_scene import NightStreet
from camf_scene.people import Box

MOMENTS = np.arange(1.0, 30.0, 2.5)
SIZE = (1280, 720)
LEAST_HEIGHT, LEAST_OVERLAP = 60, 0.3
COST_SIZES = ((640, 480), (1280, 720))
WANTED = {
    "fused/image": Wanted(),
    "fused/detector_image": Wanted(eyes=False, detector=True),
    "both": Wanted(detector=True),
}

Picture = NDArray[np.uint8]


class Found(NamedTuple):
    """A finding: its box in pixels."""

    left: float
    top: float
    right: float
    bottom: float


def spots(picture: Picture) -> list[Found]:
    """What the example finds."""
    found = BrightSpots(DetectorSettings()).find(picture)
    return [Found(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for x, y, w, h, _, _ in found]


def hog(picture: Picture) -> list[Found]:
    """What OpenCV 4's people detector finds, at its defaults."""
    opencv: Any = cv2
    detector = opencv.HOGDescriptor()
    detector.setSVMDetector(opencv.HOGDescriptor_getDefaultPeopleDetector())
    boxes, _ = detector.detectMultiScale(picture, winStride=(8, 8), scale=1.05)
    return [Found(x, y, x + width, y + height) for x, y, width, height in boxes]


def centre_within(found: Found, person: Box) -> bool:
    """Whether a finding's centre lies in a person's box."""
    x, y = (found.left + found.right) / 2, (found.top + found.bottom) / 2
    return person.left <= x <= person.right and person.top <= y <= person.bottom


def overlaps(found: Found, person: Box) -> bool:
    """Whether a finding and a person's box are nearly the same."""
    width = min(found.right, person.right) - max(found.left, person.left)
    height = min(found.bottom, person.bottom) - max(found.top, person.top)
    both = max(0.0, width) * max(0.0, height)
    areas = [(box.right - box.left) * (box.bottom - box.top) for box in (found, person)]
    return both > LEAST_OVERLAP * (sum(areas) - both)


def wanted(person: Box) -> bool:
    """Whether a person is large enough and wholly in the picture."""
    return person.bottom - person.top > LEAST_HEIGHT and person.left > 0 and person.right < SIZE[0]


def frames(engine: Engine, thermal: NDArray[np.uint16], rgb: Picture, wanted: Wanted) -> Callable[[], None]:
    """A call that makes some pictures of a pair, the next of its pipeline."""
    pipeline, stamps = FusionPipeline(engine), itertools.count(1)

    def frame() -> None:
        prepared = pipeline.prepare(thermal, rgb, 0.1 * next(stamps))
        if wanted.eyes:
            pipeline.for_eyes(prepared)
        if wanted.detector:
            pipeline.for_detector(prepared)

    return frame


def cost(output: Path, models: list[str], seconds: float, threads: int) -> None:
    """Time of a frame for each choice of pictures, each model and size."""
    cv2.setNumThreads(threads)
    street = NightStreet(1)
    thermal, rgb = street.thermal(4.0), street.rgb(4.0)
    load, rows = os.getloadavg()[0], []
    print("| model | size | pictures | frame, ms | processor time, ms | share of the frame with fused/image |")
    print("|---|---|---|---|---|---|")
    for model in models:
        engine = open_engine("openvino", find_model(model), threads=threads)
        for size in COST_SIZES:
            picture = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
            calls = [frames(engine, thermal, picture, each) for each in WANTED.values()]
            rounds = take_turns([Station(call, warm_up=5, waking=1) for call in calls], seconds)
            for name, own in zip(WANTED, rounds, strict=True):
                samples, quotient = [each for turn in own for each in turn], ratio(own, rounds[0])
                wall, cpu = (1e3 * float(np.median(times)) for times in zip(*samples, strict=True))
                rows.append(
                    {
                        "model": model,
                        "engine": engine.description,
                        "width": size[0],
                        "height": size[1],
                        "pictures": name,
                        "frames": len(samples),
                        "median_ms": round(wall, 2),
                        "cpu_ms": round(cpu, 2),
                        "ratio": round(quotient.wall, 3),
                        "cpu_ratio": round(quotient.cpu, 3),
                    }
                )
                times = f"{wall:.1f} | {cpu:.1f} | {quotient.wall:.2f}, processor {quotient.cpu:.2f}"
                print(f"| {model} | {size[0]}x{size[1]} | {name} | {times} |", flush=True)
    report = {
        "machine": machine() | {"load_before": round(load, 2)},
        "versions": versions(),
        "threads": threads,
        "thermal": thermal.shape,
        "rows": rows,
    }
    write_json(output, report)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cost", type=Path, metavar="JSON", help="time the detector image, and look for nobody")
    parser.add_argument("--models", default="camf,camf-lite", help="that are timed (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=15.0, help="for each model and size (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=usable_cores(), help="(default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.cost:
        cost(arguments.cost, arguments.models.split(","), arguments.seconds, arguments.threads)
    else:
        people_found()


def people_found() -> None:
    """What each detector finds in each picture."""
    street = NightStreet(1)
    pipeline = FusionPipeline(open_engine("torch", find_model("camf"), precision="float32"))
    pictures: dict[str, list[Picture]] = {"thermal": [], "RGB": [], "fused": []}
    people = [street.people(float(moment)) for moment in MOMENTS]
    for moment in map(float, MOMENTS):
        rgb = street.rgb(moment)
        pictures["fused"].append(pipeline.fuse(street.thermal(moment), rgb, moment).image)
        pictures["thermal"].append(np.asarray(cv2.resize(pipeline.pictures["thermal"], SIZE), np.uint8))
        pictures["RGB"].append(rgb)
    methods: dict[str, tuple[Callable[[Picture], list[Found]], Callable[[Found, Box], bool]]] = {
        "bright spots": (spots, centre_within)
    }
    if hasattr(cv2, "HOGDescriptor"):
        methods["HOG people"] = (hog, overlaps)
    for name, (find, is_found) in methods.items():
        print(
            f"\n{name}, OpenCV {cv2.__version__}\n\n| picture | people found | of | findings on nobody, per picture |"
        )
        print("|---|---|---|---|")
        for kind, frames in pictures.items():
            hits = total = nobody = 0
            for picture, present in zip(frames, people, strict=True):
                findings = find(picture)
                looked_for = [person for person in present if wanted(person)]
                total += len(looked_for)
                hits += sum(any(is_found(found, person) for found in findings) for person in looked_for)
                nobody += sum(not any(is_found(found, person) for person in present) for found in findings)
            print(f"| {kind} | {hits} | {total} | {nobody / len(people):.1f} |")


if __name__ == "__main__":
    main()
