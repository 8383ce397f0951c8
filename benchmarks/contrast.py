"""How much of the contrast of labelled people and cars is left in the fused picture.

    python3 benchmarks/contrast.py --data DIR --labels LABELS.json --model camf [--inverted] [--json FILE]
    python3 benchmarks/contrast.py --data DIR --labels LABELS.json --baseline average

DIR has infrared/ and visible/ pictures of equal names. LABELS.json maps a name to
{"boxes": [[class, left, top, right, bottom, ignored], ...]}.

Contrast of a box: mean of its core (the inner 50 % of the width and 70 % of the height) less the mean of the ring
around it (1.2 to 2 times the width, 1.1 to 1.5 times the height). Boxes count that stand out by 8 grey levels or more
in one source. "kept" is the fused contrast as a share of that in the better source: its mean, the share of boxes that
keep 0.8 or more, and the share below 0.4. "signed" asks for the sign of the better source as well. "opposite" counts
the boxes that are brighter than their surroundings in one source and darker in the other. --inverted fuses inverted
infrared pictures, and compares with them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camf_ros.engines.choose import choose_engine
from camf_ros.evaluation.samples import BASELINES, Method, by_model, find_samples
from camf_ros.settings.fusion_settings import FusionSettings

LEAST = 8.0
Grey = NDArray[np.uint8]


def contrast(picture: Grey, box: Sequence[float]) -> float | None:
    """Contrast of a box (left, top, right, bottom) to its surroundings, grey levels; None where too little is seen."""
    left, top, right, bottom = box
    rows, columns = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]]
    across = np.abs(columns + 0.5 - (left + right) / 2) / ((right - left) / 2)
    down = np.abs(rows + 0.5 - (top + bottom) / 2) / ((bottom - top) / 2)
    core = (across <= 0.5) & (down <= 0.7)
    ring = (across <= 2) & (down <= 1.5) & ~((across <= 1.2) & (down <= 1.1))
    if core.sum() < 4 or ring.sum() < 8:
        return None
    return float(picture[core].mean() - picture[ring].mean())


def summary(kept: Sequence[tuple[float, bool]]) -> dict[str, float]:
    """Figures of a class. Each box: what it keeps, negative if the sign is the other one, and if it is opposite."""
    signed, opposite = np.array([share for share, _ in kept]), np.array([differ for _, differ in kept])
    plain = np.abs(signed)
    lost = plain < 0.8
    return {
        "boxes": len(kept),
        "mean": float(plain.mean()),
        "keep_0.8": float((plain >= 0.8).mean()),
        "below_0.4": float((plain < 0.4).mean()),
        "opposite": int(opposite.sum()),
        "below_0.8": int(lost.sum()),
        "opposite_below_0.8": int((lost & opposite).sum()),
        "signed_keep_0.8": float((signed >= 0.8).mean()),
        "signed_below_0.4": float((signed < 0.4).mean()),
    }


def _method(arguments: argparse.Namespace) -> tuple[str, str | None, Method]:
    """What is measured: its name, the hash of its weights (None of a baseline), and how it fuses."""
    if arguments.baseline:
        return arguments.baseline, None, BASELINES[arguments.baseline]
    settings = FusionSettings(model=arguments.model, precision="float32")
    engine = choose_engine(settings).engine
    return engine.model_name, engine.model_hash, by_model(engine, settings)


def main() -> None:
    """Fuse the labelled pairs and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model")
    what.add_argument("--baseline", choices=BASELINES)
    parser.add_argument("--inverted", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    labels = json.loads(arguments.labels.read_text())
    name, weights_hash, fuse = _method(arguments)
    kept: dict[str, list[tuple[float, bool]]] = {"person": [], "car": []}
    for sample in find_samples(arguments.data).samples:
        if sample.name not in labels:
            continue
        infrared, visible = sample.read()
        if arguments.inverted:
            infrared = 255 - infrared
        fused = fuse(infrared, visible)
        for kind, *box, ignored in labels[sample.name]["boxes"]:
            each = [contrast(picture, box) for picture in (infrared, visible, fused)]
            if kind not in kept or ignored or None in each:
                continue
            better = max(each[:2], key=abs)  # type: ignore[arg-type, type-var]
            if abs(better) >= LEAST:  # type: ignore[arg-type]
                kept[kind].append((each[2] / better, each[0] * each[1] < 0))  # type: ignore[operator]
    report = {kind: summary(values) for kind, values in kept.items() if values}
    for kind, figures in report.items():
        print(f"{kind}: " + ", ".join(f"{key} {round(value, 3)}" for key, value in figures.items()))
    if arguments.json:
        content = {"model": name, "hash": weights_hash, "inverted": arguments.inverted, **report}
        arguments.json.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
