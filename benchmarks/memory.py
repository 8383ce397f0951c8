"""What a pair needs in memory, in bytes a pixel of what it is measured for.

    python3 benchmarks/memory.py --output docs/figures/memory.json

Each row is a process of its own: it fuses a small pair, then two pairs of the size to measure, and says by how much
its resident memory rose at most, beside the messages. ``camf_ros/imaging/memory_budget.py`` has upper bounds of these.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from script import write_json

from camf_ros.engines.choose import choose_engine
from camf_ros.explain.explanation import Explainer
from camf_ros.imaging.camera_messages import ImageConversion
from camf_ros.models import find_model
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.table import build

SMALL, LARGE = (48, 64), (960, 1280)
TYPES = {"mono8": np.uint8, "mono16": np.uint16, "64FC1": np.float64, "bgr8": np.uint8}
# The network is out of the way where something else is measured.
AT_SMALL = {"registration.processing_height": SMALL[0], "registration.processing_width": SMALL[1]}


def rows() -> list[dict[str, Any]]:
    """What is measured."""
    result: list[dict[str, Any]] = [
        {"what": "network", "model": model, "engine": engine, "precision": precision}
        for model in ("camf", "camf-lite", "camf-paper")
        for engine in ("openvino", "torch", "onnxruntime")
        for precision in (("auto", "float32") if engine == "openvino" else ("float32",))
    ]
    result += [{"what": "thermal", "encoding": encoding} for encoding in ("mono16", "64FC1")]
    result += [{"what": "rgb"}, {"what": "output"}, {"what": "explanation"}]
    return result


def measure(what: str, model: str = "camf", engine: str = "openvino", precision: str = "float32", **more: str) -> float:
    """Bytes a pixel at the larger size."""
    thermal, rgb = (LARGE if what == camera else SMALL for camera in ("thermal", "rgb"))
    if what in ("network", "explanation"):
        rgb = LARGE
    values = {"model": model, "engine": engine, "precision": precision, "device": "cpu", "threads": 1}
    if what in ("thermal", "rgb", "output"):
        values |= AT_SMALL
    if what == "rgb":  # as small as it gets afterwards
        values |= {"registration.output_height": SMALL[0], "registration.output_width": SMALL[1]}
    if what == "output":
        rgb = LARGE
    settings = build(FusionSettings, values)
    pipeline = FusionPipeline(choose_engine(settings).engine, settings)
    convert = ImageConversion()
    explainer = Explainer(find_model(model)) if what == "explanation" else None

    def fuse(pair: tuple[Any, Any], stamp: float) -> None:
        frame = pipeline.fuse(convert.thermal(pair[0]), convert.rgb(pair[1]), stamp)
        if explainer is not None:
            explainer.explain(frame)

    encoding = more.get("encoding", "mono16")
    fuse((message(SMALL, encoding), message(SMALL, "bgr8")), 1.0)
    pair = message(thermal, encoding), message(rgb, "bgr8")
    gc.collect()
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    for number in range(2):
        fuse(pair, 2.0 + number)
    return (status("VmHWM") - before) / (LARGE[0] * LARGE[1])


def message(size: tuple[int, int], encoding: str) -> Any:
    """What a camera sends."""
    channels = 3 if encoding == "bgr8" else 1
    values = np.random.default_rng(0).integers(0, 256, (*size, channels)).astype(TYPES[encoding])
    return SimpleNamespace(
        height=size[0], width=size[1], encoding=encoding, is_bigendian=0, step=values[0].nbytes, data=values.tobytes()
    )


def status(name: str) -> float:
    """A figure of this process, bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return 1024.0 * int(line.split()[1])
    raise OSError(f"the system does not tell {name}")


def main() -> None:
    """Measure all, or one row in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="JSON to write")
    parser.add_argument("--row", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row is not None:
        print(measure(**arguments.row))
        return
    measured = []
    for row in rows():
        command = [sys.executable, __file__, "--row", json.dumps(row)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        measured.append({**row, "bytes_a_pixel": round(float(done.stdout.splitlines()[-1]), 1)})
        print(measured[-1], flush=True)
    write_json(arguments.output, {"size": LARGE, "rows": measured})


if __name__ == "__main__":
    main()
