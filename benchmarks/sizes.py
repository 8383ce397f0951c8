"""What picture sizes that come and go cost, by what is done about them.

    python3 benchmarks/sizes.py --output docs/figures/sizes.json

Each row is a process of its own with one thread. It fuses pairs of one size, of three sizes in turn, or of a size that
never came before, and says the processor time for a megapixel, its ratio to that of one size that is compiled, and by
how much memory rose at most. The strategies: ``compiled``, a network for each size, of which the last two are kept;
``sixteen``, of which sixteen are kept; ``steps``, as ``compiled`` for pictures padded to multiples of 256 (a blending
network pads to multiples of 64 anyway); ``any``, what the engines do: a network for each of two sizes, and one of any
size for those that come and go.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from script import machine, versions, write_json

from camf_ros.engines.choose import open_engine
from camf_ros.engines.engine import SizeCache
from camf_ros.imaging.blending import padded
from camf_ros.models import find_model

STRATEGIES = ("compiled", "sixteen", "steps", "any")
CACHES = {"openvino": "_requests", "onnxruntime": "_sessions"}
#: (height, width) of the pictures of each kind of stream.
STREAMS: dict[str, Callable[[], Iterator[tuple[int, int]]]] = {
    "one size": lambda: cycle([(480, 640)]),
    "three sizes": lambda: cycle([(480, 640), (384, 512), (600, 720)]),
    "new sizes": lambda: iter([(300 + 64 * (k % 7), 320 + 64 * (k // 7)) for k in range(49)]),
}
#: Pairs before the measured ones, and those.
WARM_UP, MEASURED = 6, 40
STEP = 256
TIME = "milliseconds_a_megapixel"


class CompiledSizes(SizeCache[Any]):
    """Has a network for each size."""

    def get(self, prepare: Any, height: int, width: int, for_any: Any = None) -> Any:  # noqa: ARG002
        """Without one for any size."""
        return super().get(prepare, height, width)


def measure(name: str, strategy: str, stream: str, model: str) -> dict[str, float]:
    """Processor time for a megapixel, milliseconds, and the largest growth of memory, MB."""
    engine = open_engine(name, find_model(model), device="cpu", precision="float32", threads=1)
    if strategy != "any":
        setattr(engine._runtime, CACHES[name], CompiledSizes(16 if strategy == "sixteen" else 2))
    rng = np.random.default_rng(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for height, width in islice(STREAMS[stream](), WARM_UP + MEASURED):
        pair = rng.integers(0, 256, (2, height, width), np.uint8)
        began = time.process_time()
        missing = (-height % STEP, -width % STEP) if strategy == "steps" else (0, 0)
        engine.fuse(padded(pair[0], missing), padded(pair[1], missing)).fused[:height, :width].copy()
        times.append((time.process_time() - began) / (1e-6 * height * width))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {TIME: 1e3 * float(np.mean(times[WARM_UP:])), "memory_mb": grown * 1024 / 1e6}


def main() -> None:
    """Measure all, or the one row that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, metavar="FILE")
    parser.add_argument("--model", default="camf")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--row", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        print(json.dumps(measure(*arguments.row, arguments.model)))
        return
    rows = []
    for engine in CACHES:
        found: dict[tuple[str, str], list[dict[str, float]]] = {}
        for _ in range(arguments.rounds):
            for strategy in STRATEGIES:
                for stream in STREAMS:
                    command = [sys.executable, __file__, "--model", arguments.model, "--row", engine, strategy, stream]
                    done = subprocess.run(command, check=True, capture_output=True, text=True)
                    found.setdefault((strategy, stream), []).append(json.loads(done.stdout))
        for (strategy, stream), values in found.items():
            row = {key: float(np.median([value[key] for value in values])) for key in values[0]}
            usual = [value[TIME] for value in found["compiled", "one size"]]
            ratio = float(np.median([value[TIME] / one for value, one in zip(values, usual, strict=True)]))
            rows.append({"engine": engine, "strategy": strategy, "stream": stream, **row, "ratio": ratio})
            title = f"{engine:12} {strategy:9} {stream:12}"
            print(f"{title} {row[TIME]:7.1f} ms/MP {ratio:5.2f} {row['memory_mb']:6.0f} MB")
    report = {"machine": machine(), "versions": versions(), "model": arguments.model, "rows": rows}
    write_json(arguments.output, report)


if __name__ == "__main__":
    main()
