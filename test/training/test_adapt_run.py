"""An adaptation of a small model to a made-up rig: what is written, what is refused, and what a kill changes."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rigs import folder_of
from small_model import make_small_paper

from camf_ros.engines.choose import open_inspector
from camf_ros.errors import DataError, ParameterError
from camf_ros.evaluation.metrics import METRICS
from camf_ros.models import find_model
from camf_ros.network.blend import BlendNetwork
from camf_ros.network.checkpoint import Checkpoint
from camf_ros.source_check.source_model import Calibration, SourceModel, read_source_model, source_model
from camf_ros.training import adapt_choice, adapt_run, loop
from camf_ros.training.adapt_card import adaptation_card, strip_of
from camf_ros.training.adapt_choice import Best, look
from camf_ros.training.adapt_frames import Frame, Gathering
from camf_ros.training.adapt_run import NoGainError, adapt
from camf_ros.training.adapt_sources import Found, crop_side, source_model_of, tried
from camf_ros.training.adapt_stage import AdaptationRecipe, Rig, RigPair, adaptation_stage, detailed_pairs, rig_crops
from camf_ros.training.config import BlendRecipe, load_recipe
from camf_ros.training.data import Sources

RECIPE = AdaptationRecipe(steps=12, batch=2, learning_rate=0.02, pull=0.0, validate_every=4, judged=2, source_steps=20)


@pytest.fixture(scope="module")
def gathered() -> Gathering:
    return folder_of(24, sigma=5.0)


@pytest.fixture
def start(small_network: BlendNetwork) -> Checkpoint:
    return Checkpoint(small_network, "small", "0" * 64)


@pytest.fixture(scope="module")
def scene() -> Sources:
    pairs = [(frame.thermal, frame.rgb) for frame in folder_of(3).kept]
    return Sources([pair[0] for pair in pairs], [pair[1] for pair in pairs], [Path(f"s{row}") for row in range(3)])


def run(start: Checkpoint, gathered: Gathering, folder: Path, recipe: AdaptationRecipe = RECIPE, **options: Any) -> Any:
    return adapt(
        start,
        gathered,
        options.get("align", lambda thermal, rgb, _rig: (thermal, rgb)),
        options.get("scene"),
        recipe,
        usual_check=read_source_model("none of these"),
        run=folder / "run",
        output=folder / "rig.safetensors",
        command=["camf", "adapt"],
        quiet=True,
    )


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a network that knew nothing nothing can be lost."""
    monkeypatch.setattr(adapt_choice, "_loss", lambda *_: "")


@pytest.mark.usefixtures("lenient")
def test_what_is_written_is_better_says_what_it_is_and_calibrates_the_source_check(
    start: Checkpoint, gathered: Gathering, scene: Sources, tmp_path: Path
):
    adapted = run(start, gathered, tmp_path, scene=scene)
    found = find_model(str(tmp_path / "rig.safetensors"))
    facts = found.read_graph().info.training
    assert found.read_inspection().info.hash == adapted.checkpoint.hash != start.hash
    assert facts["start"] == {"name": "small", "hash": start.hash}
    assert facts["pairs"]["recorded"] == 24 == facts["pairs"]["trained"] + facts["pairs"]["validated"]
    assert facts["faults"]["thermal"]["noise"] == pytest.approx(5, rel=0.2)
    assert facts["faults"]["rgb"]["noise"] == 0
    assert facts["after"]["VIF + Qabf"] > facts["before"]["VIF + Qabf"]
    assert facts["gain"]["mean"] == pytest.approx(facts["after"]["VIF + Qabf"] - facts["before"]["VIF + Qabf"])
    assert facts["gain"]["mean"] > 2 * facts["gain"]["standard error"]
    assert set(facts["after"]["metrics"]) == set(METRICS)
    assert facts["after"]["scene"] > 0
    card = adaptation_card(adapted.checkpoint, "rig.png")
    assert adapted.checkpoint.hash in card
    assert f"| before | {facts['before']['metrics']['EN']:.2f} |" in card
    assert f"rose by {facts['gain']['mean']:.3f}" in card
    assert all(len(row) == 4 for row in adapted.strip)
    assert strip_of(adapted.strip).shape == (28 + len(adapted.strip) * 406, 4 * 406)

    assert "VIF + Qabf on the cleaned images with fine detail (" in card

    # The source check takes the calibration from the model.
    assert facts["source_check"]["pairs"] == 24
    inspector = open_inspector(find_model(str(tmp_path / "rig.onnx")))
    model = source_model(inspector, inspector.info)
    assert model.calibrated
    assert model.calibration == Calibration.read(facts["source_check"])
    assert (model.weakness == "") == (facts["metrics"]["classifier"]["accuracy"] >= 0.7)


@pytest.mark.usefixtures("lenient")
def test_a_source_check_that_is_wrong_more_often_is_not_offered(
    start: Checkpoint, gathered: Gathering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    verdicts = iter((Found(np.ones(5), np.zeros(5)), Found(np.ones(5), np.array((1.0, 0, 0, 0, 0)))))
    monkeypatch.setattr(adapt_run, "tried", lambda *_: next(verdicts))
    adapted = run(start, gathered, tmp_path)
    assert adapted.checkpoint.training["source_check"] == {}
    card = adaptation_card(adapted.checkpoint, "rig.png")
    assert "source_check:" not in card
    assert "Keep the default of `source_check.model`" in card


@pytest.mark.usefixtures("lenient")
def test_a_kill_changes_nothing(
    start: Checkpoint, gathered: Gathering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loop, "_SAVE_EVERY", -1.0)
    recipe = replace(RECIPE, steps=8, batch=1)
    unbroken = run(start, gathered, tmp_path / "unbroken", recipe)
    steps = iter(range(6))

    def killing(*arguments: Any) -> Any:
        if next(steps, None) is None:
            raise KeyboardInterrupt
        return rig_crops(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("camf_ros.training.adapt_stage.rig_crops", killing)
        with pytest.raises(KeyboardInterrupt):
            run(start, gathered, tmp_path / "killed", recipe)
    with pytest.raises(ParameterError, match="another recipe"):
        run(start, gathered, tmp_path / "killed")
    assert run(start, gathered, tmp_path / "killed", recipe).checkpoint.hash == unbroken.checkpoint.hash


def test_without_a_gain_nothing_is_written_and_the_reason_is_said(
    start: Checkpoint, gathered: Gathering, tmp_path: Path
):
    with pytest.raises(NoGainError, match=r"VIF \+ Qabf .* standard error .* Nothing was written"):
        run(start, gathered, tmp_path, replace(RECIPE, learning_rate=1e-12, source_rate=1e-12))
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_if_only_the_source_check_is_better_the_pictures_stay_as_they_are(
    start: Checkpoint, gathered: Gathering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def told(model: SourceModel, frames: list[Frame]) -> Found:
        return Found(np.full(len(frames), float(model.calibrated)), np.zeros(len(frames)))

    monkeypatch.setattr(adapt_run, "tried", told)
    monkeypatch.setattr(adapt_run, "LEAST_ACCURACY", 0.0)
    recipe = replace(RECIPE, steps=4, learning_rate=1e-12)
    network = run(start, gathered, tmp_path, recipe).checkpoint.network
    facts = find_model(str(tmp_path / "rig.onnx")).info().training
    assert not facts["gain"]["pictures"]
    assert facts["before"] == facts["after"]
    assert (facts["sources"]["adapted"]["swapped"], facts["sources"]["usual"]["swapped"]) == (1, 0)
    assert "The pictures are those of the model" in adaptation_card(Checkpoint(network, "rig", "0", facts), "rig.png")
    for name, value in start.network.state_dict().items():
        if not name.startswith("classifier."):
            assert torch.equal(value, network.state_dict()[name])
    assert torch.equal(start.network.class_activation_weights(), network.class_activation_weights())


@pytest.mark.parametrize("name", ["scene", "detailed"])
def test_a_better_network_that_forgets_what_the_model_could_do_is_not_taken(
    start: Checkpoint, gathered: Gathering, scene: Sources, tmp_path: Path, name: str
):
    what = adapt_choice._KEPT[name][0]
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(adapt_choice._KEPT, name, (what, -9.0))
        with pytest.raises(NoGainError, match=f"on {what} would be"):
            run(start, gathered, tmp_path, replace(RECIPE, source_rate=1e-12), scene=scene)


def test_cameras_that_are_not_registered(start: Checkpoint, gathered: Gathering, tmp_path: Path):
    with pytest.raises(DataError, match=r"are not registered.*camf calibrate"):
        run(start, gathered, tmp_path, align=lambda thermal, rgb, _rig: (np.roll(thermal, 40, axis=1), rgb))
    assert not (tmp_path / "rig.safetensors").exists()


def test_a_model_of_the_papers_kind_is_refused(gathered: Gathering, tmp_path: Path):
    with pytest.raises(ParameterError, match="is no blending network"):
        run(Checkpoint(make_small_paper(), "paper", "0"), gathered, tmp_path)


def small_rig() -> Rig:
    pairs = [RigPair(f.name, f.thermal, f.rgb, f.thermal, f.rgb) for f in folder_of(4).kept]
    return Rig(pairs[1:], pairs[:1], ([p.infrared for p in pairs], [p.visible for p in pairs]), None)


def test_it_ends_when_no_network_was_better_for_long_enough(small_network: BlendNetwork, tmp_path: Path):
    small_network.requires_grad_(True)
    rig = small_rig()
    best = Best(small_network, rig, look(small_network, rig))
    best.gain.fill_(math.inf)
    recipe = replace(RECIPE, steps=50, validate_every=1, patience=3)
    stage = adaptation_stage(small_network, rig, recipe, best.validate)
    loop.Trainer(tmp_path, {}, quiet=True).run(replace(stage, enough=lambda: best.tired(3)))
    assert int(best.rounds) == 3


@pytest.mark.parametrize("name", ["camf", "camf-lite"])
@pytest.mark.parametrize("side", [104, 120, 128])
def test_the_shipped_architectures_take_crops_of_every_side(name: str, side: int):
    """Also of sides that do not halve evenly for all of their scales."""
    recipe = load_recipe(Path(__file__).parents[2] / "config" / "training" / f"{name}.yaml")
    assert isinstance(recipe, BlendRecipe)
    network, rig = BlendNetwork(recipe.architecture), small_rig()
    eyes = tuple([picture[:side, :side] for picture in pictures] for pictures in rig.eyes)
    assert crop_side(network, *eyes) == side
    loss = adaptation_stage(network, rig._replace(eyes=eyes), RECIPE, dict).loss(0)
    assert math.isfinite(float(loss.detach()))
    frames = [Frame("", *pair, None) for pair in zip(*eyes, strict=True)]
    assert len(tried(source_model_of(network, frames, frames), frames).found) == len(frames)


def test_the_pull_holds_the_weights_near_the_start(small_network: BlendNetwork):
    start = {name: value.clone() for name, value in small_network.named_parameters()}
    moved = []
    for pull in (0.0, 100.0):
        small_network.load_state_dict(start, strict=True)
        small_network.requires_grad_(True)
        stage = adaptation_stage(small_network, small_rig(), replace(RECIPE, pull=pull), dict)
        for step in range(6):
            stage.optimizer.zero_grad()
            stage.loss(step).backward()
            stage.optimizer.step()
        with torch.no_grad():
            moved.append(sum(float(((v - start[n]) ** 2).sum()) for n, v in small_network.named_parameters()))
    assert moved[1] < 0.5 * moved[0]


def test_crops_show_the_rig_and_aim_at_the_pictures_without_faults():
    pair = RigPair("", *(np.full((100, 150), level, np.uint8) for level in (10, 20, 30, 40)))
    recipe = replace(RECIPE, cleaned=0.5, invert=0.5)
    found = set()
    for seed in range(40):
        clean, seen = rig_crops([pair], 112, recipe, np.random.default_rng(seed))
        assert clean.shape == seen.shape == (2, 1, 1, 112, 112)
        found.add(tuple(round(float(x.mean())) for x in (*seen, *clean)))
    assert found == {(10, 20, 30, 40), (30, 40, 30, 40), (245, 20, 225, 40), (225, 40, 225, 40)}


def test_a_camera_without_faults_has_the_fine_detail_of_another_picture():
    rng = np.random.default_rng(0)
    even, fine = np.full((100, 150), 100, np.uint8), rng.integers(80, 120, (100, 150)).astype(np.uint8)
    pairs = [RigPair("", even, visible, even, visible) for visible in (fine, 255 - fine)]
    for pair, found in zip(pairs, detailed_pairs(pairs), strict=True):
        assert found.infrared is found.infrared_aim
        assert found.visible is found.visible_aim is pair.visible
        other = (255 - pair.visible[:, ::-1]).astype(np.float32)
        assert np.corrcoef(found.infrared.ravel(), other.ravel())[0, 1] > 0.95
        assert found.infrared.std() == pytest.approx(0.6 * other.std(), rel=0.1)
    # In training now and then, and never more than 0.8 of the detail.
    recipe, spread = replace(RECIPE, cleaned=0.5, invert=0.0), []
    for seed in range(40):
        clean, seen = rig_crops(pairs, 64, recipe, np.random.default_rng(seed))
        spread.append(float(seen[0].std()))
        assert clean[0].std() == spread[-1]
    assert 10 < sum(one > 0 for one in spread) < 30
    assert max(spread) < 0.8 * fine.std() * 1.1


@pytest.mark.parametrize(
    ("gains", "chosen"),
    [({1.5: 0.1, 1.4: 0.3, 1.3: 0.2, 1.2: 0.9}, 1.4), ({0.6: 0.1, 0.5: 0.05}, 0.6), ({}, 1.0)],
)
def test_the_best_share_is_taken_from_the_longest_on(
    small_network: BlendNetwork, monkeypatch: pytest.MonkeyPatch, gains: dict[float, float], chosen: float
):
    rig = small_rig()
    before = look(small_network, rig)
    best = Best(small_network, rig, before)
    shares = iter(adapt_choice._SHARES)
    at = [0.0]

    def others(*_: Any) -> dict[str, float]:
        at[0] = next(shares)
        return before.other if at[0] in gains else dict.fromkeys(before.other, 0.0)

    monkeypatch.setattr(adapt_choice, "other_goals", others)
    monkeypatch.setattr(adapt_choice, "look", lambda *_: before._replace(goal=before.goal + gains[at[0]]))
    told = best.validate()
    assert told.get("share", 1.0) == pytest.approx(chosen)
    assert float(best.share) == pytest.approx(chosen)
    assert float(best.gain) == pytest.approx(gains.get(chosen, 0.0))
    assert bool(best.refused) == (not gains)
