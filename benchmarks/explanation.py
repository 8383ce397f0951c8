"""What an explanation costs, and the worked example of docs/explanation.md with its picture.

    python3 benchmarks/explanation.py --output docs/figures/explanation.json --panel docs/figures/explanation.png

On the simulated night street: time of the parts, of leaving channels out and of the panel, for a pair of 640 x 480 on
one thread, as a ratio to the time of fusing it; and single pixels in numbers, as the panel shows them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from script import write_json

from camf_ros.engines.choose import open_engine, open_inspector
from camf_ros.explain.channels import reduced, strongest_channels
from camf_ros.explain.explanation import CANDIDATES, DEFAULT_LIMIT, SHOWN, Explainer, Place
from camf_ros.explain.panel import render
from camf_ros.explain.parts import fused_pictures, levels_of, parts_of
from camf_ros.explain.summary import content, place_line
from camf_ros.imaging.picture_files import write_png
from camf_ros.imaging.warp import resized
from camf_ros.models import find_model
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings
from camf_scene import NightStreet

#: Moment of the example, seconds, and size of its panel: as wide as a page.
EXAMPLE, PANEL_SIZE = 12.0, (1280, 720)
ASKED = {
    "the man with the dog": Place(1099, 409),
    "a person in the smoke": Place(803, 373),
    "a person before headlights": Place(267, 397),
    "a street lamp": Place(258, 124),
    "the sky": Place(620, 60),
}
SIZE = (480, 640)
REPEATS = 3


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--panel", type=Path, required=True, help="picture of the worked example")
    parser.add_argument("--model", default=FusionSettings().model)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    street = NightStreet(1)
    thermal, rgb = street.thermal(EXAMPLE), street.rgb(EXAMPLE)
    model = find_model(arguments.model)
    pipeline = FusionPipeline(open_engine("openvino", model, precision="float32", threads=1))
    pipeline.keep_amounts = True
    explainer = Explainer(model)
    explanation = explainer.explain(pipeline.fuse(thermal, rgb, EXAMPLE))
    for name, place in ASKED.items():
        print(f"{name}: {place_line(explanation, place)}")
    pixels = {name: content(explanation, place)["place"] for name, place in ASKED.items()}
    report = {"example": {**content(explanation), "pixels": pixels}, "time": times(arguments.model, thermal, rgb)}
    print(json.dumps(report["time"], indent=1))
    write_json(arguments.output, report)
    write_png(arguments.panel, render(explanation, PANEL_SIZE, ASKED["the man with the dog"]))


def times(name: str, thermal: Any, rgb: Any) -> dict[str, Any]:
    """Best of some repetitions on one thread, seconds and as ratios to the fusion."""
    model = find_model(name)
    pipeline = FusionPipeline(open_engine("openvino", model, precision="float32", threads=1))
    pipeline.keep_amounts = True
    pair = resized(cv2.convertScaleAbs(thermal, alpha=255 / float(thermal.max())), SIZE), resized(rgb, SIZE)
    frame = pipeline.fuse(*pair, 0.0)
    assert frame.amounts is not None
    amounts = frame.amounts
    aligned, _, luminance = fused_pictures(frame)
    small = reduced(aligned.thermal, DEFAULT_LIMIT), reduced(luminance, DEFAULT_LIMIT)
    activation = np.stack((frame.infrared_activation, frame.visible_activation))
    inspector = open_inspector(model)
    explanation = Explainer(model).explain(frame)
    tasks: dict[str, Callable[[], object]] = {
        "fusion": lambda: pipeline.fuse(*pair, 0.0),
        "parts": lambda: (parts_of(frame, amounts), levels_of(frame, amounts)),
        "channels": lambda: strongest_channels(
            inspector, small, activation, seen=None, shown=SHOWN, candidates=CANDIDATES
        ),
        "panel": lambda: render(explanation),
    }
    best = dict.fromkeys(tasks, np.inf)
    for _ in range(REPEATS):
        for task, work in tasks.items():
            start = time.perf_counter()
            work()
            best[task] = min(best[task], time.perf_counter() - start)
    return {
        "model": name,
        "size": SIZE,
        "candidates": CANDIDATES,
        "seconds": best,
        "times the fusion": {task: value / best["fusion"] for task, value in best.items()},
    }


if __name__ == "__main__":
    main()
