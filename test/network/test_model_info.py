"""What model files say of themselves, read without the libraries that write them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_model import make_small_network, write_model

from camf_ros.errors import CheckpointError
from camf_ros.models import find_model
from camf_ros.network.checkpoint import load_checkpoint
from camf_ros.network.model_info import read_checkpoint_info, read_graph, split_graph


def refused(path: Path) -> str:
    """The message with which a graph is refused. It names the file and is one short line."""
    with pytest.raises(CheckpointError) as caught:
        read_graph(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert len(message) < 2000
    return message


def edited(source: Path, target: Path, *, drop: str = "", **entries: str) -> Path:
    """A copy of a graph with other metadata."""
    model = onnx.load(source)
    known = {entry.key: entry.value for entry in model.metadata_props}
    known.update(entries)
    known.pop(drop, None)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, known)
    target.write_bytes(model.SerializeToString())
    return target


def test_all_files_of_a_model_say_the_same(small_model: Path, small_paper_model: Path) -> None:
    for path in (small_model, small_paper_model):
        checkpoint = load_checkpoint(path)
        model = find_model(str(path))
        header = read_checkpoint_info(path)
        for info in (header, model.info(), model.read_graph().info, model.read_inspection().info):
            assert info.architecture == checkpoint.network.architecture
            assert (info.name, info.hash) == (checkpoint.name, checkpoint.hash)
            assert info.training == checkpoint.training == {"command": "made by a test"}
            if info is not header:
                assert info.weights is not None
                assert np.array_equal(info.weights, checkpoint.network.class_activation_weights().numpy())
        assert header.weights is None


def test_graph_is_what_onnx_reads(small_model: Path) -> None:
    graph = read_graph(small_model.with_suffix(".onnx"))
    model = onnx.load_from_string(graph.data)
    parsed, metadata = split_graph(Path(), graph.data)
    assert metadata == {entry.key: entry.value for entry in model.metadata_props}
    assert parsed == model.graph.SerializeToString()


def test_checkpoint_header_costs_no_memory(tmp_path: Path, small_model: Path) -> None:
    """Only the header is read, and of a header that claims to be huge only a part."""
    path = tmp_path / "long.safetensors"
    path.write_bytes((2**62).to_bytes(8, "little") + b"{" * 100)
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
        read_checkpoint_info(path)
    data = small_model.read_bytes()
    path.write_bytes(data[: 8 + int.from_bytes(data[:8], "little")])
    assert read_checkpoint_info(path).name == "small"


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b'{"__metadata__": []}', b'{"__metadata__": {"a": 1}}', b"{}"]
)
def test_headers_that_are_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(content).to_bytes(8, "little") + content)
    with pytest.raises(CheckpointError, match=r"x\.safetensors"):
        read_checkpoint_info(path)


@pytest.mark.parametrize("entry", ["format", "format_version", "name", "architecture", "training", "hash"])
def test_entry_that_is_missing(tmp_path: Path, small_model: Path, entry: str) -> None:
    message = refused(edited(small_model.with_suffix(".onnx"), tmp_path / "x.onnx", drop=entry))
    assert {"format": "is not a CAMF model", "format_version": "format version None"}.get(entry, entry) in message


WEIGHTS = [[1.0] * 18] * 2


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"format": "camf-checkpoint"}, "is not a CAMF model"),
        ({"format_version": "2"}, "format version '2'; expected 3"),
        ({"training": "["}, "unreadable training"),
        ({"class_activation_weights": ""}, "unreadable class_activation_weights"),
        ({"class_activation_weights": json.dumps(WEIGHTS[:1])}, "unusable class activation weights, of shape (1, 18)"),
        ({"class_activation_weights": json.dumps([[0.5] * 18] * 2)}, "each row with mean 1"),
        ({"class_activation_weights": json.dumps([[-1.0, 3.0] * 9] * 2)}, "at least 0"),
        ({"class_activation_weights": json.dumps([[float("nan")] * 18] * 2)}, "unusable class activation weights"),
        ({"class_activation_weights": f"[[1{'0' * 400}]]"}, "class activation weights"),
        ({"class_activation_weights": "[[1], [1, 2]]"}, "unreadable class activation weights"),
        ({"class_activation_weights": '[{"a": 1}]'}, "unreadable class activation weights"),
        ({"graph_hash": "0" * 64}, "is damaged: its graph is not the one that was written; export it again"),
    ],
)
def test_metadata_that_does_not_fit(tmp_path: Path, small_model: Path, entries: dict[str, str], words: str) -> None:
    assert words in refused(edited(small_model.with_suffix(".onnx"), tmp_path / "x.onnx", **entries))


def test_damaged_graph_is_found_by_its_hash(tmp_path: Path, small_model: Path) -> None:
    """One bit of one weight."""
    model = onnx.load(small_model.with_suffix(".onnx"))
    tensor = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    data = bytearray(tensor.raw_data)
    data[len(data) // 2] ^= 1
    tensor.raw_data = bytes(data)
    path = tmp_path / "x.onnx"
    path.write_bytes(model.SerializeToString())
    assert "is damaged" in refused(path)


def test_truncated_anywhere(tmp_path: Path, small_model: Path) -> None:
    data = small_model.with_suffix(".onnx").read_bytes()
    path = tmp_path / "x.onnx"
    for length in {*range(0, len(data), max(1, len(data) // 200)), len(data) - 1}:
        path.write_bytes(data[:length])
        refused(path)


def test_mutations(tmp_path: Path, small_model: Path) -> None:
    """Cut, repeated, exchanged and overwritten pieces: the graph that was written, or refused by name."""
    rng = random.Random(5)
    good = small_model.with_suffix(".onnx").read_bytes()
    graph = split_graph(Path(), good)[0]
    metadata = len(good) - good.rfind(b"camf-graph") + 100  # the entries are at the end
    path = tmp_path / "x.onnx"
    count = 0
    for _ in range(400):
        data = bytearray(good)
        for _ in range(rng.randint(1, 3)):
            start = len(data) - rng.randrange(1, metadata) if rng.random() < 0.7 else rng.randrange(len(data))
            length = rng.choice((1, 2, 8, 100))
            piece = rng.choice((b"", rng.randbytes(length), data[:length], b"\xff" * length, b"9" * length, b"}"))
            data[start : start + rng.choice((0, len(piece), length))] = piece
        path.write_bytes(data)
        try:
            assert split_graph(path, read_graph(path).data)[0] == graph
        except CheckpointError as error:
            assert str(path) in str(error)
            count += 1
    assert count > 200


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(weights=json_values, architecture=json_values | st.fixed_dictionaries({"kind": st.just("blend")}))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_metadata(tmp_path: Path, small_model: Path, weights: Any, architecture: Any) -> None:
    path = tmp_path / "x.onnx"
    source = small_model.with_suffix(".onnx")
    for entries in ({"class_activation_weights": weights}, {"architecture": architecture}):
        edited(source, path, **{name: json.dumps(value) for name, value in entries.items()})
        with pytest.raises(CheckpointError, match=r"x\.onnx"):
            read_graph(path)


@given(data=st.binary(max_size=60))
def test_any_bytes_are_no_graph(data: bytes) -> None:
    try:
        split_graph(Path("x.onnx"), data)
    except CheckpointError as error:
        assert "x.onnx is no ONNX file" in str(error)


def test_files_of_two_models_are_no_pair(tmp_path: Path, small_model: Path) -> None:
    """A checkpoint that was trained anew beside a graph of before."""
    path = write_model(tmp_path / "model.safetensors", make_small_network())
    changed = make_small_network()
    with torch.no_grad():
        changed.encoder.layers[0].bias += 1
    write_model(tmp_path / "other.safetensors", changed)
    (tmp_path / "other.safetensors").rename(path)
    model = find_model(str(path))
    for read in (model.info, model.read_graph, model.read_inspection):
        with pytest.raises(CheckpointError, match=r"was exported from weights .* has .*; camf export"):
            read()
