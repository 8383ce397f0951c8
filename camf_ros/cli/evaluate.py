"""camf evaluate: score fused images with nine fusion metrics or with a detector."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from camf_ros.cli.evaluate_detector import add_detector_options, refuse, run_detector, tell_ignored
from camf_ros.cli.options import add_data, add_engine_options, add_quiet, engine_of

if TYPE_CHECKING:
    from camf_ros.evaluation.samples import Method


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_data(parser)
    method = parser.add_mutually_exclusive_group(required=True)
    text = "fuse with a shipped model, or a .safetensors or .onnx file"
    method.add_argument("-m", "--model", metavar="NAME", help=text)
    method.add_argument("--fused", type=Path, metavar="DIR", help="folder of existing fused images with the same names")
    method.add_argument(
        "--baseline",
        choices=("max", "average", "rgb", "thermal", "thermal-inverted", "two-passes"),
        help="images to score instead. With the metrics: max or average, the maximum or mean of each pixel. With a "
        "detector: all but max",
    )
    parser.add_argument(
        "--gain",
        type=float,
        metavar="G",
        help="constant gain of the fusion rule of camf-paper (default: automatic, for each pair)",
    )
    add_engine_options(parser, precision="float32", why="equal on all machines")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the values, unrounded, to this file")
    add_quiet(parser)
    add_detector_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Score, or tell all problems."""
    from tqdm import tqdm

    from camf_ros.errors import DataError, ParameterError
    from camf_ros.evaluation.metrics import scikit_image, score, table, write_json
    from camf_ros.evaluation.samples import check_samples, find_samples

    if arguments.gain is not None and arguments.model is None:
        raise ParameterError("--gain is given without --model", remedy="leave it out: there is no rule to set")
    if arguments.json is not None and arguments.json.is_dir():
        raise DataError(f"{arguments.json} is a folder", expected="a file name after --json")
    if arguments.detector is not None:
        return run_detector(arguments)
    if arguments.labels is not None:
        raise ParameterError("--labels is given without --detector", remedy="name the detector, or leave it out")
    scikit_image("metrics")  # now rather than after minutes of fusion
    found = find_samples(arguments.data, arguments.fused)
    tell_ignored(found)
    bar = {"disable": arguments.quiet, "unit": "picture"}
    checks = tqdm(check_samples(found.samples), total=len(found.samples), desc="reading", leave=False, **bar)
    problems = [*found.problems, *(problem for problem in checks if problem)]
    if problems:
        return refuse(problems)
    name, fuse = _method(arguments)
    scores: dict[str, dict[str, float]] = {}
    for sample in tqdm(found.samples, desc=name, **bar):
        pictures = sample.read()
        scores[sample.name] = score(pictures[0], pictures[1], fuse(*pictures))
    if arguments.json is not None:
        write_json(arguments.json, name, scores)
    print(f"{name}, {len(scores)} pairs of {arguments.data}\n{table(scores)}")
    return 0


def _method(arguments: argparse.Namespace) -> tuple[str, Method]:
    """Name of what is scored, and where its pictures come from."""
    from camf_ros.errors import ParameterError
    from camf_ros.evaluation.samples import BASELINES, by_model, given

    if arguments.baseline is not None:
        if arguments.baseline not in BASELINES:
            raise ParameterError(
                f"--baseline is {arguments.baseline} without --detector", expected=", ".join(BASELINES)
            )
        return arguments.baseline, BASELINES[arguments.baseline]
    if arguments.fused is not None:
        return arguments.fused.resolve().name, given
    from camf_ros.settings.fusion_settings import FusionSettings
    from camf_ros.settings.table import build

    settings = build(FusionSettings, {} if arguments.gain is None else {"gain": arguments.gain})
    engine = engine_of(arguments)
    if arguments.gain is not None and not engine.has_gain:
        raise ParameterError(f"--gain is given, and model {arguments.model} has none", remedy="leave it out")
    name = f"{engine.model_name}, gain {settings.gain:g}" if settings.gain else engine.model_name
    return name, by_model(engine, settings)
