"""camf benchmark: compare the speed of engines, models and image sizes with a reference."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from camf_ros.cli.options import add_quiet, picture_sizes
from camf_ros.engines.choose import ENGINES, check_device
from camf_ros.errors import CamfError, ParameterError
from camf_ros.files import Guard, make_folder, write_json
from camf_ros.models import find_model, shipped_models
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.table import specs
from camf_ros.timing import Case, Rounds, Timed, process, ratio, take_turns

Row = dict[str, Any]

#: Keys of a row that the table shows.
COLUMNS = ("model", "engine", "precision", "size", "median_ms", "p5_ms", "p95_ms", "cpu_ms", "ratio", "cpu_ratio",
           "memory_mib", "start_s")  # fmt: skip
_NOTES = """
cpu_ms: median processor time of a pair, all threads; ratio and cpu_ratio: divided by {} in the same
rounds; memory_mib: growth of the process up to its peak; start_s: time from loading to the first fused pair"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("--models", metavar="A,B", help="shipped models or .safetensors files (default: all shipped)")
    add("--engines", metavar="A,B", help="engines (default: all that work on this machine)")
    add("--sizes", default="320x256,640x480,1280x720", metavar="WxH,..", help="image sizes (default: %(default)s)")
    add("--precisions", default="auto", metavar="A,B", help="precisions of the engines (default: %(default)s)")
    reference = "case that all times are divided by; it takes turns with each other case (default: %(default)s)"
    add("--reference", default="camf-paper/openvino/bfloat16", metavar="MODEL/ENGINE/PRECISION", help=reference)
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    add("--threads", type=int, default=0, metavar="N", help="CPU threads (default: the engine chooses)")
    add("--seconds", type=float, default=3.0, metavar="S", help="time for each case (default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="also write all results to this file")
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure and report; 1 if there is nothing to report."""
    plan = [cases(arguments, size) for size in picture_sizes("--sizes", arguments.sizes)]
    if arguments.json is not None:
        make_folder(Guard(Path(case.source) for case in plan[0]).check(arguments.json).parent)
    rows, skipped = list[Row](), dict[str, str]()
    with tqdm(total=sum(map(len, plan)), unit="case", disable=arguments.quiet) as bar:
        for reference, *others in plan:
            rows += measure(reference, others, arguments.seconds, skipped, bar.update)
    print("\n".join([*table(rows, COLUMNS), _NOTES.format(arguments.reference)]))
    print("\n".join(f"skipped {case}: {reason}" for case, reason in skipped.items()))
    if arguments.json is not None:
        write_json(arguments.json, {"command": sys.argv, "rows": rows, "skipped": skipped})
    return 0 if rows else 1


def cases(arguments: argparse.Namespace, size: tuple[int, int]) -> list[Case]:
    """The reference and all others at a size; an option that is wrong is a CamfError."""
    if not arguments.seconds > 0 or arguments.threads < 0:
        what = f"--seconds is {arguments.seconds} and --threads {arguments.threads}"
        raise ParameterError(what, expected="a time above 0, and at least 0 threads")
    check_device(arguments.device)
    models = arguments.models.split(",") if arguments.models else shipped_models()
    engines = arguments.engines.split(",") if arguments.engines else ENGINES
    kinds = [*itertools.product(models, engines, arguments.precisions.split(","))]
    for kind in (reference := tuple(arguments.reference.rsplit("/", 2)), *kinds):
        if len(kind) < 3 or kind[1] not in ENGINES or kind[2] not in specs(FusionSettings)["precision"].choices:
            expected = f"MODEL/ENGINE/PRECISION with an engine of {', '.join(ENGINES)}"
            raise ParameterError(f"one of the cases is {'/'.join(kind)!r}", expected=expected)
    return [
        Case(find_model(source).info().name, source, engine, precision, *size, arguments.device, arguments.threads)
        for source, engine, precision in dict.fromkeys([reference, *kinds])
    ]


def measure(
    reference: Case, others: Sequence[Case], seconds: float, skipped: dict[str, str], progress: Callable[[], object]
) -> list[Row]:
    """Rows of the cases of one size; what failed is left out, and ``skipped`` has the reasons."""
    rows: list[Row] = []
    with process(reference.threads) as beside:
        base: Timed | None = None
        for case in (reference, *others):
            try:
                if case is reference:
                    base = Timed(beside, case, seconds / 5)
                    rows.append(_row(case, base, take_turns([base], seconds)[0], (1.0, 1.0)))
                    continue
                with process(case.threads) as own:
                    station = Timed(own, case, seconds / 5)
                    rounds = take_turns([station, *([base] if base else [])], seconds)
                    rows.append(_row(case, station, rounds[0], ratio(*rounds) if base else (None, None)))
            except Exception as error:  # of any runtime, or of a process that ended
                where = f"{case.model} {case.engine} {case.precision} {case.width}x{case.height}"
                skipped[where] = str(error) if isinstance(error, CamfError) else f"{type(error).__name__}: {error}"
            finally:
                progress()
    return rows


def _row(case: Case, station: Timed, rounds: Rounds, shares: tuple[float | None, float | None]) -> Row:
    calls = np.array([call for turns in rounds for call in turns])
    times = 1e3 * np.percentile(calls[:, 0], (50, 5, 95))
    return {
        "model": case.model,
        "engine": case.engine,
        "precision": next((word for word in station.description.split() if "float" in word), case.precision),
        "size": f"{case.width}x{case.height}",
        "description": station.description,
        "calls": len(calls),
        **dict(zip(("median_ms", "p5_ms", "p95_ms"), times.tolist(), strict=True)),
        "cpu_ms": 1e3 * float(np.median(calls[:, 1])),
        "ratio": shares[0],
        "cpu_ratio": shares[1],
        "memory_mib": station.memory(),
        "start_s": station.start_seconds,
    }


def table(rows: Sequence[Row], columns: Sequence[str]) -> list[str]:
    """Lines of a table, numbers with three digits."""
    cells = [list(columns)]
    for row in rows:
        values = [row.get(name) for name in columns]
        cells.append([f"{value:.3g}" if isinstance(value, float) else str(value or "-") for value in values])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
