"""Calibrates the source check on pictures whose kind is known, and writes camf_ros/source_check/measured.py.

    python3 benchmarks/source_calibration.py --data DIR roadscene/train tno/train

For each shipped model the score differences of all pictures are fitted (logistic regression) twice: on all pairs with
each folder weighing the same, and as they come on the pairs that every stage of the model's training kept for
validation. The fit that is less sure counts: neither pictures that were trained on nor the folder with most pairs may
make it surer. A model whose training kept none of these pairs stays without a calibration. Limits of a picture without
structure are half of the least that any picture of the folders has.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from camf_ros.engines.choose import open_inspector
from camf_ros.imaging.pairs import find_pairs
from camf_ros.imaging.picture_files import read_picture, rgb_of
from camf_ros.models import find_model, shipped_models
from camf_ros.source_check.measures import measure
from camf_ros.source_check.source_model import Calibration, SourceModel, source_model
from camf_ros.training.data import is_validation

LOOKS = 6
OUTPUT = Path(__file__).resolve().parents[1] / "camf_ros" / "source_check" / "measured.py"


@dataclass(frozen=True)
class Pair:
    """One pair of known kinds."""

    folder: str
    path: Path
    infrared: NDArray[np.uint8]
    visible: NDArray[np.uint8]


def read_pairs(data: Path, folders: list[str]) -> list[Pair]:
    """All pairs of the folders."""
    return [
        Pair(folder, infrared, _read(infrared), _read(visible))
        for folder in folders
        for infrared, visible in find_pairs(data / folder)
    ]


def _read(path: Path) -> NDArray[np.uint8]:
    return rgb_of(read_picture(path), path.name)


def difference(model: SourceModel, image: NDArray[np.uint8]) -> float:
    """Mean score difference, infrared minus visible."""
    return float(np.mean([model.differences(image, look) for look in range(LOOKS)]))


def held_out(training: Mapping[str, Any], path: Path) -> bool:
    """Whether no stage of a training saw a pair; false where the model does not say."""
    recipe = training.get("recipe", {})
    stages = [stage for stage in (recipe, *recipe.values()) if isinstance(stage, Mapping)]
    share = min((stage["validation"] for stage in stages if stage.get("pairs") and "validation" in stage), default=0.0)
    return path.stem in recipe.get("held_out", ()) or is_validation(path, share)


def _text(fit: Calibration) -> str:
    return ", ".join(f"{number:.3f}" for number in (fit.slope, fit.offset, fit.joint))


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("folders", nargs="+", help="below DIR, with infrared and visible in each; never test data")
    arguments = parser.parse_args()
    pairs = read_pairs(arguments.data, arguments.folders)
    count = {folder: sum(pair.folder == folder for pair in pairs) for folder in arguments.folders}
    weights = np.array([len(pairs) / len(count) / count[pair.folder] for pair in pairs])
    looks = [measure(image) for pair in pairs for image in (pair.infrared, pair.visible)]
    lines = [
        '"""How the shipped classifiers\' scores become probabilities, by the hash of the weights.',
        "",
        f"Written by ``benchmarks/source_calibration.py`` from {' and '.join(arguments.folders)}, {len(pairs)} pairs.",
        '"""',
        "",
        "#: Fields of :class:`camf_ros.source_check.source_model.Calibration`.",
        "CALIBRATIONS = {",
    ]
    for name in shipped_models():
        inspector = open_inspector(find_model(name))
        info = inspector.info
        model = source_model(inspector, info)
        held = np.array([held_out(info.training, pair.path) for pair in pairs])
        if not held.any():
            print(f"{name} is not calibrated: its training kept none of these pairs, or does not say which")
            continue
        infrared, visible = np.array(
            [
                [difference(model, image) for image in (pair.infrared, pair.visible)]
                for pair in tqdm(pairs, desc=name, unit="pair")
            ]
        ).T
        seen = Calibration.fitted(infrared, visible, weights)
        unseen = Calibration.fitted(infrared[held], visible[held])
        lines += [
            f"    # {name}: {_text(seen)} from all pairs, {_text(unseen)} from the {held.sum()} kept for validation",
            f'    "{info.hash}": ({_text(seen.less_sure(unseen))}, {len(pairs)}),',
        ]
    lines += ["}", "#: Detail and structure below which a picture shows nothing: half of the least of all pictures."]
    detail, structure = (min(getattr(look, name) for look in looks) / 2 for name in ("detail", "structure"))
    lines.append(f"LEAST_DETAIL, LEAST_STRUCTURE = {detail:.3f}, {structure:.3f}")
    OUTPUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
