"""What a model file says about itself, read without PyTorch, ONNX or safetensors.

A .safetensors checkpoint and the .onnx graphs exported from it carry the same metadata and hash of the weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import CheckpointError, shown
from camf_ros.network.architecture import Architecture, from_dict

#: Inputs and outputs of exported graphs.
INFRARED, VISIBLE, GAIN, HOLD, WEIGHTS = "infrared", "visible", "gain", "hold", "weights"
FUSED, ACTIVATION, USED_GAIN, LOGITS = "fused", "activation", "used_gain", "logits"

CHECKPOINT_FORMAT, GRAPH_FORMAT = "camf-checkpoint", "camf-graph"
FORMAT_VERSION = 3
_REMEDIES = {
    CHECKPOINT_FORMAT: "use a .safetensors file written by 'camf train'",
    GRAPH_FORMAT: "use a .onnx file written by 'camf export'",
}
# Bytes of a file's header that are read at most: what training stores is some kilobytes.
_LARGEST_HEADER = 1 << 24
# Bytes of a graph: the largest shipped one has some millions.
_LARGEST_GRAPH = 1 << 28
# Fields of ONNX's ModelProto and StringStringEntryProto (onnx.proto).
_GRAPH_FIELD, _METADATA_FIELD = 7, 14
# By how much the mean of stored class activation weights may differ from 1: they are rounded to float32.
_MEAN_ERROR = 1e-3
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def amounts_name(level: int) -> str:
    """Output with the amounts of a level, (1, 2, h, w)."""
    return f"amounts_{level}"


@dataclass(frozen=True)
class ModelInfo:
    """A model without its weights."""

    architecture: Architecture  #: Kind and widths
    name: str  #: Model name, for example ``camf``
    hash: str  #: SHA-256 (hex) of the weights: equal weights have equal hashes
    #: What the weights were made from and how good they are: data, command, seed, commit, metrics.
    training: Mapping[str, Any] = field(default_factory=dict)
    #: (2, K), class activation weights, rows infrared and visible, each with mean 1. None in a checkpoint's header:
    #: they are in its tensors.
    weights: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Graph:
    """An exported graph."""

    info: ModelInfo  #: The model that it was exported from; with the class activation weights
    data: bytes  #: The file's bytes, for a runtime


def parse_info(path: Path, metadata: Mapping[str, str], kind: str) -> ModelInfo:
    """What a file's metadata of format ``kind`` say; raises CheckpointError if it is no model of this version."""
    remedy = _REMEDIES[kind]
    if metadata.get("format") != kind:
        raise CheckpointError(f"{path} is not a CAMF model", expected=f"format {kind!r}", remedy=remedy)
    if metadata.get("format_version") != str(FORMAT_VERSION):
        raise CheckpointError(
            f"{path} has format version {shown(metadata.get('format_version'))}",
            expected=f"{FORMAT_VERSION}",
            remedy="use a model made by this version of camf_ros, or the version that made this one",
        )
    for key in ("architecture", "name", "hash", "training"):
        if key not in metadata:
            raise CheckpointError(f"{path} lacks the metadata entry {key!r}", remedy=remedy)
    entries = _json(path, "architecture", metadata["architecture"], dict, remedy)
    try:
        architecture = from_dict(entries)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}", remedy=remedy) from error
    training = _json(path, "training", metadata["training"], dict, remedy)
    weights = None
    if kind == GRAPH_FORMAT:
        rows = _json(path, "class_activation_weights", metadata.get("class_activation_weights", ""), list, remedy)
        weights = _weights(path, rows, architecture, remedy)
    return ModelInfo(architecture, metadata["name"], metadata["hash"], training, weights)


def read_graph(path: Path) -> Graph:
    """Read an exported graph and check that it is whole.

    Raises CheckpointError if the file is missing, damaged, or not one of 'camf export'.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no model file {path}", remedy="check the path")
    try:
        if (size := path.stat().st_size) > _LARGEST_GRAPH:
            raise CheckpointError(f"{path} has {size} bytes", expected=f"a graph of at most {_LARGEST_GRAPH}")
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror})", remedy=_REMEDIES[GRAPH_FORMAT]) from error
    graph, metadata = split_graph(path, data)
    info = parse_info(path, metadata, GRAPH_FORMAT)
    if hashlib.sha256(graph).hexdigest() != metadata.get("graph_hash"):
        raise CheckpointError(f"{path} is damaged: its graph is not the one that was written", remedy="export it again")
    return Graph(info, data)


def split_graph(path: Path, data: bytes) -> tuple[bytes, dict[str, str]]:
    """The serialised graph of an ONNX file, and its metadata; raises CheckpointError if the bytes are no ONNX model."""
    graph, metadata = b"", {}
    try:
        for number, value in _fields(data):
            if number == _GRAPH_FIELD:
                graph = value
            elif number == _METADATA_FIELD:
                entry = dict(_fields(value))
                metadata[entry.get(1, b"").decode()] = entry.get(2, b"").decode()
    except (IndexError, ValueError) as error:
        raise CheckpointError(f"{path} is no ONNX file", remedy=_REMEDIES[GRAPH_FORMAT]) from error
    return graph, metadata


def read_checkpoint_info(path: Path) -> ModelInfo:
    """What the header of a checkpoint says; its weights are not read. Raises CheckpointError if it has none."""
    remedy = _REMEDIES[CHECKPOINT_FORMAT]
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = file.read(min(length, _LARGEST_HEADER))
        metadata = json.loads(header).get("__metadata__", {})
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read as a checkpoint", remedy=remedy) from error
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise CheckpointError(f"{path} has metadata that are no texts", remedy=remedy)
    return parse_info(path, metadata, CHECKPOINT_FORMAT)


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each field of a protocol buffer message; numbers are given as no bytes."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind, end = key & 7, place
        if kind == _VARINT:
            _, end = _varint(data, place)
            place = end
        elif kind in (_FIXED64, _FIXED32):
            end = place = place + (8 if kind == _FIXED64 else 4)
        elif kind == _BYTES:
            length, place = _varint(data, place)
            end = place + length
        else:
            raise ValueError(f"wire type {kind}")
        if end > len(data):
            raise ValueError("cut off")
        yield key >> 3, data[place:end]
        place = end


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
        if shift > 63:
            raise ValueError("number too long")


def _json(path: Path, key: str, text: str, kind: type, remedy: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} has unreadable {key}", remedy=remedy) from error
    if not isinstance(value, kind):
        raise CheckpointError(f"{path} has {key} of type {type(value).__name__}", remedy=remedy)
    return value


def _weights(path: Path, rows: list[Any], architecture: Architecture, remedy: str) -> NDArray[np.float32]:
    try:
        weights = np.array(rows, np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise CheckpointError(f"{path} has unreadable class activation weights", remedy=remedy) from error
    wanted = (2, architecture.channels)
    # Written so that a mean that is no number is wrong as well.
    if weights.shape != wanted or weights.min() < 0 or not (abs(weights.mean(axis=1) - 1) < _MEAN_ERROR).all():
        raise CheckpointError(
            f"{path} has unusable class activation weights, of shape {weights.shape}",
            expected=f"shape {wanted}, at least 0, each row with mean 1",
            remedy=remedy,
        )
    return weights.astype(np.float32)
