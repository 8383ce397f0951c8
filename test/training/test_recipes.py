"""Recipes: what is written is what is built, and every mistake is told before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from small_training import BLEND, RECIPE, write_recipe

from camf_ros.errors import CamfError, DataError, ParameterError
from camf_ros.network.architecture import BlendArchitecture, PaperArchitecture
from camf_ros.training.config import BlendRecipe, PaperRecipe, load_recipe

ROOT = Path(__file__).resolve().parents[2]
NAN, INF = float("nan"), float("inf")


def test_entries_arrive(tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path / "small.yaml"))
    assert (recipe.name, recipe.seed) == ("small", 3)
    assert isinstance(recipe, PaperRecipe)
    assert recipe.architecture == PaperArchitecture((2, 3, 4, 5, 5, 5), (5, 5, 4, 3, 3))
    assert (recipe.autoencoder.images, recipe.autoencoder.steps) == (("natural", "pairs"), 6)
    assert (recipe.classifier.pairs, recipe.classifier.folds) == (("pairs",), 2)
    assert recipe.held_out == ()


def test_entries_of_a_blending_network_arrive(tmp_path: Path) -> None:
    changes = {"fusion.weights": "shuffled", "crops.invert": 0.25, "architecture.limit": 1.8, "held_out": ["p3"]}
    recipe = load_recipe(write_recipe(tmp_path / "small.yaml", changes, BLEND))
    assert isinstance(recipe, BlendRecipe)
    assert recipe.architecture == BlendArchitecture((3, 4, 5, 6), (2, 3, 4, 3), limit=1.8)
    assert (recipe.pairs, recipe.validation, recipe.held_out) == (("pairs",), 0.3, ("p3",))
    assert (recipe.crops.side, recipe.crops.invert) == (112, 0.25)
    assert (recipe.classifier.steps, recipe.fusion.batch, recipe.fusion.weights) == (6, 4, "shuffled")


def test_what_is_left_out_has_the_papers_value(tmp_path: Path) -> None:
    path = tmp_path / "short.yaml"
    path.write_text("name: short\nautoencoder: {images: [a]}\nclassifier: {pairs: [b]}\n", encoding="utf-8")
    recipe = load_recipe(path)
    assert isinstance(recipe, PaperRecipe)
    assert recipe.architecture == PaperArchitecture()
    assert (recipe.autoencoder.mse_weight, recipe.autoencoder.laplacian_weight) == (5, 1)
    assert (recipe.autoencoder.learning_rate, recipe.autoencoder.batch, recipe.autoencoder.crop) == (1e-4, 32, 256)
    assert (recipe.classifier.learning_rate, recipe.classifier.batch, recipe.classifier.crop) == (1e-4, 16, 256)
    assert (recipe.classifier.steps, recipe.classifier.folds) == (20_000, 5)


@pytest.mark.parametrize("base", [RECIPE, BLEND], ids=["paper", "blend"])
def test_recipe_as_plain_data(tmp_path: Path, base: dict[str, Any]) -> None:
    """What a checkpoint carries can be written to a file and trained again."""
    recipe = load_recipe(write_recipe(tmp_path / "small.yaml", {"held_out": ["p1", "p2"]}, base))
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(yaml.safe_load(yaml.safe_dump(listed(recipe.to_dict())))), encoding="utf-8")
    assert load_recipe(again) == recipe


def listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: listed(entry) for name, entry in value.items()}
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("path", sorted((ROOT / "config" / "training").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert isinstance(recipe, PaperRecipe) == (path.stem == "camf-paper")


def test_held_out_names_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("# Not these.\np3\n\n  p10 \n", encoding="utf-8")
    recipe = load_recipe(write_recipe(tmp_path / "small.yaml", {"held_out": "names.txt"}, BLEND))
    assert recipe.held_out == ("p3", "p10")
    with pytest.raises(DataError, match=r"held_out: .*none\.txt cannot be read"):
        load_recipe(write_recipe(tmp_path / "small.yaml", {"held_out": "none.txt"}, BLEND))


@pytest.mark.parametrize(
    ("base", "part", "kind"), [(RECIPE, "fusion", "paper"), (RECIPE, "crops", "paper"), (BLEND, "autoencoder", "blend")]
)
def test_part_of_the_other_kind(tmp_path: Path, base: dict[str, Any], part: str, kind: str) -> None:
    path = write_recipe(tmp_path / "small.yaml", {part: {"steps": 3}}, base)
    with pytest.raises(ParameterError, match=rf"of kind {kind}, which has no part {part}; expected .*classifier"):
        load_recipe(path)


@pytest.mark.parametrize("kind", [None, "other", 3, ["blend"], ...])
def test_kind_of_the_architecture(tmp_path: Path, kind: object) -> None:
    path = write_recipe(tmp_path / "small.yaml", {"architecture.kind": kind}, BLEND)
    with pytest.raises(ParameterError, match=r"architecture\.kind is .*expected paper or blend"):
        load_recipe(path)


def test_crops_fit_the_pyramid(tmp_path: Path) -> None:
    path = write_recipe(
        tmp_path / "small.yaml", {"architecture.encoder": [3] * 5, "architecture.heads": [2] * 5}, BLEND
    )
    with pytest.raises(ParameterError, match=r"crops\.side is 112; expected a multiple of 32, for .* 6 levels"):
        load_recipe(path)


def test_at_least_one_term_compares_the_pictures(tmp_path: Path) -> None:
    terms = ("information", "edge", "difference", "structure", "gradient", "contrast")
    none = {f"fusion.{term}_weight": 0 for term in terms}
    with pytest.raises(ParameterError, match=r"fusion\.edge_weight.* are all 0"):
        load_recipe(write_recipe(tmp_path / "small.yaml", none, BLEND))
    load_recipe(write_recipe(tmp_path / "small.yaml", {**none, "fusion.gradient_weight": 0.1}, BLEND))


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


#: Unknown and missing entries (...), wrong types and impossible values of the small recipe.
MISTAKES: dict[str, list[Any]] = {
    "typo": [1],
    "gain": [0.7],
    "autoencoder.typo": [1],
    "classifier.typo": [1],
    "name": [..., 5, None, ["a"], "", "a/b"],
    "autoencoder": [..., 3, None],
    "classifier": [..., ["pairs"]],
    "autoencoder.images": [..., "natural", None, [1], []],
    "classifier.pairs": [..., "pairs", [None], []],
    "seed": ["one", 1.5, True, -1],
    "architecture": [[1, 2], {"kind": "paper", "encoder": [1, 2, 3]}],
    "autoencoder.steps": [2.5, "many", 0],
    "autoencoder.batch": [2.5, 0],
    "autoencoder.crop": [64.5, 63],
    "autoencoder.validation": ["some", -0.1, 1, NAN],
    "autoencoder.learning_rate": ["1e-3", 0, NAN, INF],
    "classifier.steps": [6.0, -5],
    "classifier.batch": [4.0, 3, 0],
    "classifier.crop": [[64], 32],
    "classifier.folds": [2.0, 1, -1],
    "classifier.fold_steps": [None, 0],
    "architecture.deeper": [1],
    "held_out": [[3], {"p3": 1}],
    "architecture.encoder": [[2, 3, 4, 5, 5, 0]],
    "architecture.decoder": [[5, 5, 4, 3, 3.5], 5],
    "autoencoder.final_rate": [-0.1, 1.5, NAN],
    "autoencoder.mse_weight": [-1, NAN],
    "autoencoder.laplacian_weight": [-1],
    "classifier.validation": [1.5],
    "classifier.learning_rate": [-1e-3],
}
#: Those of a blending network.
BLEND_MISTAKES: dict[str, list[Any]] = {
    "typo": [1],
    "gain": [0.7],
    "fusion.gain": [0.7],
    "fusion.pairs": [["pairs"]],
    "classifier.folds": [2],
    "pairs": [..., "pairs", [1], []],
    "name": [...],
    "fusion": [3],
    "crops": [[112]],
    "held_out": [[None]],
    "fusion.steps": [6.0, 0],
    "fusion.batch": ["4", 0],
    "fusion.weights": [1, "random"],
    "fusion.edge_weight": [None, NAN],
    "fusion.gradient_boost": ["much", -1],
    "crops.vary": [[0.3], 1.5],
    "crops.side": [112.5, 96, 113],
    "validation": [1, NAN],
    "architecture.heads": [[1, 2]],
    "architecture.levels": [5],
    "architecture.limit": [1],
    "architecture.decoder": [[5, 5, 4, 3, 3]],
    "crops.rescale": [1.5],
    "crops.blank": [-0.1],
    "crops.invert": [NAN],
    "crops.noise": [2],
    "crops.sigma": [0.5, INF],
    "classifier.steps": [0],
    "classifier.batch": [3],
    "classifier.learning_rate": [0],
    "classifier.linear_rate": [0, NAN],
    "fusion.learning_rate": [INF],
    "fusion.final_rate": [1.5],
    "fusion.validate_every": [0],
    "fusion.information_weight": [-1],
    "fusion.difference_weight": [INF],
    "fusion.structure_weight": [-1],
    "fusion.gradient_weight": [-1],
    "fusion.contrast_weight": [NAN],
    "fusion.contrast_aim": [-1],
    "fusion.brightness_weight": [INF],
    "fusion.range_weight": [-0.1],
    "fusion.faint_detail": [-1, 129],
    "fusion.classifier_weight": [-0.1],
}


@pytest.mark.parametrize(
    ("base", "name", "value"),
    [
        (base, name, value)
        for base, mistakes in ((RECIPE, MISTAKES), (BLEND, BLEND_MISTAKES))
        for name, values in mistakes.items()
        for value in values
    ],
)
def test_mistakes(tmp_path: Path, base: dict[str, Any], name: str, value: object) -> None:
    """The message names the entry; nothing but a ParameterError comes out."""
    with pytest.raises(ParameterError) as caught:
        load_recipe(write_recipe(tmp_path / "small.yaml", {name: value}, base))
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


def test_the_small_recipe_is_what_the_tests_think() -> None:
    assert set(RECIPE) == {"name", "seed", "architecture", "autoencoder", "classifier"}
    assert set(BLEND) == {"name", "seed", "architecture", "pairs", "validation", "crops", "classifier", "fusion"}
