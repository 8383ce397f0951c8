"""A model of a few channels with all its files, for processes that are timed; and the way to benchmarks/."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoint of a blending network, with its graphs beside it. Tests read it and never write it."""
    from small_model import make_small_network, write_model  # noqa: PLC0415 - takes seconds to import

    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    return write_model(path, make_small_network(encoder=(2, 3, 4, 3), heads=(2, 2, 2, 0)), name="tiny")
