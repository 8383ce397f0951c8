"""The facts of a model card, written from what the checkpoint itself carries, so that no figure is copied by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from camf_ros.evaluation.metrics import METRICS
from camf_ros.network.architecture import BlendArchitecture, to_dict
from camf_ros.network.checkpoint import Checkpoint, network_of
from camf_ros.network.inference import Network

# Size of the pictures for which the work is given, in pixels.
_WIDTH, _HEIGHT = 640, 480
_STAGES = ("autoencoder", "classifier", "fusion")
_PARTS = ("crops", *_STAGES)


def card_facts(checkpoint: Checkpoint) -> str:
    """Markdown tables: what the model is, what it was trained on and how, and what was measured while training."""
    training = checkpoint.training
    recipe: Mapping[str, Any] = training.get("recipe", {})
    metrics: Mapping[str, Any] = training.get("metrics", {})
    network = checkpoint.network
    judging = sum(p.numel() for p in network.classifier.parameters())
    fusing = sum(p.numel() for p in network.parameters()) - judging
    lines = [
        "| model | |",
        "|---|---|",
        f"| name | `{checkpoint.name}` |",
        f"| hash of the weights | `{checkpoint.hash}` |",
        *(f"| {name} | {_value(value, ', ')} |" for name, value in to_dict(network.architecture).items()),
        f"| parameters | {fusing} to fuse, {judging} in the auxiliary classifier |",
        f"| work for one pair of {_WIDTH} x {_HEIGHT} | {_operations(network) / 1e9:.1f} GFLOP |",
        "",
        "| training | |",
        "|---|---|",
        f"| command | `{training.get('command', '')}` |",
        f"| commit | `{training.get('commit', '')}` |",
        f"| seed | {recipe.get('seed', '')} |",
        f"| SHA-256 of the data | `{training.get('data_hash', '')}` |",
        f"| PyTorch, device | {training.get('torch', '')}, {training.get('device', '')} |",
    ]
    if recipe.get("terms"):
        lines.append(f"| terms of the data | {recipe['terms']} |")
    if "pairs" in recipe:
        lines.append(f"| pairs | {_value(recipe['pairs'])} |")
    if recipe:
        held = len(recipe.get("held_out", ()))
        share = f", and {100 * recipe['validation']:g} % by name" if recipe.get("validation") else ""
        lines.append(f"| not trained on | {held} pictures that the recipe names{share} |")
    used = [part for part in _PARTS if part in recipe]
    for stage in used:
        settings = ", ".join(f"{name} {_value(value)}" for name, value in recipe[stage].items())
        lines.append(f"| {stage} | {settings} |")
    lines += ["", "| measured while training | |", "|---|---|"]
    # The fusion stage changes the encoder that this was measured with.
    when = ", before the fusion stage" if "fusion" in used else ""
    for name, value in metrics.get("autoencoder", {}).items():
        if name.startswith("psnr "):
            lines.append(f"| reconstruction of unseen pictures, {name.removeprefix('psnr ')} | {value:.2f} dB |")
    accuracy = metrics.get("classifier", {}).get("accuracy")
    if accuracy is not None:
        lines.append(f"| classifier's accuracy on unseen pairs{when} | {100 * accuracy:.1f} % |")
    folds = metrics.get("cross_validated_accuracy") or []
    if folds:
        each = ", ".join(f"{100 * fold:.1f}" for fold in folds)
        lines.append(
            f"| cross-validated accuracy, {len(folds)} folds | {100 * sum(folds) / len(folds):.1f} % ({each}) |"
        )
    if "accuracy" in metrics.get("fusion", {}):
        figure = 100 * metrics["fusion"]["accuracy"]
        lines.append(f"| classifier's accuracy on unseen pairs, after the fusion stage | {figure:.1f} % |")
    for stage in _STAGES:
        seconds = metrics.get(stage, {}).get("seconds")
        if seconds is not None:
            lines.append(f"| time of the {stage} | {seconds / 60:.0f} min |")
    lines += _fused_pairs(metrics.get("fusion", {}))
    return "\n".join(lines) + "\n"


def _operations(network: Network) -> int:
    """Multiplications and additions of all convolutions for one pair, counted without computing them."""
    architecture = network.architecture
    step = architecture.step if isinstance(architecture, BlendArchitecture) else 1
    with FakeTensorMode():
        counted = network_of(architecture).eval()
        picture = torch.zeros(1, 1, _HEIGHT + -_HEIGHT % step, _WIDTH + -_WIDTH % step)
        weights = torch.ones(2, network.architecture.channels)
        with FlopCounterMode(display=False) as counter:
            counted(picture, picture, weights)
    return int(counter.get_total_flops())


def _fused_pairs(figures: Mapping[str, float]) -> list[str]:
    """Table of the metrics of fused unseen pairs, a row for each data folder; nothing where none were measured."""
    folders: dict[str, dict[str, float]] = {}
    for entry, value in figures.items():
        name, _, folder = entry.partition(" ")
        if name in METRICS:
            folders.setdefault(folder, {})[name] = value
    if not folders:
        return []
    lines = ["", f"| unseen pairs, fused | {' | '.join(METRICS)} |", f"|---|{'---|' * len(METRICS)}"]
    for folder, row in folders.items():
        cells = (f"{row[name]:.{metric.decimals}f}" if name in row else "" for name, metric in METRICS.items())
        lines.append(f"| {folder} | {' | '.join(cells)} |")
    return lines


def _value(value: object, between: str = " + ") -> str:
    return between.join(map(str, value)) if isinstance(value, (list, tuple)) else f"{value}"
