"""The third stage on generated pictures: fused pictures get better, what is frozen stays, kills change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small_training import FUSION
from trainings import CPU, DETAILED, WIDER, bits, kill_and_resume, log, make_recipe, run

from camf_ros.evaluation.metrics import METRICS
from camf_ros.network import CamfNetwork, load_checkpoint
from camf_ros.network.devices import autocast
from camf_ros.training import fusion
from camf_ros.training.config import Recipe
from camf_ros.training.fusion import fusion_stage
from camf_ros.training.loop import Trainer


def fusion_recipe(folder: Path, **changes: Any) -> Recipe:
    """The small recipe with all three stages, the first two as short as can be."""
    short = {"autoencoder__steps": 1, "classifier__steps": 1, "classifier__folds": 0}
    return make_recipe(folder, **{"fusion": FUSION, "architecture": DETAILED, **short, **changes})


def make_network(recipe: Recipe) -> CamfNetwork:
    torch.manual_seed(1)
    return CamfNetwork(recipe.architecture)


@pytest.mark.parametrize("architecture", [WIDER, DETAILED], ids=["paper", "detailed"])
@pytest.mark.parametrize("gain", [0, 0.7], ids=["automatic", "constant"])
def test_stage_learns(tmp_path: Path, data: Path, architecture: dict[str, Any], gain: float) -> None:
    recipe = fusion_recipe(
        tmp_path, architecture=architecture, fusion__steps=25, fusion__learning_rate=0.02, fusion__gain=gain
    )
    network = make_network(recipe)
    stage = fusion_stage(network, recipe, data, CPU)

    def loss() -> float:
        """On crops that are not among those of the training."""
        with torch.no_grad():
            return sum(float(stage.loss(step)) for step in range(1000, 1008)) / 8

    before, start = loss(), bits(network)
    Trainer(tmp_path / "run", recipe.to_dict(), quiet=True).run(stage)
    assert loss() < before - 0.3
    for name, value in bits(network).items():
        assert (value != start[name]) == (not name.startswith("classifier.")), name


def test_gain_matters(tmp_path: Path, data: Path) -> None:
    losses = []
    for gain in (0, 0.7, 1.4):
        recipe = fusion_recipe(tmp_path, fusion__gain=gain)
        losses.append(float(fusion_stage(make_network(recipe), recipe, data, CPU).loss(0).detach()))
    assert len(set(losses)) == 3


def test_frozen_encoder(tmp_path: Path, data: Path) -> None:
    recipe = fusion_recipe(tmp_path, fusion__train_encoder=False)
    network = make_network(recipe)
    before = bits(network)
    Trainer(tmp_path / "run", recipe.to_dict(), quiet=True).run(fusion_stage(network, recipe, data, CPU))
    for name, value in bits(network).items():
        assert (value != before[name]) == name.startswith("decoder."), name


def test_classifier_is_asked_only_where_it_counts(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loss is for the encoder: without one that learns, or without weight, it is not computed."""
    for changes, asked in (
        ({}, True),
        ({"fusion__classifier_weight": 0}, False),
        ({"fusion__train_encoder": False}, False),
    ):
        recipe = fusion_recipe(tmp_path, **changes)
        network = make_network(recipe)
        calls: list[int] = []
        network.classifier.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        fusion_stage(network, recipe, data, CPU).loss(0)
        assert bool(calls) == asked, changes


def test_loss_of_the_classifier(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cross-entropy on a quarter of the pairs, the infrared crops labelled 0, as the fusion rule reads the rows."""
    monkeypatch.setattr(fusion, "weighted_losses", lambda *_images, **_weights: torch.zeros(()))
    recipe = fusion_recipe(tmp_path, fusion__batch=8, fusion__classifier_weight=0.3)
    network = make_network(recipe)
    crops: list[torch.Tensor] = []
    hook = network.encoder.register_forward_pre_hook(lambda _module, inputs: crops.append(inputs[0]))
    loss = fusion_stage(network, recipe, data, CPU).loss(3)
    hook.remove()
    with torch.no_grad(), autocast(CPU):
        features = network.encoder(crops[0])
    with torch.no_grad():
        scores = network.classifier([layer[[0, 1, 8, 9]].float() for layer in features])
    expected = -scores.log_softmax(1)[range(4), [0, 0, 1, 1]].mean()
    assert float(loss.detach()) == pytest.approx(0.3 * float(expected), rel=1e-5)
    loss.backward()
    assert all(parameter.grad is not None for parameter in network.encoder.parameters())
    assert all(parameter.grad is None for parameter in network.classifier.parameters())


def test_figures_of_each_folder(tmp_path: Path, data: Path) -> None:
    recipe = fusion_recipe(tmp_path, fusion__pairs=["pairs", "more"])
    network = make_network(recipe)
    figures = Trainer(tmp_path / "run", recipe.to_dict(), quiet=True).run(fusion_stage(network, recipe, data, CPU))
    assert set(figures) == {"seconds", *(f"{name} {folder}" for name in METRICS for folder in ("pairs", "more"))}
    assert all(figures[f"{name} pairs"] == figures[f"{name} more"] for name in METRICS), "the folders are copies"
    assert figures["EN pairs"] > 0


def test_figures_are_of_held_out_pairs_as_the_model_fuses_them(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = fusion_recipe(tmp_path)
    network = make_network(recipe)
    stage = fusion_stage(network, recipe, data, CPU)
    scored: list[tuple[bytes, bytes]] = []
    trained: set[bytes] = set()

    def score(infrared: Any, visible: Any, fused: Any) -> dict[str, float]:
        assert fused.shape == infrared.shape == visible.shape
        x, y = (torch.from_numpy(image).float()[None, None] / 127.5 - 1 for image in (infrared, visible))
        with torch.no_grad():
            own = network(x, y, network.class_activation_weights(), contrast=1.0).fused[0, 0] * 127.5 + 127.5
        # Rounded to whole grey levels, and by a network in mixed precision where the machine is made for it.
        assert float((own - torch.from_numpy(fused)).abs().max()) < 4
        scored.append((infrared.tobytes(), visible.tobytes()))
        return dict.fromkeys(METRICS, float(len(scored)))

    monkeypatch.setattr(fusion, "score", score)
    assert stage.validate is not None
    figures = stage.validate()
    assert len(scored) == len(set(scored)) > 1
    assert figures["VIF pairs"] == pytest.approx((len(scored) + 1) / 2), "the mean over the pairs"
    original = fusion.pair_crops

    def spy(folders: Any, *more: Any) -> Any:
        trained.update(image.tobytes() for sources in folders for image in sources.infrared + sources.visible)
        return original(folders, *more)

    monkeypatch.setattr(fusion, "pair_crops", spy)
    stage.loss(0)
    held = {image for pair in scored for image in pair}
    assert not held & trained
    assert len(held) + len(trained) == 16


def test_nothing_held_out(tmp_path: Path, data: Path) -> None:
    recipe = fusion_recipe(tmp_path, fusion__validation=0)
    network = make_network(recipe)
    figures = Trainer(tmp_path / "run", recipe.to_dict(), quiet=True).run(fusion_stage(network, recipe, data, CPU))
    assert set(figures) == {"seconds"}


def test_killed_training_ends_bit_equal(
    tmp_path: Path, data: Path, state_after_every_step: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In the fusion stage, before its first step, in its validation, and between its end and the checkpoint.
    places = [(fusion, "pair_crops", 0), (fusion, "weighted_losses", 2), (fusion, "score", 1)]
    recipe = fusion_recipe(tmp_path)
    one = kill_and_resume(recipe, data, tmp_path, monkeypatch, places)
    assert set(one["fusion"]) == {*(f"{name} pairs" for name in METRICS), "accuracy"}
    model = tmp_path / "killed" / "model.safetensors"
    finished = load_checkpoint(model).hash
    model.unlink()
    assert run(recipe, data, tmp_path / "killed") == finished, "a finished training makes its model again"


def test_checkpoint_after_all_stages(tmp_path: Path, data: Path) -> None:
    """The third stage builds on the first two: same classifier, other decoder, and its recipe in the provenance."""
    two = fusion_recipe(tmp_path, fusion__steps=0)
    three = fusion_recipe(tmp_path)
    run(two, data, tmp_path / "two")
    run(three, data, tmp_path / "three")
    before, after = (load_checkpoint(tmp_path / name / "model.safetensors") for name in ("two", "three"))
    assert before.training["metrics"]["fusion"] == {}
    assert after.training["recipe"]["fusion"]["steps"] == 6
    assert after.network.architecture.fused == (1, 2, 6)
    states = [checkpoint.network.state_dict() for checkpoint in (before, after)]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]) == name.startswith("classifier."), name
    assert {entry["stage"] for entry in log(tmp_path / "three")} == {"autoencoder", "classifier", "fusion", "done"}
