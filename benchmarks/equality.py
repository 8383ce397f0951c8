"""How far every engine is from its network in float64: one table, in all the arithmetic that this machine has.

    python3 benchmarks/equality.py --data DIR --json docs/figures/equality-cpu.json
    python3 benchmarks/equality.py --device cuda --json docs/figures/gpu-equality.json

Pairs: noise, the simulated street, and those of DIR/infrared and DIR/visible, each also cut to odd sizes. The figures
are the least PSNR of the fused picture against the network's picture before rounding, and the largest difference in
grey levels. Rounding alone leaves 20 log10(255 sqrt(12)) = 58.9 dB, and half a grey level.

Exit status: 1 if an engine is further from its network than its arithmetic allows, or none opens.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from script import write_json

from camf_ros.engines.choose import ENGINES, open_engine
from camf_ros.errors import CamfError
from camf_ros.evaluation.samples import find_samples
from camf_ros.imaging.blending import padded, padding
from camf_ros.imaging.luminance import RgbPicture
from camf_ros.models import find_model, shipped_models
from camf_ros.network.architecture import BlendArchitecture, PaperArchitecture
from camf_ros.network.checkpoint import Checkpoint, load_checkpoint
from camf_ros.network.paper import PaperOutput
from camf_scene import NightStreet

Picture = NDArray[np.uint8]
Pair = tuple[Picture, Picture]
# Least PSNR by arithmetic. The paper's decoder hangs on every bit of its features: bfloat16 is not chosen unasked.
LEAST = {"float32": 58.0, "float16": 45.0, "bfloat16": 45.0}
LEAST_PAPER = {**LEAST, "bfloat16": 25.0}


def pairs(data: Path | None) -> dict[str, list[Pair]]:
    """Pairs by their kind."""
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (2, *size)).astype(np.uint8) for size in ((48, 64), (61, 83))]
    found: dict[str, list[Pair]] = {"noise": [(first, second) for first, second in noise], "street": []}
    for moment in (4.0, 8.0):
        grey = NightStreet().thermal(moment).astype(np.float64)
        low, high = np.percentile(grey, (0.5, 99.5))
        infrared = np.clip((grey - low) / (high - low) * 255, 0, 255).astype(np.uint8)
        visible = RgbPicture(NightStreet().rgb(moment)).luminance
        height, width = (min(a, b) for a, b in zip(infrared.shape, visible.shape, strict=True))
        found["street"] += [(infrared[:h, :w], visible[:h, :w]) for h, w in ((height, width), (height - 1, width - 1))]
    if data is not None:
        samples = find_samples(data, None).samples
        real = [sample.read()[:2] for sample in samples[:: max(1, len(samples) // 8)]]
        found["recorded"] = real + [(a[:-1, :-3], b[:-1, :-3]) for a, b in real[:3]]
    return found


def exact(checkpoint: Checkpoint, pair: Pair) -> NDArray[np.float64]:
    """Fused grey levels before rounding, clipped to 0 to 255, of a network in float64."""
    architecture = checkpoint.network.architecture
    height, width = pair[0].shape
    levels = architecture.levels if isinstance(architecture, BlendArchitecture) else 1
    missing = padding(height, width, levels)
    pictures = [torch.from_numpy(padded(np.ascontiguousarray(p), missing)).double()[None, None] for p in pair]
    with torch.inference_mode():
        output = checkpoint.network(*pictures, checkpoint.network.class_activation_weights())
        fused = output.fused if isinstance(output, PaperOutput) else output.infrared_part + output.visible_part
        return np.asarray(fused[0, 0, :height, :width].clamp(0, 255).numpy(), np.float64)


def distances(fused: Picture, wanted: NDArray[np.float64]) -> tuple[float, float]:
    """PSNR in dB, and the largest difference in grey levels."""
    difference = fused - wanted
    return 10 * math.log10(255**2 / float(np.mean(difference**2))), float(np.abs(difference).max())


def rows_of(name: str, kinds: dict[str, list[Pair]], device: str) -> list[dict[str, Any]]:
    """A row for each engine, arithmetic and kind of pairs of a model, or one that says why there is none."""
    model = find_model(name)
    assert model.checkpoint is not None
    checkpoint = load_checkpoint(model.checkpoint)
    checkpoint.network.double()
    wanted = {kind: [exact(checkpoint, pair) for pair in found] for kind, found in kinds.items()}
    paper = isinstance(checkpoint.network.architecture, PaperArchitecture)
    rows: list[dict[str, Any]] = []
    for engine_name in ENGINES:
        for precision, least in (LEAST_PAPER if paper else LEAST).items():
            row: dict[str, Any] = {"model": name, "engine": engine_name, "precision": precision}
            try:
                engine = open_engine(engine_name, model, device=device, precision=precision)
                fused = {kind: [engine.fuse(*pair).fused for pair in found] for kind, found in kinds.items()}
            except CamfError as error:
                rows.append({**row, "unusable": str(error)})
                continue
            for kind, found in fused.items():
                each = [distances(*both) for both in zip(found, wanted[kind], strict=True)]
                psnr, difference = min(d[0] for d in each), max(d[1] for d in each)
                figures = {"psnr_db": round(psnr, 2), "largest_difference": round(difference, 3), "least_db": least}
                rows.append({**row, "description": engine.description, "pairs": kind, "count": len(found), **figures})
                print(f"| {name} | {engine.description} | {kind} | {psnr:.1f} | {difference:.2f} |", flush=True)
    return rows


def main() -> int:
    """Print a Markdown table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="DIR")
    parser.add_argument("--models", nargs="+", default=shipped_models(), metavar="NAME")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    kinds = pairs(arguments.data)
    print("| model | engine | pairs | PSNR, dB | largest difference |\n|---|---|---|---|---|")
    rows = [row for name in arguments.models for row in rows_of(name, kinds, arguments.device)]
    if arguments.json is not None:
        versions = {"torch": torch.__version__, "cuda": torch.version.cuda, "opencv": cv2.__version__}
        content = {"device": arguments.device, "versions": versions, "rows": rows}
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        write_json(arguments.json, content)
    measured = [row for row in rows if "psnr_db" in row]
    too_far = [row for row in measured if not row["psnr_db"] >= row["least_db"]]
    for row in too_far:
        print(f"too far: {row}", file=sys.stderr)
    return 1 if too_far or not measured else 0


if __name__ == "__main__":
    sys.exit(main())
