"""Training of a blending network on generated pictures: what learns, what stays, and kills that change nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from trainings import CPU, bits, kill_and_resume, log, make_blend, run

from camf_ros.errors import ParameterError
from camf_ros.evaluation.metrics import METRICS
from camf_ros.models import find_model
from camf_ros.network.blend import BlendNetwork, blend
from camf_ros.network.checkpoint import load_checkpoint
from camf_ros.network.classifier import class_activation_weights
from camf_ros.training import classifier_stage
from camf_ros.training import fusion_stage as fusion_module
from camf_ros.training.classifier_stage import blend_task, joint_stage
from camf_ros.training.config import BlendRecipe
from camf_ros.training.data import Sources, generator, load_sources, pair_crops
from camf_ros.training.fusion_losses import weighted_losses
from camf_ros.training.fusion_stage import fusion_stage, linear_weight
from camf_ros.training.loop import Stage, Trainer
from camf_ros.training.recipe_run import initialise, train

HELD = ["p2", "p5"]


def make_network(recipe: BlendRecipe) -> BlendNetwork:
    torch.manual_seed(1)
    network = BlendNetwork(recipe.architecture)
    initialise(network.encoder)
    initialise(network.heads.hidden)
    return network


def sources(data: Path) -> tuple[Sources, Sources]:
    """Pairs to train on, and two that are held out."""
    loaded = load_sources(data, ["pairs"], 112)
    return loaded.apart([path.stem in HELD for path in loaded.names])


def make_stage(network: BlendNetwork, recipe: BlendRecipe, data: Path) -> Stage:
    training, held = sources(data)
    return fusion_stage(network, recipe, [training], [held], linear=linear_weight(network, recipe), device=CPU)


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (classifier_stage, fusion_module):
        monkeypatch.setattr(module, "autocast", lambda _device: contextlib.nullcontext())


def test_fusion_learns(tmp_path: Path, data: Path) -> None:
    recipe = make_blend(tmp_path, fusion__steps=25, fusion__learning_rate=0.03)
    network = make_network(recipe)
    stage = make_stage(network, recipe, data)

    def loss() -> float:
        """On crops that are not among those of the training."""
        with torch.no_grad():
            return sum(float(stage.loss(step)) for step in range(1000, 1004)) / 4

    before, start = loss(), bits(network)
    Trainer(tmp_path / "run", recipe.to_dict(), quiet=True).run(stage)
    assert loss() < before - 0.3
    after = bits(network)
    assert all(after[name] == start[name] for name in start if name.startswith("classifier."))
    for part in ("encoder.", "heads."):
        assert any(after[name] != start[name] for name in start if name.startswith(part))


def test_encoder_and_classifier_learn_together(tmp_path: Path, data: Path) -> None:
    plain = {"vary": 0, "blank": 0, "invert": 0.5, "noise": 0}
    recipe = make_blend(tmp_path, classifier__steps=60, **{f"crops__{name}": value for name, value in plain.items()})
    network = make_network(recipe)
    training, held = sources(data)
    start = bits(network)
    task = blend_task(network, recipe, [training], [held], CPU)
    figures = Trainer(tmp_path / "run", recipe.to_dict(), quiet=True).run(joint_stage(task, recipe))
    assert figures["accuracy"] >= 0.9
    after = bits(network)
    assert all(after[name] == start[name] for name in start if name.startswith("heads."))
    for part in ("encoder.", "classifier."):
        assert any(after[name] != start[name] for name in start if name.startswith(part))


def test_classifier_is_shown_infrared_first_in_both_polarities(tmp_path: Path, data: Path) -> None:
    recipe = make_blend(tmp_path, crops__invert=1.0, crops__noise=0, crops__vary=0, crops__blank=0)
    training, _ = sources(data)
    task = blend_task(make_network(recipe), recipe, [training], [], CPU)
    crops = task.training(3, generator(3, "x", 0))
    clean = pair_crops([training], 6, recipe.crops, generator(3, "x", 0)).clean
    assert torch.equal(crops, torch.cat((clean[0, :3], clean[1, 3:])))
    # The blobs before a dark background have become holes in a bright one.
    assert float(crops[:3].median()) > 150
    assert task.accuracy() == {}, "nothing is held out"


@pytest.mark.usefixtures("float32")
def test_loss_of_a_step(tmp_path: Path, data: Path) -> None:
    """The network sees the noise, the losses compare with the clean pictures; a quarter of the pairs is judged."""
    recipe = make_blend(tmp_path, fusion__batch=8, fusion__classifier_weight=0.3, crops__noise=1.0)
    network = make_network(recipe)
    torch.nn.init.normal_(network.classifier.linear.weight)
    clean, seen = pair_crops([sources(data)[0]], 8, recipe.crops, generator(3, "fusion", 5))
    assert not torch.equal(clean, seen)
    weights = network.class_activation_weights()
    with torch.no_grad():
        infrared, visible = network.encoder(seen[0]), network.encoder(seen[1])
        parts = blend(seen[0], seen[1], network.amounts(infrared, visible, weights))
        compared = weighted_losses(clean[0], clean[1], parts[0] + parts[1], recipe.fusion)
        judged = [torch.cat((x[:2], y[:2])) for x, y in zip(infrared, visible, strict=True)]
        wrong = -network.classifier(judged).log_softmax(1)[range(4), [0, 0, 1, 1]].mean()
    loss = make_stage(network, recipe, data).loss(5)
    assert float(loss.detach()) == pytest.approx(float(compared + 0.3 * wrong), rel=1e-4)
    loss.backward()
    assert all(parameter.grad is not None for parameter in network.encoder.parameters())
    assert all(parameter.grad is None for parameter in network.classifier.parameters())


def test_classifier_without_weight_is_not_asked(tmp_path: Path, data: Path) -> None:
    for weight in (0.1, 0):
        recipe = make_blend(tmp_path, fusion__classifier_weight=weight)
        network = make_network(recipe)
        calls: list[int] = []
        network.classifier.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        make_stage(network, recipe, data).loss(0)
        assert bool(calls) == bool(weight)


def distinct(network: BlendNetwork) -> Tensor:
    """Makes all weights of the classifier's linear layer different."""
    weight = network.classifier.linear.weight
    with torch.no_grad():
        weight.copy_(torch.linspace(-2, 2, weight.numel()).reshape(weight.shape))
    return weight.detach().clone()


def test_weights_as_read(tmp_path: Path) -> None:
    network = make_network(recipe := make_blend(tmp_path))
    before = distinct(network)
    assert torch.equal(linear_weight(network, recipe), before)
    assert torch.equal(network.classifier.linear.weight, before)


def test_equal_weights(tmp_path: Path) -> None:
    network = make_network(recipe := make_blend(tmp_path, fusion__weights="equal"))
    before = distinct(network)
    assert torch.equal(class_activation_weights(linear_weight(network, recipe)), torch.ones(2, 18))
    assert torch.equal(network.classifier.linear.weight, before), "the classifier goes on judging"


def test_shuffled_weights(tmp_path: Path) -> None:
    """Each row within each scale, by the seed."""
    network = make_network(recipe := make_blend(tmp_path, fusion__weights="shuffled"))
    before = distinct(network)
    got = linear_weight(network, recipe)
    assert not torch.equal(got, before)
    for one, other in zip(before.split((3, 4, 5, 6), dim=1), got.split((3, 4, 5, 6), dim=1), strict=True):
        assert torch.equal(one, other.sort(dim=1).values)
    assert torch.equal(linear_weight(network, recipe), got)
    others = [linear_weight(network, make_blend(tmp_path, fusion__weights="shuffled", seed=s)) for s in range(4, 8)]
    assert any(not torch.equal(other, got) for other in others)
    orders = [(row[:, None] == old).float().argmax(1) for row, old in zip(got, before, strict=True)]
    assert not torch.equal(*orders), "the rows are shuffled each for itself"


@pytest.mark.parametrize("weights", ["read", "equal", "shuffled"])
def test_model_has_the_weights_that_it_was_trained_with(
    tmp_path: Path, data: Path, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[Tensor] = []
    amounts = BlendNetwork.amounts

    def spy(self: BlendNetwork, infrared: Any, visible: Any, given: Tensor) -> Any:
        used.append(given.detach().clone())
        return amounts(self, infrared, visible, given)

    monkeypatch.setattr(BlendNetwork, "amounts", spy)
    run(make_blend(tmp_path, fusion__weights=weights), data, tmp_path / "run")
    monkeypatch.undo()
    network = load_checkpoint(tmp_path / "run" / "model.safetensors").network
    assert used
    for given in used:
        torch.testing.assert_close(network.class_activation_weights(), given)


def test_figures_of_each_folder(tmp_path: Path, data: Path) -> None:
    recipe = make_blend(tmp_path, pairs=["pairs", "more"])
    network = make_network(recipe)
    training, held = sources(data)
    linear = linear_weight(network, recipe)
    stage = fusion_stage(network, recipe, [training] * 2, [held] * 2, linear=linear, device=CPU)
    assert stage.validate is not None
    figures = stage.validate()
    assert set(figures) == {f"{name} {folder}" for name in METRICS for folder in ("pairs", "more")}
    assert all(figures[f"{name} pairs"] == figures[f"{name} more"] for name in METRICS), "the folders are copies"
    assert figures["EN pairs"] > 0


def test_figures_are_of_held_out_pairs_as_the_model_fuses_them(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_blend(tmp_path)
    network = make_network(recipe)
    stage = make_stage(network, recipe, data)
    scored: list[bytes] = []

    def score(infrared: Any, visible: Any, fused: Any) -> dict[str, float]:
        assert fused.shape == infrared.shape == visible.shape == (112, 140)
        margin = ((0, 0), (0, 4))
        x, y = (torch.from_numpy(np.pad(i, margin, mode="edge")).float()[None, None] for i in (infrared, visible))
        with torch.no_grad():
            output = network(x, y, network.class_activation_weights())
        own = (output.infrared_part + output.visible_part)[0, 0, :, :140].clamp(0, 255)
        assert float((own - torch.from_numpy(fused)).abs().max()) <= 0.51
        scored.append(infrared.tobytes())
        return dict.fromkeys(METRICS, float(len(scored)))

    monkeypatch.setattr(fusion_module, "score", score)
    assert stage.validate is not None
    assert stage.validate()["VIF pairs"] == 1.5, "the mean over the pairs"
    assert scored == [image.tobytes() for image in sources(data)[1].infrared]


def test_not_all_pairs_of_a_large_folder_are_scored(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_blend(tmp_path)
    network = make_network(recipe)
    count = 100
    training, _ = sources(data)
    marked = [np.full((112, 112), number, np.uint8) for number in range(count)]
    many = Sources(marked, marked, [Path(f"{number}.png") for number in range(count)])
    seen: list[int] = []

    def score(infrared: Any, _visible: Any, _fused: Any) -> dict[str, float]:
        seen.append(int(infrared[0, 0]))
        return dict.fromkeys(METRICS, 0.0)

    monkeypatch.setattr(fusion_module, "score", score)
    linear = linear_weight(network, recipe)
    stage = fusion_stage(network, recipe, [training], [many], linear=linear, device=CPU)
    assert stage.validate is not None
    stage.validate()
    assert len(seen) == 24
    assert set(np.diff(seen)) == {4, 5}, "spread over all of them"


@pytest.mark.parametrize("held_out", [[], HELD])
def test_held_out_pairs_are_never_trained_on(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, held_out: list[str]
) -> None:
    """In neither stage, whether a name or its hash holds them out."""
    seen: dict[str, set[str]] = {"step": set(), "held": set()}

    def spy(folders: list[Sources], count: int, *more: Any) -> Any:
        # The accuracy draws 64 pairs at a time; steps are smaller.
        names = seen["held" if count == 64 else "step"]
        names.update(path.stem for folder in folders for path in folder.names)
        return pair_crops(folders, count, *more)

    for module in (classifier_stage, fusion_module):
        monkeypatch.setattr(module, "pair_crops", spy)
    run(make_blend(tmp_path, held_out=held_out, validation=0.3), data, tmp_path / "run")
    assert seen["held"] >= set(held_out)
    assert seen["held"]
    assert not seen["held"] & seen["step"]
    assert len(seen["held"] | seen["step"]) == 8


def test_nothing_held_out(tmp_path: Path, data: Path) -> None:
    run(make_blend(tmp_path, validation=0), data, tmp_path / "run")
    metrics = load_checkpoint(tmp_path / "run" / "model.safetensors").training["metrics"]
    assert set(metrics["classifier"]) == set(metrics["fusion"]) == {"seconds"}


def test_killed_training_ends_bit_equal(
    tmp_path: Path, data: Path, state_after_every_step: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In either stage, before its first step, in the validation, and between the last step and the checkpoint.
    places = [
        (classifier_stage, "pair_crops", 2),
        (fusion_module, "pair_crops", 0),
        (fusion_module, "weighted_losses", 2),
        (fusion_module, "score", 1),
    ]
    recipe = make_blend(tmp_path)
    one = kill_and_resume(recipe, data, tmp_path, monkeypatch, places)
    assert set(one["fusion"]) == {*(f"{name} pairs" for name in METRICS), "accuracy"}
    model = tmp_path / "killed" / "model.safetensors"
    finished = load_checkpoint(model).hash
    model.unlink()
    assert run(recipe, data, tmp_path / "killed") == finished, "a finished training makes its model again"


def test_training_ends_with_a_model_that_engines_take(tmp_path: Path, data: Path) -> None:
    digest = run(make_blend(tmp_path), data, tmp_path / "run")
    model = find_model(str(tmp_path / "run" / "model.safetensors"))
    fuses, inspects = model.read_graph(), model.read_inspection()
    assert fuses.info.hash == inspects.info.hash == digest
    assert fuses.info.training["recipe"]["fusion"]["steps"] == 6
    assert {entry["stage"] for entry in log(tmp_path / "run")} == {"classifier", "fusion", "done"}


def test_output_of_another_ending(tmp_path: Path, data: Path) -> None:
    with pytest.raises(ParameterError, match=r"model\.pt; expected a name that ends in \.safetensors"):
        train(
            make_blend(tmp_path),
            data=data,
            run=tmp_path / "run",
            output=tmp_path / "model.pt",
            device=CPU,
            command=[],
            quiet=True,
        )
    assert not (tmp_path / "run").exists()
