"""Stage 2 of a blending network: encoder and heads learn to fuse; the class activation weights stay as they are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camf_ros.evaluation.metrics import mean, score
from camf_ros.network.blend import BlendNetwork, blend
from camf_ros.network.classifier import class_activation_weights
from camf_ros.network.inference import autocast
from camf_ros.training.config import BlendRecipe
from camf_ros.training.data import GreyImage, Sources, generator, pair_crops
from camf_ros.training.distributed import process_count, share, share_size
from camf_ros.training.fusion_losses import weighted_losses
from camf_ros.training.loop import Stage, warm_cosine

# Pairs of a folder that are validated on, at most.
_VALIDATION_PAIRS = 24
# The classifier's loss is taken on one pair in so many.
_JUDGED = 4


def linear_weight(network: BlendNetwork, recipe: BlendRecipe) -> Tensor:
    """The weight (2, K) of the classifier's linear layer that gives the class activation weights of the recipe.

    ``read`` is the layer as it is. ``equal`` is 0, so that all weights are 1. ``shuffled`` permutes each row within
    each scale, by the seed: the same weights, which say nothing about their channels.
    """
    linear = network.classifier.linear.weight.detach().clone()
    if recipe.fusion.weights == "equal":
        return torch.zeros_like(linear)
    if recipe.fusion.weights == "shuffled":
        rng = generator(recipe.seed, "shuffled weights", 0)
        starts = np.cumsum((0, *recipe.architecture.encoder[:-1]))
        for row in linear:
            order = [
                start + rng.permutation(width) for start, width in zip(starts, recipe.architecture.encoder, strict=True)
            ]
            row.copy_(row[torch.from_numpy(np.concatenate(order)).to(row.device)])
    return linear


def fusion_stage(
    network: BlendNetwork,
    recipe: BlendRecipe,
    training: list[Sources],
    held: list[Sources],
    *,
    linear: Tensor,
    device: torch.device,
) -> Stage:
    """Stage 2 of a recipe: trains encoder and heads in place, with the weights of ``linear``.

    The encoder changes. That the frozen classifier still tells its features apart is part of the loss, so that the
    weights keep their meaning. ``training`` and ``held`` (some may be empty) have the pairs of each folder.
    """
    settings = recipe.fusion
    weights = class_activation_weights(linear)
    network.classifier.requires_grad_(False)
    judged = max(1, settings.batch // _JUDGED)
    own = share_size(judged)
    labels = torch.tensor([0] * own + [1] * own, device=device)

    def loss(step: int) -> Tensor:
        crops = pair_crops(training, settings.batch, recipe.crops, generator(recipe.seed, "fusion", step))
        infrared, visible = (share(x).to(device) for x in crops.clean)
        seen_ir, seen_vis = (share(x).to(device) for x in crops.seen)
        with autocast(device):
            f_ir, f_vis = zip(*(f.chunk(2) for f in network.encoder(torch.cat((seen_ir, seen_vis)))), strict=True)
            amounts = network.amounts(f_ir, f_vis, weights)
        infrared_part, visible_part = blend(seen_ir, seen_vis, [a.float() for a in amounts])
        total = weighted_losses(infrared, visible, infrared_part + visible_part, settings)
        if settings.classifier_weight and own:
            # On some of the pairs: the classifier costs as much as all the rest.
            features = [torch.cat((x[:own], y[:own])).float() for x, y in zip(f_ir, f_vis, strict=True)]
            # Processes can have different numbers of these pairs, so that the mean of their means would be another one.
            wrong = F.cross_entropy(network.classifier(features), labels, reduction="sum")
            total = total + settings.classifier_weight * wrong / (2 * judged) * process_count()
        return total

    def validate() -> Mapping[str, float]:
        return {
            f"{name} {folder}": value
            for folder, sources in zip(recipe.pairs, held, strict=True)
            if sources.names
            for name, value in mean(_scores(network, sources, weights, device)).items()
        }

    module = nn.ModuleDict({"encoder": network.encoder, "heads": network.heads})
    return Stage(
        name="fusion",
        module=module,
        optimizer=torch.optim.Adam(module.parameters(), lr=settings.learning_rate),
        steps=settings.steps,
        loss=loss,
        schedule=warm_cosine(settings.steps, settings.final_rate),
        validate=validate,
        validate_every=settings.validate_every,
    )


def _scores(network: BlendNetwork, sources: Sources, weights: Tensor, device: torch.device) -> list[dict[str, float]]:
    """All metrics of some pairs, spread evenly over the names."""
    count = len(sources.names)
    used = min(count, _VALIDATION_PAIRS)
    rows = [number * count // used for number in range(used)]
    pairs = [(sources.infrared[row], sources.visible[row]) for row in rows]
    return [score(*pair, fuse(network, *pair, weights, device)) for pair in pairs]


def fuse(
    network: BlendNetwork, infrared: GreyImage, visible: GreyImage, weights: Tensor, device: torch.device
) -> GreyImage:
    """Fused picture of a pair of any size, (H, W), in float32."""
    height, width = infrared.shape
    step = network.architecture.step
    margin = (0, -width % step, 0, -height % step)
    x, y = (
        F.pad(torch.from_numpy(image)[None, None].float().to(device), margin, mode="replicate")
        for image in (infrared, visible)
    )
    with torch.no_grad():
        output = network(x, y, weights)
    fused = (output.infrared_part + output.visible_part)[0, 0, :height, :width]
    return np.asarray(fused.round().clamp(0, 255).to(torch.uint8).cpu().numpy(), np.uint8)
