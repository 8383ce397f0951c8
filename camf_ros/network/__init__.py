"""The CAMF network in PyTorch: grey images in the range -1 to 1 in, fused grey image in the same range out."""

from camf_ros.network.architecture import Architecture
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
