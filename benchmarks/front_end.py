"""Cost and looks of what comes before the network: thermal grey levels, conversion of RGB frames, registration.

    python3 benchmarks/front_end.py --output docs/figures/thermal-cost.json
    python3 benchmarks/front_end.py --pictures docs/figures
    python3 benchmarks/front_end.py --fuse camf --output docs/figures/thermal-modes.json

The first times every step for RGB 1280x720 and thermal 640x512: each way to grey levels from counts and temperatures,
dead pixels, each encoding that is understood, the warps of each registration mode, and what a pair costs in all. Beside
each one a plain NumPy version (OpenCV's own for clahe, a copy of the picture for encodings) takes turns with it.

The second draws the simulated night street in every mode: as it is, with little contrast, and with a fire in it.

The third fuses these scenes in every mode, and measures how much people stand out from what is around them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from script import Station, machine, versions, write_json

from camf_ros.errors import CamfError
from camf_ros.imaging.camera_messages import check, read, to_rgb8
from camf_ros.imaging.camera_model import Camera, Extrinsics
from camf_ros.imaging.encodings import ENCODINGS, NOT_FROM_RGB
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.imaging.registration_file import RegistrationFile, write_registration
from camf_ros.imaging.thermal.defects import DeadPixels
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.imaging.thermal.scene import noise_of
from camf_ros.imaging.warp import Rig
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.registration_settings import RegistrationSettings
from camf_ros.settings.thermal_settings import ThermalSettings
from camf_ros.timing import ratio, take_turns
from camf_scene import NightStreet

RGB, THERMAL = (720, 1280), (512, 640)
MODES = ("linear", "plateau", "clahe", "temperature")
# What the street's thermal camera sends, as temperatures.
CELSIUS = {"scale": 1 / 32, "offset": -7100 / 32, "minimum": -20.0, "maximum": 40.0}
MOMENTS = (4.0, 8.0, 12.0, 16.0)
# Pixels around a person that are "around".
RING = 12
Call = Callable[[], object]


class Bench:
    """Collects the rows of the report."""

    def __init__(self, seconds: float) -> None:
        """Take so many seconds for each row."""
        self._seconds = seconds
        self.rows: list[dict[str, object]] = []

    def row(self, step: str, case: str, call: Call, plain: Call | None, what: str = "") -> None:
        """Time a call beside its plain version, if there is one."""
        stations = [Station(call), *([Station(plain)] if plain else [])]
        rounds = take_turns(stations, self._seconds)
        best, median, p95 = np.percentile([1e3 * each.wall for turn in rounds[0] for each in turn], (0, 50, 95))
        of_plain = round(ratio(rounds[0], rounds[1]).wall, 4) if plain else None
        entry = {
            "step": step,
            "case": case,
            "best_ms": round(best, 4),
            "median_ms": round(median, 4),
            "p95_ms": round(p95, 4),
            "plain": what if plain else None,
            "of_plain": of_plain,
        }
        self.rows.append(entry)
        part = f"{of_plain:.3g} of {what}" if plain else ""
        print(f"{step:24} {case:36} {median:7.3g} ms, best {best:7.3g}  {part}", flush=True)


def front_end(agc: str, values: NDArray[Any], **others: Any) -> Call:
    """Frames of a camera with 30 a second, one after another."""
    options: dict[str, Any] = {"scale": 1.0, "offset": -273.15} if values.dtype == np.float32 else {}
    end = ThermalFrontEnd(ThermalSettings(agc=agc, **{**CELSIUS, **options, **others}))
    clock = iter(range(10**9))
    return lambda: end.apply(values, 1.0 + next(clock) / 30)


def plain_grey(agc: str, values: NDArray[Any]) -> tuple[Call, str]:
    """The same idea without tricks, and what it is called."""

    def linear() -> NDArray[np.uint8]:
        low, high = np.percentile(values, (0.5, 99.5))
        return np.clip(np.rint((values - low) * (255 / (high - low))), 0, 255).astype(np.uint8)

    def temperature() -> NDArray[np.uint8]:
        return np.clip(np.rint((values - 6500.0) * (255 / 2000)), 0, 255).astype(np.uint8)

    def plateau() -> NDArray[np.uint8]:
        numbers, edges = np.histogram(values, 4096)
        clipped = np.minimum(numbers, 3 * values.size / np.count_nonzero(numbers))
        grey = clipped.cumsum() * (255 / clipped.sum())
        padded = np.pad(values.astype(np.float64), ((9, 8), (9, 8)), mode="edge").cumsum(0).cumsum(1)
        base = (padded[17:, 17:] - padded[:-17, 17:] - padded[17:, :-17] + padded[:-17, :-17]) / 17**2
        return np.clip(np.interp(base, edges[1:], grey) + 0.4 * (values - base), 0, 255).astype(np.uint8)

    scaled = cv2.normalize(values, None, 0, 65535, cv2.NORM_MINMAX, cv2.CV_16U)  # type: ignore[call-overload]
    opencv = cv2.createCLAHE(2.0, (8, 8))
    return {
        "linear": (linear, "NumPy"),
        "plateau": (plateau, "NumPy"),
        "temperature": (temperature, "NumPy"),
        "clahe": (lambda: opencv.apply(scaled), "OpenCV, 16 bit"),
    }[agc]  # type: ignore[return-value]


def median_of_nine(values: NDArray[Any]) -> NDArray[Any]:
    """Median of 3x3 pixels."""
    padded = np.pad(values, 1, mode="edge")
    height, width = values.shape
    return np.median([padded[y : y + height, x : x + width] for y in range(3) for x in range(3)], axis=0)  # type: ignore[no-any-return]


def thermal_rows(bench: Bench, counts: NDArray[np.uint16]) -> None:
    """Grey levels and dead pixels."""
    kelvin = ((counts - 7100.0) / 32 + 273.15).astype(np.float32)
    for values in (counts, kelvin):
        for agc in MODES:
            bench.row("grey levels", f"{agc}, {values.dtype}", front_end(agc, values), *plain_grey(agc, values))
    for values in (counts, kelvin):
        pixels, noise = DeadPixels(), noise_of(values)
        clock = iter(range(10**9))

        def search(
            values: NDArray[Any] = values, noise: float = noise, pixels: DeadPixels = pixels, clock: Any = clock
        ) -> object:
            return pixels.repair(values, noise, float(next(clock)))

        bench.row(
            "dead pixels",
            f"search (4 a second), {values.dtype}",
            search,
            lambda values=values: median_of_nine(values),  # type: ignore[misc]
            "NumPy",
        )
    grey = (counts // 64).astype(np.uint8)
    bench.row("grey levels", "8 bit, taken as it is", front_end("linear", grey), None)


def conversion(name: str) -> Callable[[], NDArray[np.uint8]] | None:
    """Conversion of an RGB camera's frame of random bytes; None where an encoding makes no sense there."""
    if name in NOT_FROM_RGB:
        return None
    encoding = ENCODINGS[name]
    step = RGB[1] * encoding.channels * np.dtype(encoding.dtype).itemsize
    # Encodings with planes of their own for colour need more than rows.
    data = np.random.default_rng(1).integers(0, 256, 3 * step * RGB[0], dtype=np.uint8).tobytes()
    message: Any = SimpleNamespace(
        height=RGB[0], width=RGB[1], encoding=name, is_bigendian=0, step=step, data=memoryview(data)
    )

    def call() -> NDArray[np.uint8]:
        layout = check(message, frozenset({name}), "RGB image")
        return to_rgb8(read(message, layout), layout)

    return call


def conversion_rows(bench: Bench) -> None:
    """Every encoding that the package knows."""
    for name in ENCODINGS:
        call = conversion(name)
        if call is None:
            continue
        try:
            picture = call()
        except CamfError as error:
            print(f"{name}: left out, {error}")
            continue
        bench.row("conversion", name, call, picture.copy, "a copy")


def registrations(folder: Path) -> dict[str, tuple[RegistrationSettings, Rig]]:
    """One of each mode, for two cameras side by side with lenses of their own."""
    path = folder / "registration.yaml"
    homography = np.array([[1.9, 0.02, 20.0], [-0.01, 1.9, -130.0], [1e-6, 0.0, 1.0]])
    extrinsics = Extrinsics((1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), (0.06, 0.0, 0.0))
    write_registration(path, RegistrationFile(THERMAL, RGB, homography, extrinsics))
    thermal, rgb = (
        Camera(width, height, (focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0), "plumb_bob", lens)
        for (height, width), focal, lens in (
            (THERMAL, 520.0, (-0.2, 0.05, 0.0, 0.0, 0.0)),
            (RGB, 1000.0, (-0.1, 0.02, 0.0, 0.0, 0.0)),
        )
    )
    rig = Rig(thermal, rgb)
    return {
        "resize": (RegistrationSettings(), Rig()),
        "homography": (RegistrationSettings(mode="homography", file=str(path)), Rig()),
        "calibrated": (RegistrationSettings(mode="calibrated", file=str(path)), rig),
    }


def warp_rows(bench: Bench, folder: Path) -> None:
    """Registration by each mode, to the geometry of each camera."""
    rng = np.random.default_rng(2)
    rgb, grey = (rng.integers(0, 256, size, dtype=np.uint8) for size in ((*RGB, 3), THERMAL))
    for mode, (settings, rig) in registrations(folder).items():
        for reference in ("rgb", "thermal"):
            planned = PlannedRegistration()

            def call(
                planned: Any = planned, reference: str = reference, settings: Any = settings, rig: Any = rig
            ) -> object:
                return planned.align(grey, rgb, reference=reference, settings=settings, rig=rig)

            height, width = RGB if reference == "rgb" else THERMAL
            rows = [(np.arange(height) * size[0] // height)[:, None] for size in (RGB, THERMAL)]
            columns = [np.arange(width) * size[1] // width for size in (RGB, THERMAL)]

            def plain(rows: Any = rows, columns: Any = columns) -> object:
                return rgb[rows[0], columns[0]], grey[rows[1], columns[1]]

            bench.row("registration", f"{mode}, {reference} as reference", call, plain, "NumPy, nearest pixels")


def pair_rows(bench: Bench, folder: Path, counts: NDArray[np.uint16]) -> None:
    """All that comes before the network, for bgr8 and 16-bit counts, calibrated, RGB as reference."""
    settings, rig = registrations(folder)["calibrated"]
    rgb = conversion("bgr8")
    assert rgb is not None
    for agc in MODES:
        planned, grey = PlannedRegistration(), front_end(agc, counts)

        def call(planned: Any = planned, grey: Any = grey) -> object:
            return planned.align(grey(), rgb(), reference="rgb", settings=settings, rig=rig)

        bench.row("pair in all", f"{agc}, bgr8, calibrated", call, None)


def scenes(street: NightStreet, moment: float) -> dict[str, NDArray[np.uint16]]:
    """Thermal frames of the street: as it is, almost without contrast, and with a fire of many hundred degrees."""
    counts = street.thermal(moment).astype(np.float32)
    quiet = 0.12 * cv2.GaussianBlur(counts - 7450, (0, 0), 1.0) + 7450
    quiet += np.random.default_rng(round(10 * moment)).normal(0, 3.5, counts.shape)
    y, x = np.mgrid[0 : counts.shape[0], 0 : counts.shape[1]] / counts.shape[0]
    flame = np.clip(1.3 - np.hypot((x - 0.45) / 0.07, (y - 0.72) / 0.13), 0, 1) * (1 + 0.1 * np.sin(40 * y + 25 * x))
    return {
        "street": counts.astype(np.uint16),
        "little contrast": np.rint(quiet).astype(np.uint16),
        "fire": np.clip(counts + 7000 * flame, 0, 16383).astype(np.uint16),
    }


def draw(folder: Path) -> None:
    """One picture for each scene, the modes side by side: a half of the size, for the documentation."""
    folder.mkdir(parents=True, exist_ok=True)
    street = NightStreet(1)
    for name, counts in scenes(street, MOMENTS[0]).items():
        parts = []
        for agc in MODES:
            grey = ThermalFrontEnd(ThermalSettings(agc=agc, **CELSIUS)).apply(counts, 0.0)
            small = np.asarray(cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
            cv2.rectangle(small, (0, 0), (100, 24), (0,), cv2.FILLED)
            cv2.putText(small, agc, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255,), 1, cv2.LINE_AA)
            parts.append(small)
        path = folder / f"thermal-{name.replace(' ', '-')}.png"
        cv2.imwrite(str(path), np.hstack(parts), (cv2.IMWRITE_PNG_COMPRESSION, 9))
        print(path)


def fuse(model: str) -> list[dict[str, object]]:
    """How much people stand out, in the grey picture and in the fused one.

    Grey levels by which their mean is above that of a ring around them, and the standard deviation of the whole.
    """
    # PyTorch is not needed for anything else in here.
    from camf_ros.engines.choose import open_engine  # noqa: PLC0415
    from camf_ros.models import find_model  # noqa: PLC0415
    from camf_ros.pipeline import FusionPipeline  # noqa: PLC0415

    engine = open_engine("torch", find_model(model), precision="float32")
    street = NightStreet(1)
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for moment in MOMENTS:
        rgb, people = street.rgb(moment), street.people(moment)
        for scene, counts in scenes(street, moment).items():
            for agc in MODES:
                thermal = ThermalSettings(agc=agc, **CELSIUS)
                grey = ThermalFrontEnd(thermal).apply(counts, 0.0)
                # Colours would tell about the street, not about the thermal picture.
                fused = FusionPipeline(engine, FusionSettings(thermal=thermal)).fuse(
                    counts,
                    cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY),
                    0.0,  # type: ignore[arg-type]
                )
                large = np.asarray(cv2.resize(grey, (RGB[1], RGB[0])))
                people_contrast = [_standing_out(image, people) for image in (large, fused.image)]
                deviations = [float(image.std()) for image in (grey, fused.image)]
                found.setdefault((scene, agc), []).append((*people_contrast, *deviations))
    rows = []
    for (scene, agc), values in found.items():
        means = np.mean(values, axis=0).round(1).tolist()
        names = ("people_in_grey", "people_in_fused", "deviation_of_grey", "deviation_of_fused")
        rows.append({"scene": scene, "agc": agc, **dict(zip(names, means, strict=True))})
        print(rows[-1])
    return rows


def _standing_out(image: NDArray[np.uint8], people: list[Any]) -> float:
    values = image.astype(np.float64)
    result = []
    for box in people:
        left, top, right, bottom = (round(each) for each in (box.left, box.top, box.right, box.bottom))
        if right - left < 6 or left < RING or top < RING or right > RGB[1] - RING or bottom > RGB[0] - RING:
            continue
        # The middle of the box is all person, its corners are not.
        third = (right - left) // 3
        inner = values[top : (top + bottom) // 2, left + third : right - third]
        whole = values[top - RING : bottom + RING, left - RING : right + RING]
        around = (whole.sum() - values[top:bottom, left:right].sum()) / (whole.size - (bottom - top) * (right - left))
        result.append(float(inner.mean() - around))
    return float(np.mean(result))


def main() -> None:
    """Time, draw or fuse."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, metavar="JSON")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="draw, and time nothing")
    parser.add_argument("--fuse", metavar="MODEL", help="fuse, and time nothing")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each row (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of OpenCV (default: %(default)s)")
    arguments = parser.parse_args()
    cv2.setNumThreads(arguments.threads)
    if arguments.pictures:
        draw(arguments.pictures)
        return
    report: dict[str, object] = {"versions": {**versions(), "opencv": cv2.__version__, "numpy": np.__version__}}
    if arguments.fuse:
        report |= {"model": arguments.fuse, "moments": MOMENTS, "rows": fuse(arguments.fuse)}
    else:
        bench = Bench(arguments.seconds)
        counts = NightStreet(1).thermal(4.0)
        with tempfile.TemporaryDirectory() as name:
            thermal_rows(bench, counts)
            conversion_rows(bench)
            warp_rows(bench, Path(name))
            pair_rows(bench, Path(name), counts)
        report |= {
            "machine": machine(),
            "threads": arguments.threads,
            "rgb": RGB,
            "thermal": THERMAL,
            "rows": bench.rows,
        }
    write_json(arguments.output, report)


if __name__ == "__main__":
    main()
