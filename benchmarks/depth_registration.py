"""How well and how fast registration by depth is, on the simulated scene's rig of two cameras 12 cm apart.

    python3 benchmarks/depth_registration.py --json docs/figures/depth-registration.json \
        --picture docs/images/registration-depth.jpg

Errors are distances, in pixels of the camera that is looked up, from where it truly sees what a pixel of the reference
camera shows; over all pixels that it truly sees, by distance. The plane is what holes and lost depth fall back to. With
noise, depth images are 16UC1 with an error of 1 % and 5 % of holes, one of them large.

Times are those of one map and look-up against four cv2.remap of the same picture by the same map, which take turns.
Memory is what a process grows by at its peak, in bytes for each pixel of 1280 x 720.

``--picture`` shows both pictures of a moment in the RGB geometry, by the plane and by depth.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from machine import cpu_name, versions
from numpy.typing import NDArray

from camf_ros.imaging.camera_model import Camera, Extrinsics
from camf_ros.imaging.depth_registration import DepthRegistration, DepthWarp
from camf_ros.timing import Sample, ratio, take_turns
from camf_scene.camera import Pinhole
from camf_scene.drive import Counterparts, StreetDrive

DISTANCES = (1.0, 2.0, 4.0, 8.0, 16.0, 50.0)
# A band reaches so far to both sides of its distance.
BAND = 1.25
# Of the drive's 60 s.
MOMENTS = 15
DISTORTION = (-0.28, 0.09, 0.001, -0.0005, 0.0)


class Station:
    """A call that is timed."""

    def __init__(self, call: Callable[[], object]) -> None:
        """Warm it up."""
        self._call = call
        self.call_seconds = min(self.turn(5)).wall

    def turn(self, calls: int) -> list[Sample]:
        """Seconds of each call."""
        times = []
        for _ in range(calls):
            started, worked = time.perf_counter(), time.process_time()
            self._call()
            times.append(Sample(time.perf_counter() - started, time.process_time() - worked))
        return times


def camera(pinhole: Pinhole, coefficients: tuple[float, ...] = ()) -> Camera:
    """A camera of the scene, perhaps behind another lens."""
    return Camera(pinhole.width, pinhole.height, tuple(pinhole.matrix.ravel().tolist()), coefficients=coefficients)


def registration(
    drive: StreetDrive, reference: str, distance: float, coefficients: tuple[float, ...] = ()
) -> DepthRegistration:
    """For the scene's rig; ``coefficients`` are those of the lens that is looked up."""
    own = drive.camera(reference)
    lenses = {"thermal": coefficients if reference == "rgb" else (), "rgb": coefficients if reference != "rgb" else ()}
    return DepthRegistration(
        thermal=camera(drive.thermal_camera, lenses["thermal"]),
        rgb=camera(drive.rgb_camera, lenses["rgb"]),
        depth=camera(drive.rgb_camera),
        extrinsics=Extrinsics(tuple(drive.rotation.ravel().tolist()), tuple(drive.translation.tolist())),
        reference=reference,
        distance=distance,
        output=(own.height, own.width),
    )


def with_noise(depth: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint16]:
    """As a depth camera may send it."""
    noisy = depth * (1 + 0.01 * rng.standard_normal(depth.shape).astype(np.float32))
    millimetres = np.where(depth < 60, noisy * 1000, 0).astype(np.uint16)
    millimetres[rng.random(depth.shape) < 0.05] = 0
    y, x = (int(rng.integers(0, side - 60)) for side in depth.shape)
    millimetres[y : y + 60, x : x + 60] = 0
    return millimetres


def error(truth: Counterparts, warp: DepthWarp) -> NDArray[np.float32]:
    """Of all truly visible pixels."""
    return np.asarray(np.hypot(warp.x - truth.x, warp.y - truth.y)[truth.visible], np.float32)


def accuracy(drive: StreetDrive, reference: str, plane: float, moments: NDArray[np.float64]) -> list[dict[str, Any]]:
    """A row for each distance, and one for all from 1 to 50 m."""
    made, rng = registration(drive, reference, plane), np.random.default_rng(1)
    found: dict[str, list[NDArray[np.float32]]] = {"distance": [], "depth": [], "noise": [], "plane": []}
    hidden, visible = np.zeros(2), np.zeros(2)
    for t in moments.tolist():
        truth, depth = drive.counterparts(t, reference), drive.depth(t)
        found["distance"].append(truth.depth[truth.visible])
        for name, image in (("depth", depth), ("noise", with_noise(depth, rng)), ("plane", np.zeros_like(depth))):
            warp = made.maps(image)
            found[name].append(error(truth, warp))
            if name == "depth":
                inside = warp.seen > 0
                inside_truth = np.isfinite(truth.x) & ~truth.visible & _within(truth, drive.camera(_other(reference)))
                hidden += (~inside)[inside_truth].sum(), inside_truth.sum()
                visible += inside[truth.visible].sum(), truth.visible.sum()
    distance = np.concatenate(found.pop("distance"))
    values = {name: np.concatenate(each) for name, each in found.items()}
    bands = [(f"{at:g} m", (distance > at / BAND) & (distance < at * BAND)) for at in DISTANCES]
    bands.append(("1 to 50 m", (distance >= 1) & (distance <= 50)))
    rows: list[dict[str, Any]] = [
        {"distance": name, "pixels": int(band.sum())}
        | {
            f"{way}_{kind}": round(float(np.percentile(each[band], share)), 3)
            for way, each in values.items()
            for kind, share in (("median", 50), ("p90", 90), ("p99", 99))
        }
        for name, band in bands
    ]
    rows[-1] |= {
        "hidden_found": round(float(hidden[0] / hidden[1]), 4),
        "visible_found": round(float(visible[0] / visible[1]), 4),
    }
    return rows


def _other(reference: str) -> str:
    return "thermal" if reference == "rgb" else "rgb"


def _within(truth: Counterparts, there: Pinhole) -> NDArray[np.bool_]:
    across, down = (truth.x >= 0) & (truth.x <= there.width - 1), (truth.y >= 0) & (truth.y <= there.height - 1)
    return np.asarray(across & down)


def cost(drive: StreetDrive, reference: str, coefficients: tuple[float, ...], seconds: float) -> dict[str, Any]:
    """Time of a pair against four look-ups."""
    t = 26.0
    made, depth = registration(drive, reference, 5.0, coefficients), drive.depth(t)
    if reference == "rgb":
        picture: NDArray[np.uint8] = cv2.convertScaleAbs(drive.thermal(t), alpha=1 / 64)
    else:
        picture = drive.rgb(t)
    warp = made.maps(depth)
    x, y, into = warp.x.copy(), warp.y.copy(), warp.apply(picture).copy()

    def four() -> None:
        for _ in range(4):
            cv2.remap(picture, x, y, cv2.INTER_LINEAR, into, cv2.BORDER_REPLICATE)

    stations = [Station(lambda: made.maps(depth).apply(picture)), Station(four)]
    ours, theirs = take_turns(stations, seconds)
    return {
        "reference": reference,
        "lens": "distorted" if coefficients else "ideal",
        "output": f"{x.shape[1]} x {x.shape[0]}",
        "picture": "x".join(map(str, picture.shape[::-1])),
        "ms": round(1e3 * float(np.median([each.wall for turn in ours for each in turn])), 3),
        "four_remaps_ms": round(1e3 * float(np.median([each.wall for turn in theirs for each in turn])), 3),
        "ratio": round(ratio(ours, theirs).wall, 3),
        "ratio_cpu": round(ratio(ours, theirs).cpu, 3),
    }


def memory(reference: str) -> float:
    """Growth of this process, bytes a pixel, with lenses of all kinds of distortion."""
    width, height = 1280, 720
    lens = Camera(width, height, (1000.0, 0.0, 640.0, 0.0, 1000.0, 360.0, 0.0, 0.0, 1.0), coefficients=DISTORTION)
    depth, picture = np.full((height, width), 4, np.float32), np.ones((height, width, 3), np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made = DepthRegistration(
        thermal=lens,
        rgb=lens,
        depth=lens,
        extrinsics=Extrinsics((1, 0, 0, 0, 1, 0, 0, 0, 1), (0.12, 0.0, 0.0)),
        reference=reference,
        distance=5.0,
        output=(height, width),
    )
    made.maps(depth).apply(picture if reference == "thermal" else picture[..., 0])
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return round(1024 * growth / (width * height), 1)


def picture(drive: StreetDrive) -> NDArray[np.uint8]:
    """Thermal in orange over RGB in blue: by the plane, and by depth."""
    t = 26.0
    made, depth, rgb = registration(drive, "rgb", 5.0), drive.depth(t), drive.rgb(t)
    thermal = drive.thermal(t).astype(np.float32)
    low, high = np.percentile(thermal, (2, 98))
    grey = np.clip(255 * (thermal - low) / (high - low), 0, 255).astype(np.uint8)
    halves = []
    for image in (np.zeros_like(depth), depth):
        warp, blue = made.maps(image), cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        orange = warp.apply(grey)
        orange[warp.seen == 0] = 0
        halves.append(np.dstack([orange, cv2.addWeighted(orange, 0.5, blue, 0.5, 0), blue]))
    return np.hstack(halves)


def main() -> None:
    """Print a report and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--plane", type=float, default=2.0, help="registration.distance, metres")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each time")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    references = ("rgb", "thermal")
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:  # a process of its own for each
        grown = dict(zip(references, pool.map(memory, references, chunksize=1), strict=True))
    size = (640, 480)
    drive = StreetDrive(1, rgb_size=size, thermal_size=size)
    moments = np.linspace(2.0, 58.0, MOMENTS)
    report = {
        "machine": {"cpu": cpu_name(), "threads": 1, **versions()},
        "rig": {"baseline_m": 0.12, "plane_m": options.plane, "size": "640 x 480", "moments": MOMENTS},
        "errors_px": {each: accuracy(drive, each, options.plane, moments) for each in references},
        "times": [
            cost(drive, reference, lens, options.seconds) for reference in references for lens in ((), DISTORTION)
        ],
    }
    report["memory_bytes_a_pixel"] = grown
    if options.picture:
        cv2.imwrite(str(options.picture), picture(drive)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    text = json.dumps(report, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
