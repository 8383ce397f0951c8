"""From a thermal and an RGB frame to the fused frame: the one path that node, tools, benchmarks and tests all take.

Thermal grey levels, registration to the reference camera, luminance, engine, colour. Knows no ROS and no files. Of one
pair two pictures can be made: for eyes, with hot as white, and for detectors (:mod:`camf_ros.detector_picture`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camf_ros.detector_picture import DetectorFrame, in_colour, picture_of_one, picture_of_pair
from camf_ros.engines.engine import Engine, EngineOutput, Factors
from camf_ros.errors import ImageError
from camf_ros.imaging.blending import Amounts
from camf_ros.imaging.camera_maps import Rig, Size
from camf_ros.imaging.detail import shrunk, with_detail
from camf_ros.imaging.fade import Fade
from camf_ros.imaging.luminance import Visible
from camf_ros.imaging.raw_image import Image
from camf_ros.imaging.registration import Aligned, AlignedAlone, PlannedRegistration, Registration
from camf_ros.imaging.thermal import ThermalFrontEnd, ThermalState
from camf_ros.settings.fusion import FusionSettings
from camf_ros.settings.registration import RegistrationSettings
from camf_ros.steady_gain import SteadyGain

# Nothing is known about the cameras.
_UNKNOWN = Rig()


class PreparedPair(NamedTuple):
    """A pair in one geometry: what every picture of it is made of.

    Attributes:
        aligned: Both pictures, thermal as grey levels with hot as white.
        visible: The RGB picture of them, split into luminance and colour.
        luminance: (h, w), its luminance at the size of the thermal picture, which is the network's.
        stamp: Acquisition time, seconds.
        settings: In force when it was prepared.
    """

    aligned: Aligned
    visible: Visible
    luminance: NDArray[np.uint8]
    stamp: float
    settings: FusionSettings

    @property
    def overlap(self) -> float:
        """Share of the picture that both cameras see, 0 to 1."""
        return self.aligned.coverage.overlap if self.aligned.coverage else 1.0


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


class PassedFrame(NamedTuple):
    """A frame of one camera in place of a fused one.

    Attributes:
        image: (H, W, 3) red, green, blue, or (H, W) grey, as a fused frame would have it; 0 to 255. Black where the
            camera sees nothing of it.
        reference: Camera whose geometry the image has, ``rgb`` or ``thermal``.
        undistorted: As in :class:`FusedFrame`.
        detector_image: (H, W, 3), the same for detectors; None where it was not asked for.
    """

    image: NDArray[np.uint8]
    reference: str
    undistorted: bool
    detector_image: NDArray[np.uint8] | None = None


class FusionPipeline:
    """Fuses frames one after another. Used from one thread; :meth:`configure` may be called from any."""

    def __init__(
        self, engine: Engine, settings: FusionSettings | None = None, registration: Registration | None = None
    ) -> None:
        """Put the parts together.

        Args:
            engine: The model, ready to run.
            settings: Defaults when left out.
            registration: How one picture gets into the geometry of the other; what the settings say when left out.
        """
        # Size of the last pictures that the network was given, and of the fused image; None before the first.
        self._worked: tuple[Size, Size] | None = None
        #: The newest 8-bit picture of each camera before registration, by camera: thermal (h, w) with hot as white, RGB
        #: as it came. Replaced as a whole.
        self.pictures: Mapping[str, NDArray[np.uint8]] = {}
        #: Whether frames carry the amounts of both cameras, which an explanation needs.
        self.keep_amounts = False
        self._settings = settings or FusionSettings()
        self._registration = registration or PlannedRegistration()
        self._thermal = ThermalFrontEnd(self._settings.thermal)
        self._steady, self._fade = SteadyGain(), Fade()
        # Whether of the last pair no picture for eyes was made.
        self._unseen = False
        self.use(engine)
        # Of the last frame of each camera.
        self._shapes: dict[str, tuple[int, ...]] = {}

    def configure(self, settings: FusionSettings) -> None:
        """Use other settings from the next frame on; only those that can change at run time are looked at."""
        self._settings = settings
        self._thermal.configure(settings.thermal)

    @property
    def thermal_state(self) -> ThermalState | None:
        """What the thermal front end found in its last frame; None before the first."""
        return self._thermal.state

    def use(self, engine: Engine, processing: Size | None = None) -> None:
        """Go on with another engine; from the thread that fuses, between two frames.

        The automatic gain starts anew; the mean luminance goes over from one to the other by a level a frame.

        Args:
            engine: Ready to run.
            processing: (height, width) at which it works where the settings name no processing size; None: that of the
                fused image.
        """
        self.engine, self._processing = engine, processing
        self._steady.forget()
        self._fade.change()

    def warm_up(self, engine: Engine, processing: Size | None = None) -> None:
        """Run an engine once on pictures like the last ones, so that it does not prepare for them while frames wait.

        From any thread, before the engine is in use.

        Args:
            engine: Ready to run.
            processing: As it will be given to :meth:`use`.

        Raises:
            EngineError: If the inference fails.
        """
        if self._worked is None:
            return
        size, full = self._worked
        if not self._settings.registration.names_processing_size:
            size = processing or full
        grey = np.zeros(size, np.uint8)
        engine.fuse(grey, grey, gain=1.0)

    def fuse(self, thermal: Image, rgb: NDArray[np.uint8], stamp: float, rig: Rig = _UNKNOWN) -> FusedFrame:
        """Fuse one pair.

        Args:
            thermal: (h, w), uint8 grey, uint16 counts or float32 temperatures.
            rgb: (h', w', 3) red, green, blue, or (h', w') grey; 0 to 255.
            stamp: Acquisition time, seconds. Levels of raw thermal images and the automatic gain follow the scene by
                it; one that is not later than the last starts both anew.
            rig: What is known about the cameras; the calibrated registration needs it.

        Returns:
            The fused frame in the geometry of the reference camera.

        Raises:
            ImageError: If a frame has no usable content.
            RegistrationError: If the frames cannot be brought into one geometry.
            DataError: If the registration file cannot be used.
            EngineError: If the inference fails.
        """
        return self.for_eyes(self.prepare(thermal, rgb, stamp, rig))

    def prepare(self, thermal: Image, rgb: NDArray[np.uint8], stamp: float, rig: Rig = _UNKNOWN) -> PreparedPair:
        """The part of :meth:`fuse` that all pictures of a pair share: thermal levels, registration and luminance.

        Arguments and errors are those of :meth:`fuse`. The pictures are made before the next pair is prepared.
        """
        _check_thermal(thermal)
        _check_rgb(rgb)
        self._shapes = {"thermal": thermal.shape, "rgb": rgb.shape}
        settings = self._settings
        grey = self._thermal.apply(thermal, stamp)
        self.pictures = {"thermal": grey, "rgb": rgb}
        # The reference defines the geometry; the other frame is brought into it.
        aligned = self._registration.align(
            grey, rgb, reference=settings.reference, settings=self._at_size(settings.registration), rig=rig
        )
        # The network works at the size of the thermal picture, which may be smaller than that of the RGB picture.
        size, full = _size(aligned.thermal), _size(aligned.rgb)
        self._worked = size, full
        visible = Visible(aligned.rgb)
        luminance = visible.luminance if size == full else shrunk(visible.luminance, size)
        if self._unseen:
            self._fade.forget()
        self._unseen = True
        return PreparedPair(aligned, visible, luminance, stamp, settings)

    def for_eyes(self, pair: PreparedPair) -> FusedFrame:
        """The fused frame, in which what is hot is bright; once for each pair, for gain and brightness follow the time.

        Raises:
            EngineError: If the inference fails.
        """
        self._unseen = False
        settings, aligned = pair.settings, pair.aligned
        if settings.gain:
            gain, hold = settings.gain, 1.0
            # A later automatic gain starts from its own frame, not from this constant.
            self._steady.forget()
        else:
            gain, hold = self._steady.wanted(pair.stamp, settings.gain_time_constant)
        started = time.monotonic()
        output = self.engine.fuse(aligned.thermal, pair.luminance, gain=gain, hold=hold, keep_amounts=self.keep_amounts)
        inference_time = time.monotonic() - started
        if not settings.gain:
            self._steady.used(output.gain, pair.stamp)
        luminance = output.fused
        if luminance.shape != pair.visible.luminance.shape:
            luminance = with_detail(luminance, pair.luminance, pair.visible.luminance)
        luminance = self._fade.apply(luminance)
        image = pair.visible.with_luminance(luminance)
        if aligned.coverage is not None:
            image = aligned.coverage.fill(image, aligned.full_thermal, aligned.rgb)
        weights = np.float32(output.gain) * self.engine.channel_weights()
        return FusedFrame(
            image,
            settings.reference,
            output.gain,
            weights,
            output.infrared_activation,
            output.visible_activation,
            infrared_share(weights, output.infrared_activation, output.visible_activation),
            inference_time,
            pair.overlap,
            aligned.undistorted,
            aligned,
            output.amounts,
            luminance,
        )

    def for_detector(self, pair: PreparedPair) -> DetectorFrame:
        """The picture for detectors. It depends on nothing but the pair, and the fused frame does not depend on it.

        Raises:
            EngineError: If the inference fails.
        """
        inference_time = 0.0

        def infer(infrared: NDArray[np.uint8], visible: NDArray[np.uint8], *, factors: Factors = ()) -> EngineOutput:
            nonlocal inference_time
            started = time.monotonic()
            output = self.engine.fuse(infrared, visible, gain=pair.settings.gain, factors=factors)
            inference_time += time.monotonic() - started
            return output

        image = picture_of_pair(pair.aligned, pair.visible, pair.luminance, infer)
        return DetectorFrame(image, pair.settings.reference, inference_time, pair.overlap, pair.aligned.undistorted)

    def pass_through(
        self, camera: str, image: Image, stamp: float, rig: Rig = _UNKNOWN, *, for_detector: bool = False
    ) -> PassedFrame:
        """The frame of one camera while the other is missing: nothing is fused, and the network is not asked.

        Args:
            camera: Whose frame it is, ``rgb`` or ``thermal``.
            image: As in :meth:`fuse`.
            stamp: As in :meth:`fuse`.
            rig: As in :meth:`fuse`.
            for_detector: Give the picture for detectors as well.

        Returns:
            The frame as the fused one would be: in its geometry and with its channels, as far as the other camera has
            ever sent a frame to know them by; else in the camera's own.

        Raises:
            ImageError: As :meth:`fuse`.
            RegistrationError: As :meth:`fuse`.
            DataError: As :meth:`fuse`.
        """
        settings, other = self._settings, self._shapes.get("rgb" if camera == "thermal" else "thermal")
        if camera == "thermal":
            _check_thermal(image)
            picture = self._thermal.apply(image, stamp)
        else:
            picture = _check_rgb(image)
        self._shapes[camera] = image.shape
        self.pictures = {**self.pictures, camera: picture}

        def align(picture: NDArray[np.uint8]) -> AlignedAlone:
            return self._registration.align_alone(
                camera,
                picture,
                other=None if other is None else (other[0], other[1]),
                reference=settings.reference,
                settings=settings.registration,
                rig=rig,
            )

        aligned = align(picture)
        result = aligned.image
        if len(self._shapes.get("rgb", ())) == 3:
            result = in_colour(result)
        # Made before it is aligned: what the camera does not see is black in both.
        detector_image = in_colour(align(picture_of_one(camera, picture)).image) if for_detector else None
        return PassedFrame(result, aligned.reference, aligned.undistorted, detector_image)

    def _at_size(self, settings: RegistrationSettings) -> RegistrationSettings:
        """With the processing size of the engine, unless they name one."""
        if self._processing is None or settings.names_processing_size:
            return settings
        height, width = self._processing
        return replace(settings, processing_height=height, processing_width=width)


def _check_thermal(image: Image) -> None:
    if image.size == 0 or image.ndim != 2 or image.dtype not in (np.uint8, np.uint16, np.float32):
        raise ImageError(
            f"thermal frame has shape {image.shape} and type {image.dtype}",
            expected="(H, W) with pixels, of uint8, uint16 or float32",
        )


def _check_rgb(image: Image) -> NDArray[np.uint8]:
    if image.size == 0 or image.ndim < 2 or image.shape[2:] not in ((), (3,)) or image.dtype != np.uint8:
        raise ImageError(
            f"RGB frame has shape {image.shape} and type {image.dtype}",
            expected="(H, W, 3) or (H, W) with pixels, of uint8",
        )
    return np.asarray(image, np.uint8)


def _size(image: NDArray[np.generic]) -> tuple[int, int]:
    return image.shape[0], image.shape[1]


def infrared_share(
    weights: NDArray[np.float32], infrared_activation: NDArray[np.float32], visible_activation: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Share of each channel's weighted activation that comes from infrared.

    ``w_ir a_ir / (w_ir a_ir + w_vis a_vis)`` with the class activation weights w and the mean activations a: what the
    channel says of both pictures, not what comes of it in the fused one (:mod:`camf_ros.explain` has that).

    Args:
        weights: (2, K), class activation weights, rows infrared and visible; before or after the gain, which cancels.
        infrared_activation: (K,), mean activation of each channel over the infrared picture, at least 0.
        visible_activation: (K,), likewise.

    Returns:
        (K,), 0 (all visible) to 1 (all infrared); 0.5 where the channel is silent in both.
    """
    infrared = weights[0] * infrared_activation
    total = infrared + weights[1] * visible_activation
    share = np.full(total.shape, 0.5, np.float32)
    np.divide(infrared, total, out=share, where=total > 0)
    return share
