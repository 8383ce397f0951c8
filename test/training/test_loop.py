"""The loop: one result however often it is killed, states that are its own, and losses that explode are told."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from small_model import Bomb
from small_training import BLEND, write_data, write_recipe
from torch import Tensor, nn
from trainings import Killed, bits, log, without_times

from camf_ros.errors import DataError, ParameterError
from camf_ros.training import loop
from camf_ros.training.config import load_recipe
from camf_ros.training.loop import Stage, Trainer, warm_cosine
from camf_ros.training.recipe_run import check_data, train

RECIPE = {"name": "x", "steps": 7}


def make_stage(
    steps: int = 7, before: Callable[[int], None] | None = None, validate_every: int = 3, name: str = "stage"
) -> Stage:
    """A regression with a changing batch, momentum and a schedule: everything that a state must hold matters."""
    torch.manual_seed(5)
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))

    def loss(step: int) -> Tensor:
        if before:
            before(step)
        x = torch.rand(8, 3, generator=torch.Generator().manual_seed(step))
        output: Tensor = module(x)
        return ((output - x.sum(1, keepdim=True)) ** 2).mean()

    return Stage(
        name=name,
        module=module,
        optimizer=torch.optim.Adam(module.parameters(), lr=0.05),
        steps=steps,
        loss=loss,
        schedule=warm_cosine(steps, 0.1, warm_up=2),
        validate=lambda: {"sum": float(sum(value.double().sum() for value in module.state_dict().values()))},
        validate_every=validate_every,
    )


def kill_at(last: int) -> Callable[[int], None]:
    def before(step: int) -> None:
        if step == last:
            raise Killed

    return before


@pytest.fixture
def unbroken(tmp_path: Path) -> tuple[dict[str, bytes], dict[str, float]]:
    """Weights and figures of a run that nobody disturbed."""
    stage = make_stage()
    start = bits(stage.module)
    result = Trainer(tmp_path / "unbroken", RECIPE, quiet=True).run(stage)
    assert bits(stage.module) != start
    assert result["seconds"] > 0
    return bits(stage.module), without_times(result)


@pytest.mark.parametrize("kills", [[3], [1], [6], [2, 5], [1, 2, 3, 4, 5, 6]])
def test_resumed_run_ends_bit_equal(
    tmp_path: Path, state_after_every_step: None, unbroken: tuple[dict[str, bytes], dict[str, float]], kills: list[int]
) -> None:
    for last in kills:
        with pytest.raises(Killed):
            Trainer(tmp_path / "run", RECIPE, quiet=True).run(make_stage(before=kill_at(last)))
    steps: list[int] = []
    stage = make_stage(before=steps.append)
    result = Trainer(tmp_path / "run", RECIPE, quiet=True).run(stage)
    assert steps == list(range(kills[-1], 7)), "finished steps are not done again"
    assert (bits(stage.module), without_times(result)) == unbroken


def test_kill_before_the_first_state_starts_anew(
    tmp_path: Path, unbroken: tuple[dict[str, bytes], dict[str, float]]
) -> None:
    with pytest.raises(Killed):
        Trainer(tmp_path / "run", RECIPE, quiet=True).run(make_stage(before=kill_at(4)))
    stage = make_stage()
    result = Trainer(tmp_path / "run", RECIPE, quiet=True).run(stage)
    assert (bits(stage.module), without_times(result)) == unbroken


def test_kill_while_a_state_is_written_leaves_the_last_one(
    tmp_path: Path,
    state_after_every_step: None,
    unbroken: tuple[dict[str, bytes], dict[str, float]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def half(state: dict[str, Any], path: Path) -> None:
        if state["step"] == 4:
            path.write_bytes(b"half a st")
            raise Killed
        write(state, path)

    write = torch.save
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", half)
        with pytest.raises(Killed):
            Trainer(tmp_path / "run", RECIPE, quiet=True).run(make_stage())
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["log.jsonl", "recipe.json", "stage.pt"]
    steps: list[int] = []
    stage = make_stage(before=steps.append)
    Trainer(tmp_path / "run", RECIPE, quiet=True).run(stage)
    assert steps[0] == 3
    assert bits(stage.module) == unbroken[0]


def test_finished_stage_is_not_trained_again(
    tmp_path: Path, unbroken: tuple[dict[str, bytes], dict[str, float]]
) -> None:
    steps: list[int] = []
    stage = make_stage(before=steps.append)
    result = Trainer(tmp_path / "unbroken", RECIPE, quiet=True).run(stage)
    assert steps == []
    assert (bits(stage.module), without_times(result)) == unbroken


def test_time_counts_all_runs(tmp_path: Path, state_after_every_step: None, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: clock[0])

    def tick(step: int) -> None:
        clock[0] += 10

    def tick_and_die(step: int) -> None:
        tick(step)
        kill_at(3)(step)

    with pytest.raises(Killed):
        Trainer(tmp_path, RECIPE, quiet=True).run(make_stage(before=tick_and_die))
    clock[0] = 5.0
    assert Trainer(tmp_path, RECIPE, quiet=True).run(make_stage(before=tick))["seconds"] == 70


def test_states_are_written_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the set time and at the end, not after every step."""
    clock, saved = [0.0], []
    monkeypatch.setattr(loop.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(loop, "_SAVE_EVERY", 25.0)
    write = torch.save
    monkeypatch.setattr(torch, "save", lambda state, path: (saved.append(state["step"]), write(state, path)))

    def tick(step: int) -> None:
        clock[0] += 10

    Trainer(tmp_path, RECIPE, quiet=True).run(make_stage(before=tick))
    assert saved == [3, 6, 7]


def test_stages_have_states_of_their_own(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, RECIPE, quiet=True)
    for name in ("one", "two"):
        steps: list[int] = []
        trainer.run(make_stage(name=name, before=steps.append))
        assert len(steps) == 7


def test_validation_and_log(tmp_path: Path) -> None:
    result = Trainer(tmp_path, RECIPE, quiet=True).run(make_stage(steps=41, validate_every=15))
    validated = [entry for entry in log(tmp_path) if "sum" in entry]
    assert [entry["step"] for entry in validated] == [15, 30, 41]
    assert validated[-1]["sum"] == result["sum"]
    losses = [entry for entry in log(tmp_path) if "loss" in entry]
    assert [entry["step"] for entry in losses] == [20, 40]
    assert all(entry["stage"] == "stage" and entry["rate"] > 0 and entry["time"] > 0 for entry in losses)


def test_progress_bar(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Trainer(tmp_path / "a", RECIPE, quiet=True).run(make_stage())
    assert "stage" not in capfd.readouterr().err
    Trainer(tmp_path / "b", RECIPE).run(make_stage())
    assert "7/7" in capfd.readouterr().err


def test_folder_of_another_recipe(tmp_path: Path) -> None:
    Trainer(tmp_path, RECIPE, quiet=True).run(make_stage())
    before = (tmp_path / "stage.pt").read_bytes()
    with pytest.raises(ParameterError, match=r"holds a run of another recipe.*--run") as caught:
        Trainer(tmp_path, {**RECIPE, "steps": 8})
    assert str(tmp_path) in str(caught.value)
    Trainer(tmp_path, dict(reversed(RECIPE.items())))
    assert (tmp_path / "stage.pt").read_bytes() == before


def test_folder_of_other_data(tmp_path: Path) -> None:
    Trainer(tmp_path, RECIPE, data="a" * 64, quiet=True).run(make_stage())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    Trainer(tmp_path, RECIPE, data="a" * 64)
    with pytest.raises(ParameterError, match=r"began with other data.*data\.sha256.*--run.*delete") as caught:
        Trainer(tmp_path, RECIPE, data="b" * 64)
    assert str(tmp_path) in str(caught.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_folder_from_before_data_were_noted(tmp_path: Path) -> None:
    """It is taken as it is, and notes them from then on."""
    Trainer(tmp_path, RECIPE, quiet=True).run(make_stage())
    steps: list[int] = []
    Trainer(tmp_path, RECIPE, data="a" * 64, quiet=True).run(make_stage(before=steps.append))
    assert steps == []
    with pytest.raises(ParameterError, match="other data"):
        Trainer(tmp_path, RECIPE, data="b" * 64)


def test_run_goes_on_with_the_data_it_began_with(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    recipe = load_recipe(write_recipe(tmp_path / "small.yaml", base=BLEND))

    def go() -> str:
        run, device = tmp_path / "run", torch.device("cpu")
        return train(recipe, data=data, run=run, output=run / "m.safetensors", device=device, command=[], quiet=True)

    digest = go()
    assert go() == digest
    picture = data / "pairs" / "visible" / "p3.jpg"
    original = picture.read_bytes()
    picture.write_bytes((data / "pairs" / "visible" / "p4.jpg").read_bytes())
    with pytest.raises(ParameterError, match="other data"):
        go()
    picture.write_bytes(original)
    assert go() == digest


@pytest.mark.parametrize(("folder", "word"), [("nowhere", "nowhere"), ("pairs", "leaves none of 8")])
def test_pairs_of_a_blending_network_are_checked_first(tmp_path: Path, folder: str, word: str) -> None:
    data = write_data(tmp_path / "data")
    recipe = load_recipe(write_recipe(tmp_path / "small.yaml", {"pairs": [folder], "validation": 0.9999}, BLEND))
    with pytest.raises(DataError, match=word):
        check_data(recipe, data)


def test_pairs_of_two_sizes_are_named_first(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    picture = data / "pairs" / "visible" / "p3.jpg"
    height, width = cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE).shape
    cv2.imwrite(str(picture), np.full((height + 1, width), 90, np.uint8))
    paper = load_recipe(write_recipe(tmp_path / "small.yaml"))
    check_data(paper, data)  # which never fuses in training
    recipe = load_recipe(write_recipe(tmp_path / "small.yaml", base=BLEND))
    with pytest.raises(DataError, match=rf"p3.* has {width} x {height} pixels .*p3.* has {width} x {height + 1}"):
        check_data(recipe, data)


def test_folder_that_cannot_be_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("not a folder")
    with pytest.raises((ParameterError, DataError), match="file"):
        Trainer(path, RECIPE)


def damaged_states() -> dict[str, Callable[[Path], None]]:
    def cut(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-50])

    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        for position in range(0, len(data), 13):
            data[position] ^= 0x55
        path.write_bytes(data)

    def foreign(path: Path) -> None:
        torch.save({"module": torch.zeros(3)}, path)

    def number(path: Path) -> None:
        torch.save(3, path)

    def other_module(path: Path) -> None:
        state = torch.load(path, weights_only=True)
        state["module"] = nn.Linear(2, 2).state_dict()
        torch.save(state, path)

    def without_step(path: Path) -> None:
        state = torch.load(path, weights_only=True)
        del state["step"]
        torch.save(state, path)

    def figures_of_another_kind(path: Path) -> None:
        state = torch.load(path, weights_only=True)
        state["figures"] = 3
        torch.save(state, path)

    return {
        "empty": lambda path: path.write_bytes(b"") and None,
        "text": lambda path: path.write_text("state") and None,
        **{f.__name__: f for f in (cut, flip, foreign, number, other_module, without_step, figures_of_another_kind)},
    }


@pytest.mark.parametrize("damage", damaged_states().values(), ids=damaged_states())
def test_damaged_state(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    Trainer(tmp_path, RECIPE, quiet=True).run(make_stage())
    path = tmp_path / "stage.pt"
    damage(path)
    with pytest.raises(DataError, match="delete it to train this stage again") as caught:
        Trainer(tmp_path, RECIPE, quiet=True).run(make_stage())
    assert str(path) in str(caught.value)


def test_state_cannot_run_code(tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    Trainer(tmp_path, RECIPE, quiet=True)
    for write in (lambda bomb, path: path.write_bytes(pickle.dumps(bomb)), torch.save):
        write({"step": 1, "module": Bomb(trace)}, tmp_path / "stage.pt")
        trace.unlink(missing_ok=True)
        with pytest.raises(DataError, match=r"stage\.pt"):
            Trainer(tmp_path, RECIPE, quiet=True).run(make_stage())
        assert not trace.exists()


@pytest.mark.parametrize("steps", [3, 20, 25])
def test_loss_that_is_not_finite(tmp_path: Path, steps: int) -> None:
    """However short the stage is, weights that are no numbers never count as its result."""
    stage = make_stage(steps=steps)
    plain = stage.loss
    stage.loss = lambda step: plain(step) * (float("nan") if step >= 2 else 1)
    with pytest.raises(DataError, match=r"stage: the weights are not finite .*lower the learning rate"):
        Trainer(tmp_path, RECIPE, quiet=True).run(stage)


def test_state_with_weights_that_are_no_numbers_is_not_kept(tmp_path: Path, state_after_every_step: None) -> None:
    """Going on from it could never end well."""
    stage = make_stage(steps=30)
    plain = stage.loss
    stage.loss = lambda step: plain(step) * (float("nan") if step >= 5 else 1)
    with pytest.raises(DataError, match="not finite"):
        Trainer(tmp_path, RECIPE, quiet=True).run(stage)
    state = torch.load(tmp_path / "stage.pt", weights_only=True)
    assert all(bool(torch.isfinite(value).all()) for value in state["module"].values())


def test_schedule() -> None:
    factor = warm_cosine(300, 0.1, warm_up=100)
    values = [factor(step) for step in range(301)]
    assert values[0] == pytest.approx(0.01)
    assert values[49] == pytest.approx(0.5)
    assert values[99] == values[100] == 1
    assert values[200] == pytest.approx(0.55)
    assert values[300] == pytest.approx(0.1)
    assert values[:100] == sorted(values[:100])
    assert values[100:] == sorted(values[100:], reverse=True)
    assert [warm_cosine(50, 1.0)(step) for step in (0, 49)] == [0.01, 0.5]
    assert all(warm_cosine(500, 1.0)(step) == 1 for step in range(100, 501))
