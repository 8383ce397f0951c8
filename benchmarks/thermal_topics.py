"""What the thermal topics cost: time of a frame from two messages to the results, with each of them subscribed to.

    python3 benchmarks/thermal_topics.py --json docs/figures/thermal-topics.json

Nobody subscribes, then to one topic at a time. All take turns, and the ratios are those of the same rounds, so that
other work on the machine slows all of them alike. DDS is left out: results end as bytes of messages.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from script import Station, machine, usable_cores, versions, write_json

from camf_ros.detector_picture import Wanted
from camf_ros.engines.choose import ChosenEngine, open_engine
from camf_ros.fusion import Cameras, Fusion, Running
from camf_ros.imaging.camera_messages import ImageConversion, encoding_of, image_fields
from camf_ros.imaging.camera_model import Camera, Extrinsics
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.imaging.registration_file import RegistrationFile, write_registration
from camf_ros.models import find_model
from camf_ros.nodes.topics import OTHERS
from camf_ros.outputs import Work
from camf_ros.pairing.synchronizer import ImagePair
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.table import build
from camf_ros.timing import ratio, take_turns
from camf_scene import StreetDrive

PARAMETERS: dict[str, object] = {
    "registration.mode": "calibrated",
    "thermal.unit": "0.04_kelvin",
    "temperatures.spots": "a 100 100; b 200 200",
    "temperatures.boxes": "c 50 50 100 100",
}


class Results:
    """What is wanted, as bytes."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.bytes = 0

    def make(self, kind: str, **fields: Any) -> Any:
        """Some object with these fields."""
        return SimpleNamespace(kind=kind, **fields)

    def constant(self, kind: str, name: str) -> int:  # noqa: ARG002
        """Any."""
        return 0

    def picture(self, name: str, image: Any, header: Any) -> None:  # noqa: ARG002
        """Copy it, as a message does."""
        self.bytes += len(image_fields(image, encoding_of(image))["data"].tobytes())

    def camera_info(self, message: Any) -> None:
        """Nothing."""

    def weights(self, message: Any) -> None:
        """Nothing."""

    def temperatures(self, message: Any) -> None:
        """Nothing."""

    def complain(self, cause: str, text: str) -> None:
        """It must not come to that."""
        raise RuntimeError(f"{cause}: {text}")

    def fused(self, work: Work) -> None:
        """Nothing."""

    def passed(self, camera: str, latency: float) -> None:
        """Nothing."""


def message(image: NDArray[Any], camera: str, number: int) -> Any:
    """An image message."""
    header = SimpleNamespace(stamp=SimpleNamespace(sec=number, nanosec=0), frame_id=camera)
    return SimpleNamespace(header=header, **image_fields(image, encoding_of(image)))


def frames(
    engine: ChosenEngine, settings: FusionSettings, pair: tuple[NDArray[Any], NDArray[Any]], topic: str
) -> Callable[[], None]:
    """A call that fuses the next pair while somebody subscribes to a topic, by its name in camf_ros.outputs."""
    wanted = Wanted(others=frozenset({topic} if topic else ()))
    fusion = Fusion(
        settings,
        Running(engine, ""),
        PlannedRegistration.checked(settings.registration),
        Results(wanted),
        cameras=Cameras(settings.registration),
        conversion=ImageConversion(),
        tell=print,
    )
    numbers = itertools.count(1)

    def frame() -> None:
        number = next(numbers)
        thermal, rgb = (message(image, camera, number) for image, camera in zip(pair, ("thermal", "rgb"), strict=True))
        fusion.process(ImagePair(thermal, rgb, 0.0, 0.1 * number, 0.0))

    return frame


def registration(folder: Path, drive: StreetDrive) -> Path:
    """The file of the drive's true rig."""
    cameras = {
        name: Camera(camera.width, camera.height, tuple(camera.matrix.ravel().tolist()))
        for name, camera in (("thermal", drive.thermal_camera), ("rgb", drive.rgb_camera))
    }
    sizes = ((camera.height, camera.width) for camera in cameras.values())
    pose = Extrinsics(tuple(drive.rotation.ravel().tolist()), tuple(drive.translation.tolist()))
    write_registration(folder / "rig.yaml", RegistrationFile(*sizes, None, pose, **cameras))
    return folder / "rig.yaml"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="camf-lite", help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="in all (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=usable_cores(), help="(default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report")
    options = parser.parse_args()
    cv2.setNumThreads(options.threads)
    drive = StreetDrive(1, oversampling=1)
    pair = drive.thermal(20.0), drive.rgb(20.0)
    engine = ChosenEngine(open_engine("openvino", find_model(options.model), threads=options.threads), "", ())
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        file = registration(Path(folder), drive)
        settings = build(FusionSettings, {**PARAMETERS, "registration.file": str(file)})
        topics = {"": "none", **OTHERS}
        calls = [frames(engine, settings, pair, topic) for topic in topics]
        rounds = take_turns([Station(call, warm_up=5, waking=1) for call in calls], options.seconds)
    rows = []
    print("| subscribed to | frame, ms | processor time, ms | times the frame without | in processor time |")
    print("|---|---|---|---|---|")
    for name, own in zip(topics.values(), rounds, strict=True):
        samples, quotient = [each for turn in own for each in turn], ratio(own, rounds[0])
        wall, cpu = (1e3 * float(np.median(times)) for times in zip(*samples, strict=True))
        row = {"topic": name, "frames": len(samples), "median_ms": round(wall, 2), "cpu_ms": round(cpu, 2)}
        rows.append(row | {"ratio": round(quotient.wall, 3), "cpu_ratio": round(quotient.cpu, 3)})
        print(f"| {name} | {wall:.1f} | {cpu:.1f} | {quotient.wall:.2f} | {quotient.cpu:.2f} |")
    report = {
        "machine": machine() | {"load_before": round(load, 2)},
        "versions": versions(),
        "model": options.model,
        "engine": engine.engine.description,
        "threads": options.threads,
        "thermal": pair[0].shape,
        "rgb": pair[1].shape,
        "rows": rows,
    }
    write_json(options.json, report)


if __name__ == "__main__":
    main()
