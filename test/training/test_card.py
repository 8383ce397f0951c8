"""The facts of a model card: what the checkpoint carries, all of it, and nothing of what was not done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from trainings import make_blend, make_recipe

from camf_ros.evaluation.metrics import METRICS
from camf_ros.network.checkpoint import Checkpoint, load_checkpoint, network_of, save_checkpoint
from camf_ros.training.card import card_facts
from camf_ros.training.config import Recipe

METRICS_OF_PAPER: dict[str, Any] = {
    "autoencoder": {"psnr natural": 31.256, "psnr pairs": 40.5, "seconds": 5581.0},
    "classifier": {"accuracy": 0.8652, "seconds": 480.0},
    "cross_validated_accuracy": [0.75, 0.85],
}
FOLDERS = ("roadscene/train", "tno train")
METRICS_OF_BLEND: dict[str, Any] = {
    "classifier": {"accuracy": 0.8652, "seconds": 480.0},
    "fusion": {
        **{f"{name} {folder}": 0.5 + 0.25 * number for folder in FOLDERS for number, name in enumerate(METRICS)},
        "accuracy": 0.913,
        "seconds": 1230.0,
    },
}


def checkpoint(folder: Path, recipe: Recipe, metrics: dict[str, Any]) -> Checkpoint:
    """As ``camf train`` writes it, read back."""
    training = {
        "recipe": recipe.to_dict(),
        "command": "camf train small --data DIR",
        "commit": "0123456789ab",
        "data_hash": "d" * 64,
        "torch": "2.9",
        "device": "cpu",
        "metrics": metrics,
    }
    path = folder / "model.safetensors"
    save_checkpoint(path, network_of(recipe.architecture), name="small", training=training)
    return load_checkpoint(path)


def rows(card: str) -> dict[str, str]:
    """First cell of every row to the others."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in card.splitlines() if line]
    names = [first for first, *_ in cells if first != "---"]
    assert len(names) == len(set(names)), "no row twice"
    return {first: " | ".join(rest) for first, *rest in cells}


def test_paper(tmp_path: Path) -> None:
    made = checkpoint(tmp_path, make_recipe(tmp_path), METRICS_OF_PAPER)
    got = rows(card_facts(made))
    expected = {
        "name": "`small`",
        "hash of the weights": f"`{made.hash}`",
        "kind": "paper",
        "encoder": "2, 3, 4, 5, 5, 5",
        "decoder": "5, 5, 4, 3, 3",
        "command": "`camf train small --data DIR`",
        "commit": "`0123456789ab`",
        "seed": "3",
        "SHA-256 of the data": f"`{'d' * 64}`",
        "PyTorch, device": "2.9, cpu",
        "reconstruction of unseen pictures, natural": "31.26 dB",
        "reconstruction of unseen pictures, pairs": "40.50 dB",
        "classifier's accuracy on unseen pairs": "86.5 %",
        "cross-validated accuracy, 2 folds": "80.0 % (75.0, 85.0)",
        "time of the autoencoder": "93 min",
        "time of the classifier": "8 min",
    }
    assert {name: got.get(name) for name in expected} == expected
    # Layer by layer: inputs, outputs, and the bias of each output.
    widths = [(1, 2), (2, 3), (3, 4), (4, 5), (5, 5), (5, 5), (5, 5), (5, 5), (5, 4), (4, 3), (3, 3)]
    fusing = sum(9 * inputs * outputs + outputs for inputs, outputs in widths) + 3 + 1
    judging = 4 * 5 * 4 * (9 + 1) + 2 * 5 + 2
    assert got["parameters"] == f"{fusing} to fuse, {judging} in the auxiliary classifier"
    assert got["autoencoder"].startswith("images natural + pairs, validation 0.3, steps 6, ")
    assert got["classifier"].startswith("pairs pairs, validation 0.3, steps 6, ")
    assert not {name for name in got if "fusion" in name or "fused" in name}


def test_blend(tmp_path: Path) -> None:
    recipe = make_blend(tmp_path, held_out=["p1", "p2"])
    card = card_facts(checkpoint(tmp_path, recipe, METRICS_OF_BLEND))
    got = rows(card)
    expected = {
        "kind": "blend",
        "encoder": "3, 4, 5, 6",
        "heads": "2, 3, 4, 3",
        "limit": "2.0",
        "pairs": "pairs",
        "not trained on": "2 pictures that the recipe names, and 30 % by name",
        "classifier": "steps 6, batch 4, learning_rate 0.01, linear_rate 0.02",
        "classifier's accuracy on unseen pairs, before the fusion stage": "86.5 %",
        "classifier's accuracy on unseen pairs, after the fusion stage": "91.3 %",
        "time of the classifier": "8 min",
        "time of the fusion": "20 min",
        "unseen pairs, fused": "EN | SD | SF | AG | MI | SCD | VIF | Qabf | SSIM",
    }
    assert {name: got.get(name) for name in expected} == expected
    assert got["crops"].startswith("side 112, ")
    assert got["fusion"].startswith("weights read, steps 6, batch 4, ")
    # With the decimals that papers have.
    for folder in FOLDERS:
        assert got[folder] == "0.50 | 0.8 | 1.0 | 1.250 | 1.500 | 1.750 | 2.000 | 2.250 | 2.500"


@pytest.mark.parametrize(("scales", "height"), [(3, 480), (6, 512)])
def test_work(tmp_path: Path, scales: int, height: int) -> None:
    """Counted by hand from the widths: both pictures through the encoder, both cameras through the heads."""
    widths, hidden = [30, 40, 50, 45, 35, 25][:scales], [20, 30, 40, 25, 15, 10][:scales]
    shape = {"kind": "blend", "encoder": widths, "heads": hidden, "limit": 2.0}
    recipe = make_blend(tmp_path, architecture=shape, crops__side=128)
    got = rows(card_facts(checkpoint(tmp_path, recipe, {})))
    places = [640 * height // 4 ** (number + 1) for number in range(scales)]
    encoder = sum(n * 9 * before * after for n, before, after in zip(places, [4, *widths[:-1]], widths, strict=True))
    heads = sum(
        n * (9 * 2 * width * head + head * (number + 2))
        for number, (n, width, head) in enumerate(zip(places, widths, hidden, strict=True))
    )
    assert got["work for one pair of 640 x 480"] == f"{2 * 2 * (encoder + heads) / 1e9:.1f} GFLOP"


def test_every_table_is_one(tmp_path: Path) -> None:
    """A head, a rule and rows, all of one width."""
    card = card_facts(checkpoint(tmp_path, make_blend(tmp_path), METRICS_OF_BLEND))
    assert card.endswith("|\n")
    tables = card.strip().split("\n\n")
    assert len(tables) == 4
    for table in tables:
        head, rule, *body = table.splitlines()
        assert set(rule) == {"|", "-"}
        assert body
        assert {line.count("|") for line in (head, rule, *body)} == {head.count("|")}


def test_figure_that_was_not_measured_is_an_empty_cell(tmp_path: Path) -> None:
    metrics = {"fusion": {"VIF tno": 0.75, "seconds": 60.0, "other tno": 1.0}}
    assert (
        rows(card_facts(checkpoint(tmp_path, make_blend(tmp_path), metrics)))["tno"] == " |  |  |  |  |  | 0.750 |  | "
    )


def test_nothing_measured(tmp_path: Path) -> None:
    got = rows(card_facts(checkpoint(tmp_path, make_blend(tmp_path), {})))
    assert not {name for name in got if "accuracy" in name or "unseen" in name or "time" in name}


def test_checkpoint_without_provenance(tmp_path: Path) -> None:
    """Written by hand: what it is can be told all the same."""
    path = tmp_path / "model.safetensors"
    torch.manual_seed(1)
    network = network_of(make_blend(tmp_path).architecture)
    save_checkpoint(path, network, name="small", training={"command": "made by a test"})
    got = rows(card_facts(load_checkpoint(path)))
    assert got["name"] == "`small`"
    assert got["command"] == "`made by a test`"
    assert not {"fusion", "classifier", "not trained on"} & set(got)
