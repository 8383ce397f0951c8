"""Writing models in OpenVINO's own format, for programs that read nothing else."""

from __future__ import annotations

from pathlib import Path

import openvino


def write_openvino(graph: bytes, path: Path) -> None:
    """Convert an ONNX model.

    Args:
        graph: The serialised model.
        path: File to write, ending in .xml; the weights go beside it, into a file that ends in .bin.
    """
    # As it is: OpenVINO would otherwise round the weights to half precision.
    openvino.save_model(openvino.Core().read_model(graph), path, compress_to_fp16=False)
