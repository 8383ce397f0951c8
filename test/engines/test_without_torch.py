"""Without PyTorch the .onnx and one runtime are all that fusion needs: other libraries cannot be imported here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from pairs import smooth_pair

BLOCK = """
import sys
blocked = set(sys.argv[1].split(","))
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
"""
ALONE = {"openvino": "torch,onnx,safetensors,onnxruntime", "onnxruntime": "torch,onnx,safetensors,openvino"}


def run(engine: str, code: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + code, ALONE[engine], *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name, size in (("one", (48, 57)), ("two", (64, 60))):
        for folder, picture in zip(("infrared", "visible"), smooth_pair(*size), strict=True):
            (tmp_path / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / f"{name}.png"), picture)
    return tmp_path


@pytest.mark.parametrize("engine", list(ALONE))
def test_fusion(engine: str, small_model: Path) -> None:
    code = """
import numpy as np
from camf_ros.engines.choose import choose_engine
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings
settings = FusionSettings(model=sys.argv[2], device="cpu", threads=1)
chosen = choose_engine(settings)
frame = FusionPipeline(chosen.engine, settings).fuse(np.eye(40, dtype=np.uint8) * 200, np.eye(60, dtype=np.uint8), 1.0)
print(chosen.engine.description, frame.image.shape, chosen.warnings, blocked & set(sys.modules))
"""
    for path in (small_model, small_model.with_suffix(".onnx")):
        answer = run(engine, code, path)
        assert answer.startswith(f"{engine} cpu ")
        assert answer.endswith("(60, 60) () set()\n")


COMMAND = "from camf_ros.cli.main import main\nsys.exit(main(sys.argv[2:]))"


@pytest.mark.parametrize("engine", list(ALONE))
def test_commands(engine: str, small_model: Path, data: Path) -> None:
    described = json.loads(run(engine, COMMAND, "info", small_model))
    assert described["name"] == "small"
    run(engine, COMMAND, "fuse", data / "infrared", data / "visible", "--model", small_model, "--output", data / "out")
    assert sorted(path.name for path in (data / "out").iterdir()) == ["one.png", "two.png"]


def test_evaluation_is_alike_with_any_engine(small_model: Path, data: Path) -> None:
    """In float32, to what a grey level at a tie can change."""
    pytest.importorskip("skimage")
    means = []
    for engine in ALONE:
        file = data / f"{engine}.json"
        run(engine, COMMAND, "evaluate", "--data", data, "--model", small_model, "--json", file, "--quiet")
        means.append(json.loads(file.read_text(encoding="utf-8"))["mean"])
    assert list(means[0].values()) == pytest.approx(list(means[1].values()), rel=2e-3)
    assert np.isfinite(list(means[0].values())).all()
