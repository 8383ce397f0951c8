"""The pictures of the README and of the pages on RViz and on dropouts, from the simulated night street.

    python3 benchmarks/pictures.py --output docs/images

Writes JPEGs of one moment: what the fusion node gets, what it makes of it, and what it publishes while a camera is
missing. RViz shows raw counts stretched from the least to the largest.
``demo.webp`` shows the seconds around that moment.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from camf_ros.engines.choose import open_engine
from camf_ros.models import find_model
from camf_ros.pipeline import FusionPipeline
from camf_scene import NightStreet

#: Two people in smoke, one in glare, one in the dark with a dog.
MOMENT = 12.0
PAGE_WIDTH, GAP, TITLE = 1280, 6, 30
BACKGROUND, INK = 24, 235
MOST_BYTES = 250_000
#: Of the animated picture: width in pixels, frames a second, seconds.
ANIMATED_WIDTH, ANIMATED_RATE, ANIMATED_SECONDS = 640, 8, 3
MOST_ANIMATED_BYTES = 1_000_000

Picture = NDArray[np.uint8]


def as_rviz_shows(counts: NDArray[np.uint16]) -> Picture:
    """Grey levels of 16-bit counts in RViz's image display with Normalize Range."""
    low, high = int(counts.min()), int(counts.max())
    return np.asarray((counts.astype(np.float64) - low) / max(high - low, 1) * 255, np.uint8)


def page(pictures: dict[str, Picture], columns: int, page_width: int = PAGE_WIDTH) -> Picture:
    """Pictures under their titles, all as large as a page of so many columns lets them be; (H, W, 3)."""
    width = (page_width - GAP * (columns - 1)) // columns
    height = round(width * 9 / 16)
    tiles = []
    for title, picture in pictures.items():
        tile = np.full((TITLE + height, width, 3), BACKGROUND, np.uint8)
        cv2.putText(tile, title, (8, TITLE - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (INK,) * 3, 1, cv2.LINE_AA)
        small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        tile[TITLE:] = small if small.ndim == 3 else small[:, :, None]
        tiles.append(tile)
    between = np.full((TITLE + height, GAP, 3), BACKGROUND, np.uint8)
    rows = []
    for start in range(0, len(tiles), columns):
        row = [tiles[start]]
        for tile in tiles[start + 1 : start + columns]:
            row += [between, tile]
        rows.append(np.concatenate(row, axis=1))
    return np.concatenate(rows)


def write(path: Path, picture: Picture) -> None:
    """As a JPEG of the highest quality that stays below the limit."""
    colours = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    for quality in range(92, 40, -4):
        data = cv2.imencode(".jpg", colours, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()
        if len(data) <= MOST_BYTES:
            break
    path.write_bytes(data)
    print(f"{path}: {picture.shape[1]} x {picture.shape[0]}, {len(data) / 1000:.0f} kB, quality {quality}")


def animation(pipeline: FusionPipeline, street: NightStreet) -> list[Picture]:
    """Thermal and RGB above the fused picture, frame by frame, (H, W, 3) each."""
    frames = []
    count = ANIMATED_RATE * ANIMATED_SECONDS
    for moment in MOMENT + (np.arange(count) - count / 2) / ANIMATED_RATE:
        rgb = street.rgb(moment)
        fused = pipeline.fuse(street.thermal(moment), rgb, moment).image
        above = page({"thermal": pipeline.pictures["thermal"], "RGB": rgb}, 2, ANIMATED_WIDTH)
        frames.append(np.concatenate([above, page({"fused": fused}, 1, ANIMATED_WIDTH)]))
    return frames


def write_animation(path: Path, frames: list[Picture]) -> None:
    """As an endless WebP of the highest quality that stays below the limit."""
    first, *others = [PIL.Image.fromarray(frame) for frame in frames]
    for quality in range(85, 20, -5):
        first.save(
            path, save_all=True, append_images=others, duration=1000 // ANIMATED_RATE, loop=0, quality=quality, method=6
        )
        if path.stat().st_size <= MOST_ANIMATED_BYTES:
            break
    print(f"{path}: {len(frames)} of {first.width} x {first.height}, {path.stat().st_size / 1000:.0f} kB, {quality=}")


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--model", default="camf")
    arguments = parser.parse_args()
    street = NightStreet(1)
    counts, rgb = street.thermal(MOMENT), street.rgb(MOMENT)
    engine = open_engine("torch", find_model(arguments.model), precision="float32")
    write_animation(arguments.output / "demo.webp", animation(FusionPipeline(engine), street))
    pipeline = FusionPipeline(engine)
    fused = pipeline.fuse(counts, rgb, MOMENT).image
    thermal = pipeline.pictures["thermal"]
    # Of the next frames, as the node gets them: one camera has stopped.
    rgb_alone = pipeline.pass_through("rgb", rgb, MOMENT).image
    thermal_alone = pipeline.pass_through("thermal", counts, MOMENT).image
    write(
        arguments.output / "look.jpg",
        page(
            {
                "thermal, raw counts in RViz": as_rviz_shows(counts),
                "thermal, as the network gets it": thermal,
                "RGB": rgb,
                "fused": fused,
            },
            2,
        ),
    )
    write(
        arguments.output / "dropout.jpg",
        page(
            {
                "both cameras: fused": fused,
                "thermal missing: RGB alone": rgb_alone,
                "RGB missing: thermal alone": thermal_alone,
            },
            3,
        ),
    )


if __name__ == "__main__":
    main()
