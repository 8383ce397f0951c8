"""The automatic gain of the paper's network against the paper's two constants, on validation pairs.

    python3 benchmarks/gain.py --data DIR --json docs/figures/gain-camf-paper.json

Fuses every validation pair (those that training keeps aside by a hash of their names) with gain 0.7, 1.0 and the
automatic one, and prints the nine metrics of each, the range of the automatic gain, and the mean rank of the three over
all metrics and folders.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
from script import write_json

from camf_ros.engines.choose import open_engine
from camf_ros.evaluation.metrics import METRICS, mean, score
from camf_ros.imaging.pairs import find_pairs
from camf_ros.models import find_model
from camf_ros.training.data import is_validation, load_grey

SHARE = 0.25
FOLDERS = ("roadscene/train", "tno/train")
GAINS = {"0.7": 0.7, "1.0": 1.0, "automatic": 0.0}


def main() -> None:
    """Fuse, score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    engine = open_engine("torch", find_model("camf-paper"))
    rows = []
    ranks: dict[str, list[int]] = {name: [] for name in GAINS}
    for folder in FOLDERS:
        pairs = [pair for pair in find_pairs(arguments.data / folder) if is_validation(pair[0], SHARE)]
        means = {}
        for name, gain in GAINS.items():
            scores, used = [], []
            for infrared, visible in ((load_grey(one), load_grey(other)) for one, other in pairs):
                output = engine.fuse(infrared, visible, gain=gain)
                scores.append(score(infrared, visible, output.fused))
                used.append(output.gain)
            means[name] = mean(scores)
            rows.append({"folder": folder, "gain": name, "least": min(used), "greatest": max(used), **means[name]})
            print(
                f"{folder} {name} ({min(used):.3f} to {max(used):.3f})",
                {k: round(v, 3) for k, v in means[name].items()},
            )
        for name, figures in means.items():
            ranks[name] += [1 + sum(other[m] > figures[m] for other in means.values()) for m in METRICS]
    result = {name: sum(each) / len(each) for name, each in ranks.items()}
    print({name: round(value, 2) for name, value in result.items()})
    if arguments.json:
        report = {"model": engine.model_name, "engine": engine.description, "mean_rank": result, "rows": rows}
        write_json(arguments.json, report)


if __name__ == "__main__":
    main()
