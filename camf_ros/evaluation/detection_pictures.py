"""The pictures that a detector is given: of a camera, fused by a model or by anyone, or two of them for two passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camf_ros.engines.engine import Engine
from camf_ros.errors import CamfError, DataError
from camf_ros.evaluation.detection_labels import LabelledImage
from camf_ros.evaluation.samples import Sample, average
from camf_ros.imaging.luminance import RgbPicture
from camf_ros.imaging.picture_files import read_picture, rgb_of, thermal_of
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings

Picture = NDArray[np.uint8]
#: The pictures that the detector is given for one scene, one for each pass; (H, W, 3) red, green, blue, or (H, W).
Source = Callable[[Sample], tuple[Picture, ...]]


def rgb_picture(sample: Sample) -> Picture:
    """As the camera gave it: (H, W, 3) red, green, blue, or (H, W) grey."""
    return rgb_of(read_picture(sample.visible), str(sample.visible))


def thermal_picture(sample: Sample) -> Picture:
    """The grey levels that the node makes of a thermal picture, hot is white: (H, W)."""
    values = thermal_of(read_picture(sample.infrared), str(sample.infrared))
    return ThermalFrontEnd(FusionSettings().thermal).apply(values, stamp=0.0)


def _inverted(sample: Sample) -> Picture:
    return np.asarray(255 - thermal_picture(sample), np.uint8)


def _average(sample: Sample) -> Picture:
    """Of thermal and RGB luminance, with RGB's colour."""
    visible = RgbPicture(rgb_picture(sample))
    return visible.with_luminance(average(thermal_picture(sample), visible.luminance))


#: What every method has to beat; the last one is two passes, whose detections are joined.
BASELINES: Mapping[str, Source] = {
    "rgb": lambda sample: (rgb_picture(sample),),
    "thermal": lambda sample: (thermal_picture(sample),),
    "thermal-inverted": lambda sample: (_inverted(sample),),
    "average": lambda sample: (_average(sample),),
    "two-passes": lambda sample: (rgb_picture(sample), _inverted(sample)),
}


def of_folder(folder: Path) -> Source:
    """Pictures that were made by someone, by the names of the scenes; raises DataError without the folder."""
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", expected=f"{', '.join(BASELINES)}, or a folder of pictures")

    def read(sample: Sample) -> tuple[Picture, ...]:
        files = [path for path in sorted(folder.glob(f"{sample.name}.*")) if path.stem == sample.name]
        if len(files) != 1:
            raise DataError(f"{folder} has {len(files)} pictures called {sample.name}", expected="one")
        return (rgb_of(read_picture(files[0]), str(files[0])),)

    return read


def of_model(engine: Engine, settings: FusionSettings) -> Source:
    """Pictures fused by a model, in colour, each on its own, with settings as the node takes them."""

    def fuse(sample: Sample) -> tuple[Picture, ...]:
        thermal = thermal_of(read_picture(sample.infrared), str(sample.infrared))
        return (FusionPipeline(engine, settings).fuse(thermal, rgb_picture(sample), stamp=0.0).image,)

    return fuse


def check_pictures(
    images: Iterable[LabelledImage], samples: Mapping[str, Sample], folders: Iterable[Source]
) -> Iterator[str | None]:
    """Whether every labelled picture is there and of the size in the labels; for each its problem in a line, or None.

    ``folders`` are sources that read files beside the samples'.
    """
    for image in images:
        if image.name not in samples:
            yield f"{image.name}: it is in the labels, and there is no pair of this name"
            continue
        sample = samples[image.name]
        try:
            pictures = [thermal_picture(sample), rgb_picture(sample)]
            pictures += [picture for source in folders for picture in source(sample)]
        except CamfError as error:
            yield f"{image.name}: {error}"
            continue
        sizes = {(picture.shape[1], picture.shape[0]) for picture in pictures} - {(image.width, image.height)}
        wrong = ", ".join(f"{width} x {height}" for width, height in sorted(sizes))
        yield f"{image.name}: the labels are for {image.width} x {image.height} pixels, not {wrong}" if sizes else None
