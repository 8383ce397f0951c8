"""From a thermal and an RGB frame to the fused frame: the one path that node, tools, benchmarks and tests all take.

Thermal grey levels, registration to the reference camera, luminance, engine, colour. Knows no ROS and no files. Of one
pair two pictures can be made: for eyes, with hot as white, and for detectors (:mod:`camf_ros.detector_picture`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camf_ros.detector_picture import DetectorFrame, in_colour, picture_of_one, picture_of_pair
from camf_ros.engines.engine import Engine, EngineOutput, Factors
from camf_ros.errors import blamed
from camf_ros.fused_frame import FusedFrame, PassedFrame
from camf_ros.imaging.camera_messages import Image, check_rgb, check_thermal
from camf_ros.imaging.luminance import Fade, RgbPicture, with_detail
from camf_ros.imaging.memory_budget import MemoryBudget, area, check_alone, network_pixel, within_budget
from camf_ros.imaging.registration import Aligned, AlignedAlone, PlannedRegistration
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd, ThermalState, put_right
from camf_ros.imaging.warp import Rig, Size, resized
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.registration_settings import RegistrationSettings

# Nothing is known about the cameras.
_UNKNOWN = Rig()


class PreparedPair(NamedTuple):
    """A pair in one geometry: what every picture of it is made of.

    Attributes:
        aligned: Both pictures, thermal as grey levels with hot as white.
        visible: The RGB picture of them, split into luminance and colour.
        luminance: (h, w), its luminance at the size of the thermal picture, which is the network's.
        stamp: Acquisition time, seconds.
        settings: In force when it was prepared, with the processing size that it was registered at.
    """

    aligned: Aligned
    visible: RgbPicture
    luminance: NDArray[np.uint8]
    stamp: float
    settings: FusionSettings

    @property
    def overlap(self) -> float:
        """Share of the picture that both cameras see, 0 to 1."""
        return self.aligned.coverage.overlap if self.aligned.coverage else 1.0


class SteadyGain:
    """First-order low-pass of camf-paper's automatic gain over the time of the stamps: a video does not flicker.

    The arithmetic is the engine's, because only there the gain of a frame is known before the frame is fused. This
    object keeps what goes from one frame to the next, so one object serves one video.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew: the next frame takes its own gain."""
        self._gain: float | None = None
        self._stamp = 0.0

    def wanted(self, stamp: float, time_constant: float) -> tuple[float, float]:
        """``gain`` and ``hold`` of :meth:`camf_ros.engines.engine.Engine.fuse` for the next frame.

        The gain so far, and the share of it that is kept. In ``time_constant`` seconds the gain follows a step by 63 %;
        0: at once. A stamp (seconds) that is not later than the last starts anew.
        """
        elapsed = stamp - self._stamp
        # Written so that a stamp that is no number starts anew as well.
        if self._gain is None or not elapsed > 0 or time_constant == 0:
            return (0.0, 0.0)
        return self._gain, math.exp(-elapsed / time_constant)

    def used(self, gain: float, stamp: float) -> None:
        """Remember a frame that was fused; one that failed is as if it had not been there."""
        self._gain, self._stamp = gain, stamp


class FusionPipeline:
    """Fuses frames one after another. Used from one thread; :meth:`configure` may be called from any."""

    def __init__(
        self,
        engine: Engine,
        settings: FusionSettings | None = None,
        registration: PlannedRegistration | None = None,
        *,
        budget: MemoryBudget | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Put the parts together; what is left out is what the settings say, or their defaults.

        Args:
            engine: The model, ready to run.
            settings: Of the node.
            registration: How one picture gets into the geometry of the other.
            budget: Memory that a pair may need.
            tell: Called with a sentence that the user should know, once: the network works at another size than the
                settings ask for, or something is wrong with the thermal picture.
        """
        # Size of the last pictures that the network was given, and of the fused image; None before the first.
        self._worked: tuple[Size, Size] | None = None
        #: The newest 8-bit picture of each camera before registration, by camera: thermal (h, w) with hot as white, RGB
        #: as it came. Replaced as a whole.
        self.pictures: Mapping[str, NDArray[np.uint8]] = {}
        #: Whether frames carry the amounts of both cameras, which an explanation needs.
        self.keep_amounts = False
        #: Used from the next frame on.
        self.settings = settings or FusionSettings()
        #: Memory that a pair may need, also in decoding.
        self.budget = budget or MemoryBudget.of(self.settings.memory_limit)
        self._tell = tell
        self._told: set[str] = set()
        self._registration = registration or PlannedRegistration()
        self._thermal = ThermalFrontEnd(self.settings.thermal)
        self._steady, self._fade = SteadyGain(), Fade()
        # Whether of the last pair no picture for eyes was made.
        self._unseen = False
        self.use(engine)
        # Of the last frame of each camera.
        self._shapes: dict[str, tuple[int, ...]] = {}

    def configure(self, settings: FusionSettings) -> None:
        """Use other settings from the next frame on; only those that can change at run time are looked at."""
        self.settings = settings
        self._thermal.configure(settings.thermal)

    @property
    def thermal_state(self) -> ThermalState | None:
        """What the thermal front end found in its last frame; None before the first."""
        return self._thermal.state

    def use(self, engine: Engine, processing: Size | None = None) -> None:
        """Go on with another engine; from the thread that fuses, between two frames.

        The automatic gain starts anew; the mean luminance goes over from one to the other by a level a frame.
        ``processing``: (height, width) at which it works where the settings name no processing size; None: that of the
        fused image.
        """
        self.engine, self._processing = engine, processing
        self._steady.forget()
        self._fade.change()

    def warm_up(self, engine: Engine, processing: Size | None = None) -> None:
        """Run an engine on pictures like the last ones, from any thread, before it is given to :meth:`use`.

        So it does not prepare for them while frames wait. Raises EngineError if the inference fails.
        """
        if self._worked is None:
            return
        size, full = self._worked
        if not self.settings.registration.names_processing_size:
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

    def prepare(
        self, thermal: Image, rgb: NDArray[np.uint8], stamp: float, rig: Rig = _UNKNOWN, *, checked: bool = False
    ) -> PreparedPair:
        """The part of :meth:`fuse` that all pictures of a pair share: thermal levels, registration and luminance.

        Arguments and errors are those of :meth:`fuse`; ``checked``: both come from :meth:`checked`. The pictures are
        made before the next pair is prepared.
        """
        if not checked:
            with blamed("thermal"):
                thermal = self.checked("thermal", thermal)
            with blamed("rgb"):
                check_rgb(rgb)
        self._shapes = {"thermal": thermal.shape, "rgb": rgb.shape}
        settings = self.settings
        registration = self._sized(_size(thermal), _size(rgb))
        with blamed("thermal"):
            grey = self._grey(thermal, stamp)
        self.pictures = {"thermal": grey, "rgb": rgb}
        aligned = self._align(grey, rgb, registration, rig)
        # The network works at the size of the thermal picture, which may be smaller than that of the RGB picture.
        size, full = _size(aligned.thermal), _size(aligned.rgb)
        self._worked = size, full
        visible = RgbPicture(aligned.rgb)
        luminance = visible.luminance if size == full else resized(visible.luminance, size)
        if self._unseen:
            self._fade.forget()
        self._unseen = True
        if registration is not settings.registration:
            settings = replace(settings, registration=registration)
        return PreparedPair(aligned, visible, luminance, stamp, settings)

    def for_eyes(self, pair: PreparedPair) -> FusedFrame:
        """The fused frame, in which what is hot is bright; once for each pair, for gain and brightness follow the time.

        Raises EngineError if the inference fails.
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

    def checked(self, camera: str, image: Image) -> Image:
        """What of a camera's frame is its picture; raises ImageError if nothing is, or if it is no frame."""
        if camera == "rgb":
            return check_rgb(image)
        check_thermal(image)
        return put_right(image, self.settings.thermal)

    def _grey(self, thermal: Image, stamp: float) -> NDArray[np.uint8]:
        grey = self._thermal.apply(thermal, stamp)
        for warning in self._thermal.state.warnings if self._thermal.state else ():
            self._say(warning)
        return grey

    def _say(self, text: str) -> None:
        """Say something once, if there is anything."""
        if text and text not in self._told:
            self._told.add(text)
            self._tell(text)

    @property
    def guest(self) -> str:
        """The camera that is not the reference: its frames are brought into the geometry of the other's."""
        return "thermal" if self.settings.reference == "rgb" else "rgb"

    def check(self, thermal: Image, rgb: NDArray[np.uint8], rig: Rig = _UNKNOWN) -> None:
        """Whether a pair could be fused, without the network and without a trace in what follows the scene.

        The arguments and errors are those of :meth:`fuse`.
        """
        with blamed("thermal"):
            thermal = self.checked("thermal", thermal)
            self._thermal.check(thermal)
        with blamed("rgb"):
            check_rgb(rgb)
        registration = self._sized(_size(thermal), _size(rgb))
        self._align(np.zeros(thermal.shape, np.uint8), rgb, registration, rig)

    def _align(
        self, grey: NDArray[np.uint8], rgb: NDArray[np.uint8], registration: RegistrationSettings, rig: Rig
    ) -> Aligned:
        """The reference defines the geometry; the other frame is brought into it."""
        reference = self.settings.reference
        with blamed(self.guest):
            return self._registration.align(grey, rgb, reference=reference, settings=registration, rig=rig)

    def _sized(self, thermal: Size, rgb: Size) -> RegistrationSettings:
        """How a pair is registered: as the settings say, with a processing size where it needs one."""
        settings = self._at_size(self.settings.registration)
        pixel = network_pixel(self.engine.description, blends=not self.engine.has_gain)
        with blamed("rgb" if area(rgb) > area(thermal) else "thermal"):
            sized, note = within_budget(
                thermal, rgb, self.settings.reference, settings, budget=self.budget, pixel=pixel
            )
        self._say(note)
        return sized

    def for_detector(self, pair: PreparedPair) -> DetectorFrame:
        """The picture for detectors. It depends on nothing but the pair, and the fused frame does not depend on it.

        Raises EngineError if the inference fails.
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
        self,
        camera: str,
        image: Image,
        stamp: float,
        rig: Rig = _UNKNOWN,
        *,
        for_detector: bool = False,
        checked: bool = False,
    ) -> PassedFrame:
        """The frame of one camera while the other is missing: nothing is fused, and the network is not asked.

        It is as the fused one would be: in its geometry and with its channels, as far as the other camera has ever sent
        a frame to know them by; else in the camera's own. Arguments and errors are those of :meth:`prepare`;
        ``for_detector``: give the picture for detectors as well.
        """
        settings, other = self.settings, self._shapes.get("rgb" if camera == "thermal" else "thermal")
        image = image if checked else self.checked(camera, image)
        other_size = None if other is None else (other[0], other[1])
        check_alone(camera, _size(image), other_size, settings.reference, settings.registration, budget=self.budget)
        picture = self._grey(image, stamp) if camera == "thermal" else np.asarray(image, np.uint8)
        self._shapes[camera] = image.shape
        self.pictures = {**self.pictures, camera: picture}

        def align(picture: NDArray[np.uint8]) -> AlignedAlone:
            reference, how = settings.reference, settings.registration
            return self._registration.align_alone(
                camera, picture, other=other_size, reference=reference, settings=how, rig=rig
            )

        aligned = align(picture)
        result = aligned.image
        if len(self._shapes.get("rgb", ())) == 3:
            result = in_colour(result)
        # Made before it is aligned: what the camera does not see is black in both.
        detector_image = in_colour(align(picture_of_one(camera, picture)).image) if for_detector else None
        return PassedFrame(result, aligned.reference, aligned.undistorted, detector_image, aligned.sample)

    def _at_size(self, settings: RegistrationSettings) -> RegistrationSettings:
        """With the processing size of the engine, unless they name one."""
        if self._processing is None or settings.names_processing_size:
            return settings
        height, width = self._processing
        return replace(settings, processing_height=height, processing_width=width)


def _size(image: NDArray[np.generic]) -> Size:
    return image.shape[0], image.shape[1]


def infrared_share(
    weights: NDArray[np.float32], infrared_activation: NDArray[np.float32], visible_activation: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Share of each channel's weighted activation that comes from infrared: (K,), 0 to 1; 0.5 where both are silent.

    ``w_ir a_ir / (w_ir a_ir + w_vis a_vis)`` with the class activation weights w, (2, K), in which a gain cancels, and
    the mean activations a, (K,): what the channel says of both pictures, not what comes of it in the fused one
    (:mod:`camf_ros.explain` has that).
    """
    infrared = weights[0] * infrared_activation
    total = infrared + weights[1] * visible_activation
    share = np.full(total.shape, 0.5, np.float32)
    np.divide(infrared, total, out=share, where=total > 0)
    return share
