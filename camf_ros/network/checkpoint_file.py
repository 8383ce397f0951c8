"""Checkpoint files: reading and checking them, without PyTorch, which some inference engines do without.

One safetensors file holds the weights and says what they are and where they come from. The format is data only: reading
one cannot run code. Metadata is text, so structured entries are JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from camf_ros.errors import CheckpointError
from camf_ros.network.architecture import (
    CLASSES,
    CLASSIFIER_BRANCHES,
    CLASSIFIER_STRIDES,
    DECODER_JOINS,
    Architecture,
)

FORMAT = "camf-checkpoint"
FORMAT_VERSION = 2
_REMEDY = "use a .safetensors file written by 'camf train'"
_FLOAT32 = "F32"
# Characters of a wrong entry that an error repeats.
_SHOWN = 120


@dataclass(frozen=True)
class CheckpointFile:
    """What a checkpoint file holds.

    Attributes:
        architecture: Layer widths and fused layers.
        tensors: Weights by name, float32, every one finite and of the shape that the architecture asks for.
        name: Model name, for example ``camf-paper``.
        hash: SHA-256 (hex) of the weights: equal weights have equal hashes, whatever the rest of the file says.
        training: What the weights were made from and how good they are: data, command, seed, commit, metrics.
    """

    architecture: Architecture
    tensors: Mapping[str, NDArray[np.float32]]
    name: str
    hash: str
    training: Mapping[str, Any] = field(default_factory=dict)

    def class_activation_weights(self) -> NDArray[np.float32]:
        """As :func:`camf_ros.network.fusion_rule.class_activation_weights`: (2, K), each row with mean 1."""
        # In float64, where exp(-x) of any finite float32 x ends in 0 or in infinity, both of which are right here.
        with np.errstate(over="ignore"):
            weights = 1 / (1 + np.exp(-2 * self.tensors["classifier.linear.weight"].astype(np.float64)))
        return np.asarray(weights / weights.mean(axis=1, keepdims=True), np.float32)


def weights_hash(tensors: Mapping[str, NDArray[np.float32]]) -> str:
    """SHA-256 (hex) over the names, types, shapes and bytes of all tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        # The name that PyTorch gives the type is part of what the hashes of all models were made of.
        digest.update(f"{name} torch.{tensors[name].dtype} {tuple(tensors[name].shape)}\n".encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()


def tensor_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all weights of a network."""
    shapes: dict[str, tuple[int, ...]] = {}

    def layer(name: str, *shape: int) -> None:
        shapes[f"{name}.weight"] = shape
        shapes[f"{name}.bias"] = shape[:1]

    before = 1
    for number, width in enumerate(architecture.encoder):
        layer(f"encoder.layers.{number}", width, before, 3, 3)
        before = width
    for number, width in enumerate(architecture.decoder):
        joined = DECODER_JOINS.get(number, 0)
        more = architecture.encoder[joined - 1] if joined in architecture.fused else 0
        layer(f"decoder.layers.{number}", width, before + more, 3, 3)
        before = width
    layer("decoder.head", 1, before, 1, 1)
    for number in range(len(CLASSIFIER_STRIDES)):
        layer(f"classifier.stages.{number}.branches", CLASSIFIER_BRANCHES * architecture.channels, 1, 3, 3)
    layer("classifier.linear", len(CLASSES), architecture.channels)
    return shapes


def read_checkpoint_file(path: Path) -> CheckpointFile:
    """Read a checkpoint file and check it whole.

    Args:
        path: A .safetensors file.

    Raises:
        CheckpointError: If the file is missing, damaged, not a CAMF checkpoint, or does not fit its own description.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no model file {path}", remedy="check the path, or name a shipped model")
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            # A foreign file can be huge: look at what it says it is before reading its tensors.
            architecture = _architecture(path, metadata)
            found = {}
            for key in file.keys():  # noqa: SIM118 (no mapping)
                header = file.get_slice(key)
                found[key] = (tuple(header.get_shape()), header.get_dtype())
            _check_headers(path, found, tensor_shapes(architecture))
            tensors = {key: file.get_tensor(key) for key in found}
    except (SafetensorError, OSError, ValueError, MemoryError) as error:
        # The library's own words may hold a name as long as the file.
        raise CheckpointError(f"{path} cannot be read ({str(error)[:_SHOWN]})", remedy=_REMEDY) from error
    check_finite(path, tensors)
    training, name, stored = (_entry(path, metadata, key) for key in ("training", "name", "hash"))
    digest = weights_hash(tensors)
    if digest != stored:
        raise CheckpointError(
            f"{path} is damaged: its weights have hash {digest[:12]}",
            expected=f"{stored[:12]}",
            remedy=_REMEDY,
        )
    return CheckpointFile(architecture, tensors, name, digest, _json_object(path, "training", training))


def check_finite(path: Path, tensors: Mapping[str, NDArray[np.float32]]) -> None:
    """Check that no weight is infinite or no number.

    Raises:
        CheckpointError: If one is.
    """
    for key, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise CheckpointError(f"{path} has values in {key} that are not finite", remedy=_REMEDY)


def _architecture(path: Path, metadata: Mapping[str, str]) -> Architecture:
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a CAMF checkpoint", expected=f"format {FORMAT!r}", remedy=_REMEDY)
    if metadata.get("format_version") != str(FORMAT_VERSION):
        raise CheckpointError(
            f"{path} has format version {str(metadata.get('format_version'))[:_SHOWN]!r}",
            expected=f"{FORMAT_VERSION}",
            remedy="use a model made by this version of camf_ros, or the version that made this one",
        )
    entries = _json_object(path, "architecture", _entry(path, metadata, "architecture"))
    try:
        return Architecture.from_dict(entries)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}", remedy=_REMEDY) from error


def _entry(path: Path, metadata: Mapping[str, str], key: str) -> str:
    if key not in metadata:
        raise CheckpointError(f"{path} lacks the metadata entry {key!r}", remedy=_REMEDY)
    return metadata[key]


def _json_object(path: Path, key: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} has unreadable {key} ({error})", remedy=_REMEDY) from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} has {key} of type {type(value).__name__}", expected="an object", remedy=_REMEDY)
    return value


def _check_headers(
    path: Path, found: Mapping[str, tuple[tuple[int, ...], str]], wanted: Mapping[str, tuple[int, ...]]
) -> None:
    """Names, shapes and types, before memory is taken for what a file only claims to hold."""
    missing, foreign = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    if missing or foreign:
        raise CheckpointError(
            f"{path} does not fit its architecture: missing {missing[:3]}, unknown {str(foreign[:3])[:_SHOWN]}",
            remedy=_REMEDY,
        )
    for key, (shape, kind) in found.items():
        if shape != wanted[key] or kind != _FLOAT32:
            raise CheckpointError(
                f"{path} has {key} of shape {shape} and type {kind}",
                expected=f"{wanted[key]} of {_FLOAT32}",
                remedy=_REMEDY,
            )
