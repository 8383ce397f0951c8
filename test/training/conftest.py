"""Pictures to train on, and states that are written after every step."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_training import write_data

from camf_ros.training import loop


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders ``natural`` and ``pairs``, and the pairs once more as ``more``. Tests read them and never write them."""
    root = write_data(tmp_path_factory.mktemp("data"))
    shutil.copytree(root / "pairs", root / "more")
    return root


@pytest.fixture
def state_after_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_SAVE_EVERY", -1.0)
