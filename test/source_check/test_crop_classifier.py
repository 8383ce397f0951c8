"""The classifier in numpy gives what the network in PyTorch gives."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from small_model import make_small_network

from camf_ros.errors import ImageError
from camf_ros.models import find_model, shipped_models
from camf_ros.network import load_checkpoint
from camf_ros.network.checkpoint_file import read_checkpoint_file
from camf_ros.network.classifier import MIN_FEATURE_SIZE
from camf_ros.source_check.crop_classifier import SMALLEST_CROP, STEP, CropClassifier
from camf_ros.training.crops import normalise

if TYPE_CHECKING:
    from camf_ros.network import CamfNetwork

SHAPES = [(128, 128), (SMALLEST_CROP, SMALLEST_CROP), (64, 100), (256, 256)]


def reference(network: CamfNetwork, crop: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return network.classifier(network.encoder(normalise(torch.from_numpy(crop))[None, None]))[0].numpy()


def picture(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fused", [(6,), (2, 6), (1, 6), (1, 2, 6)])
def test_is_the_network(shape: tuple[int, int], fused: tuple[int, ...]) -> None:
    network = make_small_network(fused=fused)
    tensors = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    own = CropClassifier(network.architecture, tensors).logits(picture(shape))
    np.testing.assert_allclose(own, reference(network, picture(shape)), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", shipped_models())
def test_is_the_shipped_network(name: str) -> None:
    file = read_checkpoint_file(find_model(name))
    own = CropClassifier(file.architecture, file.tensors).logits(picture((128, 128)))
    network = load_checkpoint(find_model(name)).network.eval()
    np.testing.assert_allclose(own, reference(network, picture((128, 128))), rtol=0, atol=1e-4)


def test_smallest_crop_is_what_the_network_takes() -> None:
    assert SMALLEST_CROP == STEP * MIN_FEATURE_SIZE


@pytest.mark.parametrize("shape", [(48, 128), (128, 130), (128, 128, 3), (0, 0)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    network = make_small_network()
    tensors = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    with pytest.raises(ImageError, match="a crop has shape"):
        CropClassifier(network.architecture, tensors).logits(np.zeros(shape, np.uint8))


def test_no_runtime_is_imported() -> None:
    runtimes = {"torch", "openvino", "onnxruntime", "rclpy"}
    code = f"import sys, camf_ros.source_check; print(sorted({runtimes} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
