"""Recipes: what is written is what is built, and every mistake is told before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from small_training import FUSION, RECIPE, write_recipe

from camf_ros.errors import CamfError, DataError, ParameterError
from camf_ros.network import Architecture
from camf_ros.training.config import load_recipe

ROOT = Path(__file__).resolve().parents[2]
NAN, INF = float("nan"), float("inf")


def test_entries_arrive(tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path / "small.yaml"))
    assert (recipe.name, recipe.seed) == ("small", 3)
    assert recipe.architecture == Architecture((2, 3, 4, 5, 5, 5), (5, 5, 4, 3, 3))
    assert (recipe.autoencoder.images, recipe.autoencoder.steps) == (("natural", "pairs"), 6)
    assert (recipe.classifier.pairs, recipe.classifier.folds) == (("pairs",), 2)
    assert recipe.fusion.steps == 0


def test_entries_of_the_fusion_stage_arrive(tmp_path: Path) -> None:
    changes = {"fusion": FUSION, "fusion.train_encoder": False, "fusion.gain": 0.7, "architecture.fused": [1, 2, 6]}
    recipe = load_recipe(write_recipe(tmp_path / "small.yaml", changes))
    assert recipe.architecture.fused == (1, 2, 6)
    assert (recipe.fusion.pairs, recipe.fusion.steps, recipe.fusion.crop) == (("pairs",), 6, 64)
    assert (recipe.fusion.train_encoder, recipe.fusion.gain) == (False, 0.7)


def test_what_is_left_out_has_the_papers_value(tmp_path: Path) -> None:
    path = tmp_path / "short.yaml"
    path.write_text("name: short\nautoencoder: {images: [a]}\nclassifier: {pairs: [b]}\n", encoding="utf-8")
    recipe = load_recipe(path)
    assert recipe.architecture == Architecture()
    assert (recipe.autoencoder.mse_weight, recipe.autoencoder.laplacian_weight) == (5, 1)
    assert (recipe.autoencoder.learning_rate, recipe.autoencoder.batch, recipe.autoencoder.crop) == (1e-4, 32, 256)
    assert (recipe.classifier.learning_rate, recipe.classifier.batch, recipe.classifier.crop) == (1e-4, 16, 256)
    assert (recipe.classifier.steps, recipe.classifier.folds) == (20_000, 5)
    assert recipe.fusion.steps == 0, "the paper has two stages"


def test_recipe_as_plain_data(tmp_path: Path) -> None:
    """What a checkpoint carries can be written to a file and trained again."""
    recipe = load_recipe(write_recipe(tmp_path / "small.yaml", {"fusion": FUSION}))
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(yaml.safe_load(yaml.safe_dump(listed(recipe.to_dict())))), encoding="utf-8")
    assert load_recipe(again) == recipe


def listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: listed(entry) for name, entry in value.items()}
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("path", sorted((ROOT / "config" / "training").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes(path: Path) -> None:
    assert load_recipe(path).name == path.stem


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"just text",
        b"3",
        b"name: [",
        b"\tname: x",
        b"\xff\xfe\xfa",
        b"\0",
        b"name: !!python/object:os.x {}",
    ],
)
def test_no_recipe_at_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(CamfError, match=r"bad\.yaml"):
        load_recipe(path)


def test_missing_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(DataError, match="cannot be opened") as caught:
            load_recipe(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # Unknown and missing.
        ("typo", 1),
        ("gain", 0.7),
        ("fusion.typo", 1),
        ("fusion.pairs", ...),
        ("autoencoder.typo", 1),
        ("classifier.typo", 1),
        ("name", ...),
        ("autoencoder", ...),
        ("classifier", ...),
        ("autoencoder.images", ...),
        ("classifier.pairs", ...),
        # Wrong types.
        ("name", 5),
        ("name", None),
        ("name", ["a"]),
        ("seed", "one"),
        ("seed", 1.5),
        ("seed", True),
        ("autoencoder", 3),
        ("autoencoder", None),
        ("classifier", ["pairs"]),
        ("architecture", [1, 2]),
        ("autoencoder.images", "natural"),
        ("autoencoder.images", None),
        ("autoencoder.images", [1]),
        ("classifier.pairs", "pairs"),
        ("classifier.pairs", [None]),
        ("autoencoder.steps", 2.5),
        ("autoencoder.steps", "many"),
        ("autoencoder.batch", 2.5),
        ("autoencoder.crop", 64.5),
        ("autoencoder.validation", "some"),
        ("autoencoder.learning_rate", "1e-3"),
        ("classifier.steps", 6.0),
        ("classifier.batch", 4.0),
        ("classifier.crop", [64]),
        ("classifier.folds", 2.0),
        ("classifier.fold_steps", None),
        ("fusion", 3),
        ("fusion", ["pairs"]),
        ("fusion.pairs", "pairs"),
        ("fusion.pairs", [1]),
        ("fusion.steps", 6.0),
        ("fusion.batch", "4"),
        ("fusion.crop", 64.5),
        ("fusion.train_encoder", "yes"),
        ("fusion.train_encoder", 1),
        ("fusion.gain", "automatic"),
        ("fusion.edge_weight", None),
        ("fusion.vary", [0.3]),
        # Impossible values.
        ("name", ""),
        ("name", "a/b"),
        ("seed", -1),
        ("architecture", {"encoder": [1, 2, 3], "decoder": [5, 5, 4, 3, 3]}),
        ("architecture", {"encoder": [2, 3, 4, 5, 5, 5]}),
        ("architecture.encoder", [2, 3, 4, 5, 5, 0]),
        ("architecture.decoder", [5, 5, 4, 3, 3.5]),
        ("architecture.decoder", 5),
        ("autoencoder.images", []),
        ("classifier.pairs", []),
        ("autoencoder.steps", 0),
        ("autoencoder.batch", 0),
        ("autoencoder.crop", 63),
        ("autoencoder.validation", -0.1),
        ("autoencoder.validation", 1),
        ("autoencoder.validation", NAN),
        ("autoencoder.learning_rate", 0),
        ("autoencoder.learning_rate", NAN),
        ("autoencoder.learning_rate", INF),
        ("autoencoder.final_rate", -0.1),
        ("autoencoder.final_rate", 1.5),
        ("autoencoder.final_rate", NAN),
        ("autoencoder.mse_weight", -1),
        ("autoencoder.mse_weight", NAN),
        ("autoencoder.laplacian_weight", -1),
        ("classifier.steps", -5),
        ("classifier.batch", 3),
        ("classifier.batch", 0),
        ("classifier.crop", 32),
        ("classifier.validation", 1.5),
        ("classifier.learning_rate", -1e-3),
        ("classifier.folds", 1),
        ("classifier.folds", -1),
        ("classifier.fold_steps", 0),
        ("architecture.fused", [1, 2]),
        ("architecture.fused", []),
        ("architecture.fused", 6),
        ("architecture.fused", [6.0]),
        ("autoencoder.skip_dropout", -0.1),
        ("autoencoder.skip_dropout", 1.1),
        ("autoencoder.skip_dropout", NAN),
        ("fusion.pairs", []),
        ("fusion.steps", -1),
        ("fusion.batch", 0),
        ("fusion.crop", 63),
        ("fusion.validation", 1),
        ("fusion.validation", NAN),
        ("fusion.learning_rate", 0),
        ("fusion.learning_rate", INF),
        ("fusion.final_rate", 1.5),
        ("fusion.gain", -0.7),
        ("fusion.gain", 4.5),
        ("fusion.gain", NAN),
        ("fusion.information_weight", -1),
        ("fusion.edge_weight", NAN),
        ("fusion.difference_weight", INF),
        ("fusion.structure_weight", -1),
        ("fusion.classifier_weight", -0.1),
        ("fusion.vary", 1.5),
        ("fusion.blank", -0.1),
    ],
)
def test_mistakes(tmp_path: Path, name: str, value: object) -> None:
    """The message names the entry; nothing but a ParameterError comes out."""
    path = write_recipe(tmp_path / "small.yaml", {"fusion": FUSION, name: value})
    with pytest.raises(ParameterError) as caught:
        load_recipe(path)
    message = str(caught.value)
    assert (name.rsplit(".", 1)[-1] if not name.startswith("architecture.") else "architecture") in message
    assert "\n" not in message


def test_names_that_are_no_text(tmp_path: Path) -> None:
    path = write_recipe(tmp_path / "small.yaml", {"typo": 1})
    path.write_text(path.read_text(encoding="utf-8") + "\n7: 8\n", encoding="utf-8")
    with pytest.raises(ParameterError, match="unknown parameters"):
        load_recipe(path)


def test_no_folds_need_no_steps(tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path / "small.yaml", {"classifier.folds": 0}))
    assert recipe.classifier.folds == 0


@pytest.mark.parametrize("entries", [{"steps": 0}, {"pairs": [], "steps": 0}, {"steps": 0, "batch": 1}, {}])
def test_a_fusion_stage_that_is_left_out_needs_no_pairs(tmp_path: Path, entries: dict[str, Any]) -> None:
    recipe = load_recipe(write_recipe(tmp_path / "small.yaml", {"fusion": entries}))
    assert (recipe.fusion.steps, recipe.fusion.pairs) == (0, ())


def test_the_small_recipe_is_what_the_tests_think() -> None:
    assert set(RECIPE) == {"name", "seed", "architecture", "autoencoder", "classifier"}
