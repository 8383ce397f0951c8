"""From the outputs of the ONNX graph to those of an engine; shared by the runtimes that read ONNX."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from camf_ros.engines.engine import EngineOutput
from camf_ros.errors import EngineError


def graph_inputs(
    infrared: NDArray[np.uint8], visible: NDArray[np.uint8], gain: float, hold: float
) -> dict[str, NDArray[np.generic]]:
    """Inputs of :func:`camf_ros.network.onnx_graph.build_onnx` from the arguments of ``Engine.fuse``."""
    return {
        "infrared": np.ascontiguousarray(infrared)[None, None],
        "visible": np.ascontiguousarray(visible)[None, None],
        "gain": np.array([gain], np.float32),
        # Without a gain there is nothing to hold.
        "hold": np.array([hold if gain else 0.0], np.float32),
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
