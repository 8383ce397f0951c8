"""The pictures that are scored, found by name and read as grey, and the methods that fuse them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from camf_ros.engines.engine import Engine
from camf_ros.errors import CamfError, DataError
from camf_ros.evaluation.metrics import check_size
from camf_ros.imaging.luminance import GreyImage, RgbPicture
from camf_ros.imaging.pairs import SOURCES, paired
from camf_ros.imaging.picture_files import read_picture, rgb_of, thermal_of
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings

#: The fused luminance of the pictures that a sample has: infrared, visible, and fused where that exists; (H, W) uint8.
Method = Callable[..., GreyImage]


@dataclass(frozen=True)
class Sample:
    """One picture of each source, and the fused one where it exists already."""

    name: str  #: The files' name without ending
    infrared: Path  #: File
    visible: Path  #: File
    fused: Path | None  #: File, or None where the picture is fused on the spot

    def read(self) -> tuple[GreyImage, ...]:
        """Infrared, visible, and fused where that exists: each (H, W) uint8.

        Of coloured pictures the luminance, of raw thermal counts the grey picture that a model is given. Raises
        DataError if a file cannot be read as a picture.
        """
        sources = (_infrared_grey(self.infrared), _grey(self.visible))
        return sources if self.fused is None else (*sources, _grey(self.fused))


class Found(NamedTuple):
    """What folders hold."""

    samples: list[Sample]  #: Sorted by name
    problems: list[str]  #: One line each: pictures without counterpart, and names that are there twice
    ignored: list[Path]  #: Files that are not called like pictures


def find_samples(data: Path, fused: Path | None = None) -> Found:
    """All samples of a folder with subfolders ``infrared`` and ``visible``, and those of a folder of fused pictures.

    Pictures of one sample have one name; the endings may differ. Raises DataError if a folder is missing, or there is
    no picture at all.
    """
    folders = [data / source for source in SOURCES]
    if fused is not None:
        folders.append(fused)
    found = paired(folders)
    if not found.files:
        raise DataError(f"there are no pictures in {' and '.join(map(str, folders))}", remedy="check the folders")
    return Found(
        [
            Sample(name, files[0], files[1], files[2] if fused is not None else None)
            for name, files in found.pairs.items()
        ],
        [f"{name}: {problem}" for name, problem in found.problems.items()],
        [path for others in found.ignored.values() for path in others],
    )


def check_samples(samples: Iterable[Sample]) -> Iterator[str | None]:
    """Read every sample once; for each its problem in one line, or None."""
    for sample in samples:
        try:
            check_size(*sample.read())
        except CamfError as error:
            yield f"{sample.name}: {error}"
        else:
            yield None


def _grey(path: Path) -> GreyImage:
    return RgbPicture(rgb_of(read_picture(path), str(path))).luminance


def _infrared_grey(path: Path) -> GreyImage:
    # Levels of this picture alone.
    return ThermalFrontEnd(FusionSettings().thermal).apply(thermal_of(read_picture(path), str(path)), stamp=0.0)


def given(_infrared: GreyImage, _visible: GreyImage, fused: GreyImage) -> GreyImage:
    """The picture that was made by someone."""
    return fused


def maximum(infrared: GreyImage, visible: GreyImage) -> GreyImage:
    """The brighter pixel. High in MI and VIF, which shows that these two reward plain copying."""
    return np.maximum(infrared, visible)


def average(infrared: GreyImage, visible: GreyImage) -> GreyImage:
    """The mean of both pixels, halves rounded up."""
    # To even, as NumPy does it, would leave odd levels rarer than even ones and lower the entropy.
    return ((infrared.astype(np.uint16) + visible + 1) // 2).astype(np.uint8)


BASELINES: Mapping[str, Method] = {"max": maximum, "average": average}


def by_model(engine: Engine, settings: FusionSettings) -> Method:
    """Fusion of still pictures by a model, with settings as the node takes them."""

    def fuse(infrared: GreyImage, visible: GreyImage) -> GreyImage:
        # A pipeline of its own for each picture: nothing carries over from one to the next.
        return FusionPipeline(engine, settings).fuse(infrared, visible, stamp=0.0).image

    return fuse
