"""Stage 1 of the paper: encoder and decoder learn to reconstruct grey images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from camf_ros.network.inference import autocast
from camf_ros.network.paper import BORDER, PaperNetwork, normalised
from camf_ros.training.config import PaperRecipe
from camf_ros.training.data import GreyImage, find_images, generator, load_grey, random_crops, split
from camf_ros.training.distributed import share
from camf_ros.training.loop import Stage, warm_cosine

_LAPLACIAN = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
# Validation pictures are cut to this many pixels a side: figures in seconds rather than minutes.
_VALIDATION_SIDE = 320


def laplacian(image: Tensor) -> Tensor:
    """Second differences, (N, 1, H, W) to (N, 1, H - 2, W - 2), with the kernel [[0,1,0],[1,-4,1],[0,1,0]]."""
    return F.conv2d(image, _LAPLACIAN.to(image)[None, None])


def reconstruction_loss(output: Tensor, target: Tensor, mse_weight: float, laplacian_weight: float) -> Tensor:
    """Loss of stage 1 of the paper: weighted sum of the squared errors of the images and of their Laplacians.

    Images are (N, 1, H, W), range -1 to 1. The paper's weights are 5 and 1.
    """
    return mse_weight * F.mse_loss(output, target) + laplacian_weight * F.mse_loss(laplacian(output), laplacian(target))


def psnr(network: PaperNetwork, images: Sequence[GreyImage], device: torch.device) -> float:
    """Mean peak signal-to-noise ratio of the reconstruction over pictures, dB on grey values 0 to 255, in float32."""
    values = []
    with torch.no_grad():
        for image in images:
            x = torch.from_numpy(image)[None, None].float().to(device)
            error = float(F.mse_loss(network.reconstruct(x), x))
            values.append(10 * math.log10(255**2 / max(error, 1e-10)))
    return float(np.mean(values))


def autoencoder_stage(network: PaperNetwork, recipe: PaperRecipe, data: Path, device: torch.device) -> Stage:
    """Stage 1 of a recipe: trains encoder and decoder in place. Raises DataError on missing or unreadable pictures."""
    settings = recipe.autoencoder
    parts = {
        folder: split(find_images(data, [folder]), settings.validation, recipe.held_out) for folder in settings.images
    }
    training = [load_grey(path, settings.crop) for part in parts.values() for path in part.training]
    validation = {
        folder: [load_grey(path)[:_VALIDATION_SIDE, :_VALIDATION_SIDE] for path in part.validation]
        for folder, part in parts.items()
        if part.validation
    }
    inner = slice(BORDER, -BORDER)

    def loss(step: int) -> Tensor:
        rng = generator(recipe.seed, "autoencoder", step)
        x = normalised(share(random_crops(training, settings.batch, settings.crop, rng)).to(device))
        with autocast(device):
            output = network.decoder(network.encoder(x), (settings.crop, settings.crop))
        target = x[..., inner, inner]
        return reconstruction_loss(output.float(), target, settings.mse_weight, settings.laplacian_weight)

    def validate() -> Mapping[str, float]:
        return {f"psnr {folder}": psnr(network, images, device) for folder, images in validation.items()}

    parameters = [*network.encoder.parameters(), *network.decoder.parameters()]
    return Stage(
        name="autoencoder",
        module=torch.nn.ModuleDict({"encoder": network.encoder, "decoder": network.decoder}),
        optimizer=torch.optim.Adam(parameters, lr=settings.learning_rate),
        steps=settings.steps,
        loss=loss,
        schedule=warm_cosine(settings.steps, settings.final_rate),
        validate=validate,
    )
