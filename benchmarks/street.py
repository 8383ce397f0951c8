"""The embedded night street, fused by a model: the picture of its card, and how steady the gain is over a drive.

    python3 benchmarks/street.py camf docs/images/camf.jpg

Writes thermal, RGB and fused of three moments side by side, and prints the automatic gain over ten seconds at ten
frames a second: its range, and its largest change from one frame to the next, as published and frame by frame.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import cv2

from camf_ros.engines.choose import open_engine
from camf_ros.imaging.picture_strip import Triple, picture_strip
from camf_ros.models import find_model
from camf_ros.pipeline import FusionPipeline
from camf_ros.scene import NightStreet
from camf_ros.settings.fusion import FusionSettings

MOMENTS = (4.0, 8.0, 12.0)
RATE, SECONDS = 10, 10


def main() -> None:
    """Write the picture and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    engine = open_engine("torch", find_model(arguments.model), precision="float32")
    street = NightStreet(1)
    triples = []
    for moment in MOMENTS:
        thermal, rgb = street.thermal(moment), street.rgb(moment)
        triples.append(Triple(thermal, rgb, FusionPipeline(engine).fuse(thermal, rgb, moment).image))
    cv2.imwrite(
        str(arguments.output), cv2.cvtColor(picture_strip(triples), cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, 88)
    )

    small = NightStreet(1, rgb_size=(640, 360), thermal_size=(320, 256))
    steady = FusionPipeline(engine)
    alone = FusionPipeline(engine, FusionSettings(gain_time_constant=0.0))
    gains: dict[str, list[float]] = {"as published": [], "frame by frame": []}
    for frame in range(RATE * SECONDS):
        stamp = frame / RATE
        thermal, rgb = small.thermal(stamp), small.rgb(stamp)
        for name, pipeline in zip(gains, (steady, alone), strict=True):
            gains[name].append(pipeline.fuse(thermal, rgb, stamp).gain)
    for name, values in gains.items():
        step = max(abs(after - before) for before, after in pairwise(values))
        print(f"gain {name}: {min(values):.4f} to {max(values):.4f}, largest change between frames {step:.4f}")


if __name__ == "__main__":
    main()
