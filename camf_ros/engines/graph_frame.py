"""A frame through the ONNX graph: the graph for a picture size, its inputs, its outputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from camf_ros.engines.engine import EngineOutput
from camf_ros.errors import EngineError
from camf_ros.network.checkpoint_file import CheckpointFile
from camf_ros.network.onnx_graph import build_onnx


def graph_for(checkpoint: CheckpointFile, height: int, width: int, *, half: bool = False) -> bytes:
    """The serialised graph that is fastest for pictures of a size; its height and width are free all the same."""
    even = height % 2 == width % 2 == 0
    graph: bytes = build_onnx(checkpoint, half=half, even=even).SerializeToString()
    return graph


def graph_inputs(
    infrared: NDArray[np.uint8], visible: NDArray[np.uint8], gain: float, hold: float
) -> dict[str, NDArray[np.generic]]:
    """Inputs of :func:`camf_ros.network.onnx_graph.build_onnx`, in the memory of the pictures where it has no gaps."""
    return {
        "infrared": np.ascontiguousarray(infrared)[None, None],
        "visible": np.ascontiguousarray(visible)[None, None],
        "gain": np.array([gain], np.float32),
        "hold": np.array([hold], np.float32),
    }


def engine_output(outputs: Mapping[str, NDArray[np.generic]], description: str) -> EngineOutput:
    """Result of ``Engine.fuse``.

    Args:
        outputs: By the names of the graph, in memory that nobody else will write to.
        description: Of the engine, for the message of an error.

    Raises:
        EngineError: If a figure is not finite.
    """
    activation = np.asarray(outputs["activation"], np.float32)
    gain = float(outputs["used_gain"][0])
    if not (np.isfinite(activation).all() and np.isfinite(gain)):
        raise EngineError(f"{description} gave values that are not finite", remedy="use precision float32")
    return EngineOutput(np.asarray(outputs["fused"], np.uint8)[0, 0], activation[0], activation[1], gain)
