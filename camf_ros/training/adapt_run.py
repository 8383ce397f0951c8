"""From the pairs of a recording to a model that knows the rig, or to the reason why there is none."""

from __future__ import annotations

import copy
import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from camf_ros.calibration.align import Pair, levels_of
from camf_ros.calibration.comparison import LEAST_AGREEMENT, agreement_of
from camf_ros.calibration.motions import PlaneMotion
from camf_ros.errors import CamfError, DataError, ParameterError
from camf_ros.imaging.warp import Rig as KnownRig
from camf_ros.models import CHECKPOINT, GRAPH
from camf_ros.network.blend import BlendNetwork
from camf_ros.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from camf_ros.network.onnx_export import export
from camf_ros.settings.table import build
from camf_ros.source_check.source_model import LEAST_ACCURACY, SourceModel
from camf_ros.training.adapt_choice import SURE, Best, gain_of, look, nine
from camf_ros.training.adapt_frames import Frame, Gathering, data_hash
from camf_ros.training.adapt_sources import eyes_of, source_model_of, source_stage, source_task, tried
from camf_ros.training.adapt_stage import (
    AdaptationRecipe,
    Rig,
    RigPair,
    adaptation_stage,
    evenly,
    fused,
    middle,
)
from camf_ros.training.adapt_targets import Faults, faults_of, without
from camf_ros.training.config import FusionRecipe
from camf_ros.training.data import Sources
from camf_ros.training.loop import Trainer
from camf_ros.training.recipe_run import source_commit

_logger = logging.getLogger(__name__)

#: Thermal (grey, hot as white) and RGB of a frame in one geometry, (H, W) each, as the node's network is given them.
Align = Callable[[NDArray[np.uint8], NDArray[np.uint8], KnownRig], tuple[NDArray[np.uint8], NDArray[np.uint8]]]

# Pairs of a single geometry that are asked whether the cameras are registered.
_ASKED = 12
# Agreement of a pair's edges that is no better than chance: where `camf calibrate` leaves a pair out.
_NOT_REGISTERED = 0.5 * LEAST_AGREEMENT
# Rows of the strip of pictures.
_SHOWN = 4


class NoGainError(CamfError):
    """The recording has nothing that the model does not know."""


@dataclass(frozen=True)
class Adapted:
    """What was written.

    Attributes:
        checkpoint: The model, as it was read back.
        strip: Pairs of the validation part: thermal, RGB, fused before, fused after.
    """

    checkpoint: Checkpoint
    strip: list[tuple[NDArray[np.uint8], ...]]


def adapt(
    start: Checkpoint,
    gathered: Gathering,
    align: Align,
    scene: Sources | None,
    recipe: AdaptationRecipe,
    *,
    usual_check: SourceModel,
    run: Path,
    output: Path,
    command: Sequence[str],
    quiet: bool = False,
) -> Adapted:
    """Adapt a model to a rig and write it; a run that was killed goes on where it was.

    Args:
        start: The model.
        gathered: The recording.
        align: Brings a frame's pictures into one geometry.
        scene: Pairs of the simulated scene; None where it is not installed.
        recipe: How.
        usual_check: What the source check asks without the adaptation.
        run: Folder of states and log.
        output: Checkpoint to write; the graphs are written beside it.
        command: The command line, for the checkpoint's provenance.
        quiet: No progress bars.

    Raises:
        DataError: If nothing can be learnt from the recording.
        ParameterError: If the model is none that can be adapted, or the run folder is that of something else.
        NoGainError: If neither the pictures nor the source check get better beyond the scatter of the validation
            pairs. If only the source check does, the pictures stay those of ``start``.
    """
    if not isinstance(start.network, BlendNetwork):
        raise ParameterError(f"model {start.name} is no blending network", expected="camf, camf-lite or one like them")
    gathered.check()
    parts = gathered.parts()
    recipe = replace(recipe, losses=build(FusionRecipe, start.training.get("recipe", {}).get("fusion", {})))
    hash_of_data = data_hash(gathered.kept)
    trainer = Trainer(run, {**recipe.to_dict(), "start": start.hash}, data=hash_of_data, quiet=quiet)
    faults = {
        "thermal": faults_of([frame.thermal for frame in gathered.kept], veiled=False),
        "rgb": faults_of([frame.rgb for frame in gathered.kept], veiled=True),
    }
    for camera, found in faults.items():
        _logger.info("%s: %s", camera, ", ".join(f"{name} {value:.1f}" for name, value in found.to_dict().items()))
    training, held = (
        [_pair(frame, align, faults) for frame in tqdm(some, desc=f"reading {what}", disable=quiet, leave=False)]
        for what, some in (("training pairs", parts.training), ("validation pairs", parts.validation))
    )
    check_registered(held)
    eyes, held_eyes = (
        (eyes_of([frame.thermal for frame in some]), eyes_of([frame.rgb for frame in some])) for some in parts
    )
    rig = Rig(training, evenly(held), eyes, scene)
    _logger.info(
        "%d pairs, %d of them differ: %d to train on, %d to validate on",
        gathered.pairs,
        len(gathered.kept),
        len(training),
        len(held),
    )
    network = copy.deepcopy(start.network).requires_grad_(True)
    before = look(network, rig)
    best = Best(network, rig, before)
    stage = adaptation_stage(network, rig, recipe, best.validate)
    stage = replace(
        stage,
        module=nn.ModuleDict({"network": stage.module, "best": best}),
        enough=lambda: best.tired(recipe.patience),
    )
    figures = trainer.run(stage)
    network = best.network
    after = look(network, rig)
    gain = gain_of(after.goal - before.goal)
    if not gain.sure:
        network, after = copy.deepcopy(start.network), before
    task = source_task(network, eyes, held_eyes, recipe.seed)
    told = {}
    if task is not None:
        told = trainer.run(
            source_stage(task, steps=recipe.source_steps, batch=recipe.source_batch, learning_rate=recipe.source_rate)
        )
    checked = source_model_of(network, [*parts.training, *parts.validation], parts.validation)
    usual, adapted = (tried(model, parts.validation) for model in (usual_check, checked))
    no_worse = bool(adapted.right.mean() >= usual.right.mean())
    if not gain.sure:
        _logger.info("the pictures stay as they are: %s", gain.text(best.refused))
        if not gain_of(adapted.right - usual.right).sure or told.get("accuracy", 0.0) < LEAST_ACCURACY:
            raise NoGainError(
                f"no gain: {gain.text(best.refused)}, and the source check found {100 * usual.swapped:.0f} % of "
                f"swapped pairs before and {100 * adapted.swapped:.0f} % after. Nothing was written",
                expected=f"more than {SURE:g} standard errors",
                remedy="the model knows such pictures already: use it as it is, or record for longer, or raise --steps",
            )
    provenance = {
        "command": shlex.join(command),
        "commit": source_commit(),
        "data_hash": hash_of_data,
        "torch": torch.__version__,
        "device": "cpu",
        "recipe": start.training.get("recipe", {}),
        "start": {"name": start.name, "hash": start.hash},
        "adaptation": {name: value for name, value in recipe.to_dict().items() if name != "losses"},
        "pairs": {
            "recorded": gathered.pairs,
            "trained": len(training),
            "validated": len(held),
            "looked at": len(rig.held),
        },
        "faults": {camera: found.to_dict() for camera, found in faults.items()},
        "before": {"metrics": nine(start.network, rig), **before.to_dict()},
        "after": {"metrics": nine(network, rig), **after.to_dict()},
        "gain": {
            "pictures": gain.sure,
            "mean": gain.mean,
            "standard error": gain.error,
            "share": gain.mean / float(before.goal.mean()),
        },
        "sources": {"usual": usual.to_dict(), "adapted": adapted.to_dict()},
        # A source check that is wrong more often than the usual one is not offered.
        "source_check": checked.calibration.to_dict() if checked.calibrated and no_worse else {},
        "metrics": {
            "classifier": told,
            "adaptation": {
                "best step": int(best.chosen) * recipe.validate_every,
                "share": float(best.share),
                "seconds": figures["seconds"],
            },
        },
    }
    strip = _strip(start.network, network, rig)
    save_checkpoint(output, network, name=output.name.removesuffix(CHECKPOINT), training=provenance)
    written = load_checkpoint(output)
    export(written, output.with_suffix(GRAPH))
    trainer.log(stage="done", checkpoint=str(output), hash=written.hash)
    return Adapted(written, strip)


def check_registered(pairs: Sequence[RigPair]) -> None:
    """Refuse pairs whose edges agree no more than by chance.

    Raises:
        DataError: If half of them do not.
    """
    agreements = []
    for pair in evenly(pairs, _ASKED):
        level = levels_of(Pair(pair.infrared_aim, pair.visible_aim), np.eye(3))[-1]
        size = pair.visible.shape[0], pair.visible.shape[1]
        agreements.append(agreement_of(level, PlaneMotion("similarity", np.eye(3), size), size))
    agreement = float(np.median(agreements))
    if agreement < _NOT_REGISTERED:
        raise DataError(
            f"the edges of both cameras agree by {agreement:.2f}, no more than by chance: they are not registered",
            expected=f"{_NOT_REGISTERED:g} or more",
            remedy="find the registration with 'camf calibrate' and name it in --params-file",
        )


def _pair(frame: Frame, align: Align, faults: Mapping[str, Faults]) -> RigPair:
    """A frame in one geometry, with and without the cameras' faults."""
    aims = without(frame.thermal, faults["thermal"]), without(frame.rgb, faults["rgb"])
    seen = align(frame.thermal, frame.rgb, frame.rig)
    clean = any(found.any for found in faults.values())
    return RigPair(frame.name, *seen, *(align(*aims, frame.rig) if clean else seen))


def _strip(before: BlendNetwork, after: BlendNetwork, rig: Rig) -> list[tuple[NDArray[np.uint8], ...]]:
    pairs = evenly(rig.held, _SHOWN)
    pictures = (fused(before, pairs), fused(after, pairs))
    return [
        (middle(pair.infrared), middle(pair.visible), one, other)
        for pair, one, other in zip(pairs, *pictures, strict=True)
    ]
