"""Model files made to do harm: only refused, within bounds of memory and time, and never run."""

from __future__ import annotations

import json
import os
import pickle
import random
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from caged import read_in_cage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from camf_ros.errors import CheckpointError
from camf_ros.network.architecture import BlendArchitecture, to_dict
from camf_ros.network.checkpoint import load_checkpoint
from camf_ros.network.model_info import read_graph, split_graph

READER = "camf_ros.network.checkpoint load_checkpoint"
HEADER_READER = "camf_ros.network.model_info read_checkpoint_info"
GRAPH_READER = "camf_ros.network.model_info read_graph"
GIB = 2**30
SMALL = to_dict(BlendArchitecture())


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def joined(header: object, tensors: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + tensors


class Bomb:
    """Unpickled, it makes a folder."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._target),)


def test_a_checkpoint_cannot_run_code(tmp_path: Path, small_model: Path) -> None:
    proof = tmp_path / "it ran"
    files = [tmp_path / f"{number}.safetensors" for number in range(5)]
    files[0].write_bytes(pickle.dumps(Bomb(proof)))
    torch.save({"encoder.layers.0.weight": Bomb(proof)}, files[1])
    torch.save(Bomb(proof), files[2], _use_new_zipfile_serialization=False)
    header, tensors = split(small_model.read_bytes())
    header["__metadata__"]["training"] = json.dumps({"!!python/object/apply:os.mkdir": [str(proof)]})
    files[3].write_bytes(joined(header, tensors))
    files[4].write_bytes(joined(header, pickle.dumps(Bomb(proof))))
    # The fourth is a good one: what looks like code in it is text.
    assert read_in_cage(READER, files) == ["refused", "refused", "refused", "read", "refused"]
    assert not proof.exists()
    pickle.loads(files[0].read_bytes())
    assert proof.exists(), "the bomb works"


def test_claims_of_size(tmp_path: Path, small_model: Path) -> None:
    header, tensors = split(small_model.read_bytes())
    name = "encoder.layers.0.weight"
    large = dict(header)
    large[name] = {"dtype": "F32", "shape": [2**20, 2**20, 3, 3], "data_offsets": [0, 36 * 2**40]}
    overflowing = dict(header)
    overflowing[name] = {"dtype": "F32", "shape": [2**63, 2**63], "data_offsets": [0, 2**64 - 1]}
    overlapping = dict(header)
    overlapping[name] = {**header[name], "data_offsets": [4, 4 + header[name]["data_offsets"][1]]}
    wide = json.loads(json.dumps(header))
    wide["__metadata__"]["architecture"] = json.dumps(
        to_dict(BlendArchitecture(encoder=(4096,) * 8, heads=(4096,) * 8))
    )
    long = json.loads(json.dumps(header))
    long["__metadata__"]["architecture"] = json.dumps({**SMALL, "encoder": [1] * 10**6})
    digits = json.loads(json.dumps(header))
    digits["__metadata__"]["architecture"] = '{"kind": "blend", "encoder": [' + "9" * 10**5 + "]}"
    deep = json.loads(json.dumps(header))
    deep["__metadata__"]["architecture"] = "[" * 10**5
    many = {f"{number}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for number in range(10**5)}
    version = json.loads(json.dumps(header))
    version["__metadata__"]["format_version"] = "3" * 10**6
    contents = {
        "version": joined(version, tensors),
        "name": joined({**header, "x" * 10**6: header[name]}, tensors),
        "tensor of 36 TiB": joined(large, tensors),
        "overflow": joined(overflowing, tensors),
        "overlap": joined(overlapping, tensors),
        "wide": joined(wide, tensors),
        "long": joined(long, tensors),
        "digits": joined(digits, tensors),
        "deep": joined(deep, tensors),
        "many": joined({"__metadata__": header["__metadata__"], **many}, b""),
        "header of 2^64": struct.pack("<Q", 2**64 - 1) + tensors,
        "header of 90 MB": struct.pack("<Q", 90 * 10**6) + b"{",
        "deep header": joined(b'{"a":' * 10**5, b""),
        "empty": b"",
        "eight bytes": bytes(8),
    }
    files = []
    for title, content in contents.items():
        files.append(tmp_path / title)
        files[-1].write_bytes(content)
    files.append(tmp_path / "sparse")
    with files[-1].open("wb") as file:
        file.truncate(100 * GIB)
    files += [Path("/dev/zero"), Path("/dev/null"), tmp_path]
    assert read_in_cage(READER, files) == ["refused"] * len(files)


def test_mutations(tmp_path: Path, small_model: Path) -> None:
    """Cut, repeated, exchanged and overwritten pieces, most of them in the header."""
    rng = random.Random(11)
    good = small_model.read_bytes()
    head = 8 + int.from_bytes(good[:8], "little")
    files = []
    for number in range(300):
        data = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            start = rng.randrange(head if rng.random() < 0.8 else len(data))
            length = rng.choice((1, 2, 8, 100))
            piece = rng.choice(
                (b"", rng.randbytes(length), data[:length], b'"', b"}", b"9" * length, b"-1", b"null", b"\xff" * length)
            )
            data[start : start + rng.choice((0, len(piece), length))] = piece
        if rng.random() < 0.2:
            del data[rng.randrange(len(data)) :]
        files.append(tmp_path / f"{number}.safetensors")
        files[-1].write_bytes(data)
    results = read_in_cage(READER, files)
    assert results.count("refused") > 200


def varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


def field(number: int, content: bytes) -> bytes:
    """Of a protocol buffer message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def test_graphs_made_to_do_harm(tmp_path: Path, small_model: Path) -> None:
    good = small_model.with_suffix(".onnx").read_bytes()
    metadata = split_graph(Path(), good)[1]

    def with_entry(key: str, value: str) -> bytes:
        return good + field(14, field(1, key.encode()) + field(2, value.encode()))  # the last one counts

    weights = f"[[{', '.join(['1'] * 10**6)}]]"
    contents = {
        "claims 2^63 bytes": varint(7 << 3 | 2) + varint(2**63),
        "endless number": b"\xff" * 10**6,
        "unknown wire type": varint(7 << 3 | 7) + good,
        "many fields": varint(9 << 3) * 10**6,
        "deep architecture": with_entry("architecture", "[" * 10**6),
        "wide architecture": with_entry("architecture", json.dumps({**SMALL, "encoder": [4096] * 6})),
        "many weights": with_entry("class_activation_weights", weights),
        "deep weights": with_entry("class_activation_weights", "[" * 500 + "]" * 500),
        "long version": with_entry("format_version", "3" * 10**6),
        "no text": good + field(14, field(1, b"name") + field(2, b"\xff\xfe")),
        "another graph": good + field(7, b"x"),
        "no graph": field(14, field(1, b"format") + field(2, metadata["format"].encode())),
    }
    files = []
    for title, content in contents.items():
        files.append(tmp_path / title)
        files[-1].write_bytes(content)
    files.append(tmp_path / "sparse")
    with files[-1].open("wb") as file:
        file.truncate(100 * GIB)
    files += [Path("/dev/zero"), tmp_path]
    assert read_in_cage(GRAPH_READER, files) == ["refused"] * len(files)
    assert read_graph(small_model.with_suffix(".onnx")).info.name == "small"


def test_headers_made_to_do_harm(tmp_path: Path, small_model: Path) -> None:
    header, _ = split(small_model.read_bytes())
    deep = json.loads(json.dumps(header))
    deep["__metadata__"]["training"] = '{"a":' * 10**6
    files = [tmp_path / "deep", tmp_path / "deep header", tmp_path / "sparse"]
    files[0].write_bytes(joined(deep, b""))
    files[1].write_bytes(joined(b'{"a":' * 10**6, b""))
    with files[2].open("wb") as file:
        file.truncate(100 * GIB)
    files += [Path("/dev/zero"), Path("/dev/null"), tmp_path]
    assert read_in_cage(HEADER_READER, files) == ["refused"] * len(files)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
widths = st.lists(st.integers(-1, 9) | json_values, max_size=7) | json_values


@given(
    architecture=st.fixed_dictionaries(
        {"kind": st.just("blend"), "encoder": widths, "heads": widths, "limit": json_values} | {"limit": json_values}
    )
    | json_values,
    training=json_values,
    version=st.sampled_from(["3", "3.0", "", "2"]),
)
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_metadata(tmp_path: Path, small_model: Path, architecture: Any, training: Any, version: str) -> None:
    header, tensors = split(small_model.read_bytes())
    entries = header["__metadata__"]
    entries |= {"architecture": json.dumps(architecture), "training": json.dumps(training), "format_version": version}
    path = tmp_path / "any.safetensors"
    path.write_bytes(joined(header, tensors))
    with pytest.raises(CheckpointError, match=r"any\.safetensors"):
        load_checkpoint(path)
