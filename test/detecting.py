"""Tiny detectors in ONNX that see a bright square, and labels in COCO's format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

#: Side of the detectors' input, and of the square that they look for.
SIDE, SQUARE = 64, 16
_STRIDES = (8, 16, 32)


def write_detector(path: Path, kind: str = "yolox", *, classes: int = 3, names: bool = False) -> Path:
    """A detector of squares of 16 x 16 pixels.

    A box begins at each cell of 8 x 8 pixels, and is the likelier the brighter the cell and its neighbours to the right
    and below are. What is red is of class 1, what is not of class 0; others are never found, nor is anything by coarser
    cells.
    """
    onnx = pytest.importorskip("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    white = 255.0 if kind == "yolox" else 1.0
    # Of the input: blue, green, red for YOLOX.
    red, green = (2, 1) if kind == "yolox" else (0, 1)
    weights = np.zeros((2, 3, SQUARE, SQUARE), np.float32)
    weights[0, green] = weights[1, red] = 1 / white / SQUARE**2
    weights[1, green] = -weights[1, red]
    cells = [(SIDE // stride) ** 2 for stride in _STRIDES]
    # Of every cell: centre and sides as the kind has them.
    box = np.zeros((sum(cells), 4), np.float32)
    y, x = np.divmod(np.arange(cells[0]), SIDE // 8)
    if kind == "yolox":
        box[: cells[0]] = [1.0, 1.0, np.log(SQUARE / 8), np.log(SQUARE / 8)]
    else:
        box[: cells[0]] = np.stack([x * 8 + 8, y * 8 + 8, np.full_like(x, SQUARE), np.full_like(x, SQUARE)], axis=1)
    constants = {
        "weights": weights,
        "box": box[None],
        "rest": np.zeros((1, 2, sum(cells[1:])), np.float32),
        "none": np.zeros((1, sum(cells), classes - 2), np.float32),
        "one": np.ones((1, sum(cells), 1), np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["images", "weights"], ["seen"], strides=[8, 8], pads=[0, 0, 8, 8]),
        helper.make_node("Flatten", ["seen"], ["flat"], axis=1),
        helper.make_node("Reshape", ["flat", "rows"], ["fine"]),
        helper.make_node("Concat", ["fine", "rest"], ["all"], axis=2),
        helper.make_node("Clip", ["all", "zero", "most"], ["scores"]),
        helper.make_node("Transpose", ["scores"], ["found"], perm=[0, 2, 1]),
        helper.make_node(
            "Concat", ["box", *(["one"] if kind == "yolox" else []), "found", "none"], ["rows_out"], axis=2
        ),
    ]
    if kind == "yolox":
        nodes.append(helper.make_node("Identity", ["rows_out"], ["output"]))
        shape = [1, sum(cells), 5 + classes]
    else:
        nodes.append(helper.make_node("Transpose", ["rows_out"], ["output"], perm=[0, 2, 1]))
        shape = [1, 4 + classes, sum(cells)]
    given = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    given += [
        helper.make_tensor("rows", kinds.INT64, [3], [1, 2, cells[0]]),
        helper.make_tensor("zero", kinds.FLOAT, [], [0.0]),
        helper.make_tensor("most", kinds.FLOAT, [], [1.0]),
    ]
    inputs = [helper.make_tensor_value_info("images", kinds.FLOAT, [1, 3, SIDE, SIDE])]
    graph = helper.make_graph(nodes, kind, inputs, [helper.make_tensor_value_info("output", kinds.FLOAT, shape)], given)
    # Old enough for every ONNX Runtime that there is.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if names:
        entry = model.metadata_props.add()
        entry.key, entry.value = "names", str(dict(enumerate(("lamp", "fire", "tree")[:classes])))
    onnx.save(model, path)
    return path


def picture(
    *squares: tuple[int, int], colour: tuple[int, int, int] = (255, 255, 255)
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A black picture of 64 x 48 with squares at (left, top), multiples of 8; red, green, blue."""
    image = np.zeros((48, 64, 3), np.uint8)
    for left, top in squares:
        image[top : top + SQUARE, left : left + SQUARE] = colour
    return image


def coco(images: dict[str, list[tuple[int, int]]], **more: Any) -> dict[str, Any]:
    """Labels of squares at (left, top) by picture: all are lamps."""
    return {
        "images": [
            {"id": number, "file_name": f"{name}.png", "width": 64, "height": 48, **more}
            for number, name in enumerate(images)
        ],
        "categories": [{"id": 4, "name": "lamp"}, {"id": 9, "name": "fire"}],
        "annotations": [
            {"id": 1, "image_id": number, "category_id": 4, "bbox": [left, top, SQUARE, SQUARE]}
            for number, squares in enumerate(images.values())
            for left, top in squares
        ],
    }


def write_labels(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
