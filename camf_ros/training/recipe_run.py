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

from camf_ros.errors import DataError, ParameterError
from camf_ros.imaging.pairs import find_pairs
from camf_ros.network import CamfNetwork, save_checkpoint
from camf_ros.training.autoencoder import autoencoder_stage
from camf_ros.training.classifier import cross_validate, train_classifier, validation_accuracy
from camf_ros.training.config import Recipe
from camf_ros.training.distributed import from_first, is_first, process_count
from camf_ros.training.fusion import fusion_stage
from camf_ros.training.images import find_images, load_grey, split
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
    """Train all stages and write the checkpoint; a run that was killed goes on where it was.

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

    Raises:
        ParameterError: If the run folder is that of another recipe or of other data, or several processes cannot share
            a batch equally.
        DataError: If data or states are missing or damaged, or the training diverges.
    """
    commit = _commit()  # now: the checkout may have moved on when training ends
    check_batches(recipe)
    check_data(recipe, data)
    hash_of_data = data_hash(data, _folders(recipe))
    if hash_of_data != from_first(hash_of_data):
        raise DataError(f"{data} holds other pictures than on the machine of the first process", remedy="copy them")
    trainer = Trainer(run, recipe.to_dict(), data=hash_of_data, quiet=quiet)
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
    stage3: dict[str, float] = {}
    if recipe.fusion.steps:
        stage3 = trainer.run(fusion_stage(network, recipe, data, device))
        # The encoder has moved: is the classifier, and with it the meaning of the weights, still right?
        stage3.update(validation_accuracy(network, recipe, data, device))
    _logger.info("fusion: %s", stage3)
    metrics = {
        "autoencoder": stage1,
        "classifier": stage2,
        "cross_validated_accuracy": folds,
        "fusion": stage3,
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
    digest = from_first(save_checkpoint(output, network, name=recipe.name, training=provenance) if is_first() else "")
    trainer.log(stage="done", checkpoint=str(output), hash=digest)
    return digest


def check_batches(recipe: Recipe) -> None:
    """Check that every process can take an equal share of every batch.

    Raises:
        ParameterError: If not.
    """
    count = process_count()
    for where, batch in (
        ("autoencoder", recipe.autoencoder.batch),
        ("classifier", recipe.classifier.batch),
        ("fusion", recipe.fusion.batch if recipe.fusion.steps else 0),
    ):
        if batch % count:
            raise ParameterError(
                f"{where}.batch is {batch}, which {count} processes cannot share equally",
                expected=f"a multiple of {count}",
                remedy="start another number of processes, or change the recipe",
            )


def check_data(recipe: Recipe, data: Path) -> None:
    """Find what is missing for any stage before the first one has taken its hours.

    Raises:
        DataError: If folders, pictures or counterparts are missing, or too few for the split or the folds, or if
            pictures that are to be fused differ in size.
    """
    stage1, stage2, stage3 = recipe.autoencoder, recipe.classifier, recipe.fusion
    pairs = _infrared(data, stage2.pairs)
    for where, files, share in (
        ("autoencoder", find_images(data, stage1.images), stage1.validation),
        ("classifier", pairs, stage2.validation),
        # The third stage draws from each folder as often as from the others: none may be without pictures.
        *(("fusion", _infrared(data, [folder]), stage3.validation) for folder in stage3.pairs if stage3.steps),
    ):
        if not split(files, share).training:
            raise DataError(
                f"{where}.validation of {share:g} leaves none of {len(files)} pictures for training",
                remedy="lower it, or add pictures",
            )
    if stage2.folds > len(pairs):
        raise DataError(f"classifier.folds is {stage2.folds}", expected=f"at most {len(pairs)}, the number of pairs")
    for folder in stage3.pairs if stage3.steps else ():
        _check_sizes(data / folder)


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


def _folders(recipe: Recipe) -> list[str]:
    fusion = recipe.fusion.pairs if recipe.fusion.steps else ()
    return sorted({*recipe.autoencoder.images, *recipe.classifier.pairs, *fusion})


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
