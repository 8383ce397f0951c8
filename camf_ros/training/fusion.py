"""Stage 3: decoder and encoder learn, through the frozen fusion rule, to make pictures that keep both sources."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from camf_ros.evaluation.metrics import mean, score
from camf_ros.network.constants import BORDER
from camf_ros.network.devices import autocast
from camf_ros.network.model import CamfNetwork
from camf_ros.training.classifier import load_sources
from camf_ros.training.config import Recipe
from camf_ros.training.crops import generator, normalise
from camf_ros.training.distributed import process_count, share, share_size
from camf_ros.training.fusion_losses import weighted_losses
from camf_ros.training.images import is_validation
from camf_ros.training.loop import Stage, warm_cosine
from camf_ros.training.pair_crops import pair_crops

# Validation pairs are cut to this many pixels a side: figures in seconds rather than minutes.
_VALIDATION_SIDE = 320
_GREY = 127.5
# The classifier's loss is taken on one pair in so many.
_JUDGED = 4


def fusion_stage(network: CamfNetwork, recipe: Recipe, data: Path, device: torch.device) -> Stage:
    """Stage 3 of a recipe.

    The classifier stays as it is, so the class activation weights do too. The encoder may change; that the frozen
    classifier still tells its features apart is part of the loss, so that the weights keep their meaning.

    Args:
        network: Its decoder, and its encoder if the recipe says so, are trained in place.
        recipe: What to do.
        data: Folder that the recipe's folders are in.
        device: Where to train.

    Raises:
        DataError: If pictures are missing or unreadable.
    """
    settings = recipe.fusion
    folders, held = [], []
    for folder in settings.pairs:
        sources = load_sources(data, [folder], settings.crop)
        keep = [is_validation(path, settings.validation) for path in sources.names]
        folders.append(sources.choose([not k for k in keep]))
        held.append(sources.choose(keep))
    weights = network.class_activation_weights().detach()
    network.classifier.requires_grad_(False)
    network.encoder.requires_grad_(settings.train_encoder)
    judged = max(1, settings.batch // _JUDGED)
    own = share_size(judged)
    labels = torch.tensor([0] * own + [1] * own, device=device)
    inner = slice(BORDER, -BORDER)
    gain = torch.full((settings.batch,), settings.gain, device=device) if settings.gain else None
    gain_of_share = None if gain is None else share(gain)

    def loss(step: int) -> Tensor:
        rng = generator(recipe.seed, "fusion", step)
        infrared, visible = (share(x).to(device) for x in pair_crops(folders, settings, rng))
        with autocast(device):
            features = network.encoder(torch.cat((infrared, visible)))
            used = network.own_gain(features, weights) if gain_of_share is None else gain_of_share
            fused = network.fuse_encoded(features, (settings.crop, settings.crop), weights, used)
        grey = ((x.float() + 1) * _GREY for x in (infrared[..., inner, inner], visible[..., inner, inner], fused))
        total = weighted_losses(
            *grey,
            information=settings.information_weight,
            edges=settings.edge_weight,
            differences=settings.difference_weight,
            structure=settings.structure_weight,
        )
        if settings.train_encoder and settings.classifier_weight and own:
            # On some of the pairs: the classifier costs as much as all the rest.
            scores = network.classifier([torch.cat((f[:own], f[len(infrared) :][:own])).float() for f in features])
            # Processes can have different numbers of these pairs, so that the mean of their means would be another one.
            each = F.cross_entropy(scores, labels, reduction="sum") / (2 * judged) * process_count()
            total = total + settings.classifier_weight * each
        return total

    def validate() -> Mapping[str, float]:
        result = {}
        for folder, pairs in zip(settings.pairs, held, strict=True):
            if pairs.names:
                each = zip(pairs.infrared, pairs.visible, strict=True)
                scores = [_score(network, pair, weights, gain, device) for pair in each]
                result.update({f"{name} {folder}": value for name, value in mean(scores).items()})
        return result

    return Stage(
        name="fusion",
        module=torch.nn.ModuleDict({"encoder": network.encoder, "decoder": network.decoder}),
        optimizer=torch.optim.Adam(
            [p for part in (network.encoder, network.decoder) for p in part.parameters() if p.requires_grad],
            lr=settings.learning_rate,
        ),
        steps=settings.steps,
        loss=loss,
        schedule=warm_cosine(settings.steps, settings.final_rate),
        validate=validate,
        validate_every=2000,
    )


def _score(
    network: CamfNetwork,
    pair: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    weights: Tensor,
    gain: Tensor | None,
    device: torch.device,
) -> dict[str, float]:
    infrared, visible = (image[:_VALIDATION_SIDE, :_VALIDATION_SIDE] for image in pair)
    with torch.no_grad(), autocast(device):
        x, y = (normalise(torch.from_numpy(image)[None, None]).to(device) for image in (infrared, visible))
        fused = network(x, y, weights, None if gain is None else gain[:1], contrast=1.0).fused
    levels = ((fused.float()[0, 0] + 1) * _GREY).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    return score(infrared, visible, levels)
