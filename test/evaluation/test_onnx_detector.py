"""Detectors from ONNX files: both kinds, both runtimes, and what is no detector."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from detecting import SQUARE, picture, write_detector
from numpy.testing import assert_allclose

from camf_ros.errors import EngineError, ImageError, ParameterError
from camf_ros.evaluation.onnx_detector import COCO_CLASSES, Detections, OnnxDetector, joined, suppressed

RUNTIMES = ("openvino", "onnxruntime")


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", ["yolox", "yolov8"])
def test_finds_squares(tmp_path: Path, kind: str, runtime: str) -> None:
    pytest.importorskip(runtime)
    detector = OnnxDetector(write_detector(tmp_path / "d.onnx", kind), runtime=runtime, threads=1)
    assert detector.classes == 3
    assert detector.names == ()
    assert detector.description.startswith({"yolox": "YOLOX", "yolov8": "YOLOv8"}[kind])
    assert runtime in detector.description
    found = detector.detect(picture((8, 16), (40, 24)), least=0.9)
    assert_allclose(sorted(found.boxes.tolist()), [[8, 16, 24, 32], [40, 24, 56, 40]], atol=1e-3)
    assert_allclose(found.scores, 1, atol=1e-5)
    assert found.classes.tolist() == [0, 0]
    # Red is told from blue, so the order of the channels is the one of the kind.
    assert detector.detect(picture((8, 16), colour=(255, 0, 0)), least=0.9).classes.tolist() == [1]
    assert len(detector.detect(picture((8, 16), colour=(0, 0, 255)), least=0.9).scores) == 0


def test_boxes_are_in_pixels_of_the_picture(tmp_path: Path) -> None:
    detector = OnnxDetector(write_detector(tmp_path / "d.onnx"), threads=1)
    large = cv2.resize(picture((8, 16)), (192, 144), interpolation=cv2.INTER_NEAREST)
    found = detector.detect(np.asarray(large, np.uint8), least=0.9)
    assert_allclose(found.boxes, [[24, 48, 72, 96]], atol=1e-3)
    high = np.zeros((64, 32, 3), np.uint8)
    high[40:56, 8:24] = 255
    assert_allclose(detector.detect(high, least=0.9).boxes, [[8, 40, 24, 56]], atol=1e-3)


def test_grey_pictures_and_groups(tmp_path: Path) -> None:
    detector = OnnxDetector(write_detector(tmp_path / "d.onnx"), threads=1)
    grey = picture((8, 16))[:, :, 0]
    assert len(detector.detect(grey, least=0.9).scores) == 1
    both = detector.detect(picture((8, 16), colour=(255, 0, 0)), [(2,), (0, 1)], least=0.9)
    assert both.classes.tolist() == [1]
    assert len(detector.detect(grey, [(1,), (2,)], least=0.5).scores) == 0


def test_boxes_end_at_the_border(tmp_path: Path) -> None:
    detector = OnnxDetector(write_detector(tmp_path / "d.onnx"), threads=1)
    found = detector.detect(np.full((48, 64, 3), 255, np.uint8))
    assert found.boxes[:, 2].max() == 64
    assert found.boxes[:, 3].max() == 48
    assert (np.diff(found.scores) <= 0).all(), "most likely first"


def test_size_of_the_input(tmp_path: Path) -> None:
    """One that is fixed in the file can be changed by OpenVINO alone."""
    fixed = write_detector(tmp_path / "d.onnx")
    pytest.importorskip("onnxruntime")
    with pytest.raises(EngineError, match="fixed to 64 x 64, which only openvino can change"):
        OnnxDetector(fixed, runtime="onnxruntime", size=(96, 64))
    with pytest.raises(ParameterError, match="multiples of 32"):
        OnnxDetector(fixed, size=(50, 64))
    assert "at 64 x 64" in OnnxDetector(fixed, size=(64, 64)).description


def test_names(tmp_path: Path) -> None:
    for runtime in RUNTIMES:
        pytest.importorskip(runtime)
        named = OnnxDetector(write_detector(tmp_path / "n.onnx", "yolov8", names=True), runtime=runtime)
        assert named.names == ("lamp", "fire", "tree")
        eighty = OnnxDetector(write_detector(tmp_path / "c.onnx", classes=80), runtime=runtime)
        assert eighty.names == COCO_CLASSES
    assert len(set(COCO_CLASSES)) == 80
    assert [COCO_CLASSES.index(name) for name in ("person", "car", "bus", "truck")] == [0, 2, 5, 7]


def test_what_is_no_detector(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    with pytest.raises(EngineError, match="there is no detector"):
        OnnxDetector(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    for runtime in RUNTIMES:
        pytest.importorskip(runtime)
        with pytest.raises(EngineError, match="cannot be loaded by"):
            OnnxDetector(tmp_path / "bad.onnx", runtime=runtime)
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    shape = [1, 3, 64, 64]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["images"], ["output"])],
        "same",
        [helper.make_tensor_value_info("images", kind, shape)],
        [helper.make_tensor_value_info("output", kind, shape)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "s.onnx")
    with pytest.raises(ParameterError, match=r"\(1, 84, 5 \+ classes\) as YOLOX, or \(1, 4 \+ classes, 84\) as YOLOv8"):
        OnnxDetector(tmp_path / "s.onnx")
    with pytest.raises(ParameterError, match="runtime is 'tensorrt'"):
        OnnxDetector(tmp_path / "s.onnx", runtime="tensorrt")
    detector = OnnxDetector(write_detector(tmp_path / "d.onnx"))
    with pytest.raises(ImageError, match="uint16"):
        detector.detect(np.zeros((4, 4), np.uint16))  # type: ignore[arg-type]


def test_without_a_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_detector(tmp_path / "d.onnx")
    monkeypatch.setitem(sys.modules, "openvino", None)
    pytest.importorskip("onnxruntime")
    assert "onnxruntime" in OnnxDetector(path).description
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EngineError, match="pip install openvino, or pip install onnxruntime"):
        OnnxDetector(path)


def detections(*rows: tuple[float, float, int]) -> Detections:
    """Of (left, score, class): squares of 16."""
    boxes = [[left, 0, left + SQUARE, SQUARE] for left, _, _ in rows]
    scores, classes = ([row[place] for row in rows] for place in (1, 2))
    return Detections(np.array(boxes, np.float32), np.array(scores, np.float32), np.array(classes, np.intp))


def test_suppression() -> None:
    """By class; an overlap of 12 of 20 pixels stays, one of 13 of 19 does not."""
    kept = suppressed(detections((0, 0.5, 0), (3, 0.9, 0), (4, 0.8, 1), (7, 0.7, 0)))
    assert_allclose(kept.scores, [0.9, 0.8, 0.7])
    assert kept.boxes[:, 0].tolist() == [3, 4, 7]
    assert kept.classes.tolist() == [0, 1, 0]


def test_joined_passes() -> None:
    kept = joined(
        [
            detections((0, 0.5, 0), (40, 0.6, 0)),
            detections((1, 0.9, 0)),
            detections()._replace(boxes=np.zeros((0, 4), np.float32)),
        ]
    )
    assert_allclose(kept.scores, [0.9, 0.6])
