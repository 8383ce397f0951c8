"""The picture for detectors: how it is made of a pair, and of one camera while the other is missing.

Detectors are trained on RGB pictures, in which people and cars are rarely brighter than all around them. So thermal is
inverted here, relative to hot as white: what is hot is dark. How much of each camera and of the colour there is in it
depends on how far RGB can be trusted (:mod:`camf_ros.imaging.detector_recipe`). Nothing is kept from one pair to the
next.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from camf_ros.engines.engine import EngineOutput, Factors
from camf_ros.imaging.detector_recipe import factors, trust_in_rgb, undazzled
from camf_ros.imaging.luminance import ColourImage, GreyImage, RgbPicture, grey_as_colour, with_detail
from camf_ros.imaging.registration import Aligned


class Wanted(NamedTuple):
    """Which pictures of a pair are to be made.

    Attributes:
        eyes: The fused frame, in which what is hot is bright.
        detector: The picture for detectors.
        others: Names of what else is to be made, of :data:`camf_ros.outputs.OTHERS`.
    """

    eyes: bool = True
    detector: bool = False
    others: frozenset[str] = frozenset()


class DetectorFrame(NamedTuple):
    """The picture for detectors of a pair.

    Attributes:
        image: (H, W, 3) red, green, blue; 0 to 255.
        reference: Camera whose geometry the image has, ``rgb`` or ``thermal``.
        inference_time: Time in the engine, seconds.
        overlap: Share of the image that both cameras see, 0 to 1.
        undistorted: As in :class:`camf_ros.imaging.registration.Aligned`.
    """

    image: NDArray[np.uint8]
    reference: str
    inference_time: float
    overlap: float
    undistorted: bool


class Inference(Protocol):
    """An engine that is told everything but the pictures; see :meth:`camf_ros.engines.engine.Engine.fuse`."""

    def __call__(self, infrared: GreyImage, visible: GreyImage, *, factors: Factors = ()) -> EngineOutput:
        """Fuse two grey pictures of one size."""
        ...


def picture_of_pair(aligned: Aligned, visible: RgbPicture, luminance: GreyImage, infer: Inference) -> ColourImage:
    """The picture for detectors of a pair.

    Args:
        aligned: Both pictures in one geometry; thermal (h, w), hot as white, at the size that the network works at.
        visible: The RGB picture of it, (H, W), split into luminance and colour.
        luminance: (h, w), its luminance at the size of the thermal picture.
        infer: Runs the network; the pictures have the size of the thermal picture, for which it is prepared.

    Returns:
        (H, W, 3) red, green, blue, also where RGB is grey. Where one camera alone sees something it shows that one,
        thermal inverted.

    Raises:
        EngineError: If the inference fails.
    """
    trust = trust_in_rgb(aligned.thermal, luminance, None if aligned.coverage is None else aligned.coverage.both)
    small, full = undazzled(luminance, trust), undazzled(visible.luminance, trust)
    fused = infer(inverted(aligned.thermal), small, factors=[factors(trust)]).fused
    if fused.shape != full.shape:
        fused = with_detail(fused, small, full)
    image = visible.with_luminance(fused, trust)
    if aligned.coverage is not None:
        thermal = None if aligned.full_thermal is None else inverted(aligned.full_thermal)
        image = aligned.coverage.fill(image, thermal, aligned.rgb)
    return in_colour(image)


def picture_of_one(camera: str, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture for detectors while the other camera is missing, in the geometry of its own camera.

    Args:
        camera: Whose picture it is, ``rgb`` or ``thermal``.
        picture: (H, W, 3) red, green, blue, or (H, W): RGB as it came, thermal with hot as white.

    Returns:
        As it came, thermal inverted.
    """
    return inverted(picture) if camera == "thermal" else picture


def inverted(grey: GreyImage) -> GreyImage:
    """White becomes black: 255 minus the grey level."""
    return np.invert(grey)


def in_colour(image: NDArray[np.uint8]) -> ColourImage:
    """(H, W) or (H, W, 3) to (H, W, 3): a grey picture gets three equal channels."""
    return grey_as_colour(image) if image.ndim == 2 else image
