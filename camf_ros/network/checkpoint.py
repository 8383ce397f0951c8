"""Checkpoints: the weights of a network in one safetensors file that says what they are and where they come from.

The format is data only: reading one cannot run code. Metadata is text, so structured entries are JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialize

from camf_ros.errors import CheckpointError
from camf_ros.files import write_whole
from camf_ros.network.architecture import Architecture, BlendArchitecture, to_dict
from camf_ros.network.blend import BlendNetwork
from camf_ros.network.inference import Network
from camf_ros.network.model_info import CHECKPOINT_FORMAT, FORMAT_VERSION, parse_info
from camf_ros.network.paper import PaperNetwork

_REMEDY = "use a .safetensors file written by 'camf train'"
_FLOAT32 = "F32"
# Characters of a wrong entry that an error repeats.
_SHOWN = 120


@dataclass(frozen=True)
class Checkpoint:
    """A loaded model and its provenance."""

    network: Network  #: The network with the weights in it, float32, on the CPU, in evaluation mode
    name: str  #: Model name, for example ``camf``
    hash: str  #: SHA-256 (hex) of the weights: equal weights have equal hashes, whatever the rest of the file says
    #: What the weights were made from and how good they are: data, command, seed, commit, metrics.
    training: Mapping[str, Any] = field(default_factory=dict)


def network_of(architecture: Architecture) -> Network:
    """A network with freshly initialised weights."""
    return BlendNetwork(architecture) if isinstance(architecture, BlendArchitecture) else PaperNetwork(architecture)


def save_checkpoint(path: Path, network: Network, *, name: str, training: Mapping[str, Any]) -> str:
    """Write a checkpoint with float32 weights, whole or not at all; returns the hash of the weights.

    ``training`` is the provenance: anything that JSON can hold. Raises CheckpointError if a weight is not finite.
    """
    state = {key: value.detach().cpu().float().contiguous().numpy() for key, value in network.state_dict().items()}
    _check_finite(path, state)
    digest = weights_hash(state)
    metadata = {
        "format": CHECKPOINT_FORMAT,
        "format_version": str(FORMAT_VERSION),
        "name": name,
        "architecture": json.dumps(to_dict(network.architecture)),
        "training": json.dumps(dict(training)),
        "hash": digest,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, serialize(state, metadata))
    return digest


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and check it whole.

    Raises CheckpointError if the file is missing, damaged, no CAMF checkpoint, or does not fit its own description.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no model file {path}", remedy="check the path, or name a shipped model")
    try:
        with safe_open(path, framework="np") as file:
            # A foreign file can be huge: look at what it says it is before reading its tensors.
            info = parse_info(path, file.metadata() or {}, CHECKPOINT_FORMAT)
            # Without memory behind it: the weights come from the file.
            with torch.device("meta"):
                network = network_of(info.architecture)
            shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
            found = {}
            for key in file.keys():  # noqa: SIM118 (no mapping)
                header = file.get_slice(key)
                found[key] = (tuple(header.get_shape()), header.get_dtype())
            _check_headers(path, found, shapes)
            tensors = {key: file.get_tensor(key) for key in found}
    except (SafetensorError, OSError, ValueError, MemoryError) as error:
        # The library's own words may hold a name as long as the file.
        raise CheckpointError(f"{path} cannot be read ({str(error)[:_SHOWN]})", remedy=_REMEDY) from error
    _check_finite(path, tensors)
    digest = weights_hash(tensors)
    if digest != info.hash:
        raise CheckpointError(
            f"{path} is damaged: its weights have hash {digest[:12]}", expected=f"{info.hash[:12]}", remedy=_REMEDY
        )
    network.load_state_dict({key: torch.from_numpy(tensor) for key, tensor in tensors.items()}, assign=True)
    network.eval().requires_grad_(False)
    return Checkpoint(network, info.name, digest, info.training)


def weights_hash(tensors: Mapping[str, NDArray[np.float32]]) -> str:
    """SHA-256 (hex) over the names, types, shapes and bytes of all tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        # The name that PyTorch gives the type is part of what the hashes of all models were made of.
        digest.update(f"{name} torch.{tensors[name].dtype} {tuple(tensors[name].shape)}\n".encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()


def _check_finite(path: Path, tensors: Mapping[str, NDArray[np.float32]]) -> None:
    for key, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise CheckpointError(f"{path} has values in {key} that are not finite", remedy=_REMEDY)


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
