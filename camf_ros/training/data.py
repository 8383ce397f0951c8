"""Training data: grey 8-bit pictures in memory, split into training and validation by name, and random crops of them.

Grey is the BT.601 luminance, the Y of the YCbCr that colour pictures are fused in. Crops depend on (seed, stream, step)
alone: a resumed run sees what an unbroken one saw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camf_ros.errors import DataError
from camf_ros.imaging.pairs import find_pairs
from camf_ros.imaging.picture_files import FORMATS, is_picture
from camf_ros.training.config import CropsRecipe

GreyImage = NDArray[np.uint8]
_Batch = NDArray[np.float32]

# Contrast and brightness (grey levels) of varied crops, sizes of rescaled ones.
_CONTRAST, _BRIGHTNESS, _SCALE = (0.5, 1.25), (-38, 38), (0.6, 1.6)
# Share of the noise in which neighbouring pixels are alike, as after demosaicing and compression, and share of the
# infrared noise with stripes along the columns, as of a microbolometer.
_SOFT, _STRIPED = 0.3, 0.3


@dataclass(frozen=True)
class Split:
    """Two disjoint lists of files."""

    training: list[Path]
    validation: list[Path]


def is_validation(path: Path, share: float, held_out: Collection[str] = ()) -> bool:
    """Whether a picture is for validation: a ``share`` (0 to 1) of the files, and those whose name is ``held_out``.

    The choice depends on the file's name without ending alone: it is the same on every machine and when pictures are
    added, and both pictures of a pair, which have one name, are on the same side.
    """
    if path.stem in held_out:
        return True
    digest = hashlib.sha256(path.stem.encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


def find_images(root: Path, folders: Iterable[str]) -> list[Path]:
    """All picture files below ``root / folder`` for each folder, sorted; raises DataError if there are none in one."""
    found: list[Path] = []
    for folder in folders:
        base = root / folder
        if not base.is_dir():
            raise DataError(f"there is no data folder {base}", remedy="check --data and the recipe's folders")
        files = sorted(path for path in base.rglob("*") if is_picture(path))
        if not files:
            raise DataError(f"{base} holds no pictures", expected=FORMATS)
        found.extend(files)
    return found


def split(files: Sequence[Path], share: float, held_out: Collection[str] = ()) -> Split:
    """Training and validation files; see :func:`is_validation`."""
    chosen = [is_validation(path, share, held_out) for path in files]
    return Split(
        [path for path, held in zip(files, chosen, strict=True) if not held],
        [path for path, held in zip(files, chosen, strict=True) if held],
    )


def load_grey(path: Path, smallest: int = 1) -> GreyImage:
    """One picture as (H, W) luminance, 0 to 255; one with a side below ``smallest`` is enlarged, so that crops fit.

    Raises DataError if the file cannot be read as a picture.
    """
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise DataError(f"{path} cannot be read as a picture", remedy="remove or replace the file")
    height, width = image.shape
    factor = smallest / min(height, width)
    if factor > 1:
        size = (max(smallest, round(width * factor)), max(smallest, round(height * factor)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(image, dtype=np.uint8)


@dataclass(frozen=True)
class Sources:
    """Grey pictures of both classes, in one order: entry i of both lists is one pair."""

    infrared: list[GreyImage]
    visible: list[GreyImage]
    names: list[Path]

    def choose(self, keep: Sequence[bool]) -> Sources:
        """The pairs whose entry in ``keep`` is true."""
        rows = [row for row, kept in enumerate(keep) if kept]
        return Sources(
            [self.infrared[row] for row in rows], [self.visible[row] for row in rows], [self.names[row] for row in rows]
        )

    def apart(self, held: Sequence[bool]) -> tuple[Sources, Sources]:
        """Those to train on, and those that are held."""
        return self.choose([not entry for entry in held]), self.choose(held)


def load_sources(data: Path, folders: Sequence[str], crop: int) -> Sources:
    """Load all pairs of some folders, each with subfolders infrared and visible; enlarge small pictures to ``crop``.

    Raises DataError if a picture has no counterpart of the same name, or cannot be read.
    """
    pairs = [pair for folder in folders for pair in find_pairs(data / folder)]
    infrared, visible = ([load_grey(path, crop) for path in files] for files in zip(*pairs, strict=True))
    return Sources(infrared, visible, [path for path, _ in pairs])


def generator(seed: int, stream: str, step: int) -> np.random.Generator:
    """The random generator of one step of one stage."""
    return np.random.default_rng([seed, *stream.encode(), step])


def random_crops(images: Sequence[GreyImage], count: int, side: int, rng: np.random.Generator) -> Tensor:
    """Crops at random places of random pictures, flipped at random: (count, 1, side, side), float32, 0 to 255.

    Both sides of the pictures are at least ``side``.
    """
    batch: NDArray[np.uint8] = np.empty((count, 1, side, side), np.uint8)
    for row in batch:
        image = images[int(rng.integers(len(images)))]
        top = rng.integers(image.shape[0] - side + 1)
        left = rng.integers(image.shape[1] - side + 1)
        crop = image[top : top + side, left : left + side]
        if rng.integers(2):
            crop = crop[:, ::-1]
        row[0] = crop
    return torch.from_numpy(batch).float()


class PairCrops(NamedTuple):
    """Crops of pairs, each (2, count, 1, side, side), infrared first, float32, grey levels 0 to 255."""

    clean: Tensor  #: What the fused picture should keep
    seen: Tensor  #: What the network is shown: the same with noise in some of them


def pair_crops(folders: Sequence[Sources], count: int, settings: CropsRecipe, rng: np.random.Generator) -> PairCrops:
    """Crops at one random place of both pictures of random pairs, altered as cameras and weather alter them.

    Each folder is drawn from as often as the others. Its pictures have sides of at least ``settings.side``.
    """
    batch: _Batch = np.empty((2, count, 1, settings.side, settings.side), np.float32)
    for row in range(count):
        sources = folders[int(rng.integers(len(folders)))]
        chosen = int(rng.integers(len(sources.names)))
        batch[:, row, 0] = _crop(sources.infrared[chosen], sources.visible[chosen], settings, rng)
    batch = _varied(batch, settings.vary, rng)
    for row in range(count):
        if rng.random() < settings.blank:
            batch[int(rng.integers(2)), row] = rng.uniform(0, 255)
        if rng.random() < settings.invert:
            batch[0, row] = 255 - batch[0, row]
    seen = batch.copy()
    for source, row in np.ndindex(2, count):
        if rng.random() < settings.noise:
            seen[source, row, 0] += _noise(settings.side, settings.sigma, source == 0, rng)
    return PairCrops(torch.from_numpy(batch), torch.from_numpy(seen.clip(0, 255)))


def _crop(
    infrared: NDArray[np.uint8], visible: NDArray[np.uint8], settings: CropsRecipe, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """One place of both pictures, (2, side, side)."""
    height, width = infrared.shape
    side = taken = settings.side
    if rng.random() < settings.rescale:
        taken = min(int(np.ceil(side / rng.uniform(*_SCALE))), height, width)
    top, left = rng.integers(height - taken + 1), rng.integers(width - taken + 1)
    crops = [image[top : top + taken, left : left + taken] for image in (infrared, visible)]
    if taken != side:
        how = cv2.INTER_AREA if taken > side else cv2.INTER_LINEAR
        crops = [np.asarray(cv2.resize(crop, (side, side), interpolation=how), np.uint8) for crop in crops]
    both = np.stack(crops)
    return both[..., ::-1] if rng.integers(2) else both


def _varied(batch: _Batch, share: float, rng: np.random.Generator) -> _Batch:
    """Contrast about the mean of the crop, and brightness; what falls outside the range saturates, as in a camera."""
    shape = (*batch.shape[:2], 1, 1, 1)
    chosen = rng.random(shape) < share
    contrast = np.where(chosen, rng.uniform(*_CONTRAST, shape), 1.0).astype(np.float32)
    brightness = np.where(chosen, rng.uniform(*_BRIGHTNESS, shape), 0.0).astype(np.float32)
    centre = batch.mean((-3, -2, -1), keepdims=True)
    result: _Batch = ((batch - centre) * contrast + (centre + brightness)).clip(0, 255)
    return result


def _noise(side: int, sigma: float, infrared: bool, rng: np.random.Generator) -> NDArray[np.float64]:
    deviation = rng.uniform(1, sigma)
    noise: NDArray[np.float64] = rng.normal(0, deviation, (side, side))
    if rng.random() < _SOFT:
        noise = 1.6 * np.asarray(cv2.GaussianBlur(noise, (3, 3), 0.8), np.float64)
    if infrared and rng.random() < _STRIPED:
        noise = noise + rng.normal(0, deviation / 2, (1, side))
    return noise
