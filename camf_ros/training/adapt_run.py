"""From the pairs of a recording to a model that knows the rig, or to the reason why there is none."""

from __future__ import annotations

import copy
import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from camf_ros.calibration.align import Pair, levels_of
from camf_ros.calibration.comparison import LEAST_AGREEMENT, evidence
from camf_ros.calibration.motions import PlaneMotion
from camf_ros.errors import CamfError, DataError, ParameterError
from camf_ros.evaluation.metrics import mean, score
from camf_ros.imaging.warp import Rig as KnownRig
from camf_ros.models import CHECKPOINT, GRAPH
from camf_ros.network.blend import BlendNetwork
from camf_ros.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from camf_ros.network.onnx_export import export
from camf_ros.settings.table import build
from camf_ros.source_check.source_model import LEAST_ACCURACY, SourceModel
from camf_ros.training.adapt_frames import Frame, Gathering, data_hash
from camf_ros.training.adapt_sources import eyes_of, source_model_of, source_stage, source_task, tried
from camf_ros.training.adapt_stage import (
    AdaptationRecipe,
    Rig,
    RigPair,
    adaptation_stage,
    evenly,
    fused,
    goals,
    middle,
)
from camf_ros.training.adapt_targets import Faults, faults_of, noise_of, stripes_of, without
from camf_ros.training.config import FusionRecipe
from camf_ros.training.data import Sources
from camf_ros.training.fusion_losses import contrast_kept
from camf_ros.training.loop import Trainer

_logger = logging.getLogger(__name__)

#: Thermal (grey, hot as white) and RGB of a frame in one geometry, (H, W) each, as the node's network is given them.
Align = Callable[[NDArray[np.uint8], NDArray[np.uint8], KnownRig], tuple[NDArray[np.uint8], NDArray[np.uint8]]]

# Pairs of a single geometry that are asked whether the cameras are registered.
_ASKED = 12
# Agreement of a pair's edges that is no better than chance: where `camf calibrate` leaves a pair out.
_NOT_REGISTERED = 0.5 * LEAST_AGREEMENT
# Standard errors that a gain must exceed.
_SURE = 2.0
# What a candidate may lose: of the contrast of what stands out, and of VIF + Qabf on the embedded scene, shares; by how
# much grain and stripes may grow, grey levels.
_CONTRAST, _SCENE, _GRAIN = 0.02, 0.025, 0.05
# Which part of the way from the start to the network is taken: the first at which nothing is lost.
_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
_SCENE_PAIRS = 4
# Rows of the strip of pictures.
_SHOWN = 4


class NoGainError(CamfError):
    """The recording has nothing that the model does not know."""


class Look(NamedTuple):
    """A model on pairs that were kept apart.

    Attributes:
        goal: (N,), VIF + Qabf of each pair against the pictures without the cameras' faults.
        contrast: Share of the contrast of what stands out that the fused pictures keep.
        grain: Noise of the fused pictures, grey levels.
        stripes: Stripes of the fused pictures, grey levels.
        scene: VIF + Qabf on the embedded scene; None without it.
    """

    goal: NDArray[np.float64]
    contrast: float
    grain: float
    stripes: float
    scene: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for the model's provenance."""
        return {
            "VIF + Qabf": float(self.goal.mean()),
            "contrast kept": self.contrast,
            "grain": self.grain,
            "stripes": self.stripes,
            "scene": self.scene,
        }


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
        scene: Pairs of the embedded scene; None where it is not installed.
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
    gain = _gain(after.goal - before.goal)
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
    if not gain.sure:
        _logger.info("the pictures stay as they are: %s", gain.text(best.refused))
        if not _gain(adapted.right - usual.right).sure or told.get("accuracy", 0.0) < LEAST_ACCURACY:
            raise NoGainError(
                f"no gain: {gain.text(best.refused)}, and the source check found {100 * usual.swapped:.0f} % of "
                f"swapped pairs before and {100 * adapted.swapped:.0f} % after. Nothing was written",
                expected=f"more than {_SURE:g} standard errors",
                remedy="the model knows such pictures already: use it as it is, or record for longer, or raise --steps",
            )
    provenance = {
        "command": shlex.join(command),
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
        "source_check": checked.calibration.to_dict() if checked.calibrated else {},
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
        agreements.append(evidence(level, PlaneMotion("similarity", np.eye(3), size), size).agreement)
    agreement = float(np.median(agreements))
    if agreement < _NOT_REGISTERED:
        raise DataError(
            f"the edges of both cameras agree by {agreement:.2f}, no more than by chance: they are not registered",
            expected=f"{_NOT_REGISTERED:g} or more",
            remedy="find the registration with 'camf calibrate' and name it in --params-file",
        )


def look(network: BlendNetwork, rig: Rig) -> Look:
    """Measure a network on the validation pairs and on the embedded scene."""
    network.eval()
    pictures = fused(network, rig.held)
    aims = [(middle(pair.infrared_aim), middle(pair.visible_aim)) for pair in rig.held]
    found = Look(
        goals(rig.held, pictures),
        float(np.mean([contrast_kept(*aim, picture) for aim, picture in zip(aims, pictures, strict=True)])),
        float(np.mean([noise_of(picture) for picture in pictures])),
        float(np.mean([stripes_of(picture) for picture in pictures])),
        scene_goal(network, rig),
    )
    network.train()
    return found


def scene_goal(network: BlendNetwork, rig: Rig) -> float | None:
    """VIF + Qabf on the embedded scene; None without it."""
    if rig.scene is None:
        return None
    pairs = _scene_pairs(rig.scene)
    return float(goals(pairs, fused(network, pairs)).mean())


def nine(network: BlendNetwork, rig: Rig) -> dict[str, float]:
    """All metrics on the validation pairs, against the pictures without the cameras' faults; means."""
    return mean(
        score(middle(pair.infrared_aim), middle(pair.visible_aim), picture)
        for pair, picture in zip(rig.held, fused(network, rig.held), strict=True)
    )


class Best(nn.Module):
    """The best network so far. Saved with the state of the stage, so that a run that goes on knows it.

    Attributes:
        network: A copy of the network.
        refused: Why the last better network was not taken.
    """

    def __init__(self, network: BlendNetwork, rig: Rig, before: Look) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.refused = ""
        self._network, self._rig, self._before = [network], rig, before  # in a list: no part of this module
        self._start = {name: value.detach().clone() for name, value in network.state_dict().items()}
        self.rounds: Tensor
        self.chosen: Tensor
        self.share: Tensor
        self.gain: Tensor
        self.register_buffer("rounds", torch.tensor(0))
        self.register_buffer("chosen", torch.tensor(0))
        self.register_buffer("share", torch.tensor(1.0))
        self.register_buffer("gain", torch.tensor(0.0, dtype=torch.float64))

    def validate(self) -> Mapping[str, float]:
        """Look at the network, and keep a copy if it is the best so far.

        Where it has lost something that must not be lost, one on the way to it may do (Wortsman et al., Robust
        fine-tuning of zero-shot models, CVPR 2022).
        """
        now = {name: value.clone() for name, value in self._network[0].state_dict().items()}
        self.rounds += 1
        for share in _SHARES:
            candidate = copy.deepcopy(self._network[0])
            candidate.load_state_dict({name: torch.lerp(self._start[name], now[name], share) for name in now})
            if self._refuse(_forgotten(self._before.scene, scene_goal(candidate, self._rig))):
                continue
            found = look(candidate, self._rig)
            if self._refuse(_loss(self._before, found)):
                continue
            gain = float((found.goal - self._before.goal).mean())
            if gain > float(self.gain):
                self.network.load_state_dict(candidate.state_dict())
                self.chosen.copy_(self.rounds)
                self.share.fill_(share)
                self.gain.fill_(gain)
            return {"gain": gain, "share": share, "contrast": found.contrast}
        return {}

    def _refuse(self, reason: str) -> str:
        self.refused = reason
        return reason

    def tired(self, patience: int) -> bool:
        """Whether there was no better network for so many validations."""
        return int(self.rounds - self.chosen) >= patience


def _forgotten(before: float | None, after: float | None) -> str:
    """What was lost on the embedded scene, if it is too much; else empty."""
    if before is None or after is None or after >= (1 - _SCENE) * before:
        return ""
    return f"VIF + Qabf on the embedded scene would be {after:.3f}, it was {before:.3f}"


def _loss(before: Look, after: Look) -> str:
    """What a network has lost that must not be lost; empty where it has not."""
    if after.contrast < before.contrast - _CONTRAST:
        return f"what stands out would keep {after.contrast:.2f} of its contrast, it was {before.contrast:.2f}"
    for name in ("grain", "stripes"):
        one, other = getattr(before, name), getattr(after, name)
        if other > one + _GRAIN:
            return f"{name} would grow from {one:.2f} to {other:.2f} grey levels"
    return ""


class _Gain(NamedTuple):
    """Mean of the differences of pairs, and its standard error."""

    mean: float
    error: float

    @property
    def sure(self) -> bool:
        return self.mean > _SURE * self.error

    def text(self, refused: str) -> str:
        return (
            f"VIF + Qabf of the validation pairs would change by {self.mean:+.4f} with a standard error of "
            f"{self.error:.4f}{f'; {refused}' if refused else ''}"
        )


def _gain(apart: NDArray[np.float64]) -> _Gain:
    return _Gain(float(apart.mean()), float(apart.std(ddof=1) / np.sqrt(len(apart))))


def _pair(frame: Frame, align: Align, faults: Mapping[str, Faults]) -> RigPair:
    """A frame in one geometry, with and without the cameras' faults."""
    aims = without(frame.thermal, faults["thermal"]), without(frame.rgb, faults["rgb"])
    seen = align(frame.thermal, frame.rgb, frame.rig)
    clean = any(found.any for found in faults.values())
    return RigPair(frame.name, *seen, *(align(*aims, frame.rig) if clean else seen))


def _scene_pairs(scene: Sources) -> list[RigPair]:
    rows = range(0, len(scene.names), max(1, len(scene.names) // _SCENE_PAIRS))
    pairs = ((str(scene.names[row]), scene.infrared[row], scene.visible[row]) for row in rows)
    return [RigPair(name, infrared, visible, infrared, visible) for name, infrared, visible in pairs]


def _strip(before: BlendNetwork, after: BlendNetwork, rig: Rig) -> list[tuple[NDArray[np.uint8], ...]]:
    pairs = evenly(rig.held, _SHOWN)
    pictures = (fused(before, pairs), fused(after, pairs))
    return [
        (middle(pair.infrared), middle(pair.visible), one, other)
        for pair, one, other in zip(pairs, *pictures, strict=True)
    ]
