"""Engines, models and picture sizes beside networks of others, with the computed floor of each and a plot.

    python3 benchmarks/engines.py --json FILE --plot FILE [--peers FILE]

Measures as ``camf benchmark`` does, and takes its options. The floor of a case is the time that its convolutions and
its blending take at least on this processor; see engine_benchmark/floor.py.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine_benchmark.floor import floor_of
from engine_benchmark.peers import FORMAT, Peer, PeerInput, PeerNetwork, read_peers
from engine_benchmark.plot import write_plot
from script import cpu_name, machine, usable_cores, versions, write_json
from tqdm import tqdm

from camf_ros.cli.benchmark import COLUMNS, Row, add_arguments, cases, measure, table
from camf_ros.cli.explain import matplotlib_pyplot
from camf_ros.cli.options import picture_sizes
from camf_ros.errors import CamfError, DataError
from camf_ros.models import find_model
from camf_ros.timing import Case, process


@dataclass(frozen=True)
class PeerCase(Case):
    """A network of others."""

    inputs: tuple[PeerInput, PeerInput]

    def open(self) -> tuple[str, Callable[[], object]]:
        """See :class:`camf_ros.timing.Case`."""
        network = PeerNetwork(self.source, self.inputs, width=self.width, height=self.height, threads=self.threads)
        return network.description, network.run


@dataclass(frozen=True)
class GpuCase(Case):
    """An engine on a GPU, whose description has the memory that it takes there."""

    def open(self) -> tuple[str, Callable[[], object]]:
        """See :class:`camf_ros.timing.Case`."""
        import torch  # noqa: PLC0415 (only where there is a GPU)

        # The driver counts for the whole GPU, and so for every runtime.
        before, total = torch.cuda.mem_get_info(self.device)
        description, call = super().open()
        call()
        taken = before - torch.cuda.mem_get_info(self.device)[0]
        return f"{description}, {taken / 2**20:.0f} MiB of {total / 2**20:.0f} on the GPU", call


def main() -> int:
    """Measure and report; 1 if there is nothing to report."""
    arguments = _arguments()
    try:
        return _run(arguments)
    except CamfError as error:
        print(f"engines.py: {error}", file=sys.stderr)
        return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog=FORMAT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--peers", type=Path, metavar="FILE", help="networks of others to time in the same run: below")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the times into this .png, .svg or .pdf")
    # A floor is measured with the same number of threads, which so has to be known.
    parser.set_defaults(precisions="auto,float32,bfloat16", threads=usable_cores())
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> int:
    peers = [] if arguments.peers is None else read_peers(arguments.peers)
    sizes = picture_sizes("--sizes", arguments.sizes)
    plan = [_cases(arguments, peers, size) for size in sizes]
    _check_names(plan[0])
    if arguments.plot is not None:
        matplotlib_pyplot()  # fails now rather than after minutes of timing
    rows: list[Row] = []
    skipped: dict[str, str] = {}
    with tqdm(total=sum(map(len, plan)), unit="case", disable=arguments.quiet) as bar:
        for reference, *others in plan:
            found = _unlike(measure(reference, others, arguments.seconds, skipped, bar.update))
            rows += [row | _floor(row, [reference, *others], skipped) for row in found]
    report = {
        "command": shlex.join(["python3", *sys.argv]),
        "machine": machine(),
        "versions": versions(),
        "device": arguments.device,
        "threads": arguments.threads,
        "seconds": arguments.seconds,
        "reference": arguments.reference,
        "models": {case.model: find_model(case.source).info().hash for case in plan[0] if type(case) is not PeerCase},
        "peers": {peer.name: {"parameters": peer.parameters} for peer in peers},
        "rows": rows,
        "skipped": skipped,
    }
    write_json(arguments.json, report)
    if arguments.plot is not None and rows:
        write_plot(arguments.plot, rows, f"{cpu_name()}, {arguments.threads} threads", arguments.reference)
    print("\n".join(table(rows, (*COLUMNS, "x_floor", "cpu_x_floor"))))
    print("\n".join(f"skipped {case}: {reason}" for case, reason in skipped.items()))
    return 0 if rows else 1


def _cases(arguments: argparse.Namespace, peers: list[Peer], size: tuple[int, int]) -> list[Case]:
    own = cases(arguments, size)
    if arguments.device.startswith("cuda"):
        own = [GpuCase(**vars(case)) for case in own]
    return own + [
        PeerCase(peer.name, str(peer.file), "onnxruntime", "float32", *size, "cpu", arguments.threads, peer.inputs)
        for peer in peers
    ]


def _check_names(plan: list[Case]) -> None:
    sources: dict[str, set[str]] = {}
    for case in plan:
        sources.setdefault(case.model, set()).add(case.source)
    for name, found in sources.items():
        if len(found) > 1:
            raise DataError(f"the name {name!r} is that of {sorted(found)}", expected="names of their own")


def _unlike(rows: list[Row]) -> list[Row]:
    """Without those whose arithmetic is that of an earlier one: two wanted precisions may be the same one here."""
    first: dict[tuple[str, str], Row] = {}
    for row in rows:
        first.setdefault((row["model"], row["description"]), row)
    return list(first.values())


def _floor(row: Row, measured: list[Case], skipped: dict[str, str]) -> dict[str, Any]:
    """What a row has beside the times; engines on a GPU and peers have no floor."""
    case = next(each for each in measured if each.model == row["model"])
    nothing = dict.fromkeys(("floor_ms", "blending_floor_ms", "floor_cpu_ms", "gflop", "x_floor", "cpu_x_floor"))
    more: dict[str, Any] = {"peer": type(case) is PeerCase, **nothing}
    if type(case) is not Case or " cpu " not in row["description"]:
        return more
    try:
        with process(case.threads) as pool:
            what = (case.source, case.width, case.height, row["precision"], case.threads)
            convolutions, blending, flops = pool.submit(floor_of, *what).result()
    except CamfError as error:
        skipped[f"floor of {row['model']} {row['precision']} {row['size']}"] = str(error)
        return more
    wall, cpu = 1e3 * (convolutions.wall + blending.wall), 1e3 * (convolutions.cpu + blending.cpu)
    return more | {
        "floor_ms": wall,
        "blending_floor_ms": 1e3 * blending.wall,
        "floor_cpu_ms": cpu,
        "gflop": flops / 1e9,
        "x_floor": row["median_ms"] / wall,
        "cpu_x_floor": row["cpu_ms"] / cpu,
    }


if __name__ == "__main__":
    sys.exit(main())
