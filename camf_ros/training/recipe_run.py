"""Runs a recipe: from the data to the model files on disk and their provenance."""

from __future__ import annotations

import hashlib
import logging
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from camf_ros.errors import DataError, ParameterError
from camf_ros.imaging.pairs import find_pairs
from camf_ros.models import CHECKPOINT, GRAPH
from camf_ros.network.blend import BlendNetwork
from camf_ros.network.checkpoint import load_checkpoint, save_checkpoint
from camf_ros.network.inference import Network
from camf_ros.network.onnx_export import export
from camf_ros.network.paper import PaperNetwork
from camf_ros.training.autoencoder import autoencoder_stage
from camf_ros.training.classifier_stage import blend_task, cross_validate, joint_stage, train_classifier
from camf_ros.training.config import BlendRecipe, PaperRecipe, Recipe
from camf_ros.training.data import find_images, is_validation, load_grey, load_sources, split
from camf_ros.training.distributed import from_first, is_first, process_count
from camf_ros.training.fusion_stage import fusion_stage, linear_weight
from camf_ros.training.loop import Trainer

_logger = logging.getLogger(__name__)


def train(
    recipe: Recipe,
    *,
    data: Path,
    run: Path,
    output: Path,
    device: torch.device,
    command: Sequence[str],
    quiet: bool = False,
) -> str:
    """Train all stages and write checkpoint and graphs; a run that was killed goes on where it was. Returns the hash.

    ``data`` is the folder with the recipe's folders, ``run`` that of states and log. The graphs are written beside
    ``output``. ``command`` is stored as provenance.

    Raises ParameterError if the run folder is that of another recipe or of other data, if several processes cannot
    share a batch equally, or ``output`` has another ending, and DataError if data or states are missing or damaged, or
    the training diverges.
    """
    if output.suffix != CHECKPOINT:
        raise ParameterError(f"the checkpoint is {output}", expected=f"a name that ends in {CHECKPOINT}")
    commit = source_commit()  # now: the checkout may have moved on when training ends
    check_batches(recipe)
    check_data(recipe, data)
    hash_of_data = data_hash(data, recipe.folders)
    if hash_of_data != from_first(hash_of_data):
        raise DataError(f"{data} holds other pictures than on the machine of the first process", remedy="copy them")
    trainer = Trainer(run, recipe.to_dict(), data=hash_of_data, quiet=quiet)
    torch.manual_seed(recipe.seed)
    network: Network
    if isinstance(recipe, BlendRecipe):
        network, metrics = _train_blend(recipe, data, device, trainer)
    else:
        network, metrics = _train_paper(recipe, data, device, trainer)
    provenance: dict[str, Any] = {
        "recipe": recipe.to_dict(),
        "command": shlex.join(command),
        "commit": commit,
        "data_hash": hash_of_data,
        "torch": torch.__version__,
        "device": _device_name(device),
        "metrics": metrics,
    }
    digest = ""
    if is_first():
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        digest = save_checkpoint(output, network, name=recipe.name, training=provenance)
        export(load_checkpoint(output), output.with_suffix(GRAPH))
    digest = from_first(digest)
    trainer.log(stage="done", checkpoint=str(output), hash=digest)
    return digest


def _train_paper(
    recipe: PaperRecipe, data: Path, device: torch.device, trainer: Trainer
) -> tuple[PaperNetwork, dict[str, Any]]:
    """The network, and what was measured in each stage."""
    network = PaperNetwork(recipe.architecture).to(device)
    for part in (network.encoder, network.decoder):
        initialise(part, recipe.autoencoder.initialisation)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    stage1 = trainer.run(autoencoder_stage(network, recipe, data, device))
    _logger.info("auto-encoder: %s", stage1)
    stage2 = train_classifier(network, recipe, data, device, trainer)
    _logger.info("classifier: %s", stage2)
    folds = cross_validate(network, recipe, data, device, trainer) if recipe.classifier.folds else []
    _logger.info("cross-validated accuracy: %s", folds)
    return network, {"autoencoder": stage1, "classifier": stage2, "cross_validated_accuracy": folds}


def _train_blend(
    recipe: BlendRecipe, data: Path, device: torch.device, trainer: Trainer
) -> tuple[BlendNetwork, dict[str, Any]]:
    """Likewise."""
    network = BlendNetwork(recipe.architecture).to(device)
    initialise(network.encoder)
    initialise(network.heads.hidden)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    training, held = [], []
    for folder in recipe.pairs:
        sources = load_sources(data, [folder], recipe.crops.side)
        trained, kept = sources.apart([is_validation(p, recipe.validation, recipe.held_out) for p in sources.names])
        training.append(trained)
        held.append(kept)
    task = blend_task(network, recipe, training, held, device)
    stage1 = trainer.run(joint_stage(task, recipe))
    _logger.info("classifier: %s", stage1)
    linear = linear_weight(network, recipe)
    stage2 = trainer.run(fusion_stage(network, recipe, training, held, linear=linear, device=device))
    # The encoder has moved: is the classifier, and with it the meaning of the weights, still right?
    stage2.update(task.accuracy())
    _logger.info("fusion: %s", stage2)
    # A model has the weights that it was trained with, which other ones than `read` owe to no classifier.
    network.classifier.linear.weight.data.copy_(linear)
    return network, {"classifier": stage1, "fusion": stage2}


def check_batches(recipe: Recipe) -> None:
    """Raise a ParameterError unless every process can take an equal share of every batch."""
    count = process_count()
    for where, batch in recipe.batches.items():
        if batch % count:
            raise ParameterError(
                f"{where}.batch is {batch}, which {count} processes cannot share equally",
                expected=f"a multiple of {count}",
                remedy="start another number of processes, or change the recipe",
            )


def check_data(recipe: Recipe, data: Path) -> None:
    """Find what is missing for any stage before the first one has taken its hours.

    Raises DataError if folders, pictures or counterparts are missing, or too few for the split or the folds, if
    pictures that are to be fused differ in size, or if no picture has a name that is to be held out.
    """
    if absent := sorted(set(recipe.held_out) - {path.stem for path in find_images(data, recipe.folders)}):
        raise DataError(
            f"held_out names {', '.join(absent[:5])}{' and others' if len(absent) > 5 else ''}, which is in no folder",
            expected="names of pictures without their ending",
        )
    if isinstance(recipe, BlendRecipe):
        # Both stages draw from each folder as often as from the others: none may be without pictures.
        for folder in recipe.pairs:
            _check_split(f"validation, in {folder},", _infrared(data, [folder]), recipe.validation, recipe.held_out)
            _check_sizes(data / folder)
        return
    stage1, stage2 = recipe.autoencoder, recipe.classifier
    pairs = _infrared(data, stage2.pairs)
    _check_split("autoencoder.validation", find_images(data, stage1.images), stage1.validation, recipe.held_out)
    _check_split("classifier.validation", pairs, stage2.validation, recipe.held_out)
    free = [path for path in pairs if path.stem not in recipe.held_out]
    if stage2.folds > len(free):
        raise DataError(f"classifier.folds is {stage2.folds}", expected=f"at most {len(free)}, the number of pairs")


def _check_split(where: str, files: Sequence[Path], share: float, held_out: tuple[str, ...]) -> None:
    if not split(files, share, held_out).training:
        raise DataError(
            f"{where} of {share:g} leaves none of {len(files)} pictures for training",
            remedy="lower it, or add pictures" if not held_out else "lower it, shorten held_out, or add pictures",
        )


def _check_sizes(folder: Path) -> None:
    for pair in find_pairs(folder):
        infrared, visible = (f"{image.shape[1]} x {image.shape[0]}" for image in map(load_grey, pair))
        if infrared != visible:
            raise DataError(
                f"{pair[0]} has {infrared} pixels and {pair[1]} has {visible}",
                expected="one size for both, since they are to be fused",
                remedy="register one to the other first",
            )


def _infrared(data: Path, folders: Sequence[str]) -> list[Path]:
    return [infrared for folder in folders for infrared, _ in find_pairs(data / folder)]


def data_hash(root: Path, folders: Sequence[str]) -> str:
    """SHA-256 (hex) over the names and bytes of all pictures: says whether a later run had the same data."""
    digest = hashlib.sha256()
    for path in find_images(root, folders):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _device_name(device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return name if process_count() == 1 else f"{process_count()} x {name}"


def source_commit() -> str:
    """Commit of the source that trains, with a mark for uncommitted changes; empty outside a checkout."""
    folder = Path(__file__).parent
    try:
        result = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return result.stdout.strip()


def initialise(module: nn.Module, method: str = "he") -> None:
    """Draw new weights for all convolutions of a module; their biases become 0.

    ``he`` (He et al., 2015) keeps the variance through layers of ReLU; ``glorot`` (Glorot and Bengio, 2010; uniform) is
    the default of the framework that the paper's authors used.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            if method == "he":
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            else:
                nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
