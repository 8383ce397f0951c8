"""camf adapt: fine-tune a model on a recording of your own cameras, without labels, on the CPU."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camf_ros.cli.options import add_output, add_quiet, add_settings_options, engine_of, settings_of
from camf_ros.errors import DataError, ParameterError
from camf_ros.files import Guard, make_folder
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.thermal_settings import ThermalSettings

if TYPE_CHECKING:
    from camf_ros.engines.engine import Engine
    from camf_ros.training.adapt_frames import Gathering
    from camf_ros.training.adapt_run import Align
    from camf_ros.training.data import Sources

_logger = logging.getLogger(__name__)

# Topics of a recording that can be named.
_TOPICS = ("thermal", "rgb", "depth", "thermal-info", "rgb-info", "depth-info")
# Pairs of the simulated scene that are replayed, seconds between them, and their size.
_SCENE_PAIRS, _SCENE_STEP, _SCENE_SIZE = 16, 2.0, (640, 360)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "recording", type=Path, metavar="RECORDING", help="rosbag2, or folder with infrared/ and visible/"
    )
    add_output(parser, "NAME", "model to write: NAME.safetensors, .onnx, .md, .png", required=True)
    parser.add_argument("--run", type=Path, metavar="DIR", help="folder of state and log (default: runs/NAME)")
    parser.add_argument("--steps", type=int, metavar="N", help="maximum number of optimiser steps (default: 1500)")
    parser.add_argument("--seed", type=int, metavar="N", help="random seed (default: 1)")
    for name in _TOPICS:
        parser.add_argument(f"--{name}-topic", metavar="TOPIC", help="topic of a rosbag2, see camf bag --help")
    parser.add_argument(
        "--distro", default="", metavar="NAME", help="ROS 2 distribution of a rosbag2 that does not name it"
    )
    add_settings_options(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Adapt; tell what was gained, or why nothing was."""
    from camf_ros.evaluation.metrics import scikit_image
    from camf_ros.models import find_model

    settings = settings_of(arguments)
    if not arguments.recording.exists():
        raise DataError(f"{arguments.recording} does not exist", remedy="check the path")
    scikit_image("metrics")  # now rather than after minutes of training
    import torch

    from camf_ros.files import write_whole
    from camf_ros.imaging.picture_files import write_png
    from camf_ros.network.checkpoint import load_checkpoint
    from camf_ros.settings.fusion_settings import SourceCheckSettings
    from camf_ros.source_check.source_model import read_source_model
    from camf_ros.training.adapt_card import adaptation_card, strip_of
    from camf_ros.training.adapt_run import adapt
    from camf_ros.training.adapt_stage import AdaptationRecipe

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    model = find_model(settings.model)
    if model.checkpoint is None:
        raise ParameterError(f"model {settings.model} has no .safetensors file", remedy="name one that has")
    start = load_checkpoint(model.checkpoint)
    stem = arguments.output.name.removesuffix(".safetensors")
    output = arguments.output.with_name(f"{stem}.safetensors")
    Guard([model.checkpoint]).check(output)
    folder = arguments.run or Path("runs") / stem
    given = {name: getattr(arguments, name) for name in ("steps", "seed") if getattr(arguments, name) is not None}
    if given.get("steps", 1) < 1:
        raise ParameterError(f"--steps is {given['steps']}", expected="1 or more")
    recipe = replace(AdaptationRecipe(), **given)
    engine = engine_of(arguments)
    gathered = _gather(arguments, settings, engine)
    adapted = adapt(
        start,
        gathered,
        _aligning(engine, settings),
        _scene(),
        recipe,
        usual_check=read_source_model(SourceCheckSettings().model),
        run=folder,
        output=output,
        command=["camf", "adapt", "RECORDING", *_given(arguments)],
        quiet=arguments.quiet,
    )
    make_folder(output.parent)
    strip = output.with_suffix(".png")
    write_png(strip, strip_of(adapted.strip))
    card = adaptation_card(adapted.checkpoint, strip.name)
    write_whole(output.with_suffix(".md"), card.encode())
    gain = adapted.checkpoint.training["gain"]
    if gain["pictures"]:
        _logger.info(
            "VIF + Qabf of the validation pairs rose by %.1f %% (%.3f, standard error %.3f)",
            100 * gain["share"],
            gain["mean"],
            gain["standard error"],
        )
    before, after = (100 * adapted.checkpoint.training["sources"][which]["swapped"] for which in ("usual", "adapted"))
    _logger.info("the source check found %.0f %% of swapped pairs before and %.0f %% after", before, after)
    if not adapted.checkpoint.training["source_check"]:
        _logger.info("keep the default of source_check.model: it is right more often than the adapted classifier")
    _logger.info("%s written, weights %s", output, adapted.checkpoint.hash[:12])
    return 0


def _gather(arguments: argparse.Namespace, settings: FusionSettings, engine: Engine) -> Gathering:
    """The pairs of the recording, on the way that the node's take."""
    from tqdm import tqdm

    from camf_ros.imaging.luminance import RgbPicture
    from camf_ros.imaging.warp import Rig
    from camf_ros.training.adapt_frames import Frame, Gathering

    gathered = Gathering()
    bar = {"desc": "reading", "disable": arguments.quiet, "leave": False}

    def take(thermal: Any, rgb: Any, stamp: float | None, rig: Rig = Rig(), name: str = "") -> None:  # noqa: B008
        gathered.add(Frame(name or f"{stamp:.3f} s", thermal.copy(), RgbPicture(rgb).luminance.copy(), stamp, rig))

    if (arguments.recording / "infrared").is_dir():
        from camf_ros.imaging.memory_budget import MemoryBudget
        from camf_ros.imaging.pairs import find_pairs
        from camf_ros.imaging.picture_files import read_picture, rgb_of, thermal_of
        from camf_ros.imaging.thermal.front_end import ThermalFrontEnd, put_right

        budget = MemoryBudget.of(settings.memory_limit)
        for infrared, visible in tqdm(find_pairs(arguments.recording), unit="pair", **bar):
            thermal = put_right(thermal_of(read_picture(infrared, budget), str(infrared)), settings.thermal)
            rgb = rgb_of(read_picture(visible, budget), str(visible))
            # Each picture by itself, as camf fuse does: no levels carry over.
            take(ThermalFrontEnd(settings.thermal).apply(thermal, 0.0), rgb, None, name=infrared.stem)
        return gathered

    from camf_ros.bag.prepared_pairs import read_pairs
    from camf_ros.bag.reader import BagTopics

    def progress(messages: Iterable[Any], count: int) -> Iterable[Any]:
        shown: Iterable[Any] = tqdm(messages, total=count, unit="msg", **bar)
        return shown

    names = {name: getattr(arguments, f"{name.replace('-', '_')}_topic") for name in _TOPICS}
    topics = BagTopics(**{name.replace("-", "_"): topic for name, topic in names.items() if topic})
    tally = read_pairs(
        arguments.recording, topics, engine, settings, take=take, progress=progress, distro=arguments.distro
    )
    for reason, count in tally.rejected.items():
        _logger.warning("%d rejected (%s): %s", count, reason, tally.texts[reason])
    if not gathered.pairs:
        raise DataError(
            f"{arguments.recording} has no pair",
            expected=f"stamps within pairing.slop ({settings.pairing.slop:g} s) of each other",
            remedy="see what 'camf bag' says of it",
        )
    return gathered


def _aligning(engine: Engine, settings: FusionSettings) -> Align:
    """The registration of the node, for pictures that have their grey levels already."""
    from camf_ros.imaging.registration import PlannedRegistration
    from camf_ros.pipeline import FusionPipeline

    registration = PlannedRegistration.checked(settings.registration)
    pipeline = FusionPipeline(engine, replace(settings, thermal=ThermalSettings()), registration)

    def align(thermal: Any, rgb: Any, rig: Any) -> Any:
        prepared = pipeline.prepare(thermal, rgb, 0.0, rig)
        pictures = prepared.aligned.thermal, prepared.luminance
        coverage = prepared.aligned.coverage
        if coverage is None:
            return pictures
        # The part that both cameras see, as a rectangle; at the size that the network works at.
        rows, columns = coverage.both.any(axis=1).nonzero()[0], coverage.both.any(axis=0).nonzero()[0]
        scale = [own / whole for own, whole in zip(pictures[0].shape, coverage.both.shape, strict=True)]
        part = tuple(
            slice(round(by * int(places[0])), round(by * (int(places[-1]) + 1)))
            for by, places in zip(scale, (rows, columns), strict=True)
        )
        return tuple(picture[part] for picture in pictures)

    return align


def _scene() -> Sources | None:
    """The simulated scene, so that what the model could do is not forgotten; None in a build without it."""
    import cv2
    import numpy as np

    from camf_ros.imaging.luminance import RgbPicture
    from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
    from camf_ros.training.data import Sources

    try:
        from camf_scene import NightStreet
    except ImportError as error:  # a build may leave it out
        _logger.warning("what is forgotten is not measured: the simulated scene is not installed (%s)", error)
        return None
    scene = NightStreet(1)
    levels = ThermalFrontEnd(ThermalSettings())
    pairs = []
    for number in range(_SCENE_PAIRS):
        t = number * _SCENE_STEP
        pictures = levels.apply(scene.thermal(t), t), RgbPicture(scene.rgb(t)).luminance
        pairs.append([np.asarray(cv2.resize(x, _SCENE_SIZE, interpolation=cv2.INTER_AREA), np.uint8) for x in pictures])
    thermal, rgb = zip(*pairs, strict=True)
    return Sources(list(thermal), list(rgb), [Path(f"scene{number}") for number in range(_SCENE_PAIRS)])


def _given(arguments: argparse.Namespace) -> list[str]:
    """The options that decide what comes out."""
    result = []
    for name in ("model", "steps", "seed"):
        value = getattr(arguments, name)
        if value is not None:
            result += [f"--{name}", str(value)]
    if arguments.params_file:
        result += ["--params-file", arguments.params_file.name]
    for assignment in arguments.assignments:
        result += ["--set", assignment]
    return result
