"""camf benchmark: time engines, models and picture sizes against one reference, in one run."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from camf_ros.benchmark.peers import FORMAT
from camf_ros.cli.sizes import picture_sizes

if TYPE_CHECKING:
    from camf_ros.benchmark.plan import Model, Plan, Reference

_SIZES = "320x256,640x480,640x512,1280x720"
_PRECISIONS = "auto,float32,bfloat16"
_REFERENCE = "camf-paper/openvino/bfloat16"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--models", metavar="A,B", help="shipped models or .safetensors files (default: all shipped)")
    parser.add_argument("--engines", metavar="A,B", help="default: every engine that can be opened here")
    parser.add_argument("--sizes", default=_SIZES, metavar="WxH,..", help="of the pictures (default: %(default)s)")
    parser.add_argument(
        "--precisions",
        default=_PRECISIONS,
        metavar="A,B",
        help="of the engines; the same arithmetic is measured once (default: %(default)s)",
    )
    parser.add_argument(
        "--reference",
        default=_REFERENCE,
        metavar="MODEL/ENGINE/PRECISION",
        help="takes turns with every case; all times are told as shares of its own (default: %(default)s)",
    )
    parser.add_argument(
        "--device", default="auto", help="of all models: auto, cpu, cuda or cuda:N (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=int, default=0, metavar="N", help="CPU threads of every case (default: the cores usable here)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=3.0,
        metavar="S",
        help="for each case and the reference beside it, after warming up; slow ones take longer, since there are "
        "always some rounds (default: %(default)s)",
    )
    parser.add_argument("--peers", type=Path, metavar="FILE", help="networks of others to time in the same run: below")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to this file too")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the times into this .png, .svg or .pdf")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.epilog = FORMAT
    parser.formatter_class = argparse.RawDescriptionHelpFormatter


def run(arguments: argparse.Namespace) -> int:
    """Measure and report; 1 if there is nothing to report."""
    from tqdm import tqdm

    from camf_ros.benchmark.measure import Measurement
    from camf_ros.benchmark.plot import matplotlib_pyplot, write_plot
    from camf_ros.benchmark.report import content, table, write_json

    plan = _plan(arguments)
    _check_outputs(arguments, plan)
    if arguments.plot is not None:
        matplotlib_pyplot()  # now rather than after minutes of timing
    total = sum(1 + len(plan.cases(size)) for size in plan.sizes)
    with tqdm(total=total, unit="case", disable=arguments.quiet) as bar:

        def progress(what: str) -> None:
            if what:
                bar.set_description(what)
            else:
                bar.update()

        results = Measurement(plan, progress).run()
    report = content(plan, results, shlex.join(["camf", *sys.argv[1:]]))
    if arguments.json is not None:
        write_json(arguments.json, report)
    machine = report["machine"]
    threads = f"{plan.threads} thread{'s' if plan.threads > 1 else ''}"
    place = f"{machine['cpu']}, {threads}" if plan.device == "cpu" else machine["gpu"] or plan.device
    if arguments.plot is not None and results.rows:
        write_plot(arguments.plot, results.rows, f"camf benchmark, {place}", str(plan.reference))
    print(f"{place}\n\n{table(results, str(plan.reference))}")
    return 0 if results.rows else 1


def _plan(arguments: argparse.Namespace) -> Plan:
    """All options, checked."""
    from camf_ros.benchmark.peers import read_peers
    from camf_ros.engines.choose import ENGINES
    from camf_ros.errors import CheckpointError, DataError, ParameterError
    from camf_ros.models import shipped_models

    sizes = picture_sizes("--sizes", arguments.sizes)
    engines = _known("--engines", arguments.engines, ENGINES)
    precisions = _known("--precisions", arguments.precisions, _precisions())
    if not 0 < arguments.seconds < math.inf:
        raise ParameterError(f"--seconds is {arguments.seconds}", expected="a number above 0")
    if arguments.threads < 0:
        raise ParameterError(f"--threads is {arguments.threads}", expected="at least 1, or 0 for the cores usable here")
    names = shipped_models() if arguments.models is None else _list("--models", arguments.models)
    if not names:
        raise CheckpointError("no model comes with this installation", remedy="name a file with --models")
    models = [_model(name) for name in names]
    peers = [] if arguments.peers is None else read_peers(arguments.peers)

    from camf_ros.benchmark.machine import usable_cores
    from camf_ros.benchmark.plan import Plan

    taken = [model.name for model in models] + [peer.name for peer in peers]
    if repeated := sorted({name for name in taken if taken.count(name) > 1}):
        raise DataError(
            f"the name {repeated[0]!r} is there twice among models {names} and peers", expected="names of their own"
        )
    return Plan(
        models=models,
        peers=peers,
        engines=engines,
        precisions=precisions,
        reference=_reference(arguments.reference, models),
        sizes=sizes,
        device=_device(arguments.device),
        threads=arguments.threads or usable_cores(),
        seconds=arguments.seconds,
    )


def _model(name: str) -> Model:
    from camf_ros.benchmark.plan import Model
    from camf_ros.models import find_model

    info = find_model(name).info()
    return Model(info.name, name, info.hash)


def _reference(text: str, models: Sequence[Model]) -> Reference:
    """As given; a model of the run may be told by its name, whatever its file."""
    from camf_ros.benchmark.plan import Reference
    from camf_ros.engines.choose import ENGINES
    from camf_ros.errors import ParameterError

    name, engine, precision = ["", "", *text.rsplit("/", 2)][-3:]
    if not name or engine not in ENGINES:
        raise ParameterError(
            f"--reference is {text!r}", expected=f"MODEL/ENGINE/PRECISION, the engine one of {', '.join(ENGINES)}"
        )
    known = next((model for model in models if model.name == name), None)
    return Reference(known or _model(name), engine, _known("--reference", precision, _precisions())[0])


def _precisions() -> Sequence[object]:
    from camf_ros.settings.fusion import FusionSettings
    from camf_ros.settings.table import specs

    return specs(FusionSettings)["precision"].choices


def _device(wanted: str) -> str:
    """What ``auto`` is here. Asks no runtime: they are loaded in the processes that are timed."""
    from camf_ros.engines.choose import check_device
    from camf_ros.engines.hardware import has_nvidia_gpu

    check_device(wanted)
    return ("cuda" if has_nvidia_gpu() else "cpu") if wanted == "auto" else wanted


def _list(option: str, text: str) -> list[str]:
    from camf_ros.errors import ParameterError

    entries = [entry.strip() for entry in text.split(",")]
    if not all(entries):
        raise ParameterError(f"{option} is {text!r}", expected="entries with commas between them, none empty")
    return list(dict.fromkeys(entries))


def _known(option: str, text: str | None, known: Sequence[object]) -> list[str]:
    from camf_ros.errors import ParameterError

    choices = [str(entry) for entry in known]
    entries = choices if text is None else _list(option, text)
    for entry in entries:
        if entry not in choices:
            raise ParameterError(f"{option} has {entry!r}", expected=f"some of {', '.join(choices)}")
    return entries


def _check_outputs(arguments: argparse.Namespace, plan: Plan) -> None:
    """Find out before hours of timing, not after them, that a result cannot be written."""
    from camf_ros.benchmark.plot import SUFFIXES
    from camf_ros.cli.outputs import Guard, make_folder
    from camf_ros.errors import DataError
    from camf_ros.models import find_model

    outputs = [path for path in (arguments.json, arguments.plot) if path is not None]
    if arguments.plot is not None and arguments.plot.suffix.lower() not in SUFFIXES:
        raise DataError(f"the plot is {arguments.plot}", expected=f"a name ending in {', '.join(SUFFIXES)}")
    models = [find_model(model.source) for model in plan.models]
    files = [file for model in models for file in (model.graph, model.inspection, model.checkpoint)]
    inputs = [file for file in files if file is not None] + [peer.file for peer in plan.peers]
    guard = Guard(inputs + ([] if arguments.peers is None else [arguments.peers]))
    for path in outputs:
        make_folder(guard.check(path).parent)
        there = path.exists()
        try:
            with path.open("a", encoding="utf-8"):
                pass
        except OSError as error:
            raise DataError(f"{path} cannot be written ({error.strerror})", remedy="name another file") from error
        if not there:
            path.unlink()
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise DataError(f"--json and --plot are both {outputs[0]}", expected="two files")
