"""Options of all commands that fuse: which engine, where, how precisely."""

from __future__ import annotations

import argparse
import logging

from camf_ros.engines.choose import ENGINES, choose_engine, open_engine
from camf_ros.engines.engine import Engine
from camf_ros.models import find_model
from camf_ros.settings.fusion_settings import FusionSettings

_logger = logging.getLogger(__name__)


def add_engine_options(parser: argparse.ArgumentParser, *, engine: str, precision: str, why: str = "") -> None:
    """Declare ``--engine``, ``--device``, ``--precision`` and ``--threads``.

    Args:
        parser: Of the command.
        engine: Default engine.
        precision: Default precision.
        why: Reason of the default precision, to be told.
    """
    names = ("auto", *ENGINES)
    parser.add_argument("--engine", choices=names, default=engine, help="runtime of the network (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument(
        "--precision",
        default=precision,
        help=f"auto, float32, bfloat16 or float16 (default: %(default)s{why and ', '}{why})",
    )
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: the engine's choice)")


def engine_of(arguments: argparse.Namespace) -> Engine:
    """The engine that the options name. One that is named and fails is an error here, not a reason for another.

    Raises:
        CamfError: As :func:`camf_ros.engines.choose.choose_engine`.
    """
    options = {"device": arguments.device, "precision": arguments.precision, "threads": arguments.threads}
    if arguments.engine != "auto":
        return open_engine(arguments.engine, find_model(arguments.model), **options)
    chosen = choose_engine(FusionSettings(model=arguments.model, **options))
    for warning in chosen.warnings:
        _logger.warning(warning)
    return chosen.engine
