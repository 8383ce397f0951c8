"""camf calibrate: from pairs and a start to the mapping between the pictures, by edges or by a board."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from camf_ros.calibration.align import Pair, Reach, agree, best_start
from camf_ros.calibration.checkerboard import Points, from_boards
from camf_ros.calibration.motions import Motion, PlaneMotion, TurnMotion
from camf_ros.errors import DataError
from camf_ros.evaluation.samples import Sample
from camf_ros.imaging.camera_model import scaling
from camf_ros.imaging.registration_file import RegistrationFile, read_registration
from camf_ros.imaging.warp import undistorting

# From so many pairs on a homography is worth its freedom.
_MANY = 4


class Found(NamedTuple):
    """What either way of calibrating says."""

    motion: Motion
    facts: dict[str, Any]
    used: tuple[str, ...]
    left_out: tuple[str, ...]
    best: int
    doubts: tuple[str, ...]
    boards: Mapping[str, Sequence[Points]] = {}


def read_start(arguments: argparse.Namespace) -> RegistrationFile | None:
    """The file of --start; raises CamfError if it lacks what the model needs."""
    if arguments.start is None:
        return None
    start = read_registration(arguments.start)
    if arguments.model == "rotation":
        lacks = [name for name in ("extrinsics", "thermal", "rgb") if getattr(start, name) is None]
        if lacks:
            entries = " and ".join(name if name == "extrinsics" else f"{name}.k" for name in lacks)
            raise DataError(f"{arguments.start} has no {entries}", expected="them with --model rotation")
    elif start.homography is None and arguments.bag is None:
        raise DataError(f"{arguments.start} has no homography", expected=f"one with --model {arguments.model}")
    return start


def _evenly(samples: list[Sample], count: int) -> list[Sample]:
    if len(samples) <= count:
        return samples
    return [samples[number * len(samples) // count] for number in range(count)]


def read_pairs(samples: list[Sample], count: int, start: RegistrationFile | None, *, undistort: bool) -> list[Pair]:
    """At most ``count`` of the samples, evenly; undistorted with the cameras of the start if wanted."""
    pairs: list[Pair] = []
    for sample in _evenly(samples, count):
        thermal, rgb = sample.read()
        if undistort and start is not None and start.thermal is not None and start.rgb is not None:
            for image, camera, name in ((thermal, start.thermal, "thermal"), (rgb, start.rgb, "RGB")):
                if image.shape != (camera.height, camera.width):
                    raise DataError(
                        f"{sample.name}: the {name} picture is {image.shape[1]} x {image.shape[0]}",
                        expected=f"{camera.width} x {camera.height} as in --start",
                    )
            thermal, rgb = (
                undistorting(
                    camera, np.asarray(np.linalg.inv(camera.k), np.float64), (camera.height, camera.width)
                ).apply(image)
                for image, camera in ((thermal, start.thermal), (rgb, start.rgb))
            )
        pairs.append(Pair(thermal, rgb, sample.name))
    check_sizes(pairs)
    return pairs


def check_sizes(pairs: list[Pair]) -> None:
    """Raise DataError for pictures of several sizes, and for very small ones."""
    for pair in pairs:
        if (pair.thermal.shape, pair.rgb.shape) != (pairs[0].thermal.shape, pairs[0].rgb.shape):
            raise DataError(
                f"{pair.name}: pictures are {pair.thermal.shape} and {pair.rgb.shape}, those of {pairs[0].name} "
                f"{pairs[0].thermal.shape} and {pairs[0].rgb.shape}",
                expected="pictures of two cameras, each always of one size",
            )
    if min(*pairs[0].thermal.shape, *pairs[0].rgb.shape) < 48:
        raise DataError(f"{pairs[0].name}: pictures are too small", expected="48 x 48 pixels or more")


def _starts(arguments: argparse.Namespace, start: RegistrationFile | None, pairs: list[Pair]) -> list[Motion]:
    """What may be started from: a registration file, or the fields of view that are likely."""
    thermal, rgb = ((image.shape[0], image.shape[1]) for image in pairs[0][:2])
    if arguments.model == "rotation":
        assert start is not None and start.thermal and start.rgb and start.extrinsics  # by read_start()
        return [TurnMotion(start.rgb.k, start.thermal.k, start.extrinsics, arguments.distance, rgb)]
    model = arguments.model
    if model == "auto":
        model = "homography" if len(pairs) >= _MANY or arguments.checkerboard else "similarity"
    if start is not None and start.homography is not None:
        to_start, from_start = scaling(rgb, start.rgb_size), scaling(start.thermal_size, thermal)
        return [PlaneMotion(model, from_start @ np.linalg.inv(start.homography) @ to_start, rgb)]
    # One field of view on all pixels; or square pixels, with one field of view across or down.
    starts = {1.0: scaling(rgb, thermal)}
    for zoom in (thermal[1] / rgb[1], thermal[0] / rgb[0]):
        shift = [(side - 1) / 2 - zoom * (other - 1) / 2 for side, other in zip(thermal, rgb, strict=True)]
        starts[zoom * rgb[0] / thermal[0] * zoom * rgb[1] / thermal[1]] = np.array(
            [[zoom, 0, shift[1]], [0, zoom, shift[0]], [0, 0, 1]]
        )
    return [PlaneMotion(model, matrix, rgb) for matrix in starts.values()]


def find(
    arguments: argparse.Namespace,
    start: RegistrationFile | None,
    pairs: list[Pair],
    *,
    board: tuple[int, int] | None,
    reach: tuple[float, float, float],
    tick: Any,
) -> Found:
    """The mapping between the pictures: by the inner corners of a board (across and down), or by edges."""
    motions = _starts(arguments, start, pairs)
    return _by_board(pairs, motions[0], board, tick) if board else _by_edges(pairs, motions, Reach(*reach), tick)


def _by_edges(pairs: list[Pair], motions: list[Motion], reach: Reach, tick: Any) -> Found:
    result = agree(pairs, best_start(pairs, motions, reach), reach, tick=tick)
    verdict = result.verdict
    facts = {
        "method": "edges",
        "residual_px": round(verdict.residual, 3),
        "disagreement_px": round(verdict.disagreement, 3),
        "agreement": round(verdict.agreement, 3),
        "lead": round(verdict.lead, 3),
    }
    return Found(result.motion, facts, result.used, result.left_out, result.best, verdict.doubts)


def _by_board(pairs: list[Pair], motion: Motion, board: tuple[int, int], tick: Any) -> Found:
    result = from_boards(pairs, motion, board, tick=tick)
    facts = {"method": f"checkerboard {board[0]}x{board[1]}", "residual_px": round(result.residual, 3)}
    boards = {"thermal": result.thermal, "rgb": result.rgb}
    return Found(result.motion, facts, result.used, result.left_out, result.best, result.doubts, boards)
