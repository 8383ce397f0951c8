"""The card of an adapted model, written from what its checkpoint carries, and its strip of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.evaluation.metrics import METRICS
from camf_ros.network.checkpoint import Checkpoint

_WIDTH, _GAP, _TITLE = 400, 6, 28
_TITLES = ("thermal", "RGB", "before", "after")


def adaptation_card(checkpoint: Checkpoint, strip: str) -> str:
    """Markdown.

    Args:
        checkpoint: Written by ``camf adapt``.
        strip: Name of the file with the pictures.
    """
    facts: Any = checkpoint.training
    name, pairs, chosen = checkpoint.name, facts["pairs"], facts["metrics"]["adaptation"]
    lines = [
        f"# {name}",
        "",
        f"`{facts['start']['name']}`, adapted to one rig by `camf adapt`.",
        "",
        "| model | |",
        "|---|---|",
        f"| hash of the weights | `{checkpoint.hash}` |",
        f"| adapted from | `{facts['start']['name']}`, `{facts['start']['hash']}` |",
        f"| command | `{facts['command']}` |",
        f"| commit | `{facts['commit']}` |",
        f"| SHA-256 of the pairs | `{facts['data_hash']}` |",
        f"| PyTorch, device | {facts['torch']}, {facts['device']} |",
        f"| pairs | {pairs['recorded']} recorded, {pairs['trained']} trained on, {pairs['validated']} for validation |",
        f"| training | {_listed(facts['adaptation'])} |",
        f"| chosen | after {chosen['best step']} steps, {100 * chosen['share']:.0f} % of the way from the start |",
        f"| time | {chosen['seconds'] / 60:.1f} min |",
        *(f"| faults of {camera}, grey levels | {_listed(found)} |" for camera, found in facts["faults"].items()),
        "",
        "## Before and after",
        "",
        f"{pairs['looked at']} validation pairs, which were not trained on. The metrics compare with the pictures from "
        "which the faults above were taken off.",
        "",
        *_measured(facts),
        "",
        f"![Thermal, RGB, fused before, fused after]({strip})",
        "",
        "## Use",
        "",
        "```yaml",
        "/**:",
        "  ros__parameters:",
        f"    model: /path/to/{name}.safetensors",
        *(["    source_check:", f"      model: /path/to/{name}.safetensors"] if facts["source_check"] else []),
        "```",
        "",
        *([] if facts["source_check"] else [_KEEP_CHECK, ""]),
        "It is for the rig that it was adapted to. With another camera, lens or registration adapt again.",
    ]
    return "\n".join(lines) + "\n"


_KEEP_CHECK = (
    "Keep the default of `source_check.model`: on the validation pairs it was right more often than this model."
)


def _measured(facts: Any) -> list[str]:
    """What was measured on the validation pairs."""
    before, after, gain = facts["before"], facts["after"], facts["gain"]
    lines = [f"| | {' | '.join(METRICS)} |", f"|---|{'---|' * len(METRICS)}"]
    for when, found in (("before", before), ("after", after)):
        cells = (f"{found['metrics'][name]:.{metric.decimals}f}" for name, metric in METRICS.items())
        lines.append(f"| {when} | {' | '.join(cells)} |")
    lines += ["", "| | before | after |", "|---|---|---|"]
    for name, what in (
        ("VIF + Qabf", "VIF + Qabf"),
        ("contrast kept", "contrast kept of what stands out"),
        ("grain", "grain of the fused picture, grey levels"),
        ("stripes", "stripes of the fused picture, grey levels"),
    ):
        lines.append(f"| {what} | {before[name]:.3f} | {after[name]:.3f} |")
    for name, what in (("scene", "simulated scene"), ("detailed", "cleaned images with fine detail")):
        lines.append(_other(what, before.get(name), after.get(name)))
    for name, what in (("swapped", "swapped cameras found"), ("alarms", "false alarms")):
        usual, adapted = (f"{100 * facts['sources'][which][name]:.0f} %" for which in ("usual", "adapted"))
        lines.append(f"| source check: {what} | {usual} | {adapted} |")
    return [
        *lines,
        "",
        f"VIF + Qabf rose by {gain['mean']:.3f} ({100 * gain['share']:.1f} %), standard error "
        f"{gain['standard error']:.3f}."
        if gain["pictures"]
        else "The pictures are those of the model that it was adapted from: VIF + Qabf would not have risen beyond its "
        "scatter. The source check is better.",
        "",
        "Source check before: its default classifier. After: that of this model.",
    ]


def _listed(entries: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in entries.items())


def _other(what: str, before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return f"| VIF + Qabf on the {what} | not installed | |"
    return f"| VIF + Qabf on the {what} ({100 * (after / before - 1):+.1f} %) | {before:.3f} | {after:.3f} |"


def strip_of(rows: Sequence[Sequence[NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Thermal, RGB, fused before and after side by side, one row a pair, (H, W) grey."""
    tiles = []
    for row in rows:
        height = round(_WIDTH * row[0].shape[0] / row[0].shape[1])
        shrunk = [cv2.resize(picture, (_WIDTH, height), interpolation=cv2.INTER_AREA) for picture in row]
        tiles.append(np.concatenate([np.pad(tile, ((0, _GAP), (0, _GAP))) for tile in shrunk], axis=1))
    bar = np.zeros((_TITLE, tiles[0].shape[1]), np.uint8)
    for column, title in enumerate(_TITLES):
        place = (column * (_WIDTH + _GAP) + 8, _TITLE - 9)
        cv2.putText(bar, title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.55, (235,), 1, cv2.LINE_AA)
    return np.concatenate([bar, *tiles])
