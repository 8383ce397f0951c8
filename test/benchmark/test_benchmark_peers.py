"""The list of foreign networks, and running one."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from engine_benchmark.peers import FORMAT, PeerInput, PeerNetwork, read_peers
from small_onnx import write_average

from camf_ros.errors import DataError, EngineError

GOOD: dict[str, Any] = {
    "name": "FusionNet",
    "file": "net.onnx",
    "parameters": 12345,
    "inputs": {
        "infrared": {"name": "ir", "channels": 1, "range": [0, 1]},
        "visible": {"name": "vis", "channels": 3, "range": [-1, 1]},
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.onnx").touch()
    return tmp_path


def write(folder: Path, content: Any) -> Path:
    path = folder / "peers.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


def test_a_good_list(folder: Path) -> None:
    short = {key: value for key, value in GOOD.items() if key != "parameters"} | {"name": "other"}
    first, second = read_peers(write(folder, [GOOD, short]))
    assert (first.name, first.file, first.parameters) == ("FusionNet", folder / "net.onnx", 12345)
    assert first.inputs == (PeerInput("ir", 1, 0.0, 1.0), PeerInput("vis", 3, -1.0, 1.0))
    assert second.parameters is None


def test_the_example_in_the_help_is_right(folder: Path) -> None:
    lines = FORMAT.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("  - "))
    example = "\n".join(line for line in lines[begin:] if line.startswith("  "))
    (folder / "fusion_net.onnx").touch()
    (peer,) = read_peers(write(folder, example))
    assert peer.inputs == (PeerInput("ir", 1, 0.0, 1.0), PeerInput("vis", 3, -1.0, 1.0))


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("name",), 7, "entry 1: name is 7; expected a text"),
        (("name",), None, "entry 1: name is None"),
        (("file",), "no.onnx", "entry 1 (FusionNet): file is 'no.onnx'; expected an ONNX file that is there"),
        (("file",), 1, "file is 1"),
        (("parameters",), -1, "parameters is -1; expected a whole number"),
        (("parameters",), True, "parameters is True"),
        (("inputs",), ["ir", "vis"], "inputs is ['ir', 'vis']; expected the entries ['infrared', 'visible']"),
        (("inputs", "infrared"), "ir", "inputs, infrared is 'ir'"),
        (("inputs", "visible", "name"), "ir", "visible: name is 'ir'; expected another input"),
        (("inputs", "visible", "channels"), 2, "visible: channels is 2; expected 1 or 3"),
        (("inputs", "visible", "channels"), True, "channels is True"),
        (("inputs", "infrared", "range"), [0, 2], "infrared: range is [0, 2]; expected [0, 1], [-1, 1], [0, 255]"),
        (("inputs", "infrared", "range"), "0-1", "range is '0-1'"),
        (("inputs", "infrared", "range"), [False, True], "range is [False, True]"),
        (("inputs", "infrared", "range"), [[0], [1]], "range is [[0], [1]]"),
        (("inputs", "thermal"), {}, "inputs has ['thermal']"),
        (("colour",), 1, "entry 1 has ['colour']; expected ['file', 'inputs', 'name'] and at most ['parameters']"),
    ],
)
def test_mistakes(folder: Path, where: tuple[str, ...], value: Any, message: str) -> None:
    entry = copy.deepcopy(GOOD)
    part = entry
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = value
    with pytest.raises(DataError) as caught:
        read_peers(write(folder, [entry]))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "is no YAML"),
        ("", "holds None; expected a list of networks"),
        ([], "holds []"),
        (GOOD, "expected a list of networks"),
        ([GOOD, 3], "entry 2 is 3"),
        ([{"name": "x"}], "entry 1 lacks ['file', 'inputs']"),
        ([GOOD, GOOD], "entry 2: name is 'FusionNet' again"),
    ],
)
def test_lists_that_are_none(folder: Path, content: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_peers(write(folder, content))
    assert message in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be opened"):
        read_peers(tmp_path / "peers.yaml")


class TestNetwork:
    """A peer in ONNX Runtime."""

    @pytest.fixture(autouse=True)
    def runtime(self) -> None:
        pytest.importorskip("onnxruntime")

    def open(self, path: Path, names: tuple[str, str] = ("ir", "vis"), channels: int = 1) -> Any:
        inputs = [PeerInput(name, channels, 0.0, 1.0) for name in names]
        return PeerNetwork(str(path), inputs, width=24, height=16, threads=1)

    def test_runs(self, tmp_path: Path) -> None:
        network = self.open(write_average(tmp_path / "a.onnx"))
        network.run()
        assert network.description == "onnxruntime cpu float32"

    def test_other_inputs(self, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match=r"has the inputs \['ir', 'vis'\]; expected \['ir', 'rgb'\]"):
            self.open(write_average(tmp_path / "a.onnx"), names=("ir", "rgb"))

    def test_wrong_size(self, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match=r"failed on ir \(1, 1, 16, 24\), vis \(1, 1, 16, 24\)"):
            self.open(write_average(tmp_path / "a.onnx", height=32)).run()

    def test_no_network(self, tmp_path: Path) -> None:
        (tmp_path / "a.onnx").write_text("no")
        with pytest.raises(EngineError, match="cannot be loaded"):
            self.open(tmp_path / "a.onnx")
