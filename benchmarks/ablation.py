"""What each part of the method and of its training brings: one training with one thing changed, over several seeds.

    python3 benchmarks/ablation.py --data DIR --json docs/figures/ablation.json

Trains every variant of a recipe with every seed, shorter and on smaller crops than the recipe says. Prints a Markdown
table: mean and standard deviation over the seeds of the metrics of the validation pairs, for each data folder, with
the share of contrast that is kept and the difference from bright skies in grey levels (no metric has them). Runs are
kept in ``--run``: started again, it goes on where it was, and what is finished is not trained again.
"""

from __future__ import annotations

import argparse
import logging
import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from camf_ros.files import write_json
from camf_ros.models import find_model
from camf_ros.network.blend import BlendNetwork
from camf_ros.network.checkpoint import load_checkpoint
from camf_ros.network.inference import choose_device
from camf_ros.training.config import BlendRecipe, load_recipe, recipe_of
from camf_ros.training.data import is_validation, load_sources
from camf_ros.training.fusion_losses import contrast_kept, sky_difference
from camf_ros.training.fusion_stage import fuse
from camf_ros.training.recipe_run import train

_METRICS = ("VIF", "Qabf", "SCD", "SSIM", "MI", "contrast", "sky")
_TERMS = ("information", "edge", "difference", "structure", "gradient", "contrast", "brightness", "range", "classifier")
Changes = Mapping[str, Any]


def variants(recipe: BlendRecipe) -> dict[str, Changes]:
    """Changes of the recipe by name of the variant; entries by full name."""
    result: dict[str, Changes] = {"as the recipe says": {}}
    for weights, name in (("equal", "equal weights"), ("shuffled", "shuffled weights")):
        result[name] = {"fusion.weights": weights}
    for term in _TERMS:
        if getattr(recipe.fusion, f"{term}_weight"):
            result[f"without the {term} term"] = {f"fusion.{term}_weight": 0.0}
    if recipe.fusion.faint_detail:
        result["with faint detail"] = {"fusion.faint_detail": 0.0}
    for coarse in range(recipe.architecture.coarse):
        levels = len(recipe.architecture.encoder) + coarse + 1
        result[f"{levels} levels"] = {"architecture.coarse": coarse}
    if recipe.crops.invert:
        result["one polarity"] = {"crops.invert": 0.0}
    return result


def changed(recipe: BlendRecipe, changes: Changes) -> BlendRecipe:
    """The recipe with entries changed by full name."""
    data = recipe.to_dict()
    for name, value in changes.items():
        *parts, leaf = name.split(".")
        place = data
        for part in parts:
            place = place[part]
        place[leaf] = value
    result = recipe_of(data)
    assert isinstance(result, BlendRecipe)
    return result


def figures(recipe: BlendRecipe, arguments: argparse.Namespace) -> dict[str, float]:
    """Metrics of the validation pairs after a training, which is done if it has not been."""
    folder = arguments.run / recipe.name
    output = folder / f"{recipe.name}.safetensors"
    train(
        recipe,
        data=arguments.data,
        run=folder,
        output=output,
        device=choose_device(arguments.device),
        command=["benchmarks/ablation.py"],
        quiet=arguments.quiet,
    )
    measured = find_model(str(output)).info().training["metrics"]["fusion"]
    return {name: value for name, value in measured.items() if name != "seconds"} | seen(recipe, output, arguments.data)


def seen(recipe: BlendRecipe, path: Path, data: Path) -> dict[str, float]:
    """Of the validation pairs of each folder: share of the contrast that is kept, and difference from a bright sky."""
    network = load_checkpoint(path).network
    assert isinstance(network, BlendNetwork)
    weights = network.class_activation_weights().detach()
    result: dict[str, float] = {}
    for folder in recipe.pairs:
        sources = load_sources(data, [folder], recipe.crops.side)
        held = sources.choose([is_validation(p, recipe.validation, recipe.held_out) for p in sources.names])
        triples = [
            (infrared, visible, fuse(network, infrared, visible, weights, torch.device("cpu")))
            for infrared, visible in zip(held.infrared, held.visible, strict=True)
        ]
        result[f"contrast {folder}"] = statistics.fmean(contrast_kept(*triple) for triple in triples)
        skies = [value for triple in triples if not math.isnan(value := sky_difference(*triple))]
        if skies:
            result[f"sky {folder}"] = statistics.fmean(skies)
    return result


def table(results: Mapping[str, Mapping[str, Mapping[str, float]]], folders: tuple[str, ...]) -> str:
    """Markdown; results by variant, seed and figure."""
    lines = [f"| {' / '.join(folders)} | {' | '.join(_METRICS)} |", f"|---|{'---|' * len(_METRICS)}"]
    for name, seeds in results.items():
        cells = []
        for metric in _METRICS:
            each = [[run[key] for run in seeds.values() if (key := f"{metric} {folder}") in run] for folder in folders]
            cells.append(" / ".join(f"{statistics.fmean(x):.3f} ± {_scatter(x):.3f}" for x in each if x))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _scatter(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def main() -> None:
    """Train, write the figures after every training, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with the recipe's data folders")
    parser.add_argument("--recipe", type=Path, default=Path("config/training/camf.yaml"), metavar="FILE")
    parser.add_argument(
        "--run", type=Path, default=Path("runs/ablation"), metavar="DIR", help="folder of all trainings"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 1 to so many (default: %(default)s)")
    parser.add_argument("--classifier-steps", type=int, default=800, help="default: %(default)s")
    parser.add_argument("--fusion-steps", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--side", type=int, default=128, help="side of the crops, pixels (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=4, help="pairs of crops a step (default: %(default)s)")
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="names, as in the table")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    torch.set_num_threads(arguments.threads)
    recipe = load_recipe(arguments.recipe)
    if not isinstance(recipe, BlendRecipe):
        parser.error(f"{arguments.recipe} is not of a blending network")
    shorter = {
        "crops.side": arguments.side,
        "fusion.batch": arguments.batch,
        "classifier.steps": arguments.classifier_steps,
        "fusion.steps": arguments.fusion_steps,
        "fusion.validate_every": arguments.fusion_steps,
    }
    todo = variants(recipe)
    if unknown := set(arguments.only or ()) - todo.keys():
        parser.error(f"no variants {sorted(unknown)}; there are {list(todo)}")
    chosen = {name: changes for name, changes in todo.items() if not arguments.only or name in arguments.only}
    results: dict[str, dict[str, dict[str, float]]] = {name: {} for name in chosen}
    # Seed by seed: after the first one there is a whole table.
    for seed in range(1, arguments.seeds + 1):
        for name, changes in chosen.items():
            label = f"{name.replace(' ', '-')}-{seed}"
            made = changed(recipe, {**shorter, **changes, "name": label, "seed": seed})
            results[name][str(seed)] = figures(made, arguments)
            if arguments.json:
                report = {"recipe": changed(recipe, shorter).to_dict(), "changes": chosen, "figures": results}
                write_json(arguments.json, report)
    print(table(results, recipe.pairs))


if __name__ == "__main__":
    main()
