"""Scores as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from camf_ros.errors import DataError
from camf_ros.evaluation.metrics import METRICS, mean

Scores = Mapping[str, Mapping[str, float]]


def table(scores: Scores) -> str:
    """Rows of pictures and their mean, with as many decimals as papers print.

    Args:
        scores: By picture, then by metric; at least one picture.
    """
    width = max(len(name) for name in (*scores, "picture"))
    lines = [f"{'picture':{width}}" + "".join(f"{name:>8}" for name in METRICS)]
    for name, row in (*scores.items(), ("mean", mean(scores.values()))):
        figures = (f"{row[key]:8.{metric.decimals}f}" for key, metric in METRICS.items())
        lines.append(f"{name:{width}}" + "".join(figures))
    return "\n".join(lines)


def write_json(path: Path, method: str, scores: Scores) -> None:
    """Write method, means and the scores of every picture, unrounded.

    Raises:
        DataError: If the file cannot be written.
    """
    content = {"method": method, "mean": mean(scores.values()), "images": scores}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error})", remedy="name another file") from error
