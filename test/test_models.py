"""Finding the files of a model by its name or by the path of one of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from camf_ros import models
from camf_ros.errors import CheckpointError
from camf_ros.models import find_model, shipped_models


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A share folder with two models."""
    (tmp_path / "models").mkdir()
    for name in ("night.safetensors", "night.onnx", "night.inspect.onnx", "day.safetensors", "day.md"):
        (tmp_path / "models" / name).touch()
    monkeypatch.setattr(models, "share_file", lambda name: tmp_path / name)
    return tmp_path / "models"


def test_by_name(shipped: Path) -> None:
    assert shipped_models() == ["day", "night"]
    night = find_model("night")
    assert night.checkpoint == shipped / "night.safetensors"
    assert (night.graph, night.inspection) == (shipped / "night.onnx", shipped / "night.inspect.onnx")
    day = find_model("day")
    assert (day.name, day.checkpoint) == ("day", shipped / "day.safetensors")
    assert day.graph is day.inspection is None


def test_auto_is_the_model_with_the_best_pictures(shipped: Path) -> None:
    (shipped / "camf.safetensors").touch()
    assert find_model("auto") == find_model("camf")


@pytest.mark.parametrize("name", ["", "dusk", "Day", "day.md", "../models/day", "models/day", "day\n"])
def test_unknown_name(shipped: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match=r"is unknown; expected one of \['day', 'night'\]") as caught:
        find_model(name)
    assert repr(name) in str(caught.value)


def test_by_path_of_any_of_its_files(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = find_model("night")
    for suffix in (".safetensors", ".onnx", ".inspect.onnx"):
        found = find_model(str(shipped / f"night{suffix}"))
        assert (found.graph, found.inspection, found.checkpoint) == (wanted.graph, wanted.inspection, wanted.checkpoint)
    monkeypatch.setenv("HOME", str(shipped))
    assert find_model("~/day.safetensors").checkpoint == shipped / "day.safetensors"
    monkeypatch.chdir(shipped)
    assert find_model("day.safetensors").checkpoint == Path("day.safetensors")


def test_path_without_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    for name in ("none.safetensors", "none.onnx", "folder.safetensors"):
        with pytest.raises(CheckpointError, match="there is no model file") as caught:
            find_model(str(tmp_path / name))
        assert name in str(caught.value)


def test_what_only_some_files_say(small_model: Path, tmp_path: Path) -> None:
    expected = find_model(str(small_model)).info()
    for suffix in (".safetensors", ".onnx", ".inspect.onnx"):
        folder = tmp_path / suffix
        folder.mkdir()
        path = folder / f"small{suffix}"
        shutil.copy(small_model.with_suffix(suffix), path)
        model = find_model(str(path))
        assert (model.info().name, model.info().hash) == ("small", expected.hash)
        for wanted, read in ((".onnx", model.read_graph), (".inspect.onnx", model.read_inspection)):
            if suffix == wanted:
                assert read().info.hash == expected.hash
            else:
                with pytest.raises(CheckpointError, match=rf"no exported graph for this beside {path}; camf export"):
                    read()


def test_without_any_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Path:
        raise FileNotFoundError(name)

    monkeypatch.setattr(models, "share_file", missing)
    assert shipped_models() == []
    with pytest.raises(CheckpointError, match="camf train"):
        find_model("day")
