"""camf export: write a model as ONNX or OpenVINO files, or build its TensorRT engines on this device."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from camf_ros.cli.sizes import picture_sizes
from camf_ros.errors import DataError, EngineError, ParameterError
from camf_ros.models import find_model
from camf_ros.settings.fusion import FusionSettings

_logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "model",
        nargs="?",
        default=FusionSettings().model,
        help="name of a shipped model, or a .safetensors file (default: %(default)s)",
    )
    parser.add_argument("--onnx", type=Path, metavar="FILE", help="write this .onnx file, for pictures of any size")
    parser.add_argument("--openvino", type=Path, metavar="FILE", help="write this .xml file, and a .bin beside it")
    parser.add_argument("--half", action="store_true", help="float16 weights and arithmetic")
    parser.add_argument(
        "--build-only", action="store_true", help="build the TensorRT engines of --sizes into the user's cache"
    )
    parser.add_argument(
        "--sizes", default="640x480", metavar="WxH,..", help="of the pictures, for --build-only (default: %(default)s)"
    )
    parser.add_argument("--device", default="cuda", help="for --build-only: cuda or cuda:N (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Write and build what was asked for."""
    if not (arguments.onnx or arguments.openvino or arguments.build_only):
        raise ParameterError("there is nothing to do", expected="--onnx FILE, --openvino FILE or --build-only")
    for path, suffix in ((arguments.onnx, ".onnx"), (arguments.openvino, ".xml")):
        if path is not None and path.suffix != suffix:
            raise ParameterError(f"{path} does not end in {suffix}", remedy=f"name it {path.with_suffix(suffix).name}")
    sizes = picture_sizes("--sizes", arguments.sizes)
    model = find_model(arguments.model)
    if arguments.onnx or arguments.openvino:
        _write(model, arguments)
    if arguments.build_only:
        _build(model, arguments, sizes)
    return 0


def _write(model: Path, arguments: argparse.Namespace) -> None:
    from camf_ros.network.checkpoint_file import read_checkpoint_file
    from camf_ros.network.onnx_graph import build_onnx

    graph = build_onnx(read_checkpoint_file(model), half=arguments.half)
    try:
        if arguments.onnx:
            arguments.onnx.parent.mkdir(parents=True, exist_ok=True)
            arguments.onnx.write_bytes(graph.SerializeToString())
            _logger.info("wrote %s", arguments.onnx)
        if arguments.openvino:
            from camf_ros.engines.openvino_files import write_openvino

            arguments.openvino.parent.mkdir(parents=True, exist_ok=True)
            write_openvino(graph.SerializeToString(), arguments.openvino)
            _logger.info("wrote %s and its .bin", arguments.openvino)
    except OSError as error:
        raise DataError(f"the model cannot be written ({error})", remedy="choose another place") from error


def _build(model: Path, arguments: argparse.Namespace, sizes: Sequence[tuple[int, int]]) -> None:
    import numpy as np

    from camf_ros.engines.create import open_engine

    engine = open_engine("tensorrt", model, device=arguments.device, precision="auto" if arguments.half else "float32")
    for width, height in sizes:
        _logger.info("building for %d x %d; this takes minutes", width, height)
        engine.fuse(*np.zeros((2, height, width), np.uint8))
    from camf_ros.engines.tensorrt_engine import cache_folder, is_prepared

    if not is_prepared(engine.model_hash):
        raise EngineError(f"TensorRT left no engine in {cache_folder(engine.model_hash)}", remedy="see its log")
    _logger.info("built into %s", cache_folder(engine.model_hash))
