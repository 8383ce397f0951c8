"""The example's detector on the embedded street: what it finds of the people, in each camera's picture and fused.

    python3 benchmarks/detector.py

A person is found when the centre of a spot lies within the box around the person. With OpenCV 4 the HOG people detector
is measured as well: there a person is found by a box whose intersection over union with the person's exceeds 0.3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.engines.choose import open_engine
from camf_ros.examples.bright_spots import BrightSpots
from camf_ros.models import find_model
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.detector import DetectorSettings
from camf_scene import NightStreet
from camf_scene.people import Box

MOMENTS = np.arange(1.0, 30.0, 2.5)
SIZE = (1280, 720)
LEAST_HEIGHT, LEAST_OVERLAP = 60, 0.3

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
    return [Found(x - d / 2, y - d / 2, x + d / 2, y + d / 2) for x, y, d in found]


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


def main() -> None:
    """Print the tables."""
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
