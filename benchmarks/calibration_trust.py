"""How often ``camf calibrate`` trusts a wrong result, and refuses a right one, by the thermal camera's resolution.

    python3 benchmarks/calibration_trust.py --data DIR --json FILE

DIR holds registered pairs, infrared/ and visible/. Each trial calibrates one pair. Its infrared picture is moved as
in calibration.py; of some it is moved beyond the search (far), of some it is another pair's (other), which nothing can
bring right. Then it is made smaller (640 pixels for the visible picture's width, down to 80), and noise is added. A
result is wrong if its corners are off by more than 1.2 % of the diagonal (9.6 px at 640 x 480).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from calibration import misalignment
from numpy.typing import NDArray
from script import write_json
from tqdm import tqdm

from camf_ros.calibration.align import Pair, Reach, agree
from camf_ros.calibration.comparison import MOST_DISAGREEMENT
from camf_ros.calibration.motions import PlaneMotion, corner_distance
from camf_ros.evaluation.samples import Sample, find_samples
from camf_ros.imaging.camera_model import scaling

WIDTHS, NOISES = (640, 320, 160, 120, 80), (0.0, 4.0, 10.0)
KINDS = ("near", "near", "near", "far", "other")


def degraded(infrared: NDArray[np.uint8], size: tuple[int, int], noise: float, rng: np.random.Generator) -> Any:
    """The picture at a (height, width), with noise where it shows something."""
    blur = 0.4 * infrared.shape[1] / size[1]
    grey = cv2.GaussianBlur(infrared.astype(np.float32), (0, 0), blur) if blur > 0.4 else infrared.astype(np.float32)
    small = cv2.resize(grey, size[::-1], interpolation=cv2.INTER_AREA)
    noisy = np.clip(small + rng.normal(0, noise, size), 1, 255) if noise else small
    return np.where(small > 0.6, noisy, small).round().astype(np.uint8)


def trial(samples: list[Sample], number: int, rng: np.random.Generator) -> dict[str, Any]:
    """One pair, moved and degraded."""
    sample, kind = samples[int(rng.integers(len(samples)))], KINDS[number % len(KINDS)]
    width, noise = WIDTHS[number // len(KINDS) % len(WIDTHS)], NOISES[int(rng.integers(len(NOISES)))]
    infrared, visible = sample.read()
    height, across = visible.shape
    if kind == "other":
        others = [each for each in samples if each.name != sample.name]
        infrared = cv2.resize(others[int(rng.integers(len(others)))].read()[0], (across, height))
    truth = misalignment(rng, (height, across))
    if kind == "far":
        angle, way = rng.uniform(0, 2 * np.pi), rng.uniform(0.16, 0.3)
        truth = (
            np.array([[1, 0, way * np.cos(angle) * across], [0, 1, way * np.sin(angle) * height], [0, 0, 1]]) @ truth
        )
    moved = np.asarray(cv2.warpPerspective(infrared, truth, (across, height), flags=cv2.INTER_CUBIC), np.uint8)
    size = (round(height * min(width / across, 1.0)), min(width, across))
    to_small = scaling((height, across), size)
    pair = Pair(degraded(moved, size, noise, rng), visible, sample.name)
    found = agree([pair], PlaneMotion("similarity", to_small, (height, across)), Reach())
    off = corner_distance(found.motion.matrix(), to_small @ truth, (height, across)) / float(np.hypot(height, across))
    return {
        "pair": sample.name,
        "kind": kind,
        "width": width,
        "noise": noise,
        "off": off,
        "wrong": kind == "other" or off > MOST_DISAGREEMENT,
        "trusted": not found.verdict.doubts,
        "agreement": found.verdict.agreement,
        "lead": found.verdict.lead,
    }


def summary(trials: list[dict[str, Any]]) -> dict[str, float]:
    """Counts, and shares of the wrong that are trusted and of the right that are refused."""
    wrong = [one for one in trials if one["wrong"]]
    right = [one for one in trials if not one["wrong"]]
    return {
        "wrong": len(wrong),
        "right": len(right),
        "false_trust": sum(one["trusted"] for one in wrong) / max(len(wrong), 1),
        "false_refusal": sum(not one["trusted"] for one in right) / max(len(right), 1),
    }


def main() -> None:
    """Run the trials and write them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--trials", type=int, default=250, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    samples = find_samples(arguments.data).samples
    rng = np.random.default_rng(arguments.seed)
    trials = [trial(samples, number, rng) for number in tqdm(range(arguments.trials), unit="trial")]
    report: dict[str, Any] = {"seed": arguments.seed, "all": summary(trials)}
    for width in WIDTHS:
        report[f"width {width}"] = summary([one for one in trials if one["width"] == width])
    for name, found in report.items():
        print(name, found)
    write_json(arguments.json, report | {"each": trials})


if __name__ == "__main__":
    main()
