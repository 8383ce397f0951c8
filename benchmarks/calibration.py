"""How well ``camf calibrate`` finds a known misalignment, over registered pairs.

    python3 benchmarks/calibration.py --data DIR --json FILE

DIR holds registered pairs, infrared/ and visible/. The infrared pictures are warped by random similarities (up to 5 %
shift, 5 degrees, 10 % zoom), and the mapping is searched for: from every pair by itself, and from sets of pairs that
share one misalignment. Reported is the mean distance of the four corners from where they belong, in pixels of the
visible picture. Pairs whose own registration is off by some pixels count as they are: ``own_px`` is what is found in
the unmoved pictures, and ``repeated_px`` how far the two results are apart, which is the error of the method alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from script import write_json
from tqdm import tqdm

from camf_ros.calibration.align import Pair, Reach, Result, agree
from camf_ros.calibration.motions import PlaneMotion, corner_distance
from camf_ros.evaluation.samples import Sample, find_samples

SHIFT, TURN, ZOOM = 0.05, 5.0, 0.10


def misalignment(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float64]:
    """(3, 3): visible pixel to infrared pixel."""
    height, width = size
    angle, zoom = np.radians(rng.uniform(-TURN, TURN)), 1 + rng.uniform(-ZOOM, ZOOM)
    dx, dy = rng.uniform(-SHIFT, SHIFT) * width, rng.uniform(-SHIFT, SHIFT) * height
    c, s, x, y = zoom * np.cos(angle), zoom * np.sin(angle), (width - 1) / 2, (height - 1) / 2
    return np.array([[c, -s, x - c * x + s * y + dx], [s, c, y - s * x - c * y + dy], [0, 0, 1]])


def trial(samples: list[Sample], model: str, rng: np.random.Generator) -> dict[str, object]:
    """One misalignment, shared by the samples, cut to the size that all of them have."""
    pictures = [sample.read() for sample in samples]
    height, width = (min(visible.shape[axis] for _, visible in pictures) for axis in (0, 1))
    truth = misalignment(rng, (height, width))
    pairs = []
    for sample, (infrared, visible) in zip(samples, pictures, strict=True):
        part = _middle(visible, height, width)
        moved = cv2.warpPerspective(infrared[part], truth, (width, height), flags=cv2.INTER_CUBIC)
        pairs.append(Pair(np.asarray(moved, np.uint8), visible[part], sample.name))
    start = PlaneMotion(model, np.eye(3), (height, width))
    result: Result = agree(pairs, start, Reach())
    # The same pictures before they were moved: what is found there is the pairs' own, not the method's error.
    still = [
        Pair(infrared[_middle(infrared, height, width)], pair.rgb)
        for (infrared, _), pair in zip(pictures, pairs, strict=True)
    ]
    own = agree(still, start, Reach()).motion.matrix()
    return {
        "own_px": corner_distance(own, np.eye(3), (height, width)),
        "repeated_px": corner_distance(result.motion.matrix(), truth @ own, (height, width)),
        "pairs": [sample.name for sample in samples],
        "error_px": corner_distance(result.motion.matrix(), truth, (height, width)),
        "before_px": corner_distance(np.eye(3), truth, (height, width)),
        "trusted": not result.verdict.doubts,
        "agreement": result.verdict.agreement,
        "residual_px": result.verdict.residual,
        "left_out": len(result.left_out),
    }


def _middle(image: NDArray[np.uint8], height: int, width: int) -> tuple[slice, slice]:
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return slice(top, top + height), slice(left, left + width)


def summary(trials: list[dict[str, object]]) -> dict[str, float]:
    """Percentiles of the error, of all trials and of those that are trusted."""
    errors = np.array([float(one["error_px"]) for one in trials])  # type: ignore[arg-type]
    trusted = np.array([bool(one["trusted"]) for one in trials])
    found = {
        "trials": len(trials),
        "before_median_px": float(np.median([float(one["before_px"]) for one in trials])),  # type: ignore[arg-type]
        "median_px": float(np.median(errors)),
        "p90_px": float(np.percentile(errors, 90)),
        "worst_px": float(errors.max()),
        "own_median_px": float(np.median([float(one["own_px"]) for one in trials])),  # type: ignore[arg-type]
        "repeated_median_px": float(np.median([float(one["repeated_px"]) for one in trials])),  # type: ignore[arg-type]
        "trusted": float(trusted.mean()),
    }
    if trusted.any():
        found["trusted_p90_px"] = float(np.percentile(errors[trusted], 90))
        found["trusted_worst_px"] = float(errors[trusted].max())
    return found


def main() -> None:
    """Run the trials and write them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument(
        "--singles", type=int, default=40, metavar="N", help="pairs by themselves (default: %(default)s)"
    )
    parser.add_argument("--sets", type=int, default=10, metavar="N", help="sets of pairs (default: %(default)s)")
    parser.add_argument("--set-size", type=int, default=8, metavar="N", help="pairs in a set (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    samples = find_samples(arguments.data).samples
    rng = np.random.default_rng(arguments.seed)
    order = [samples[int(number)] for number in rng.permutation(len(samples))]
    report: dict[str, object] = {"shift": SHIFT, "turn_degrees": TURN, "zoom": ZOOM, "seed": arguments.seed}
    # What --model auto takes.
    for name, model, groups in (
        ("singles", "similarity", [[sample] for sample in order[: arguments.singles]]),
        (
            f"sets of {arguments.set_size}",
            "homography",
            [
                [samples[int(number)] for number in rng.choice(len(samples), arguments.set_size, replace=False)]
                for _ in range(arguments.sets)
            ],
        ),
    ):
        trials = [trial(group, model, rng) for group in tqdm(groups, desc=name, unit="trial")]
        if trials:
            report[name] = {"model": model, **summary(trials), "each": trials}
            print(f"{name}, {model}: " + ", ".join(f"{key} {value:.2f}" for key, value in summary(trials).items()))
    write_json(arguments.json, report)


if __name__ == "__main__":
    main()
