"""camf calibrate: find the registration of two cameras from recorded pairs."""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camf_ros.cli.options import add_data, add_output, add_parameter_options, add_quiet
from camf_ros.errors import DataError, ParameterError
from camf_ros.files import Guard, make_folder

if TYPE_CHECKING:
    from camf_ros.calibration.align import Pair
    from camf_ros.calibration.motions import Motion
    from camf_ros.cli.calibrate_pairs import Found
    from camf_ros.imaging.registration_file import RegistrationFile

_logger = logging.getLogger(__name__)

# A search that reaches farther than the default.
_WIDER = "25,10,30"
_PLANE_MODELS = ("similarity", "affine", "homography")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group(required=True)
    add_data(source, ", recorded by the two cameras", required=False)
    text = "rosbag2 of both cameras while they move: a folder, or one .mcap or .db3 file"
    source.add_argument("--bag", type=Path, metavar="BAG", help=text)
    add_output(parser, "FILE", "registration file to write (.yaml), for registration.file")
    add("--overlay", type=Path, metavar="FILE", help="image to write (.png): one pair before and after registration")
    text = (
        "kind of registration. auto: homography with 4 pairs or more, else similarity; rotation: rotation of "
        "the thermal camera, with intrinsics and translation from --start (default: %(default)s)"
    )
    add("-m", "--model", default="auto", choices=("auto", *_PLANE_MODELS, "rotation"), help=text)
    add("--start", type=Path, metavar="FILE", help="registration file to start from (default: equal fields of view)")
    text = "with --model rotation: distance of the recorded scene, metres"
    add("--distance", type=float, metavar="M", help=text)
    text = "the pairs show a heated checkerboard with this number of inner corners, such as 9x6"
    add("--checkerboard", metavar="CxR", help=text)
    text = "limits of the search: shift in %% of the image, rotation in degrees, zoom in %% (default: %(default)s)"
    add("--search", default="10,8,16", metavar="S,R,Z", help=text)
    text = "maximum number of pairs to use, evenly spaced (default: %(default)s)"
    add("--pairs", type=int, default=32, metavar="N", help=text)
    add("--force", action="store_true", help="write the file even if the result is not trusted")
    text = "with --bag: distance between the lenses, metres; images do not show it (default: as in --start)"
    add("--baseline", type=float, metavar="M", help=text)
    for name, what in (
        ("thermal", "thermal images (default: /thermal/image_raw)"),
        ("rgb", "RGB images (default: /rgb/image_raw)"),
        ("thermal-info", "thermal camera_info (default: beside the images)"),
        ("rgb-info", "RGB camera_info (default: beside the images)"),
    ):
        add(f"--{name}-topic", metavar="TOPIC", help=f"with --bag: {what}")
    text = "with --bag: ROS 2 distribution of BAG, if BAG does not name it"
    add("--distro", default="", metavar="NAME", help=text)
    add_parameter_options(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Calibrate; tell how well, and whether to trust it."""
    options = check(arguments)
    with _progress(quiet=arguments.quiet) as tick:
        return (_run_on_pictures if arguments.bag is None else _run_on_bag)(arguments, *options, tick)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    from tqdm import tqdm

    with tqdm(unit="step", disable=quiet, leave=False) as bar:

        def tick(doing: str) -> None:
            bar.set_description(doing, refresh=False)
            bar.update()

        yield tick


def _run_on_pictures(arguments: argparse.Namespace, board: Any, reach: Any, tick: Any) -> int:
    from camf_ros.cli.calibrate_pairs import find, read_pairs, read_start
    from camf_ros.cli.calibration_files import write_overlay
    from camf_ros.evaluation.samples import find_samples

    found = find_samples(arguments.data)
    if found.problems:
        raise DataError("; ".join(found.problems[:3]), remedy="calibration wants whole pairs")
    inputs = [path for sample in found.samples for path in (sample.infrared, sample.visible)]
    # The start as well: not all that it says is calibrated anew.
    guard = Guard([*inputs, *([arguments.start] if arguments.start else [])])
    for path in (arguments.output, arguments.overlay):
        if path is not None:
            guard.check(path)
    start = read_start(arguments)
    pairs = read_pairs(found.samples, arguments.pairs, start, undistort=arguments.model == "rotation")
    result = find(arguments, start, pairs, board=board, reach=reach, tick=tick)
    _tell(arguments, result, len(pairs))
    if arguments.overlay is not None:
        write_overlay(arguments.overlay, pairs[result.best], result.motion.matrix())
    if _refused(arguments, result.doubts):
        return 1
    if arguments.output is not None:
        _write(arguments, result, start, pairs[0])
    return 0


def _run_on_bag(arguments: argparse.Namespace, board: Any, reach: Any, tick: Any) -> int:
    from camf_ros.calibration.align import Reach
    from camf_ros.calibration.motions import PlaneMotion
    from camf_ros.cli import calibrate_bag as bag
    from camf_ros.cli.calibrate_pairs import Found, check_sizes, find, read_start
    from camf_ros.cli.calibration_files import write_overlay

    for path in (arguments.output, arguments.overlay):
        if path is not None:
            Guard([arguments.bag, *([arguments.start] if arguments.start else [])]).check(path)
    start = read_start(arguments)
    recording = bag.read_recording(arguments, start, tick)
    pairs = [view.pair for view in recording.views]
    check_sizes(pairs)
    answer = bag.Answer(None, recording.offset, [])
    if arguments.model == "auto" and not board:
        answer = bag.find_rig(recording, Reach(*reach), tick)
    rig = answer.rig
    if rig is not None:
        facts = {"method": "motion", "agreement": round(rig.agreement, 3), "rotation_spread_deg": round(rig.turn, 3)}
        facts["direction_spread_deg"] = round(rig.swing, 2)
        size = (pairs[0].rgb.shape[0], pairs[0].rgb.shape[1])
        motion: Motion = PlaneMotion("homography", rig.mapping, size)
        result = Found(motion, facts, rig.used, rig.left_out, rig.best, rig.doubts)
        pairs = [view.pair for view in bag.undistorted(recording.views, recording.known())]
    else:
        result = find(arguments, start, pairs, board=board, reach=reach, tick=tick)
    if board:
        bag.find_lenses(recording, answer, result.boards, board)
    _tell(arguments, result, len(pairs))
    baseline = bag.baseline_of(arguments, start)
    bag.tell(answer, recording, baseline)
    if arguments.overlay is not None:
        write_overlay(arguments.overlay, pairs[result.best], result.motion.matrix())
    if arguments.output is not None:
        bag.write_infos(arguments.output, recording)
    if _refused(arguments, result.doubts):
        return 1
    if arguments.output is not None:
        provenance = _provenance(arguments, result) | {"not_determined": answer.unknown}
        bag.write(arguments.output, recording, answer, result.motion.matrix(), baseline=baseline, provenance=provenance)
    return 0


def _refused(arguments: argparse.Namespace, doubts: Sequence[str]) -> bool:
    if doubts and not arguments.force:
        print(f"camf calibrate: nothing written; {_help(arguments)}--force writes it all the same", file=sys.stderr)
        return True
    return False


def _help(arguments: argparse.Namespace) -> str:
    """What may give a result that is trusted."""
    if arguments.checkerboard:
        return ""
    found = f"if the cameras are farther off than --search {arguments.search} reaches, give --search {_WIDER}"
    if arguments.start is None:
        found += ", or a rough registration file as --start FILE"
    return f"{found}; pairs with more edges in both pictures help too; "


def check(arguments: argparse.Namespace) -> tuple[tuple[int, int] | None, tuple[float, float, float]]:
    """Raise ParameterError for what cannot be meant; returns ``--checkerboard`` and ``--search`` as numbers."""
    board, reach = _board(arguments.checkerboard), _reach(arguments.search)
    if arguments.pairs < 1:
        raise ParameterError(f"--pairs is {arguments.pairs}", expected="1 or more")
    if arguments.baseline is not None and not 1e-4 <= arguments.baseline <= 100:
        raise ParameterError(f"--baseline is {arguments.baseline:g}", expected="0.0001 to 100 m")
    if arguments.model == "rotation" and arguments.bag is not None:
        raise ParameterError("--model rotation is given with --bag", expected="it with --data", remedy="leave it out")
    if arguments.model == "rotation" and arguments.start is None:
        raise ParameterError(
            "--model rotation is given without --start", expected="a .yaml with extrinsics and both cameras' k"
        )
    if (arguments.model == "rotation") != (arguments.distance is not None):
        raise ParameterError(
            f"--distance is {'missing' if arguments.distance is None else 'given'} with --model {arguments.model}",
            expected="it with --model rotation, and only there",
        )
    if arguments.distance is not None and not 0.05 <= arguments.distance <= 1e5:
        raise ParameterError(f"--distance is {arguments.distance:g}", expected="0.05 to 100000 m")
    for option, path, suffix in (("--output", arguments.output, ".yaml"), ("--overlay", arguments.overlay, ".png")):
        if path is not None and (path.suffix.lower() != suffix or path.is_dir()):
            raise ParameterError(f"{option} is {path}", expected=f"the name of a {suffix} file")
    return board, reach


def _board(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdigit() and 3 <= int(side) <= 50 for side in sides):
        raise ParameterError(
            f"--checkerboard is {text!r}", expected="inner corners across x down, 3 to 50 each, such as 9x6"
        )
    return int(sides[0]), int(sides[1])


def _reach(text: str) -> tuple[float, float, float]:
    try:
        shift, turn, zoom = (float(part) for part in text.split(","))
    except ValueError:
        shift = turn = zoom = -1.0
    if not (0 <= shift <= 40 and 0 <= turn <= 45 and 0 <= zoom <= 100):
        raise ParameterError(
            f"--search is {text!r}", expected="three numbers: up to 40 %, 45 degrees and 100 %, such as 10,8,16"
        )
    return shift / 100, turn, zoom / 100


def _tell(arguments: argparse.Namespace, result: Found, given: int) -> None:
    facts = ", ".join(f"{name} {value}" for name, value in result.facts.items())
    print(f"{len(result.used)} of {given} pairs of {arguments.data or arguments.bag}: {facts}")
    if result.left_out:
        print(f"left out: {', '.join(result.left_out)}")
    for doubt in result.doubts:
        print(f"camf calibrate: not trusted: {doubt}", file=sys.stderr)


def _write(arguments: argparse.Namespace, result: Found, start: RegistrationFile | None, pair: Pair) -> None:
    import numpy as np

    from camf_ros.calibration.motions import TurnMotion
    from camf_ros.imaging.registration_file import RegistrationFile, write_registration

    provenance = _provenance(arguments, result)
    make_folder(arguments.output.parent)
    sizes = (pair.thermal.shape[0], pair.thermal.shape[1]), (pair.rgb.shape[0], pair.rgb.shape[1])
    if isinstance(result.motion, TurnMotion) and start is not None:
        content = RegistrationFile(
            *sizes,
            None,
            result.motion.extrinsics,
            start.thermal,
            start.rgb,
            provenance | {"distance_m": arguments.distance},
        )
    else:
        homography = np.linalg.inv(result.motion.matrix())
        content = RegistrationFile(*sizes, homography / homography[2, 2], provenance=provenance)
    write_registration(arguments.output, content)
    _logger.info("wrote %s", arguments.output)


def _provenance(arguments: argparse.Namespace, result: Found) -> dict[str, Any]:
    from camf_ros.resources import version

    return {
        "command": shlex.join(["camf", "calibrate", *_given(arguments)]),
        "camf_ros": version(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **result.facts,
        "trusted": not result.doubts,
        "doubts": list(result.doubts),
        "pairs": list(result.used),
        "left_out": list(result.left_out),
    }


def _given(arguments: argparse.Namespace) -> list[str]:
    """The options as they can be typed again."""
    typed = []
    names = ("data", "bag", "output", "model", "start", "distance", "checkerboard", "search", "pairs", "baseline")
    for name in names:
        value = getattr(arguments, name)
        if value is not None:
            typed += [f"--{name}", str(value)]
    return typed + ["--force"] * arguments.force
