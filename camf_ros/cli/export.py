"""camf export: write the ONNX or OpenVINO files of a model, or build its TensorRT engines on this machine."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from camf_ros.cli.options import add_output, picture_sizes
from camf_ros.errors import CheckpointError, DataError, EngineError, ParameterError
from camf_ros.files import make_folder, replacing, write_whole
from camf_ros.models import CHECKPOINT, GRAPH, INSPECTION, Model, find_model
from camf_ros.settings.fusion_settings import FusionSettings

_logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    text = ".safetensors file, or name of a shipped model (default: %(default)s, which is camf)"
    add("model", nargs="?", default=FusionSettings().model, help=text)
    text = "ONNX file to write; .inspect.onnx is written beside it (default: beside the checkpoint)"
    add_output(parser, "FILE.onnx", text)
    text = "write OpenVINO format instead, with a .bin file beside it"
    add("--openvino", type=Path, metavar="FILE.xml", help=text)
    text = "use float16. With --output, no .inspect.onnx is written"
    add("--half", action="store_true", help=text)
    text = "build the TensorRT engines of --sizes into the user's cache, instead of writing files"
    add("--build-only", action="store_true", help=text)
    text = "with --build-only: image sizes (default: %(default)s)"
    add("--sizes", default="640x480", metavar="WxH,..", help=text)
    add("--device", default="cuda", help="with --build-only: cuda or cuda:N (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Write the files and build the engines."""
    for path, suffix in ((arguments.output, GRAPH), (arguments.openvino, ".xml")):
        if path is not None and path.suffix != suffix:
            raise ParameterError(f"{path} does not end in {suffix}", remedy=f"name it {path.with_suffix(suffix).name}")
    sizes = picture_sizes("--sizes", arguments.sizes)
    model = find_model(arguments.model)
    if arguments.output or not (arguments.openvino or arguments.build_only):
        _write_graphs(model, arguments.output, half=arguments.half)
    if arguments.openvino:
        _write_openvino(model, arguments.openvino, half=arguments.half)
    if arguments.build_only:
        _build(model, arguments, sizes)
    return 0


def _write_graphs(model: Model, output: Path | None, *, half: bool) -> None:
    if model.checkpoint is None:
        raise CheckpointError(f"model {model.name} has no {CHECKPOINT} file to export", remedy="name one")
    if half and output is None:
        # Beside the checkpoint lies what CPUs run.
        raise ParameterError("--half is given without a file", remedy="name it with --output FILE.onnx")
    from camf_ros.network.checkpoint import load_checkpoint
    from camf_ros.network.onnx_export import export, fusion_graph

    checkpoint = load_checkpoint(model.checkpoint)
    path = output or model.checkpoint.with_suffix(GRAPH)
    make_folder(path.parent)
    if half:
        write_whole(path, fusion_graph(checkpoint, half=True))
        _logger.info("wrote %s", path)
    else:
        export(checkpoint, path)
        _logger.info("wrote %s and %s", path, path.with_suffix(INSPECTION).name)


def _write_openvino(model: Model, path: Path, *, half: bool) -> None:
    import openvino

    graph = model.read_graph()
    make_folder(path.parent)
    weights = path.with_suffix(".bin")
    with replacing(weights) as new_weights, replacing(path) as new_path:
        try:
            # It would round the weights to float16 without being asked.
            openvino.save_model(openvino.Core().read_model(graph.data), new_path, compress_to_fp16=half)
        except RuntimeError as error:
            raise DataError(f"{path} cannot be written ({error})", remedy="free some space, or name another") from error
        finally:
            if (written := new_path.with_suffix(".bin")) != new_weights and written.exists():
                written.replace(new_weights)
    _logger.info("wrote %s and its .bin", path)


def _build(model: Model, arguments: argparse.Namespace, sizes: Sequence[tuple[int, int]]) -> None:
    import numpy as np

    from camf_ros.engines.choose import open_engine

    precision = "float16" if arguments.half else "float32"
    engine = open_engine("tensorrt", model, device=arguments.device, precision=precision)
    for width, height in sizes:
        _logger.info("building for %d x %d; this takes minutes", width, height)
        engine.fuse(*np.zeros((2, height, width), np.uint8))
    from camf_ros.engines.onnxruntime import tensorrt_cache, tensorrt_is_prepared

    if not tensorrt_is_prepared(engine.model_hash):
        raise EngineError(f"TensorRT left no engine in {tensorrt_cache(engine.model_hash)}", remedy="see its log")
    _logger.info("built into %s", tensorrt_cache(engine.model_hash))
