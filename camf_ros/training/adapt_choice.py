"""Which network of an adaptation is taken: the best on the validation pairs that has lost nothing."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from camf_ros.evaluation.metrics import mean, score
from camf_ros.network.blend import BlendNetwork
from camf_ros.training.adapt_stage import Rig, RigPair, detailed_pairs, evenly, fused, goals, middle
from camf_ros.training.adapt_targets import noise_of, stripes_of
from camf_ros.training.data import Sources
from camf_ros.training.fusion_losses import contrast_kept

#: Standard errors that a gain must exceed.
SURE = 2.0
# Largest loss of the contrast of objects (share); largest growth of grain and stripes, grey levels.
_CONTRAST, _GRAIN = 0.02, 0.05
# Largest loss of VIF + Qabf of what the model could do before (share).
_KEPT = {"scene": ("the simulated scene", 0.01), "detailed": ("the cleaned images with fine detail", 0.005)}
# Which part of the way from the start to the network is taken, or how far beyond: the best at which nothing is lost,
# from the longest on for as long as it gets better.
_SHARES = tuple(tenths / 10 for tenths in range(15, 2, -1))
_SCENE_PAIRS, _DETAILED_PAIRS = 4, 8


class Look(NamedTuple):
    """A model on pairs that were kept apart.

    Attributes:
        goal: (N,), VIF + Qabf of each pair against the pictures without the cameras' faults.
        contrast: Share of the contrast of what stands out that the fused pictures keep.
        grain: Noise of the fused pictures, grey levels.
        stripes: Stripes of the fused pictures, grey levels.
        other: VIF + Qabf of what the model could do before, by name: the simulated scene, where it is installed, and
            the pairs of :func:`detailed_pairs`.
    """

    goal: NDArray[np.float64]
    contrast: float
    grain: float
    stripes: float
    other: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for the model's provenance."""
        return {
            "VIF + Qabf": float(self.goal.mean()),
            "contrast kept": self.contrast,
            "grain": self.grain,
            "stripes": self.stripes,
            **self.other,
        }


def look(network: BlendNetwork, rig: Rig) -> Look:
    """Measure a network on the validation pairs and on the simulated scene."""
    network.eval()
    pictures = fused(network, rig.held)
    aims = [(middle(pair.infrared_aim), middle(pair.visible_aim)) for pair in rig.held]
    found = Look(
        goals(rig.held, pictures),
        float(np.mean([contrast_kept(*aim, picture) for aim, picture in zip(aims, pictures, strict=True)])),
        float(np.mean([noise_of(picture) for picture in pictures])),
        float(np.mean([stripes_of(picture) for picture in pictures])),
        other_goals(network, rig),
    )
    network.train()
    return found


def other_goals(network: BlendNetwork, rig: Rig) -> dict[str, float]:
    """See :attr:`Look.other`."""
    pairs = {"detailed": detailed_pairs(evenly(rig.held, _DETAILED_PAIRS))}
    if rig.scene is not None:
        pairs["scene"] = _scene_pairs(rig.scene)
    return {name: float(goals(some, fused(network, some)).mean()) for name, some in pairs.items()}


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
        fine-tuning of zero-shot models, CVPR 2022), and where it has not, one beyond it.
        """
        now = {name: value.clone() for name, value in self._network[0].state_dict().items()}
        self.rounds += 1
        told: dict[str, float] = {}
        for share in _SHARES:
            candidate = copy.deepcopy(self._network[0])
            candidate.load_state_dict({name: torch.lerp(self._start[name], now[name], share) for name in now})
            if self._refuse(_forgotten(self._before.other, other_goals(candidate, self._rig))):
                continue
            found = look(candidate, self._rig)
            if self._refuse(_loss(self._before, found)):
                continue
            gain = float((found.goal - self._before.goal).mean())
            if gain <= told.get("gain", -np.inf):
                break
            told = {"gain": gain, "share": share, "contrast": found.contrast}
            if gain > float(self.gain):
                self.network.load_state_dict(candidate.state_dict())
                self.chosen.copy_(self.rounds)
                self.share.fill_(share)
                self.gain.fill_(gain)
        return told

    def _refuse(self, reason: str) -> str:
        self.refused = reason
        return reason

    def tired(self, patience: int) -> bool:
        """Whether there was no better network for so many validations."""
        return int(self.rounds - self.chosen) >= patience


def _forgotten(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """What was lost of what the model could do before, if it is too much; else empty."""
    for name, goal in before.items():
        what, share = _KEPT[name]
        if after[name] < (1 - share) * goal:
            return f"VIF + Qabf on {what} would be {after[name]:.3f}, it was {goal:.3f}"
    return ""


def _loss(before: Look, after: Look) -> str:
    """What a network has lost that must not be lost; empty where it has not."""
    if after.contrast < before.contrast - _CONTRAST:
        return f"what stands out would keep {after.contrast:.2f} of its contrast, it was {before.contrast:.2f}"
    for name in ("grain", "stripes"):
        one, other = getattr(before, name), getattr(after, name)
        if other > one + _GRAIN:
            return f"{name} would grow from {one:.2f} to {other:.2f} grey levels"
    return ""


class Gain(NamedTuple):
    """Mean of the differences of pairs, and its standard error."""

    mean: float
    error: float

    @property
    def sure(self) -> bool:
        """Whether it is beyond its own scatter."""
        return self.mean > SURE * self.error

    def text(self, refused: str) -> str:
        """A sentence for people, with the reason of :attr:`Best.refused`."""
        return (
            f"VIF + Qabf of the validation pairs would change by {self.mean:+.4f} with a standard error of "
            f"{self.error:.4f}{f'; {refused}' if refused else ''}"
        )


def gain_of(apart: NDArray[np.float64]) -> Gain:
    """Of differences (N,), of which there are at least two."""
    return Gain(float(apart.mean()), float(apart.std(ddof=1) / np.sqrt(len(apart))))


def _scene_pairs(scene: Sources) -> list[RigPair]:
    rows = range(0, len(scene.names), max(1, len(scene.names) // _SCENE_PAIRS))
    pairs = ((str(scene.names[row]), scene.infrared[row], scene.visible[row]) for row in rows)
    return [RigPair(name, infrared, visible, infrared, visible) for name, infrared, visible in pairs]
