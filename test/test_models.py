"""Finding a model by name or path."""

from __future__ import annotations

from pathlib import Path

import pytest

from camf_ros import models
from camf_ros.errors import CheckpointError
from camf_ros.models import find_model, shipped_models


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A share folder with two models."""
    (tmp_path / "models").mkdir()
    for name in ("night.safetensors", "day.safetensors", "day.md"):
        (tmp_path / "models" / name).touch()
    monkeypatch.setattr(models, "share_file", lambda name: tmp_path / name)
    return tmp_path / "models"


def test_by_name(shipped: Path) -> None:
    assert shipped_models() == ["day", "night"]
    assert find_model("day") == shipped / "day.safetensors"


def test_auto_is_the_model_with_the_best_pictures(shipped: Path) -> None:
    (shipped / "camf.safetensors").touch()
    assert find_model("auto") == shipped / "camf.safetensors"


@pytest.mark.parametrize("name", ["", "dusk", "Day", "day.md", "../models/day", "models/day", "day\n"])
def test_unknown_name(shipped: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match=r"is unknown; expected one of \['day', 'night'\]") as caught:
        find_model(name)
    assert repr(name) in str(caught.value)


def test_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "my.safetensors"
    path.touch()
    assert find_model(str(path)) == path
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_model("~/my.safetensors") == path
    monkeypatch.chdir(tmp_path)
    assert find_model("my.safetensors").resolve() == path


def test_path_without_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    for name in ("none.safetensors", "folder.safetensors"):
        with pytest.raises(CheckpointError, match="there is no model file") as caught:
            find_model(str(tmp_path / name))
        assert name in str(caught.value)


def test_without_any_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Path:
        raise FileNotFoundError(name)

    monkeypatch.setattr(models, "share_file", missing)
    assert shipped_models() == []
    with pytest.raises(CheckpointError, match="camf train"):
        find_model("day")
