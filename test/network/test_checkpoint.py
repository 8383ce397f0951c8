"""Checkpoints: what is written comes back, and whatever else lies there is refused with its name and a reason."""

from __future__ import annotations

import json
import pickle
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save
from small_model import Bomb, make_small_network, make_small_paper
from torch import Tensor

from camf_ros.errors import CheckpointError
from camf_ros.network.architecture import BlendArchitecture, to_dict
from camf_ros.network.blend import BlendNetwork
from camf_ros.network.checkpoint import load_checkpoint, save_checkpoint, weights_hash
from camf_ros.network.inference import Network

Tensors = dict[str, Tensor]
Metadata = dict[str, str]


def hash_of(state: dict[str, Tensor]) -> str:
    return weights_hash({name: value.numpy() for name, value in state.items()})


def header(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON header of a safetensors file, and the tensors' bytes after it."""
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def metadata_of(path: Path) -> Metadata:
    return dict(header(path.read_bytes())[0]["__metadata__"])


def refused(path: Path) -> str:
    """The message with which a file is refused. It names the file and is one line."""
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_round_trip(tmp_path: Path, small_network: BlendNetwork) -> None:
    path = tmp_path / "new" / "folder" / "model.safetensors"
    training = {"command": "camf train 'ü'", "metrics": {"psnr": 31.25, "folds": [1.0, 0.5]}, "note": None}
    digest = save_checkpoint(path, small_network, name="my model", training=training)
    assert [file.name for file in path.parent.iterdir()] == ["model.safetensors"]
    checkpoint = load_checkpoint(path)
    assert (checkpoint.name, checkpoint.hash) == ("my model", digest)
    assert checkpoint.training == training
    assert checkpoint.network.architecture == small_network.architecture
    assert not checkpoint.network.training
    assert not any(parameter.requires_grad for parameter in checkpoint.network.parameters())
    expected, got = small_network.state_dict(), checkpoint.network.state_dict()
    assert list(got) == list(expected)
    for name, value in expected.items():
        assert got[name].dtype == torch.float32
        assert got[name].numpy().tobytes() == value.numpy().tobytes()


@pytest.mark.parametrize(
    "network",
    [
        make_small_paper(),
        make_small_network(encoder=(3, 4), heads=(2, 2)),
        make_small_network(encoder=(3, 4, 5, 4, 3), heads=(0, 2, 0, 2, 0), limit=2.0),
    ],
)
def test_round_trip_of_every_kind(tmp_path: Path, network: Network) -> None:
    path = tmp_path / "model.safetensors"
    digest = save_checkpoint(path, network, name="a", training={})
    checkpoint = load_checkpoint(path)
    assert checkpoint.network.architecture == network.architecture
    assert checkpoint.hash == digest == hash_of(network.state_dict())


def test_file_says_nothing_of_a_gain(small_model: Path) -> None:
    """It is found for each pair, or set by the user."""
    entries = metadata_of(small_model)
    assert set(entries) == {"format", "format_version", "name", "architecture", "training", "hash"}
    assert entries["format_version"] == "3"


def test_writing_again_replaces(tmp_path: Path, small_network: BlendNetwork) -> None:
    path = tmp_path / "model.safetensors"
    for name in ("first", "second"):
        save_checkpoint(path, small_network, name=name, training={})
        assert load_checkpoint(path).name == name
    assert list(tmp_path.iterdir()) == [path]


def test_memory_layout_and_precision_do_not_matter(tmp_path: Path, small_network: BlendNetwork) -> None:
    plain = save_checkpoint(tmp_path / "a.safetensors", small_network, name="a", training={})
    small_network.to(memory_format=torch.channels_last)
    assert save_checkpoint(tmp_path / "b.safetensors", small_network, name="a", training={}) == plain
    small_network.double()
    assert save_checkpoint(tmp_path / "c.safetensors", small_network, name="a", training={}) == plain
    assert load_checkpoint(tmp_path / "c.safetensors").hash == plain


def test_hash_is_of_the_weights_alone(tmp_path: Path, small_network: BlendNetwork) -> None:
    path = tmp_path / "model.safetensors"
    digest = save_checkpoint(path, small_network, name="a", training={})
    assert len(digest) == 64
    assert save_checkpoint(path, small_network, name="b", training={"x": 1}) == digest
    state = {name: value.numpy() for name, value in small_network.state_dict().items()}
    assert weights_hash(dict(reversed(state.items()))) == digest
    for name, value in state.items():
        changed = {**state, name: value + 1e-3}
        assert weights_hash(changed) != digest, name
    assert weights_hash({"a": np.zeros((2, 3), np.float32)}) != weights_hash({"a": np.zeros((3, 2), np.float32)})
    assert weights_hash({"a": np.zeros(2, np.float32)}) != weights_hash({"b": np.zeros(2, np.float32)})
    assert weights_hash({"a": np.zeros(2, np.float32)}) != weights_hash({"a": np.zeros(2, np.int32)})


def test_hash_never_changes() -> None:
    """Published hashes must stay true: this one was computed by hand from the definition."""
    state = {"b": torch.tensor([1.0, -2.0]), "a": torch.zeros(1, 2)}
    assert hash_of(state) == "47a5ad50727e0fa14dc771f4ab80b6b20d8bb8bb086079d3aae9342983d25786"


def test_weights_that_are_not_finite_are_not_written(tmp_path: Path, small_network: BlendNetwork) -> None:
    small_network.heads.outputs[0].bias[0] = float("nan")
    path = tmp_path / "model.safetensors"
    with pytest.raises(CheckpointError, match="not finite"):
        save_checkpoint(path, small_network, name="a", training={})
    assert not path.exists()


def test_missing(tmp_path: Path) -> None:
    assert "there is no model file" in refused(tmp_path / "none.safetensors")
    assert "there is no model file" in refused(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"\0" * 8,
        b"\0" * 100,
        b"\xff" * 100,
        (2**62).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (4).to_bytes(8, "little") + b"null",
        (5).to_bytes(8, "little") + b'{"a":',
        b"\x89PNG\r\n\x1a\n" + b"picture" * 30,
        b"just a text\n" * 30,
    ],
    ids=range(12),
)
def test_foreign_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    refused(path)


def test_truncated_anywhere(tmp_path: Path, small_model: Path) -> None:
    data = small_model.read_bytes()
    path = tmp_path / "model.safetensors"
    for length in {*range(0, len(data), 97), len(data) - 1}:
        path.write_bytes(data[:length])
        refused(path)


def test_something_appended(tmp_path: Path, small_model: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(small_model.read_bytes() + b"\0")
    refused(path)


def test_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    bomb = pickle.dumps({"weights": Bomb(trace)})
    pickle.loads(bomb)
    assert trace.exists(), "the bomb is a dud"
    trace.unlink()
    plain = tmp_path / "plain.safetensors"
    plain.write_bytes(bomb)
    refused(plain)
    archive = tmp_path / "archive.safetensors"
    torch.save({"weights": Bomb(trace)}, archive)
    trace.unlink(missing_ok=True)
    refused(archive)
    assert not trace.exists()


def test_safetensors_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    for metadata in (None, {"format": "pt"}):
        path.write_bytes(save({"transformer.weight": torch.zeros(3, 3)}, metadata))
        assert "is not a CAMF model" in refused(path)


def edited(source: Path, target: Path, *, tensors: Tensors | None = None, drop: str = "", **metadata: str) -> Path:
    """A copy of a checkpoint with other tensors and metadata; its hash fits unless it is given."""
    state = load_file(source) if tensors is None else tensors
    entries = {**metadata_of(source), "hash": hash_of(state), **metadata}
    entries.pop(drop, None)
    target.write_bytes(save(state, entries))
    return target


def test_an_edited_copy_that_is_whole_is_accepted(tmp_path: Path, small_model: Path) -> None:
    path = edited(small_model, tmp_path / "copy.safetensors", name="other", architecture=architecture(limit=2))
    assert load_checkpoint(path).name == "other"


@pytest.mark.parametrize("entry", ["format", "format_version", "name", "architecture", "training", "hash"])
def test_metadata_entry_is_missing(tmp_path: Path, small_model: Path, entry: str) -> None:
    message = refused(edited(small_model, tmp_path / "model.safetensors", drop=entry))
    assert entry in message or "format" in message


def architecture(**changes: Any) -> str:
    """The small network's architecture as a checkpoint has it, with other entries."""
    return json.dumps({**to_dict(make_small_network().architecture), **changes})


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"format": "other"}, "is not a CAMF model"),
        ({"format_version": "2"}, "format version '2'; expected 3"),
        ({"format_version": "4"}, "made by this version"),
        ({"hash": "0" * 64}, "damaged"),
        ({"hash": ""}, "damaged"),
        ({"training": "{"}, "unreadable training"),
        ({"training": "[]"}, "training of type list"),
        ({"training": "[" * 100_000}, "unreadable training"),
        ({"training": "9" * 100_000}, "training"),
        ({"architecture": ""}, "unreadable architecture"),
        ({"architecture": "null"}, "architecture of type NoneType"),
        ({"architecture": "{}"}, "architecture"),
        ({"architecture": architecture(kind="old")}, "architecture is of kind 'old'"),
        ({"architecture": architecture(encoder=[3])}, "encoder widths"),
        ({"architecture": architecture(encoder=[3, 4, 5, float("nan")])}, "encoder widths"),
        ({"architecture": architecture(heads=[3, 4, 5, 10**40])}, "heads widths"),
        ({"architecture": architecture(encoder=[3] * 9, heads=[3] * 9)}, "encoder widths"),
        ({"architecture": architecture(encoder=[3, 4, 5, 7])}, "of shape"),
        ({"architecture": architecture(heads=[2, 3, 4, 5])}, "of shape"),
        ({"architecture": architecture(heads=[0, 3, 4, 3])}, "unknown ['heads.hidden.0"),
        ({"architecture": architecture(encoder=[3, 4, 5, 6, 7], heads=[2, 3, 4, 3, 2])}, "missing ['encoder.layers.4"),
    ],
)
def test_metadata_that_does_not_fit(tmp_path: Path, small_model: Path, metadata: Metadata, message: str) -> None:
    assert message in refused(edited(small_model, tmp_path / "model.safetensors", **metadata))


BIAS = "heads.outputs.1.bias"


def spoiled(value: float) -> Callable[[Tensor], Tensor]:
    """One of the entries, and no other, has this value."""
    return lambda x: torch.cat((x.flatten()[:7], torch.tensor([value]), x.flatten()[8:])).reshape(x.shape)


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        (BIAS, None, f"missing ['{BIAS}']"),
        ("heads.extra", lambda _: torch.zeros(3), "unknown ['heads.extra']"),
        (BIAS, lambda _: torch.zeros(2), f"{BIAS} of shape (2,)"),
        (BIAS, Tensor.half, "type F16"),
        (BIAS, lambda _: torch.zeros(3, dtype=torch.int32), "type I32"),
        ("classifier.linear.weight", spoiled(float("nan")), "classifier.linear.weight that are not finite"),
        ("encoder.layers.0.weight", spoiled(float("-inf")), "encoder.layers.0.weight that are not finite"),
    ],
)
def test_tensors_that_do_not_fit(
    tmp_path: Path, small_model: Path, name: str, edit: Callable[[Any], Tensor] | None, message: str
) -> None:
    state = load_file(small_model)
    before = state.pop(name, None)
    if edit is not None:
        state[name] = edit(before)
    assert message in refused(edited(small_model, tmp_path / "model.safetensors", tensors=state))


def test_one_changed_weight_is_noticed(tmp_path: Path, small_model: Path) -> None:
    data = bytearray(small_model.read_bytes())
    data[-3] ^= 1
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    assert "damaged" in refused(path)


def test_absurd_widths_cost_no_memory(tmp_path: Path, small_model: Path) -> None:
    """A small file that claims a huge network is refused before the network is built."""

    def peak_mebibytes() -> float:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 2**10

    huge = json.dumps(to_dict(BlendArchitecture(encoder=(4096,) * 4, heads=(4096,) * 4)))
    path = edited(small_model, tmp_path / "model.safetensors", architecture=huge)
    before = peak_mebibytes()
    words = refused(path)
    assert "does not fit its architecture" in words or "of shape" in words
    assert peak_mebibytes() - before < 200


@given(
    edits=st.lists(
        st.tuples(st.one_of(st.integers(0, 3000), st.integers(0, 2**20)), st.integers(1, 255)), min_size=1, max_size=4
    ),
    cut=st.one_of(st.none(), st.integers(1, 64)),
    shift=st.sampled_from([b"", b"\0", b"{"]),
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage(tmp_path: Path, small_model: Path, edits: list[tuple[int, int]], cut: int | None, shift: bytes) -> None:
    """Whatever bytes are changed: the weights are what they were, or the file is refused by name."""
    data = bytearray(small_model.read_bytes())
    for position, change in edits:
        data[position % len(data)] ^= change
    if shift:
        data[edits[0][0] % len(data) : edits[0][0] % len(data)] = shift
    path = tmp_path / "model.safetensors"
    path.write_bytes(data[:-cut] if cut else data)
    try:
        loaded = load_checkpoint(path)
    except CheckpointError as error:
        assert str(path) in str(error)
        return
    assert loaded.hash == load_checkpoint(small_model).hash == hash_of(loaded.network.state_dict())
