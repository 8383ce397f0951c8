"""The paper's two stages on generated pictures: they learn what can be learned, keep to what is theirs, and resume."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from small_training import soft, write_data
from trainings import CPU, WIDER, bits, kill_and_resume, log, make_blend, make_recipe, run

from camf_ros.errors import CamfError, DataError
from camf_ros.network.checkpoint import load_checkpoint
from camf_ros.network.paper import PaperNetwork
from camf_ros.training import autoencoder, classifier_stage
from camf_ros.training.autoencoder import autoencoder_stage
from camf_ros.training.classifier_stage import cross_validate, train_classifier
from camf_ros.training.config import Recipe
from camf_ros.training.data import load_sources
from camf_ros.training.loop import Trainer
from camf_ros.training.recipe_run import data_hash, initialise


def test_autoencoder_learns(tmp_path: Path, data: Path) -> None:
    recipe = make_recipe(
        tmp_path,
        architecture=WIDER,
        autoencoder__steps=120,
        autoencoder__learning_rate=0.02,
        autoencoder__images=["pairs/infrared"],
    )
    torch.manual_seed(1)
    network = PaperNetwork(recipe.architecture)
    initialise(network)
    before = bits(network)
    figures = Trainer(tmp_path / "run", recipe.to_dict(), quiet=True).run(autoencoder_stage(network, recipe, data, CPU))
    losses = [entry["loss"] for entry in log(tmp_path / "run") if "loss" in entry]
    assert len(losses) == 6
    assert losses[-1] < 0.5 * losses[0]
    assert figures["psnr pairs/infrared"] > 15
    after = bits(network)
    for name in before:
        assert (after[name] != before[name]) == (not name.startswith("classifier.")), name


def test_classifier_learns_on_a_frozen_encoder(tmp_path: Path, data: Path) -> None:
    recipe = make_recipe(tmp_path, architecture=WIDER, classifier__steps=100, classifier__fold_steps=100)
    torch.manual_seed(1)
    network = PaperNetwork(recipe.architecture)
    initialise(network)
    before = bits(network)
    trainer = Trainer(tmp_path / "run", recipe.to_dict(), quiet=True)
    figures = train_classifier(network, recipe, data, CPU, trainer)
    assert figures["accuracy"] >= 0.9
    after = bits(network)
    for name in before:
        assert (after[name] != before[name]) == name.startswith("classifier."), name
    folds = cross_validate(network, recipe, data, CPU, trainer)
    assert len(folds) == 2
    assert min(folds) >= 0.9
    assert bits(network) == after, "cross-validation measures, and leaves the model as it is"


def test_labels(tmp_path: Path, data: Path) -> None:
    """Row 0 of the linear layer speaks for infrared: the fusion rule relies on it."""
    recipe = make_recipe(tmp_path, architecture=WIDER, classifier__steps=100, classifier__validation=0)
    torch.manual_seed(1)
    network = PaperNetwork(recipe.architecture)
    initialise(network)
    train_classifier(network, recipe, data, CPU, Trainer(tmp_path / "run", recipe.to_dict(), quiet=True))
    sources = load_sources(data, ["pairs"], 64)
    with torch.no_grad():
        for label, images in enumerate((sources.infrared, sources.visible)):
            for image in images:
                grey = torch.from_numpy(image).float()[None, None]
                assert int(network.classifier(network.features(grey)).argmax()) == label


def test_sources_are_pairs(data: Path) -> None:
    sources = load_sources(data, ["pairs"], 100)
    assert len(sources.infrared) == len(sources.visible) == len(sources.names) == 8
    assert all(min(image.shape) >= 100 for image in sources.infrared + sources.visible)
    few = sources.choose([index in (2, 5) for index in range(8)])
    assert [path.stem for path in few.names] == ["p2", "p5"]
    assert few.visible[1] is sources.visible[5]


@pytest.mark.parametrize("held_out", [[], ["p1", "p6"]])
def test_pairs_fall_on_one_side(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, held_out: list[str]
) -> None:
    """No training step sees a picture of a held-out pair, in either stage."""
    recipe = make_recipe(tmp_path, autoencoder__images=["pairs"], classifier__folds=0, held_out=held_out)
    seen: dict[str, set[bytes]] = {}

    def spy(stage: str, original: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def random_crops(images: Any, count: int, side: int, rng: np.random.Generator) -> torch.Tensor:
            # The accuracy draws from the held-out pairs, 32 at a time; steps are smaller.
            seen.setdefault(f"{stage} {'held' if count == 32 else 'step'}", set()).update(i.tobytes() for i in images)
            return original(images, count, side, rng)

        return random_crops

    for name, module in (("autoencoder", autoencoder), ("classifier", classifier_stage)):
        monkeypatch.setattr(module, "random_crops", spy(name, module.random_crops))
    run(recipe, data, tmp_path / "run")
    trained = seen["classifier step"] | seen["autoencoder step"]
    assert seen["classifier held"]
    assert seen["classifier step"]
    assert not seen["classifier held"] & trained
    assert len(seen["classifier held"]) + len(seen["classifier step"]) == 16
    sources = load_sources(data, ["pairs"], 64)
    for path, *pair in zip(sources.names, sources.infrared, sources.visible, strict=True):
        if path.stem in held_out:
            assert {image.tobytes() for image in pair} <= seen["classifier held"]


def test_killed_training_ends_bit_equal(
    tmp_path: Path, data: Path, state_after_every_step: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In stage 1, in stage 2, before its first step, and in the second fold.
    places = [
        (autoencoder, "reconstruction_loss", 3),
        (autoencoder, "psnr", 1),
        (classifier_stage, "random_crops", 0),
        (classifier_stage, "random_crops", 7),
        (classifier_stage, "random_crops", 40),
    ]
    one = kill_and_resume(make_recipe(tmp_path), data, tmp_path, monkeypatch, places)
    assert one["cross_validated_accuracy"]


def test_seed_matters(tmp_path: Path, data: Path) -> None:
    hashes = {run(make_recipe(tmp_path, seed=seed), data, tmp_path / f"run{seed}") for seed in (3, 4)}
    assert len(hashes) == 2


def test_log_of_a_whole_run(tmp_path: Path, data: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        digest = run(make_recipe(tmp_path), data, tmp_path / "run")
    entries = log(tmp_path / "run")
    assert entries[-1]["stage"] == "done"
    assert entries[-1]["hash"] == digest
    assert {entry["stage"] for entry in entries} == {"autoencoder", "classifier", "fold1", "fold2", "done"}
    for word in ("auto-encoder", "classifier", "cross-validated"):
        assert word in caplog.text


def test_data_hash(tmp_path: Path) -> None:
    root = write_data(tmp_path / "data")
    first = data_hash(root, ["natural", "pairs"])
    assert len(first) == 64
    assert data_hash(root, ["natural", "pairs"]) == first
    (root / "natural" / "notes.txt").write_text("no picture")
    assert data_hash(root, ["natural", "pairs"]) == first
    assert data_hash(root, ["natural"]) != first
    copy = write_data(tmp_path / "elsewhere" / "data")
    assert data_hash(copy, ["natural", "pairs"]) == first
    (copy / "natural" / "more" / "n1.png").rename(copy / "natural" / "more" / "n9.png")
    assert data_hash(copy, ["natural", "pairs"]) != first
    cv2.imwrite(str(root / "natural" / "more" / "n1.png"), soft(77))
    assert data_hash(root, ["natural", "pairs"]) != first


def refused(recipe: Recipe, data: Path, folder: Path) -> str:
    """The message with which a training is refused; it comes before the first step and is not a crash."""
    with pytest.raises(CamfError) as caught:
        run(recipe, data, folder)
    assert list(folder.glob("*.pt")) == [], "a mistake in the data came out after a training"
    return str(caught.value)


def test_missing_folders(tmp_path: Path, data: Path) -> None:
    for entry in ("autoencoder__images", "classifier__pairs"):
        recipe = make_recipe(tmp_path, **{entry: ["no_such"]})
        assert "no_such" in refused(recipe, data, tmp_path / entry)
    assert "no_such" in refused(make_blend(tmp_path, pairs=["pairs", "no_such"]), data, tmp_path / "blend")


def test_picture_without_its_counterpart(tmp_path: Path) -> None:
    root = write_data(tmp_path / "data")
    (root / "pairs" / "visible" / "p3.jpg").unlink()
    assert "p3" in refused(make_recipe(tmp_path), root, tmp_path / "run")
    assert "p3" in refused(make_blend(tmp_path), root, tmp_path / "blend")


@pytest.mark.parametrize("broken", ["natural/more/n2.png", "pairs/infrared/p2.png", "pairs/visible/p2.jpg"])
def test_unreadable_picture(tmp_path: Path, broken: str) -> None:
    root = write_data(tmp_path / "data")
    (root / broken).write_bytes(b"not a picture")
    assert broken in refused(make_recipe(tmp_path), root, tmp_path / "run")
    if broken.startswith("pairs"):
        assert broken in refused(make_blend(tmp_path), root, tmp_path / "blend")


@pytest.mark.parametrize("stage", ["autoencoder", "classifier"])
def test_everything_held_out(tmp_path: Path, data: Path, stage: str) -> None:
    """The split goes by name: with few pictures a large share can leave none to train on."""
    recipe = make_recipe(tmp_path, **{f"{stage}__validation": 0.9999})
    assert f"{stage}.validation" in refused(recipe, data, tmp_path / "run")


def test_everything_held_out_by_name(tmp_path: Path, data: Path) -> None:
    names = [f"p{number}" for number in range(8)]
    recipes = make_recipe(tmp_path, held_out=names), make_blend(tmp_path, held_out=names, validation=0)
    for recipe in recipes:
        message = refused(recipe, data, tmp_path / "run")
        assert "leaves none of 8 pictures for training" in message
        assert "held_out" in message


def test_held_out_name_that_is_nowhere(tmp_path: Path, data: Path) -> None:
    message = refused(make_blend(tmp_path, held_out=["p3", "p3.png"]), data, tmp_path / "run")
    assert "held_out names p3.png, which is in no folder" in message


def test_more_folds_than_pairs(tmp_path: Path, data: Path) -> None:
    recipe = make_recipe(tmp_path, classifier__folds=9, classifier__fold_steps=1)
    assert "folds" in refused(recipe, data, tmp_path / "run")


def test_nothing_held_out(tmp_path: Path, data: Path) -> None:
    recipe = make_recipe(tmp_path, autoencoder__validation=0, classifier__validation=0, classifier__folds=0)
    run(recipe, data, tmp_path / "run")
    metrics = load_checkpoint(tmp_path / "run" / "model.safetensors").training["metrics"]
    assert set(metrics["autoencoder"]) == set(metrics["classifier"]) == {"seconds"}
    assert metrics["cross_validated_accuracy"] == []


def test_exploding_training_is_no_model(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = make_recipe(tmp_path, autoencoder__steps=6)
    monkeypatch.setattr(
        autoencoder, "reconstruction_loss", lambda output, *_: output.sum() * torch.tensor(float("inf"))
    )
    with pytest.raises(DataError, match="learning rate"):
        run(recipe, data, tmp_path / "run")
    assert not (tmp_path / "run" / "model.safetensors").exists()
