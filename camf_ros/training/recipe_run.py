"""A recipe from its data to the checkpoint on disk, with the provenance that the checkpoint carries."""

from __future__ import annotations

import hashlib
import logging
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from camf_ros.errors import DataError
from camf_ros.imaging.pairs import find_pairs
from camf_ros.network import CamfNetwork, save_checkpoint
from camf_ros.training.autoencoder import autoencoder_stage
from camf_ros.training.classifier import cross_validate, train_classifier
from camf_ros.training.config import Recipe
from camf_ros.training.images import find_images, split
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
    """Train both stages and write the checkpoint; a run that was killed goes on where it was.

    Args:
        recipe: What to train.
        data: Folder that the recipe's folders are in.
        run: Folder of states and log.
        output: Checkpoint to write.
        device: Where to train.
        command: The command line, for the checkpoint's provenance.
        quiet: No progress bars.

    Returns:
        Hash of the weights.
    """
    commit = _commit()  # now: the checkout may have moved on when training ends
    check_data(recipe, data)
    hash_of_data = data_hash(data, sorted({*recipe.autoencoder.images, *recipe.classifier.pairs}))
    trainer = Trainer(run, recipe.to_dict(), quiet=quiet)
    torch.manual_seed(recipe.seed)
    network = CamfNetwork(recipe.architecture).to(device)
    if recipe.autoencoder.initialisation != "he":  # which it begins with
        network.initialise(recipe.autoencoder.initialisation)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    stage1 = trainer.run(autoencoder_stage(network, recipe, data, device))
    _logger.info("auto-encoder: %s", stage1)
    stage2 = train_classifier(network, recipe, data, device, trainer)
    _logger.info("classifier: %s", stage2)
    folds = cross_validate(network, recipe, data, device, trainer) if recipe.classifier.folds else []
    _logger.info("cross-validated accuracy: %s", folds)
    metrics = {
        "autoencoder": stage1,
        "classifier": stage2,
        "cross_validated_accuracy": folds,
    }
    provenance: dict[str, Any] = {
        "recipe": recipe.to_dict(),
        "command": shlex.join(command),
        "commit": commit,
        "data_hash": hash_of_data,
        "torch": torch.__version__,
        "device": _device_name(device),
        "metrics": metrics,
    }
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    digest = save_checkpoint(output, network, name=recipe.name, gain=recipe.gain, training=provenance)
    trainer.log(stage="done", checkpoint=str(output), hash=digest)
    return digest


def check_data(recipe: Recipe, data: Path) -> None:
    """Find what is missing for either stage before the first one has taken its hours.

    Raises:
        DataError: If folders, pictures or counterparts are missing, or too few for the split or the folds.
    """
    stage1, stage2 = recipe.autoencoder, recipe.classifier
    pairs = [infrared for folder in stage2.pairs for infrared, _ in find_pairs(data / folder)]
    for where, files, share in (
        ("autoencoder", find_images(data, stage1.images), stage1.validation),
        ("classifier", pairs, stage2.validation),
    ):
        if not split(files, share).training:
            raise DataError(
                f"{where}.validation of {share:g} leaves none of {len(files)} pictures for training",
                remedy="lower it, or add pictures",
            )
    if stage2.folds > len(pairs):
        raise DataError(f"classifier.folds is {stage2.folds}", expected=f"at most {len(pairs)}, the number of pairs")


def data_hash(root: Path, folders: Sequence[str]) -> str:
    """SHA-256 (hex) over the names and bytes of all pictures: says whether a later run had the same data."""
    digest = hashlib.sha256()
    for path in find_images(root, folders):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _commit() -> str:
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
