"""Checkpoints as networks: :mod:`camf_ros.network.checkpoint_file` with PyTorch around it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.numpy import save as serialize

from camf_ros.network.checkpoint_file import FORMAT, FORMAT_VERSION, check_finite, read_checkpoint_file, weights_hash
from camf_ros.network.model import CamfNetwork


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
    state = {key: value.detach().cpu().float().contiguous().numpy() for key, value in network.state_dict().items()}
    check_finite(path, state)
    digest = weights_hash(state)
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
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
    file = read_checkpoint_file(path)
    # Without memory behind it: the weights are there already.
    with torch.device("meta"):
        network = CamfNetwork(file.architecture)
    network.load_state_dict({key: torch.from_numpy(tensor) for key, tensor in file.tensors.items()}, assign=True)
    network.eval().requires_grad_(False)
    return Checkpoint(network, file.name, file.hash, file.training)
