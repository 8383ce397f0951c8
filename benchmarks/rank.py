"""Mean rank of evaluated models among the field's public networks.

    python3 benchmarks/rank.py docs/figures/peers-tno.json camf.json [camf-lite.json ...] [--top 10]

The first file holds the field's figures, the others are written by ``camf evaluate --json``. Prints a Markdown table,
best mean rank first: rank within each metric over all methods that were run (equal figures share the better rank),
averaged over the metrics. --top leaves out all methods of others after that place. Methods of which only printed
figures exist are listed without a rank.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def mean_ranks(methods: dict[str, dict[str, float]]) -> dict[str, float]:
    """Mean over the metrics of each method's rank, 1 for the highest figure."""
    ranks = {}
    for name, figures in methods.items():
        each = [1 + sum(other[metric] > value for other in methods.values()) for metric, value in figures.items()]
        ranks[name] = sum(each) / len(each)
    return ranks


def main() -> None:
    """Read the files and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("field", type=Path)
    parser.add_argument("evaluated", type=Path, nargs="+")
    parser.add_argument("--top", type=int, default=1000)
    arguments = parser.parse_args()
    field = json.loads(arguments.field.read_text())
    methods: dict[str, dict[str, float]] = dict(field["methods"])
    decimals = {"EN": 2, "SD": 1, "SF": 1}
    ours = set()
    for path in arguments.evaluated:
        report = json.loads(path.read_text())
        # Rounded as the field's figures are, so that nobody wins by digits that the others do not show.
        methods[report["method"]] = {
            name: round(value, decimals.get(name, 3)) for name, value in report["mean"].items()
        }
        ours.add(report["method"])
    ranks = mean_ranks(methods)
    metrics = list(next(iter(methods.values())))
    print(f"| method | {' | '.join(metrics)} | mean rank of {len(methods)} |")
    print("|---" * (len(metrics) + 2) + "|")
    for place, name in enumerate(sorted(methods, key=ranks.__getitem__), start=1):
        if place > arguments.top and name not in ours:
            continue
        shown = f"**{name}**" if name in ours else name
        places = {m: 1 + sum(other[m] > methods[name][m] for other in methods.values()) for m in metrics}
        cells = [
            f"{methods[name][m]:.{decimals.get(m, 3)}f}" + (f" ({places[m]})" if name in ours else "") for m in metrics
        ]
        print(f"| {shown} | {' | '.join(cells)} | {ranks[name]:.2f} |")
    for name, figures in field["printed"].items():
        cells = ["–" if figures[m] is None else f"{figures[m]:g}" for m in metrics]
        print(f"| {name} (as printed) | {' | '.join(cells)} | |")


if __name__ == "__main__":
    main()
