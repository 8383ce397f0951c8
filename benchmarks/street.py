"""The simulated night street, fused by a model: the picture of its card, and how steady the fused picture is.

    python3 benchmarks/street.py camf docs/images/camf.jpg
    python3 benchmarks/street.py camf --json docs/figures/steady-camf.json

Writes thermal, RGB and fused luminance of three moments side by side. Then it fuses frames of a street that stands
still, so that nothing but the noise of both sensors changes, and prints the standard deviation over time of a pixel's
grey level: mean over the picture of the fused luminance, of both sources, and the ratio of the first to the noisier
source's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from camf_ros.engines.choose import choose_engine
from camf_ros.files import write_json
from camf_ros.imaging.luminance import RgbPicture
from camf_ros.imaging.picture_strip import Triple, picture_strip
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings
from camf_scene import NightStreet

MOMENTS = (4.0, 8.0, 12.0)
FRAMES = 24
# Seconds between two frames of the street that stands still: too short for anything but the noise to change.
INSTANT = 1e-5


def main() -> None:
    """Write the picture and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("output", type=Path, nargs="?")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    settings = FusionSettings(model=arguments.model)
    engine = choose_engine(settings).engine
    street = NightStreet(1)
    if arguments.output:
        triples = []
        for moment in MOMENTS:
            thermal, rgb = street.thermal(moment), street.rgb(moment)
            triples.append(Triple(thermal, rgb, FusionPipeline(engine, settings).fuse(thermal, rgb, moment).image))
        strip = cv2.cvtColor(picture_strip(triples), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(arguments.output), strip, (cv2.IMWRITE_JPEG_QUALITY, 88))
    rows = []
    for moment in MOMENTS:
        pipeline = FusionPipeline(engine, settings)
        frames: dict[str, list[np.ndarray]] = {"thermal": [], "rgb": [], "fused": []}
        for number in range(FRAMES):
            stamp = moment + number * INSTANT
            frame = pipeline.fuse(street.thermal(stamp), street.rgb(stamp), stamp)
            assert frame.aligned is not None
            frames["thermal"].append(frame.aligned.thermal)
            frames["rgb"].append(RgbPicture(frame.aligned.rgb).luminance)
            frames["fused"].append(RgbPicture(frame.image).luminance)
        spread = {name: float(np.std(np.stack(each), axis=0, dtype=np.float64).mean()) for name, each in frames.items()}
        spread["ratio"] = spread["fused"] / max(spread["thermal"], spread["rgb"])
        rows.append({"moment": moment, **spread})
        print(", ".join(f"{name} {value:.3f}" for name, value in rows[-1].items()))
    if arguments.json:
        write_json(arguments.json, {"model": engine.model_name, "hash": engine.model_hash, "moments": rows})


if __name__ == "__main__":
    main()
