"""The facts of a model card: what the checkpoint carries, all of it, and nothing of what was not done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_model import make_small_network
from small_training import FUSION
from trainings import make_recipe

from camf_ros.evaluation.metrics import METRICS
from camf_ros.network import Checkpoint, load_checkpoint, save_checkpoint
from camf_ros.training.card import card_facts

METRICS_OF_TWO_STAGES: dict[str, Any] = {
    "autoencoder": {"psnr natural": 31.256, "psnr pairs": 40.5, "seconds": 5581.0},
    "classifier": {"accuracy": 0.8652, "seconds": 480.0},
    "cross_validated_accuracy": [0.75, 0.85],
    "fusion": {},
}
FOLDERS = ("roadscene/train", "tno train")
FUSION_FIGURES = {f"{name} {folder}": 0.5 + 0.25 * number for folder in FOLDERS for number, name in enumerate(METRICS)}


def checkpoint(folder: Path, metrics: dict[str, Any], fused: tuple[int, ...] = (6,), **changes: Any) -> Checkpoint:
    """As ``camf train`` writes it, read back."""
    recipe = make_recipe(folder, architecture__fused=list(fused), **changes)
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
    save_checkpoint(path, make_small_network(fused=fused), name="small", training=training)
    return load_checkpoint(path)


def rows(card: str) -> dict[str, str]:
    """First cell of every row to the others."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in card.splitlines() if line]
    names = [first for first, *_ in cells if first != "---"]
    assert len(names) == len(set(names)), "no row twice"
    return {first: " | ".join(rest) for first, *rest in cells}


def test_two_stages(tmp_path: Path) -> None:
    made = checkpoint(tmp_path, METRICS_OF_TWO_STAGES)
    got = rows(card_facts(made))
    expected = {
        "name": "`small`",
        "hash of the weights": f"`{made.hash}`",
        "encoder widths": "2, 3, 4, 5, 5, 5",
        "decoder widths": "5, 5, 4, 3, 3",
        "encoder layers that are fused": "6",
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
    fusing, judging = (
        sum(p.numel() for part in parts for p in part.parameters())
        for parts in ((made.network.encoder, made.network.decoder), (made.network.classifier,))
    )
    assert got["parameters"] == f"{fusing} to fuse, {judging} in the auxiliary classifier"
    assert got["autoencoder"].startswith("images natural + pairs, validation 0.3, steps 6, ")
    assert got["classifier"].startswith("pairs pairs, validation 0.3, steps 6, ")


@pytest.mark.parametrize("changes", [{}, {"fusion": {**FUSION, "steps": 0}}])
def test_stage_that_was_left_out_is_not_mentioned(tmp_path: Path, changes: dict[str, Any]) -> None:
    got = rows(card_facts(checkpoint(tmp_path, METRICS_OF_TWO_STAGES, **changes)))
    assert not {name for name in got if "fusion" in name or "unseen pairs, fused" in name}
    assert "gain" not in got


def test_three_stages(tmp_path: Path) -> None:
    metrics = {**METRICS_OF_TWO_STAGES, "fusion": {**FUSION_FIGURES, "seconds": 1230.0}}
    card = card_facts(checkpoint(tmp_path, metrics, fused=(1, 2, 6), fusion=FUSION))
    got = rows(card)
    assert got["encoder layers that are fused"] == "1, 2, 6"
    assert got["fusion"].startswith("pairs pairs, validation 0.3, steps 6, batch 4, crop 64, ")
    assert "train_encoder True" in got["fusion"]
    assert got["time of the fusion"] == "20 min"
    assert got["unseen pairs, fused"] == "EN | SD | SF | AG | MI | SCD | VIF | Qabf | SSIM"
    # With the decimals that papers have.
    for folder in FOLDERS:
        assert got[folder] == "0.50 | 0.8 | 1.0 | 1.250 | 1.500 | 1.750 | 2.000 | 2.250 | 2.500"
    # What the third stage changed afterwards is not claimed of the finished model.
    before = ", before the fusion stage"
    assert got[f"reconstruction of unseen pictures, natural{before}"] == "31.26 dB"
    assert got[f"classifier's accuracy on unseen pairs{before}"] == "86.5 %"
    assert got[f"cross-validated accuracy, 2 folds{before}"] == "80.0 % (75.0, 85.0)"


def test_every_table_is_one(tmp_path: Path) -> None:
    """A head, a rule and rows, all of one width."""
    metrics = {**METRICS_OF_TWO_STAGES, "fusion": {**FUSION_FIGURES, "seconds": 1230.0}}
    card = card_facts(checkpoint(tmp_path, metrics, fusion=FUSION))
    assert card.endswith("|\n")
    tables = card.strip().split("\n\n")
    assert len(tables) == 4
    for table in tables:
        head, rule, *body = table.splitlines()
        assert set(rule) == {"|", "-"}
        assert body
        assert {line.count("|") for line in (head, rule, *body)} == {head.count("|")}


def test_figure_that_was_not_measured_is_an_empty_cell(tmp_path: Path) -> None:
    metrics = {**METRICS_OF_TWO_STAGES, "fusion": {"VIF tno": 0.75, "seconds": 60.0, "other tno": 1.0}}
    assert rows(card_facts(checkpoint(tmp_path, metrics, fusion=FUSION)))["tno"] == " |  |  |  |  |  | 0.750 |  | "


def test_nothing_measured(tmp_path: Path) -> None:
    got = rows(card_facts(checkpoint(tmp_path, {})))
    assert not {name for name in got if "accuracy" in name or "unseen" in name or "time" in name}


def test_checkpoint_without_provenance(small_model: Path) -> None:
    """Written by hand: what it is can be told all the same."""
    got = rows(card_facts(load_checkpoint(small_model)))
    assert got["name"] == "`small`"
    assert got["command"] == "`made by a test`"
    assert "autoencoder" not in got
