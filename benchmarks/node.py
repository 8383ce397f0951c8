"""How many pairs a second the whole node takes, and how old a fused image is when it arrives.

    python3 benchmarks/node.py --model camf-lite --json node.json --plot node.png

Starts the fusion node as users start it, a driver that publishes pairs of the simulated scene over DDS, and a receiver,
each a process of its own in a ROS domain of its own, with the package's Fast DDS profile. Rates rise until the node
drops 5 % of the pairs; the highest below that is then found by halving, and twice that rate shows whether latency
grows under overload.

Latency is from the stamp, which the driver takes just before it publishes the first image of a pair, to the callback
of the receiver. Both are CLOCK_MONOTONIC of one machine, so it has no error from clocks, and it holds what driver and
receiver themselves cost. They share the cores with the node: on few cores the node alone would do a little better.
The node's own share is what it says of itself on ~/channel_weights: from the arrival of the later image to the
publishing of the fused one, less the time in the engine. At rates near the highest it holds the wait for the pair
before. A pair is dropped if its fused image did not reach the receiver, whatever the reason.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from node_benchmark.measurement import TOLERATED, Bench, Run
from node_benchmark.processes import BenchmarkError, Processes, Talk, environment, node_command
from node_benchmark.report import machine, plot, table
from node_benchmark.search import flat, given_rates, overload, search
from script import write_json

from camf_ros.settings.fusion_settings import FusionSettings

_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Loading a runtime, a model and, on some engines, building for the device.
_START_PATIENCE = 600.0
# How much more than the node can take the overload is.
_OVERLOAD = 2.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; exit status 0 if everything that was asked for was measured."""
    arguments = _parse(argv)
    # A closed terminal and SIGTERM end the benchmark as Ctrl-C does: by way of the finally below.
    for number in _ENDS:
        signal.signal(number, signal.default_int_handler)
    around = environment(arguments.domain)
    _note(f"ROS_DOMAIN_ID={around['ROS_DOMAIN_ID']}")
    processes = Processes(around)
    report: dict[str, Any] | None = None
    status = 0
    try:
        report = _measure(arguments, processes)
    except BenchmarkError as error:
        _note(f"failed: {error}")
        status = 1
    except KeyboardInterrupt:
        _note("interrupted")
        status = 130
    finally:
        for number in _ENDS:  # an impatient second Ctrl-C must not leave the rest of them running
            signal.signal(number, signal.SIG_IGN)
        processes.stop()
    if report is not None:
        print(table(report))
        write_json(arguments.json, report)
        if arguments.plot:
            plot(report, arguments.plot)
    return status


def _measure(arguments: argparse.Namespace, processes: Processes) -> dict[str, Any]:
    report: dict[str, Any] = {"machine": machine()}
    parameters = {"model": arguments.model} | dict(arguments.parameter)
    if arguments.engine:
        parameters["engine"] = arguments.engine
    node = psutil.Process(processes.start(node_command(parameters), talks=False).pid)
    driver = Talk(processes, "driver", arguments.width, arguments.height)
    receiver = Talk(processes, "receiver")
    for end in (driver, receiver):
        end.answer(_START_PATIENCE)
    bench = Bench(driver, receiver, node)
    bench.warm_up()

    def measure(rate: float, factor: float = 1.0) -> Run:
        run = bench.run(rate, max(1, round(factor * arguments.seconds * rate)))
        figures = run.figures
        median = figures["latency_ms"]["p50"]
        _note(
            f"{run.rate:.1f} pairs/s: {figures['fused_received']} of {figures['pairs_sent']} fused, "
            + ("no latency" if median is None else f"latency {median:.1f} ms")
        )
        return run

    found = (
        given_rates(measure, arguments.rates)
        if arguments.rates
        else search(measure, start=arguments.start_rate, most=arguments.max_rate)
    )
    heavy = overload(measure(_OVERLOAD * found.highest, _OVERLOAD)) if found.highest else None
    long = None
    if arguments.flat:
        rate = arguments.flat_rate or (found.highest or min(run.rate for run in found.runs)) / 2
        long = flat(bench, rate=rate, pairs=arguments.flat, note=_note)
    processes.check()
    return report | {
        "node": bench.about,
        "parameters": parameters,
        "width": arguments.width,
        "height": arguments.height,
        "seconds": arguments.seconds,
        "clock": "CLOCK_MONOTONIC of one machine",
        "tolerated_share": TOLERATED,
        "rates": [run.figures for run in found.runs],
        # Of the lowest rate, where no pair waits for the one before.
        "own_share_ms": min(found.runs, key=lambda run: run.rate).figures["own_share_ms"],
        "highest_rate": found.highest,
        "limit": found.limit,
        "overload": heavy,
        "flat": long,
    }


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parameter(text: str) -> tuple[str, object]:
    name, separator, value = text.partition(":=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME:=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=FusionSettings().model, help="model name or file (default: %(default)s)")
    parser.add_argument("--engine", help="parameter 'engine' of the node (default: the node's own choice)")
    parser.add_argument(
        "-p",
        "--parameter",
        type=_parameter,
        action="append",
        default=[],
        metavar="NAME:=VALUE",
        help="other parameters of the node, such as threads:=1",
    )
    parser.add_argument("--width", type=int, default=640, help="of both images (default: %(default)s)")
    parser.add_argument("--height", type=int, default=480, help="of both images (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S", help="for each rate (default: %(default)g)")
    parser.add_argument("--rates", type=float, nargs="+", metavar="HZ", help="these rates, instead of the search")
    parser.add_argument("--start-rate", type=float, default=5.0, metavar="HZ", help="first rate (default: %(default)g)")
    parser.add_argument(
        "--max-rate", type=float, default=1000.0, metavar="HZ", help="no rate above this (default: %(default)g)"
    )
    parser.add_argument(
        "--flat", type=int, default=0, metavar="N", help="then N pairs at one rate, watching the memory"
    )
    parser.add_argument("--flat-rate", type=float, metavar="HZ", help="that rate (default: half the highest)")
    parser.add_argument(
        "--domain", type=int, choices=range(233), metavar="N", help="ROS_DOMAIN_ID (default: a free one)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw latency and drops against the rate")
    arguments = parser.parse_args(argv)
    rates = [arguments.start_rate, arguments.max_rate, *(arguments.rates or []), arguments.flat_rate or 1.0]
    if min(rates) <= 0 or arguments.seconds <= 0 or min(arguments.width, arguments.height) < 16:
        parser.error("rates and seconds must be above 0, sides at least 16 pixels")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
