"""What the pipeline makes of frames: the fused frame of a pair, and the frame of one camera alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.blending import Amounts
from camf_ros.imaging.registration import Aligned, Sample
from camf_ros.imaging.warp import Size


class FusedFrame(NamedTuple):
    """One fused frame and what can be said about it.

    Attributes:
        image: (H, W, 3) red, green, blue, or (H, W) grey if the RGB frame was grey; 0 to 255.
        reference: Camera whose geometry the image has, ``rgb`` or ``thermal``.
        gain: Gain of the paper's fusion rule, above 0; 1 for a blending network.
        weights: (2, K), class activation weights times the gain, rows infrared and visible, each with mean ``gain``.
        infrared_activation: (K,), mean activation of each channel, at least 0.
        visible_activation: (K,), likewise.
        infrared_share: (K,), share of each channel's weighted activation that comes from infrared, 0 to 1.
        inference_time: Time in the engine, seconds.
        overlap: Share of the image that both cameras see, 0 to 1; elsewhere it shows the one that does.
        undistorted: Whether the geometry is the reference camera's without the distortion of its lens.
        aligned: Both pictures as the network was given them; None if nobody registered them.
        amounts: Of both cameras at each level, where they were asked for; see :class:`EngineOutput`.
        luminance: (H, W), the fused luminance before colour, and before what one camera sees alone is put in.
    """

    image: NDArray[np.uint8]
    reference: str
    gain: float
    weights: NDArray[np.float32]
    infrared_activation: NDArray[np.float32]
    visible_activation: NDArray[np.float32]
    infrared_share: NDArray[np.float32]
    inference_time: float
    overlap: float = 1.0
    undistorted: bool = False
    aligned: Aligned | None = None
    amounts: Amounts | None = None
    luminance: NDArray[np.uint8] | None = None

    @property
    def worked_at(self) -> Size:
        """(height, width) at which the network worked."""
        height, width = (self.image if self.aligned is None else self.aligned.thermal).shape[:2]
        return height, width


class PassedFrame(NamedTuple):
    """A frame of one camera in place of a fused one.

    Attributes:
        image: (H, W, 3) red, green, blue, or (H, W) grey, as a fused frame would have it; 0 to 255. Black where the
            camera sees nothing of it.
        reference: Camera whose geometry the image has, ``rgb`` or ``thermal``.
        undistorted: As in :class:`FusedFrame`.
        detector_image: (H, W, 3), the same for detectors; None where it was not asked for.
        sample: Does with raw values of the camera what was done with the image.
    """

    image: NDArray[np.uint8]
    reference: str
    undistorted: bool
    detector_image: NDArray[np.uint8] | None = None
    sample: Sample | None = None
