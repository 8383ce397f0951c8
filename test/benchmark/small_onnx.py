"""Tiny ONNX networks that take an infrared and a visible picture."""

from __future__ import annotations

from pathlib import Path

import pytest


def write_average(path: Path, *, names: tuple[str, str] = ("ir", "vis"), height: int | None = None) -> Path:
    """The mean of both pictures, grey; of any size, or of one height alone."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    shape = [1, 1, height or "height", "width"]
    half = helper.make_tensor("half", kind, [], [0.5])
    nodes = [helper.make_node("Add", list(names), ["sum"]), helper.make_node("Mul", ["sum", "half"], ["fused"])]
    inputs = [helper.make_tensor_value_info(name, kind, shape) for name in names]
    output = helper.make_tensor_value_info("fused", kind, shape)
    graph = helper.make_graph(nodes, "average", inputs, [output], [half])
    # Old enough for every ONNX Runtime that there is.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path
