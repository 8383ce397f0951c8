"""How well ``camf calibrate --bag`` finds the simulated scene's second rig, over seeds and baselines.

    python3 benchmarks/rig_calibration.py --json FILE

Each trial records a part of the drive (camf_scene), runs the command on it and compares what it wrote with the truth:
angle of the rotation and of the translation's direction, degrees, and error of the time offset, milliseconds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from script import write_json
from tqdm import tqdm

from camf_ros.cli.main import main as camf
from camf_ros.imaging.registration_file import read_registration
from camf_scene.drive import DELAY, StreetDrive
from camf_scene.recording import record


def trial(folder: Path, seed: int, baseline: float, seconds: float, start: float) -> dict[str, Any]:
    """Record, calibrate, compare."""
    drive = StreetDrive(seed, baseline=baseline)
    record(folder / "bag", drive, seconds=seconds, start=start, seed=seed)
    output = folder / "rig.yaml"
    began = time.process_time()
    status = camf(
        [
            "calibrate",
            "--bag",
            str(folder / "bag"),
            "--baseline",
            str(baseline),
            "-o",
            str(output),
            "--quiet",
            "--force",
        ]
    )
    result: dict[str, Any] = {"seed": seed, "baseline_m": baseline, "start_s": start, "seconds": seconds}
    result |= {"status": status, "cpu_s": time.process_time() - began}
    if not output.exists():
        return result
    file = read_registration(output)
    facts = file.provenance
    result |= {name: facts.get(name) for name in ("trusted", "doubts", "not_determined", "agreement")}
    if "rotation" in facts:
        turn = cv2.Rodrigues(drive.rotation.T @ np.array(facts["rotation"]))[0]
        cosine = np.array(facts["direction"]) @ drive.translation / np.linalg.norm(drive.translation)
        result["rotation_deg"] = float(np.degrees(np.linalg.norm(turn)))
        result["direction_deg"] = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    if "thermal_offset_s" in facts:
        result["offset_ms"] = 1e3 * abs(facts["thermal_offset_s"] + DELAY)
    return result


def main() -> None:
    """Run the trials and write them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N")
    parser.add_argument("--baselines", type=float, nargs="+", default=[0.05, 0.12, 0.25], metavar="M")
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    trials = []
    for baseline in tqdm(arguments.baselines, unit="baseline"):
        for seed in arguments.seeds:
            with tempfile.TemporaryDirectory() as folder:
                # Another part of the drive with each seed.
                one = trial(Path(folder), seed, baseline, arguments.seconds, 17.0 * seed)
            print(one, flush=True)
            trials.append(one)
            write_json(arguments.json, {"trials": trials})


if __name__ == "__main__":
    main()
