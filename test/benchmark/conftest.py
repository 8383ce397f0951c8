"""A model of a few channels with all its files, for processes that are timed; and the way to benchmarks/."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoint of a blending network, with its graphs beside it. Tests read it and never write it."""
    import torch  # noqa: PLC0415 - takes seconds to import

    from camf_ros.network.architecture import BlendArchitecture  # noqa: PLC0415
    from camf_ros.network.blend import BlendNetwork  # noqa: PLC0415
    from camf_ros.network.checkpoint import load_checkpoint, save_checkpoint  # noqa: PLC0415
    from camf_ros.network.onnx_export import export  # noqa: PLC0415

    torch.manual_seed(7)
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    network = BlendNetwork(BlendArchitecture(encoder=(2, 3, 4, 3), heads=(2, 2, 2, 0)))
    save_checkpoint(path, network, name="tiny", training={"command": "made by a test"})
    export(load_checkpoint(path), path.with_suffix(".onnx"))
    return path
