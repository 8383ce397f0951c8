"""The thermal front end as the pipeline uses it: one frame in, one grey picture out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import ImageError
from camf_ros.imaging.camera_messages import Image
from camf_ros.imaging.thermal.agc import Levels, LinearStretch, TemperatureRange, TileEqualisation, unlike
from camf_ros.imaging.thermal.defects import WARNING, DeadPixels, filled, looks_swapped, single_holes, swapped
from camf_ros.imaging.thermal.plateau import PlateauEqualisation
from camf_ros.imaging.thermal.scene import NoScene, Raw, Scene, find_no_scene, measure, stride
from camf_ros.settings.thermal_settings import ThermalSettings


class _Mode(Protocol):
    def apply(
        self, image: Raw, scene: Scene, stamp: float, settings: ThermalSettings
    ) -> tuple[NDArray[np.uint8], Levels]:
        """Grey picture (H, W), and the raw values that are black and white in it."""
        ...


_MODES: Mapping[str, Callable[[], _Mode]] = {
    "linear": LinearStretch,
    "plateau": PlateauEqualisation,
    "clahe": TileEqualisation,
    "temperature": TemperatureRange,
}


# Share of the pixels that are left out of the levels because they look dead.
_MOST_LEFT_OUT = 0.01


@dataclass(frozen=True)
class ThermalState:
    """What was found in the last frame; shares are of the pixels, 0 to 1.

    Attributes:
        levels: Raw values that are black and white; of clahe the range of its curves. None for 8-bit pictures that are
            taken as they are.
        noise: Standard deviation of the noise, raw values; None likewise.
        clipped: Share, of a regular sample, that is entirely black or white.
        saturated: Share, likewise, at 0 or at the full scale of an 8-, 10-, 12-, 14- or 16-bit converter; 0 for floats.
        invalid: Share that is NaN or infinite.
        dead: Places, in the flattened frame, of the pixels that are replaced because they are dead.
        no_scene: What is no scene and left out of the levels; None where all is scene.
        swapped: Whether the bytes of the values seem to be in the wrong order.
    """

    levels: Levels | None
    noise: float | None
    clipped: float
    saturated: float
    invalid: float
    dead: NDArray[np.intp]
    no_scene: NoScene | None = None
    swapped: bool = False

    @property
    def dead_pixels(self) -> int:
        """Number of pixels that are replaced."""
        return int(self.dead.size)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should do about the picture."""
        rows = self.no_scene.warning if self.no_scene else ""
        return tuple(text for text in (rows, WARNING if self.swapped else "") if text)


class ThermalFrontEnd:
    """Turns raw thermal frames of one camera into grey ones whose levels follow the scene slowly.

    Used from one thread; :meth:`configure` may be called from any.

    Attributes:
        state: What was found in the last frame; None before the first.
    """

    def __init__(self, settings: ThermalSettings) -> None:
        self._settings = settings
        # What the current mode was made for, and the levels and stamp of its last frame.
        self._made_for: tuple[object, ...] = ()
        self._mode: _Mode = LinearStretch()
        self._levels: Levels = (0.0, 0.0)
        self._stamp = 0.0
        self._other: tuple[_Mode, Levels] | None = None
        self._dead_pixels = DeadPixels()
        self.state: ThermalState | None = None

    def configure(self, settings: ThermalSettings) -> None:
        """Use other settings from the next frame on. Another ``agc`` starts anew, all else is followed."""
        self._settings = settings

    def check(self, image: Image) -> None:
        """Refuse what :meth:`apply` would refuse; what follows the scene stays as it is."""
        if image.dtype == np.float32:
            measure(image, self._settings)  # type: ignore[arg-type]

    def apply(self, image: Image, stamp: float) -> NDArray[np.uint8]:
        """Grey picture of one (H, W) frame; hot is white.

        uint8 is taken as it is, unless the settings say otherwise. NaN and minus infinity become black, infinity white.
        A stamp, seconds, that is not later than the last starts anew. Raises ImageError if no value of a float image is
        finite.
        """
        settings = self._settings
        if image.dtype == np.uint8 and not settings.process_8bit:
            grey = np.ascontiguousarray(image, dtype=np.uint8)
            if settings.polarity == "black_hot":
                grey = np.asarray(cv2.bitwise_not(grey), np.uint8)
            self.state = ThermalState(None, None, _clipped(grey), 0.0, 0.0, np.empty(0, np.intp))
            return grey
        raw: Raw = image.astype(np.uint16) if image.dtype == np.uint8 else image  # type: ignore[assignment]
        return self._process(raw, stamp, settings)

    def _process(self, image: Raw, stamp: float, settings: ThermalSettings) -> NDArray[np.uint8]:
        no_scene = find_no_scene(image)
        scene = measure(image, settings, no_scene.mask if no_scene else None)
        # Always true for counts; testing them too is cheap.
        finite = np.isfinite(image)
        invalid = image.size - int(np.count_nonzero(finite))
        raw = np.where(finite, image, np.float32(scene.low)).astype(np.float32, copy=False) if invalid else image
        if no_scene:
            raw = no_scene.within(raw, scene)
        single = single_holes(image) if invalid and settings.dead_pixels == "auto" else None
        if single is not None:
            raw = filled(raw, finite, single)
        if settings.dead_pixels == "auto":
            raw = self._dead_pixels.repair(raw, scene.noise, stamp)
            scene = _without(self._dead_pixels.suspects, image, scene, settings)
        elif self._dead_pixels.places.size:
            self._dead_pixels = DeadPixels()
        mode = self._choose((settings.agc, image.shape, image.dtype), (scene.low, scene.high), stamp)
        with np.errstate(over="ignore", invalid="ignore"):  # markers of invalid pixels as large as floats get
            grey, levels = mode.apply(raw, scene, stamp, settings)
        shown = finite
        if single is not None:
            shown = finite.copy()
            shown.flat[single] = True
        if invalid:
            grey[~shown] = 0
            grey[image == np.inf] = 255
        if settings.polarity == "black_hot":
            grey = np.asarray(cv2.bitwise_not(grey), np.uint8)
            if invalid:
                grey[np.isnan(image) & ~shown] = 0
        self.state = ThermalState(
            levels,
            scene.noise,
            _clipped(grey),
            scene.saturated,
            invalid / image.size,
            self._dead_pixels.places,
            no_scene,
            looks_swapped(image, scene),
        )
        return grey

    def _choose(self, made_for: tuple[str, tuple[int, ...], object], levels: Levels, stamp: float) -> _Mode:
        """The mode that processes a frame: the one in use with its memory, or one without.

        A frame whose range has nothing in common with the last one is corrupt, or the camera has changed its range. It
        is processed by itself; only if the next frame is like it, the old memory is discarded.
        """
        # Also when the clock went back, or the stamp is NaN.
        if made_for != self._made_for or not stamp > self._stamp:
            self._made_for, self._mode = made_for, _MODES[made_for[0]]()
        elif unlike(self._levels, levels):
            if self._other is None or unlike(self._other[1], levels):
                self._other = (_MODES[made_for[0]](), levels)
                return self._other[0]
            self._mode = self._other[0]
        self._levels, self._stamp, self._other = levels, stamp, None
        return self._mode


def _without(places: NDArray[np.intp], image: Raw, scene: Scene, settings: ThermalSettings) -> Scene:
    """The figures of a frame without a few pixels, places in the flattened frame; what is saturated counts as before.

    A single one far from all others would take a third of the grey levels from them.
    """
    if not 0 < places.size <= _MOST_LEFT_OUT * image.size:
        return scene
    outside = np.zeros(image.shape, np.bool_) if scene.outside is None else scene.outside.copy()
    outside.flat[places] = True
    if not (np.isfinite(image) & ~outside).any():
        return scene
    return measure(image, settings, outside)._replace(saturated=scene.saturated)


def put_right(image: Image, settings: ThermalSettings) -> Image:
    """The thermal picture in the right byte order, without the rows and columns that are none.

    The image itself where nothing is wrong; raises ImageError if nothing is left.
    """
    if settings.byte_order == "swapped":
        image = swapped(image)
    top, bottom, left, right = settings.crop_top, settings.crop_bottom, settings.crop_left, settings.crop_right
    if not (top or bottom or left or right):
        return image
    height, width = image.shape
    if top + bottom >= height or left + right >= width:
        raise ImageError(
            f"thermal image is {width}x{height} and the four thermal.crop parameters leave nothing of it",
            remedy="set smaller ones",
        )
    return np.ascontiguousarray(image[top : height - bottom, left : width - right])


def _clipped(grey: NDArray[np.uint8]) -> float:
    step = stride(grey.size)
    sample = np.ascontiguousarray(grey[::step, ::step])
    # In uint8, 0 - 1 is 255.
    return 1.0 - int(np.count_nonzero(sample - np.uint8(1) < 254)) / sample.size
