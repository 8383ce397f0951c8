"""The CAMF network in PyTorch: grey images in the range -1 to 1 in, fused grey image in the same range out.

PyTorch is imported with the first name that needs it: the modules that describe a model do without.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from camf_ros.network.architecture import Architecture

if TYPE_CHECKING:
    from camf_ros.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
    from camf_ros.network.fusion_rule import class_activation_weights, fuse_features
    from camf_ros.network.model import CamfNetwork, FusionOutput

__all__ = [
    "Architecture",
    "CamfNetwork",
    "Checkpoint",
    "FusionOutput",
    "class_activation_weights",
    "fuse_features",
    "load_checkpoint",
    "save_checkpoint",
]

_HOMES = {
    "CamfNetwork": "model",
    "Checkpoint": "checkpoint",
    "FusionOutput": "model",
    "class_activation_weights": "fusion_rule",
    "fuse_features": "fusion_rule",
    "load_checkpoint": "checkpoint",
    "save_checkpoint": "checkpoint",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
