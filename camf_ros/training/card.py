"""The facts of a model card, written from what the checkpoint itself carries, so that no figure is copied by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from camf_ros.network import Checkpoint


def card_facts(checkpoint: Checkpoint) -> str:
    """Markdown tables: what the model is, what it was trained on and how, and what was measured while training.

    Args:
        checkpoint: Written by ``camf train``.
    """
    training = checkpoint.training
    recipe: Mapping[str, Any] = training.get("recipe", {})
    metrics: Mapping[str, Any] = training.get("metrics", {})
    network = checkpoint.network
    fusing = sum(p.numel() for part in (network.encoder, network.decoder) for p in part.parameters())
    judging = sum(p.numel() for p in network.classifier.parameters())
    lines = [
        "| model | |",
        "|---|---|",
        f"| name | `{checkpoint.name}` |",
        f"| hash of the weights | `{checkpoint.hash}` |",
        f"| encoder widths | {_list(network.architecture.encoder)} |",
        f"| decoder widths | {_list(network.architecture.decoder)} |",
        f"| parameters | {fusing} to fuse, {judging} in the auxiliary classifier |",
        f"| gain | {checkpoint.gain:g} |",
        "",
        "| training | |",
        "|---|---|",
        f"| command | `{training.get('command', '')}` |",
        f"| commit | `{training.get('commit', '')}` |",
        f"| seed | {recipe.get('seed', '')} |",
        f"| SHA-256 of the data | `{training.get('data_hash', '')}` |",
        f"| PyTorch, device | {training.get('torch', '')}, {training.get('device', '')} |",
    ]
    for stage in ("autoencoder", "classifier"):
        settings = ", ".join(f"{name} {_value(value)}" for name, value in recipe.get(stage, {}).items())
        lines.append(f"| {stage} | {settings} |")
    lines += ["", "| measured while training | |", "|---|---|"]
    for name, value in metrics.get("autoencoder", {}).items():
        if name.startswith("psnr "):
            lines.append(f"| reconstruction of unseen pictures, {name.removeprefix('psnr ')} | {value:.2f} dB |")
    accuracy = metrics.get("classifier", {}).get("accuracy")
    if accuracy is not None:
        lines.append(f"| classifier's accuracy on unseen pairs | {100 * accuracy:.1f} % |")
    folds = metrics.get("cross_validated_accuracy") or []
    if folds:
        each = ", ".join(f"{100 * fold:.1f}" for fold in folds)
        lines.append(
            f"| cross-validated accuracy, {len(folds)} folds | {100 * sum(folds) / len(folds):.1f} % ({each}) |"
        )
    for stage in ("autoencoder", "classifier"):
        seconds = metrics.get(stage, {}).get("seconds")
        if seconds is not None:
            lines.append(f"| time of the {stage} | {seconds / 60:.0f} min |")
    return "\n".join(lines) + "\n"


def _list(values: tuple[int, ...]) -> str:
    return ", ".join(map(str, values))


def _value(value: object) -> str:
    return " + ".join(map(str, value)) if isinstance(value, (list, tuple)) else f"{value}"
