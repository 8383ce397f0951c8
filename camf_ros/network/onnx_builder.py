"""Writing ONNX graphs node by node: names and constants are made here, so that the graph reads like a formula."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import DTypeLike
from onnx import helper, numpy_helper

# The newest that the runtimes of all supported systems read (TensorRT 8.5 of JetPack 5 is the oldest).
_OPSET = 17
_IR_VERSION = 8


class OnnxBuilder:
    """Nodes and constants of one graph. Methods give names of values, and take them."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def node(self, operator: str, *inputs: str, output: str = "", **options: Any) -> str:
        """Add an operator with one output.

        Args:
            operator: Name of the ONNX operator.
            *inputs: Values; empty where an optional one is left out.
            output: Name of the output; made up when left out.
            **options: Attributes.
        """
        name_of_output = output or f"x{len(self._nodes)}"
        name = f"{operator} {len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name_of_output], name=name, **options))
        return name_of_output

    def cast(self, x: str, kind: DTypeLike, output: str = "") -> str:
        """Add a change of type."""
        return self.node("Cast", x, output=output, **{"to": helper.np_dtype_to_tensor_dtype(np.dtype(kind))})

    def constant(self, value: object, kind: DTypeLike = np.float32) -> str:
        """Add a constant."""
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def integers(self, *values: Sequence[int]) -> list[str]:
        """Add constants of whole numbers: axes, sizes, places."""
        return [self.constant(value, np.int64) for value in values]

    def size_of(self, x: str) -> str:
        """Height and width of a value of shape (N, C, H, W), (2,) whole numbers."""
        return self.node("Slice", self.node("Shape", x), *self.integers([2], [4], [0]))

    def model(
        self,
        name: str,
        inputs: Sequence[tuple[str, DTypeLike, Sequence[int | str]]],
        outputs: Sequence[tuple[str, DTypeLike, Sequence[int | str]]],
        properties: dict[str, str],
    ) -> onnx.ModelProto:
        """The checked model.

        Args:
            name: Of the graph.
            inputs: Name, type and shape of each; texts in a shape name free dimensions.
            outputs: Likewise.
            properties: Texts to store beside it.
        """
        model = helper.make_model(
            helper.make_graph(self._nodes, name, _values(inputs), _values(outputs), self._constants),
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name="camf_ros",
        )
        helper.set_model_props(model, properties)
        onnx.checker.check_model(model)
        return model


def _values(values: Sequence[tuple[str, DTypeLike, Sequence[int | str]]]) -> list[Any]:
    return [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape)
        for name, kind, shape in values
    ]
