"""What the tests of the stages share: small trainings, their results as bits, and ways to be killed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from small_training import BLEND, write_recipe

from camf_ros.network.checkpoint import load_checkpoint
from camf_ros.training.config import BlendRecipe, PaperRecipe, Recipe, load_recipe
from camf_ros.training.recipe_run import train

CPU = torch.device("cpu")
#: Wide enough that some channels are alive whatever the first weights are.
WIDER = {"kind": "paper", "encoder": [4, 6, 8, 8, 8, 8], "decoder": [8, 8, 6, 4, 4]}


class Killed(BaseException):
    """Not an Exception: like a kill, nothing in the program may catch it."""


def make_recipe(folder: Path, **changes: Any) -> PaperRecipe:
    """The small recipe with entries changed; two underlines stand for the dot in their names."""
    recipe = load_recipe(write_recipe(folder / "small.yaml", _dotted(changes)))
    assert isinstance(recipe, PaperRecipe)
    return recipe


def make_blend(folder: Path, **changes: Any) -> BlendRecipe:
    """That of a blending network likewise."""
    recipe = load_recipe(write_recipe(folder / "blend.yaml", _dotted(changes), BLEND))
    assert isinstance(recipe, BlendRecipe)
    return recipe


def _dotted(changes: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("__", "."): value for name, value in changes.items()}


def bits(module: torch.nn.Module) -> dict[str, bytes]:
    return {name: value.contiguous().numpy().tobytes() for name, value in module.state_dict().items()}


def run(recipe: Recipe, data: Path, folder: Path, **more: Any) -> str:
    """The whole training; returns the hash of the weights."""
    output = folder / "model.safetensors"
    return train(
        recipe, data=data, run=folder, output=output, device=CPU, command=["camf", "train"], quiet=True, **more
    )


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def killed_after(calls: int, original: Callable[..., Any]) -> Callable[..., Any]:
    """A function that works so many times and then brings the process down."""
    left = [calls]

    def function(*arguments: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return original(*arguments, **named)

    return function


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_times(entry) for name, entry in value.items() if name != "seconds"}
    return value


def kill_and_resume(
    recipe: Recipe,
    data: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    places: Sequence[tuple[ModuleType, str, int]],
) -> dict[str, Any]:
    """Train once unbroken and once killed at each place; both must end in the same bits and metrics, returned."""
    expected = run(recipe, data, folder / "unbroken")
    for module, function, calls in places:
        with monkeypatch.context() as patch:
            patch.setattr(module, function, killed_after(calls, getattr(module, function)))
            with pytest.raises(Killed):
                run(recipe, data, folder / "killed")
        assert not (folder / "killed" / "model.safetensors").exists()
    assert run(recipe, data, folder / "killed") == expected
    results = [load_checkpoint(folder / name / "model.safetensors") for name in ("unbroken", "killed")]
    one, two = (without_times(result.training["metrics"]) for result in results)
    assert one == two
    return one
