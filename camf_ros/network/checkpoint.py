"""Checkpoints: one safetensors file that holds the weights and says what they are and where they come from.

The safetensors format is data only: reading one cannot run code. Metadata is text, so structured entries are JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor

from camf_ros.errors import CheckpointError
from camf_ros.network.architecture import Architecture
from camf_ros.network.model import CamfNetwork

_FORMAT = "camf-checkpoint"
_FORMAT_VERSION = 2
_REMEDY = "use a .safetensors file written by 'camf train'"


@dataclass(frozen=True)
class Checkpoint:
    """A loaded model and its provenance.

    Attributes:
        network: The network with the weights in it, float32, on the CPU, in evaluation mode.
        name: Model name, for example ``camf-paper``.
        hash: SHA-256 (hex) of the weights: equal weights have equal hashes, whatever the rest of the file says.
        training: What the weights were made from and how good they are: data, command, seed, commit, metrics.
    """

    network: CamfNetwork
    name: str
    hash: str
    training: Mapping[str, Any] = field(default_factory=dict)


def weights_hash(state: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) over the names, types, shapes and bytes of all tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def save_checkpoint(path: Path, network: CamfNetwork, *, name: str, training: Mapping[str, Any]) -> str:
    """Write a checkpoint, whole or not at all.

    Args:
        path: File to write; replaced if it is there.
        network: Its weights are stored as float32.
        name: Model name.
        training: Provenance, anything that JSON can hold.

    Returns:
        The hash of the weights.

    Raises:
        CheckpointError: If the weights are such that the file could not be loaded again.
    """
    state = {key: value.detach().cpu().float().contiguous() for key, value in network.state_dict().items()}
    _check_tensors(path, state, state)
    digest = weights_hash(state)
    metadata = {
        "format": _FORMAT,
        "format_version": str(_FORMAT_VERSION),
        "name": name,
        "architecture": json.dumps(network.architecture.to_dict()),
        "training": json.dumps(dict(training)),
        "hash": digest,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(serialize(state, metadata))
    temporary.replace(path)
    return digest


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and check it whole.

    Args:
        path: A .safetensors file.

    Raises:
        CheckpointError: If the file is missing, damaged, not a CAMF checkpoint, or does not fit its own description.
    """
    metadata, state = _read(path)
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(f"{path} is not a CAMF checkpoint", expected=f"format {_FORMAT!r}", remedy=_REMEDY)
    if metadata.get("format_version") != str(_FORMAT_VERSION):
        raise CheckpointError(
            f"{path} has format version {metadata.get('format_version')!r}",
            expected=f"{_FORMAT_VERSION}",
            remedy="use a model made by this version of camf_ros, or the version that made this one",
        )
    architecture_text, training_text, name, stored = (
        _entry(path, metadata, key) for key in ("architecture", "training", "name", "hash")
    )
    try:
        architecture = Architecture.from_dict(_json_object(path, "architecture", architecture_text))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}", remedy=_REMEDY) from error
    # Without memory behind it until the tensors are known to fit: widths are only what the file claims.
    with torch.device("meta"):
        network = CamfNetwork(architecture)
    _check_tensors(path, state, network.state_dict())
    digest = weights_hash(state)
    if digest != stored:
        raise CheckpointError(
            f"{path} is damaged: its weights have hash {digest[:12]}",
            expected=f"{stored[:12]}",
            remedy=_REMEDY,
        )
    network.load_state_dict(state, assign=True)
    network.eval().requires_grad_(False)
    return Checkpoint(network, name, digest, _json_object(path, "training", training_text))


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    if not path.is_file():
        raise CheckpointError(f"there is no model file {path}", remedy="check the path, or name a shipped model")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # A foreign file can be huge: look at what it says it is before reading its tensors.
            tensors = {key: file.get_tensor(key) for key in file.keys()} if "format" in metadata else {}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error})", remedy=_REMEDY) from error
    return metadata, tensors


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


def _check_tensors(path: Path, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Names, shapes, types and finiteness: what load_state_dict would say late, vaguely or not at all."""
    missing, foreign = sorted(set(wanted) - set(state)), sorted(set(state) - set(wanted))
    if missing or foreign:
        raise CheckpointError(
            f"{path} does not fit its architecture: missing {missing[:3]}, unknown {foreign[:3]}",
            remedy=_REMEDY,
        )
    for key, tensor in state.items():
        if tensor.shape != wanted[key].shape or tensor.dtype != torch.float32:
            raise CheckpointError(
                f"{path} has {key} of shape {tuple(tensor.shape)} and type {tensor.dtype}",
                expected=f"{tuple(wanted[key].shape)} of torch.float32",
                remedy=_REMEDY,
            )
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{path} has values in {key} that are not finite", remedy=_REMEDY)
