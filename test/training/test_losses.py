"""Losses and figures of merit of the paper's stages against plain NumPy, and on pictures in its range, -1 to 1."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_training import sharp, soft
from trainings import CPU, make_recipe

from camf_ros.network.architecture import PaperArchitecture
from camf_ros.network.paper import PaperNetwork
from camf_ros.training import autoencoder, classifier_stage
from camf_ros.training.autoencoder import autoencoder_stage, laplacian, psnr, reconstruction_loss
from camf_ros.training.classifier_stage import paper_stage, paper_task
from camf_ros.training.data import generator, load_grey, load_sources, random_crops, split

Array = NDArray[np.float64]


def plain_laplacian(image: Array) -> Array:
    out = np.zeros((image.shape[0] - 2, image.shape[1] - 2))
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            y, x = row + 1, column + 1
            out[row, column] = image[y - 1, x] + image[y + 1, x] + image[y, x - 1] + image[y, x + 1] - 4 * image[y, x]
    return out


def random_images(seed: int) -> torch.Tensor:
    return torch.rand(2, 1, 9, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def test_laplacian() -> None:
    images = random_images(1)
    got = laplacian(images)
    assert got.shape == (2, 1, 7, 5)
    for index in range(2):
        np.testing.assert_allclose(got[index, 0].numpy(), plain_laplacian(images[index, 0].numpy()), atol=1e-12)
    assert laplacian(images.float()).dtype == torch.float32


def test_laplacian_of_a_slope_is_zero() -> None:
    rows, columns = np.mgrid[0:8, 0:9].astype(np.float64)
    slope = torch.from_numpy(0.1 * rows - 0.2 * columns + 3)[None, None]
    assert float(laplacian(slope).abs().max()) < 1e-12


@pytest.mark.parametrize(("mse_weight", "laplacian_weight"), [(5.0, 1.0), (1.0, 0.0), (0.0, 2.0)])
def test_reconstruction_loss(mse_weight: float, laplacian_weight: float) -> None:
    output, target = random_images(2), random_images(3)
    errors, edges = [], []
    for one, two in zip(output[:, 0].numpy(), target[:, 0].numpy(), strict=True):
        errors.append((one - two) ** 2)
        edges.append((plain_laplacian(one) - plain_laplacian(two)) ** 2)
    expected = mse_weight * np.mean(errors) + laplacian_weight * np.mean(edges)
    assert float(reconstruction_loss(output, target, mse_weight, laplacian_weight)) == pytest.approx(expected)
    assert float(reconstruction_loss(target, target, mse_weight, laplacian_weight)) == 0


@pytest.fixture
def network() -> PaperNetwork:
    torch.manual_seed(1)
    return PaperNetwork(PaperArchitecture((2, 3, 4, 5, 5, 5), (5, 5, 4, 3, 3)))


def test_psnr(network: PaperNetwork) -> None:
    pictures = [soft(1, 20, 30), sharp(2, 21, 17)]
    values = []
    for picture in pictures:
        x = picture.astype(np.float64)
        with torch.no_grad():
            out = network.double().reconstruct(torch.from_numpy(x)[None, None])[0, 0].numpy()
        mse = np.mean((out - x) ** 2)
        values.append(10 * math.log10(255**2 / mse))
    got = psnr(network.float(), pictures, torch.device("cpu"))
    assert got == pytest.approx(np.mean(values), abs=1e-3)


def test_psnr_of_a_perfect_copy_is_finite(network: PaperNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PaperNetwork, "reconstruct", lambda _self, image: image)
    assert 100 < psnr(network, [soft(1, 20, 30)], torch.device("cpu")) < 200


def papers_range(grey: torch.Tensor) -> torch.Tensor:
    return (grey - 127.5) / 127.5


def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (autoencoder, classifier_stage):
        monkeypatch.setattr(module, "autocast", lambda _device: contextlib.nullcontext())


def test_step_of_stage_1(tmp_path: Path, data: Path, network: PaperNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder sees the crop as it is, and the loss is taken on what 'valid' layers leave of it, in -1 to 1."""
    in_float32(monkeypatch)
    recipe = make_recipe(tmp_path, autoencoder__images=["natural"])
    pictures = [load_grey(p, 64) for p in split(sorted((data / "natural").rglob("*.png")), 0.3).training]
    x = papers_range(random_crops(pictures, 4, 64, generator(3, "autoencoder", 2)))
    with torch.no_grad():
        output = network.decoder(network.encoder(x), (64, 64))
    expected = reconstruction_loss(output, x[..., 2:-2, 2:-2], 5, 1)
    loss = autoencoder_stage(network, recipe, data, CPU).loss(2)
    assert float(loss.detach()) == pytest.approx(float(expected), rel=1e-5)


def test_step_of_stage_2(tmp_path: Path, data: Path, network: PaperNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cross-entropy, infrared crops first, of the features of pictures in -1 to 1."""
    in_float32(monkeypatch)
    recipe, sources = make_recipe(tmp_path), load_sources(data, ["pairs"], 64)
    rng = generator(3, "classifier", 4)
    x = papers_range(torch.cat([random_crops(i, 2, 64, rng) for i in (sources.infrared, sources.visible)]))
    with torch.no_grad():
        scores = network.classifier([network.encoder(x)])
    expected = -scores.log_softmax(1)[range(4), [0, 0, 1, 1]].mean()
    task = paper_task(network, recipe, sources, sources.choose([False] * 8), CPU)
    loss = paper_stage(task, recipe, 6).loss(4)
    assert float(loss.detach()) == pytest.approx(float(expected), rel=1e-5)
    loss.backward()
    assert all(parameter.grad is None for parameter in network.encoder.parameters())
