"""A training in seconds: generated pictures, and recipes for networks of a few channels."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

#: Number of natural pictures and of pairs.
COUNT = 8

RECIPE: dict[str, Any] = {
    "name": "small",
    "seed": 3,
    "architecture": {"kind": "paper", "encoder": [2, 3, 4, 5, 5, 5], "decoder": [5, 5, 4, 3, 3]},
    "autoencoder": {
        "images": ["natural", "pairs"],
        "validation": 0.3,
        "steps": 6,
        "batch": 4,
        "crop": 64,
        "learning_rate": 0.01,
    },
    "classifier": {
        "pairs": ["pairs"],
        "validation": 0.3,
        "steps": 6,
        "batch": 4,
        "crop": 64,
        "learning_rate": 0.01,
        "folds": 2,
        "fold_steps": 2,
    },
}
#: The same for a blending network. The classifier is asked, and every term of the loss counts.
BLEND: dict[str, Any] = {
    "name": "small",
    "seed": 3,
    "architecture": {"kind": "blend", "encoder": [3, 4, 5, 6], "heads": [2, 3, 4, 3], "limit": 2.0},
    "pairs": ["pairs"],
    "validation": 0.3,
    "crops": {"side": 112},
    "classifier": {"steps": 6, "batch": 4, "learning_rate": 0.01},
    "fusion": {"steps": 6, "batch": 4, "learning_rate": 0.01},
}


def soft(seed: int, height: int = 72, width: int = 90) -> NDArray[np.uint8]:
    """Warm blobs before a dark background, as a thermal camera sees."""
    noise = np.random.default_rng(seed).normal(0, 1, (height, width))
    return np.asarray((40 + 400 * cv2.GaussianBlur(noise, (0, 0), 8)).clip(0, 255).astype(np.uint8))


def sharp(seed: int, height: int = 72, width: int = 90) -> NDArray[np.uint8]:
    """Fine stripes and edges, as a visible camera sees."""
    rows, columns = np.mgrid[0:height, 0:width]
    stripes = 50 * np.sign(np.sin(columns * (1.3 + seed / 10))) + 30 * np.sin(rows / 4)
    return np.asarray((160 + stripes).clip(0, 255).astype(np.uint8))


def write_data(folder: Path) -> Path:
    """Folders ``natural`` and ``pairs``; one picture is smaller than the crops."""
    for name in ("natural/more", "pairs/infrared", "pairs/visible"):
        (folder / name).mkdir(parents=True)
    for index in range(COUNT):
        size = (50, 70) if index == 0 else (72, 90)
        cv2.imwrite(
            str(folder / "natural" / "more" / f"n{index}.png"), soft(index, *size) // 2 + sharp(index, *size) // 2
        )
        cv2.imwrite(str(folder / "pairs" / "infrared" / f"p{index}.png"), soft(100 + index))
        cv2.imwrite(str(folder / "pairs" / "visible" / f"p{index}.jpg"), sharp(100 + index))
    return folder


def recipe_with(changes: dict[str, Any], base: dict[str, Any] = RECIPE) -> dict[str, Any]:
    """A small recipe with entries changed by dotted name; an entry of ``...`` is taken out."""
    recipe = copy.deepcopy(base)
    for name, value in changes.items():
        *parts, leaf = name.split(".")
        place = recipe
        for part in parts:
            place = place[part]
        if value is ...:
            del place[leaf]
        else:
            place[leaf] = copy.deepcopy(value)
    return recipe


def write_recipe(path: Path, changes: dict[str, Any] | None = None, base: dict[str, Any] = RECIPE) -> Path:
    path.write_text(yaml.safe_dump(recipe_with(changes or {}, base)), encoding="utf-8")
    return path
