"""Losses and figures of merit of both stages against plain NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_training import sharp, soft

from camf_ros.network import CamfNetwork
from camf_ros.training.autoencoder import laplacian, psnr, reconstruction_loss

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


def test_psnr(small_network: CamfNetwork) -> None:
    pictures = [soft(1, 20, 30), sharp(2, 21, 17)]
    values = []
    for picture in pictures:
        x = (picture.astype(np.float64) - 127.5) / 127.5
        out = small_network.double().reconstruct(torch.from_numpy(x)[None, None])[0, 0].numpy()
        mse = np.mean((out * 127.5 - x * 127.5) ** 2)
        values.append(10 * math.log10(255**2 / mse))
    got = psnr(small_network.float(), pictures, torch.device("cpu"))
    assert got == pytest.approx(np.mean(values), abs=1e-3)


def test_psnr_of_a_perfect_copy_is_finite(small_network: CamfNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CamfNetwork, "reconstruct", lambda _self, image: image)
    assert 100 < psnr(small_network, [soft(1, 20, 30)], torch.device("cpu")) < 200
