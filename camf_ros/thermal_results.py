"""What is handed out of thermal frames beside the fused image, each only where it is wanted.

In the geometry of the fused image, under its header: the raw values, the grey levels, and where both cameras see. In
the thermal camera's own, under the header of its frame: the temperatures, and the pictures of them for people.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from camf_ros.fused_frame import PassedFrame
from camf_ros.imaging.camera_messages import Image
from camf_ros.imaging.registration import Aligned, PlannedRegistration, Sample
from camf_ros.imaging.thermal.front_end import ThermalState
from camf_ros.imaging.thermal.temperatures import (
    BoxReading,
    Measured,
    Reading,
    coloured,
    implausible,
    isotherm,
    measure,
    outside,
    temperatures,
    why_none,
)
from camf_ros.imaging.warp import Rig, resized
from camf_ros.outputs import (
    BOX,
    COLOUR,
    ISOTHERM,
    MASK,
    MEASURED,
    REGISTERED,
    REGISTERED_GREY,
    SPOT,
    TEMPERATURES,
    Outputs,
)
from camf_ros.pairing.synchronizer import LoneFrame
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings

Others = frozenset[str]
Grey = NDArray[np.uint8]
_WITH_TEMPERATURES = frozenset({ISOTHERM, MEASURED})


class ThermalRecord(NamedTuple):
    """Of what the registered thermal picture and the temperatures of a fused pair can be made later, in any thread.

    Attributes:
        raw: The thermal picture as the pipeline was given it.
        rgb: Likewise.
        state: What the front end found in ``raw``.
        settings: In force.
        registration: With the file that was used.
        rig: What was known about the cameras.
    """

    raw: Image
    rgb: NDArray[np.uint8]
    state: ThermalState | None
    settings: FusionSettings
    registration: PlannedRegistration
    rig: Rig

    def registered(self) -> Image | None:
        """The raw values in the geometry of the fused image, as :data:`camf_ros.outputs.REGISTERED` has them."""
        settings, grey = self.settings, np.zeros(self.raw.shape, np.uint8)
        aligned = self.registration.align(
            grey, self.rgb, reference=settings.reference, settings=settings.registration, rig=self.rig
        )
        return None if aligned.sample is None else aligned.sample(self.raw)

    def measured(self) -> Measured | None:
        """The temperatures; None where the values are none."""
        thermal = self.settings.thermal
        if self.state is None or why_none(self.raw, self.state, thermal):
            return None
        return measure(temperatures(self.raw, self.state, thermal), self.settings.temperatures)


class ThermalResults:
    """Makes and hands out what is wanted, which is something; in the thread that fuses."""

    def __init__(self, outputs: Outputs, pipeline: FusionPipeline, tell: Callable[[str], None]) -> None:
        """``tell`` is called with each problem once."""
        self._outputs, self._pipeline, self._tell = outputs, pipeline, tell
        self._told: set[str] = set()

    def of_pair(self, wanted: Others, raw: Image, own: Any, aligned: Aligned, header: Any) -> str:
        """Hand out what is wanted of a fused pair.

        Args:
            wanted: See :attr:`camf_ros.detector_picture.Wanted.others`.
            raw: The thermal picture as the pipeline was given it.
            own: Header of its message.
            aligned: Both pictures in one geometry.
            header: Of the fused image.

        Returns:
            Why something that is wanted cannot be had; empty if nothing is missing.
        """
        size = aligned.rgb.shape[0], aligned.rgb.shape[1]
        if aligned.sample is not None:
            self._registered(wanted, raw, lambda: resized(aligned.thermal, size), aligned.sample, header)
        if MASK in wanted:
            both = None if aligned.coverage is None else aligned.coverage.both
            mask = np.full(size, 255, np.uint8) if both is None else both.astype(np.uint8) * np.uint8(255)
            self._outputs.picture(MASK, mask, header)
        return self._own(wanted, raw, own)

    def of_one(self, wanted: Others, lone: LoneFrame, picture: Image, frame: PassedFrame, header: Any) -> str:
        """Likewise of a frame that was passed through alone; ``picture`` is what the pipeline was given.

        Without a thermal frame that is nothing thermal. The mask is black: nothing is seen by both cameras.
        """
        if MASK in wanted:
            self._outputs.picture(MASK, np.zeros(frame.image.shape[:2], np.uint8), header)
        if lone.camera != "thermal":
            return ""
        if frame.sample is not None:
            image = frame.image
            grey = image if image.ndim == 2 else image[:, :, 0]
            self._registered(wanted, picture, lambda: grey, frame.sample, header)
        return self._own(wanted, picture, lone.message.header)

    def _registered(self, wanted: Others, raw: Image, grey: Callable[[], Grey], sample: Sample, header: Any) -> None:
        if REGISTERED in wanted:
            self._outputs.picture(REGISTERED, sample(raw), header)
        if REGISTERED_GREY in wanted:
            seen = sample(np.full(raw.shape, 255, np.uint8))
            self._outputs.picture(REGISTERED_GREY, np.bitwise_and(grey(), seen).astype(np.uint8), header)

    def _own(self, wanted: Others, raw: Image, header: Any) -> str:
        """In the thermal camera's own geometry."""
        grey, settings = self._pipeline.pictures["thermal"], self._pipeline.settings
        if COLOUR in wanted:
            self._outputs.picture(COLOUR, coloured(grey, settings.temperatures.palette), header)
        state = self._pipeline.thermal_state
        if not wanted & _WITH_TEMPERATURES or state is None:
            return ""
        if problem := why_none(raw, state, settings.thermal):
            return self._told_once(problem)
        celsius = temperatures(raw, state, settings.thermal)
        measured = measure(celsius, settings.temperatures)
        if MEASURED in wanted:
            self._outputs.temperatures(self._message(measured, header))
        if ISOTHERM in wanted:
            self._outputs.picture(ISOTHERM, isotherm(grey, celsius, measured, settings.temperatures), header)
        return self._told_once(implausible(measured) or outside(raw.shape, settings.temperatures))

    def _told_once(self, text: str) -> str:
        if text and text not in self._told:
            self._told.add(text)
            self._tell(text)
        return text

    def _message(self, measured: Measured, header: Any) -> Any:
        return self._outputs.make(
            TEMPERATURES,
            header=header,
            image=self._box(measured.image),
            spots=[self._spot(spot.name, at) for spot, at in measured.spots],
            boxes=[self._box(box) for box in measured.boxes],
        )

    def _spot(self, name: str, at: Reading) -> Any:
        return self._outputs.make(SPOT, name=name, x=at.x, y=at.y, temperature=at.temperature)

    def _box(self, reading: BoxReading) -> Any:
        name, x, y, width, height = reading.box
        return self._outputs.make(
            BOX,
            name=name,
            x=x,
            y=y,
            width=width,
            height=height,
            coldest=self._spot("coldest", reading.coldest),
            hottest=self._spot("hottest", reading.hottest),
            mean=reading.mean,
            pixels=reading.pixels,
        )
