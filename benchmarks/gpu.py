"""What of the engines needs a GPU to be known: the same answer as the plain network, and the time of a whole frame.

    PYTHONPATH=. python3 benchmarks/gpu.py --json docs/figures/gpu-equality.json

Every engine that opens on the device, with every shipped model, in every arithmetic that it has: the largest distance
(PSNR) from the plain network in float64 before rounding, over pictures of even and odd sizes. Then the time from arrays
on this side to arrays on this side, grey and with colour. benchmarks/gpu.sh runs this and 'camf benchmark'.

Exit status: 1 if an engine is further from the plain network than its arithmetic allows, or torch does not work at all.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from comparison import Picture, psnr, reference

from camf_ros.engines.create import ENGINES, open_engine
from camf_ros.engines.engine import Engine
from camf_ros.engines.torch_colour import Colour
from camf_ros.errors import CamfError
from camf_ros.imaging.luminance import Visible
from camf_ros.models import find_model, shipped_models

# Least PSNR by arithmetic. Rounding to grey levels alone leaves 20 log10(255 sqrt(12)) = 58.9 dB.
LEAST = {"float32": 58.0, "float16": 45.0, "bfloat16": 45.0}
# (height, width) of the pictures that are compared, and (width, height) of those that are timed.
SIZES = ((48, 64), (61, 83), (120, 161), (512, 640))
TIMED_SIZE = (640, 512)
TIMED_MODEL = "camf"
WARM_UP_FRAMES, TIMED_FRAMES = 50, 500


def main() -> int:
    """Compare and time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to this file too")
    arguments = parser.parse_args()
    if torch.device(arguments.device).type == "cuda" and not torch.cuda.is_available():
        print("gpu.py: PyTorch sees no GPU here", file=sys.stderr)
        return 2
    exact = colour_is_exact(arguments.device)
    print(f"colour on the device is {'' if exact else 'not '}exact", flush=True)
    rows = equality(arguments.device)
    times = frame_times(arguments.device)
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        content = {"machine": machine(arguments.device), "equality": rows, "colour_is_exact": exact}
        content["frame_times"] = times
        arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    failed = [row for row in rows if "psnr" in row and not row["psnr"] >= LEAST[row["precision"]]]
    for row in failed:
        print(f"too far: {row}", file=sys.stderr)
    return 1 if failed or not exact or not any(row["engine"] == "torch" and "psnr" in row for row in rows) else 0


def machine(device: str) -> dict[str, Any]:
    """Where this ran."""
    gpu = torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else None
    return {"gpu": gpu, "torch": torch.__version__, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}


def equality(device: str) -> list[dict[str, Any]]:
    """Least PSNR of every engine, model and arithmetic; or why there is none."""
    rows: list[dict[str, Any]] = []
    for model in shipped_models():
        path = find_model(model)
        pairs = [pair(*size) for size in SIZES]
        exact = [reference(path, *each, device=device) for each in pairs]
        for name in ENGINES:
            for precision in LEAST:
                row: dict[str, Any] = {"engine": name, "model": model, "precision": precision}
                try:
                    engine = open_engine(name, path, device=device, precision=precision)
                    results = [engine.fuse(*each) for each in pairs]
                except CamfError as error:
                    row["unusable"] = str(error)
                else:
                    distances = [psnr(result.fused, fused) for result, (fused, _) in zip(results, exact, strict=True)]
                    gains = [abs(result.gain - gain) for result, (_, gain) in zip(results, exact, strict=True)]
                    row.update(description=engine.description, psnr=round(min(distances), 2), gain_error=max(gains))
                    row["warnings"] = list(getattr(engine, "warnings", ()))
                print(json.dumps(row), flush=True)
                rows.append(row)
    return rows


def colour_is_exact(device: str) -> bool:
    """Whether the engine's conversions on the device are those of the processor: all reds with some of all else."""
    colour = Colour(torch.device(device))
    rng = np.random.default_rng(0)
    for red in range(256):
        rgb, fused = rng.integers(0, 256, (64, 64, 3), np.uint8), rng.integers(0, 256, (64, 64), np.uint8)
        rgb[..., 0] = red
        luminance, chroma = colour.split(torch.from_numpy(rgb).to(device))
        merged = colour.merge(torch.from_numpy(fused).to(device), chroma)
        visible = Visible(rgb)
        if not np.array_equal(luminance.cpu().numpy(), visible.luminance):
            return False
        if not np.array_equal(merged.cpu().numpy(), visible.with_luminance(fused)):
            return False
    return True


def frame_times(device: str) -> list[dict[str, Any]]:
    """Time from host arrays to host arrays, for the engines that open."""
    width, height = TIMED_SIZE
    infrared, visible = pair(height, width)
    rgb = np.stack((visible, infrared, visible), axis=-1)
    rows = []
    for name in ENGINES:
        try:
            engine = open_engine(name, find_model(TIMED_MODEL), device=device)
            ways: dict[str, Callable[[], object]] = {"grey": lambda engine=engine: engine.fuse(infrared, visible)}  # type: ignore[misc]
            ways["colour on the processor"] = lambda engine=engine: with_colour(engine, infrared, rgb)  # type: ignore[misc]
            if hasattr(engine, "fuse_rgb"):
                ways["colour on the device"] = lambda engine=engine: engine.fuse_rgb(infrared, rgb)  # type: ignore[misc]
            for way, call in ways.items():
                figures = {"engine": engine.description, "model": TIMED_MODEL, "width": width, "height": height}
                rows.append({**figures, "way": way, **timed(call)})
                print(json.dumps(rows[-1]), flush=True)
        except CamfError as error:
            print(f"{name}: {error}", flush=True)
    return rows


def with_colour(engine: Engine, infrared: Picture, rgb: Picture) -> Picture:
    """What the pipeline does around an engine."""
    visible = Visible(rgb)
    return visible.with_luminance(engine.fuse(infrared, visible.luminance).fused)


def timed(call: Callable[[], object]) -> dict[str, float]:
    """Milliseconds of a call: median and 95th percentile."""
    for _ in range(WARM_UP_FRAMES):
        call()
    times = []
    for _ in range(TIMED_FRAMES):
        before = time.perf_counter()
        call()
        times.append((time.perf_counter() - before) * 1e3)
    return {"median_ms": float(np.median(times)), "p95_ms": float(np.percentile(times, 95))}


def pair(height: int, width: int) -> tuple[Picture, Picture]:
    """Two unlike pictures, smooth as real ones are, with some grain."""
    rng = np.random.default_rng(height * width)
    pictures = []
    for middle in (90, 150):
        picture = middle + rng.normal(0, 3, (height, width))
        for scale in (2, 6, 20):
            noise = cv2.GaussianBlur(rng.normal(0, 1, (height, width)), (0, 0), scale)
            picture += 30 * noise / noise.std()
        pictures.append(np.clip(picture, 0, 255).astype(np.uint8))
    return pictures[0], pictures[1]


if __name__ == "__main__":
    sys.exit(main())
