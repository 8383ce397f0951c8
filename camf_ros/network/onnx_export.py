"""Exports a checkpoint to ONNX: a graph that fuses, and one that explanation and source check ask."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor

from camf_ros.errors import ParameterError
from camf_ros.files import replacing
from camf_ros.network.architecture import BlendArchitecture, to_dict
from camf_ros.network.checkpoint import Checkpoint
from camf_ros.network.inference import BlendInspection, PaperInference, inference, inspection
from camf_ros.network.model_info import (
    FORMAT_VERSION,
    GAIN,
    GRAPH_FORMAT,
    HOLD,
    INFRARED,
    VISIBLE,
    WEIGHTS,
    split_graph,
)
from camf_ros.network.paper import PaperNetwork

_OPSET = 17
# Sides of the picture that the exporter traces with, at least; height and width are free afterwards.
_TRACED = 128


def fusion_graph(checkpoint: Checkpoint, *, half: bool = False) -> bytes:
    """The graph that fuses, as the bytes of an .onnx file; inputs and outputs as of :mod:`camf_ros.network.inference`.

    ``half`` computes in float16, for GPUs. Raises ParameterError if it is asked of the paper's network, which needs
    float32.
    """
    if half and isinstance(checkpoint.network, PaperNetwork):
        raise ParameterError(f"model {checkpoint.name} does not compute in float16", remedy="export it without --half")
    module = inference(checkpoint.network, torch.float16 if half else torch.float32)
    extra = {GAIN: torch.zeros(1), HOLD: torch.zeros(1)} if isinstance(module, PaperInference) else {}
    return _graph(checkpoint, module, extra)


def inspection_graph(checkpoint: Checkpoint) -> bytes:
    """The graph that explanation and source check ask, likewise."""
    module = inspection(checkpoint.network)
    weights = checkpoint.network.class_activation_weights()
    return _graph(checkpoint, module, {WEIGHTS: weights} if isinstance(module, BlendInspection) else {})


def export(checkpoint: Checkpoint, path: Path) -> None:
    """Write both graphs: ``path``, which ends in .onnx, and the inspection graph beside it; both or none.

    Raises DataError if a file cannot be written.
    """
    with replacing(path.with_suffix(".inspect.onnx")) as beside, replacing(path) as temporary:
        temporary.write_bytes(fusion_graph(checkpoint))
        beside.write_bytes(inspection_graph(checkpoint))


def _graph(checkpoint: Checkpoint, module: torch.nn.Module, extra: dict[str, Tensor]) -> bytes:
    architecture = checkpoint.network.architecture
    side = max(_TRACED, architecture.step if isinstance(architecture, BlendArchitecture) else 0)
    picture = torch.zeros(1, 1, side, side, dtype=torch.uint8)
    inputs = {INFRARED: picture, VISIBLE: picture, **extra}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about itself
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            buffer,  # type: ignore[arg-type]
            input_names=list(inputs),
            output_names=list(module.output_names),  # type: ignore[arg-type]
            dynamic_axes={name: {2: "height", 3: "width"} for name in (INFRARED, VISIBLE)},
            opset_version=_OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    onnx.checker.check_model(model)
    weights = checkpoint.network.class_activation_weights()
    onnx.helper.set_model_props(
        model,
        {
            "format": GRAPH_FORMAT,
            "format_version": str(FORMAT_VERSION),
            "name": checkpoint.name,
            "hash": checkpoint.hash,
            "architecture": json.dumps(to_dict(architecture)),
            "training": json.dumps(dict(checkpoint.training)),
            "class_activation_weights": json.dumps([[float(f"{w:.9g}") for w in row] for row in weights.tolist()]),
        },
    )
    # The bytes of the graph as this library writes them, which need not be those that the exporter wrote.
    graph, _ = split_graph(Path(), model.SerializeToString())
    entry = model.metadata_props.add()
    entry.key, entry.value = "graph_hash", hashlib.sha256(graph).hexdigest()
    return bytes(model.SerializeToString())
