"""What registration costs while picture sizes alternate, relative to one size.

    python3 benchmarks/registration_sizes.py --output docs/figures/registration-sizes.json

In each mode a registration aligns pairs of one size, of three sizes in turn, and of a size that never came before. The
figure is the median of processor time for a pair, per pixel of the result, and its ratio to that of one size.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from script import machine, versions, write_json

from camf_ros.imaging.camera_model import Camera, Extrinsics
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.imaging.registration_file import RegistrationFile, write_registration
from camf_ros.imaging.warp import Rig, Size
from camf_ros.settings.registration_settings import RegistrationSettings

#: (height, width) of RGB; thermal has half of each.
STREAMS = {
    "one size": lambda: cycle([(480, 640)]),
    "three sizes": lambda: cycle([(480, 640), (384, 512), (600, 800)]),
    "new sizes": lambda: ((300 + 6 * k, 400 + 8 * k) for k in range(80)),
}
WARM_UP, MEASURED = 6, 60


def camera(size: Size) -> Camera:
    """A lens with some distortion."""
    height, width = size
    k = (0.8 * width, 0.0, width / 2, 0.0, 0.8 * width, height / 2, 0.0, 0.0, 1.0)
    return Camera(width, height, k, "plumb_bob", (-0.2, 0.05, 0.0, 0.0, 0.0))


def measure(settings: RegistrationSettings, sizes: Iterator[Size]) -> float:
    """Processor time for a pair, nanoseconds a pixel."""
    registration, rng, times = PlannedRegistration(), np.random.default_rng(1), []
    for height, width in islice(sizes, WARM_UP + MEASURED):
        half = height // 2, width // 2
        thermal, rgb = rng.integers(0, 256, half, np.uint8), rng.integers(0, 256, (height, width, 3), np.uint8)
        rig = Rig(camera(half), camera((height, width)))
        began = time.process_time()
        registration.align(thermal, rgb, reference="rgb", settings=settings, rig=rig)
        times.append((time.process_time() - began) / (height * width))
    return 1e9 * median(times[WARM_UP:])


def main() -> None:
    """Measure all modes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, metavar="FILE")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rig.yaml"
        pose = Extrinsics((1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), (0.05, 0.0, 0.0))
        homography = np.array([[1.9, 0.02, 6.0], [-0.02, 1.9, 4.0], [1e-5, 0.0, 1.0]])
        write_registration(file, RegistrationFile((240, 320), (480, 640), homography=homography, extrinsics=pose))
        for mode in ("homography", "calibrated"):
            settings = RegistrationSettings(mode=mode, file=str(file))
            rounds = [
                {name: measure(settings, make()) for name, make in STREAMS.items()} for _ in range(arguments.rounds)
            ]
            for name in STREAMS:
                ratio = median(row[name] / row["one size"] for row in rounds)
                rows.append(
                    {"mode": mode, "stream": name, "ns_a_pixel": median(row[name] for row in rounds), "ratio": ratio}
                )
                print(f"{mode:12} {name:12} {rows[-1]['ns_a_pixel']:7.2f} ns/px {ratio:6.2f}")
    write_json(arguments.output, {"machine": machine(), "versions": versions(), "rows": rows})


if __name__ == "__main__":
    main()
