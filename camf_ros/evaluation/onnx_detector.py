"""Runs an object detector from an ONNX file: pictures in, boxes out.

Two families of networks are known, and are told apart by the shape of their one output, where N is the number of grid
cells of strides 8, 16 and 32 together and C the number of classes:

* YOLOX, ``(1, N, 5 + C)``: a box relative to its grid cell with the logarithm of its sides, how likely it is an object,
  and how likely each class is. Input is blue, green, red from 0 to 255. Exported without ``--decode_in_inference``.
* YOLOv8 and its successors with the same head (YOLO11), ``(1, 4 + C, N)``: a box in pixels of the input, and how likely
  each class is. Input is red, green, blue from 0 to 1. Exported without ``nms=True``.

The picture is scaled to fit the input with its proportions kept, at the top left, and padded with grey 114.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import EngineError, ImageError, ParameterError
from camf_ros.imaging.luminance import grey_as_colour

#: Score below which a box is left out: low, so that the curve of precision over recall is whole.
LEAST_SCORE = 0.005
#: Overlap (intersection over union) of two boxes of one class from which on the less likely one is left out.
MOST_OVERLAP = 0.6
_STRIDES = (8, 16, 32)
_PADDING = 114
# Side of the input where the file leaves it open.
_SIDE = 640
# The 80 classes of COCO in the order in which detectors have them.
_COCO = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign, "
    "parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, "
    "handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, "
    "surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, "
    "broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, "
    "laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, "
    "scissors, teddy bear, hair drier, toothbrush"
)
COCO_CLASSES = tuple(_COCO.split(", "))

Floats = NDArray[np.float32]


class Detections(NamedTuple):
    """What was found in one picture, most likely first."""

    boxes: Floats  #: (n, 4), left, top, right, bottom, pixels of the picture
    scores: Floats  #: (n,), 0 to 1
    classes: NDArray[np.intp]  #: (n,), index into the groups that were asked for, or of the detector's class


class _Session(Protocol):
    """A network in some runtime."""

    description: str  #: Runtime and arithmetic
    shape: tuple[int, ...]  #: Of the input, (1, 3, height, width)
    names: tuple[str, ...]  #: Of the classes, as far as the file has them

    def run(self, batch: Floats) -> list[NDArray[Any]]:
        """All outputs."""
        ...


class OnnxDetector:
    """A detector, ready to run. For one thread.

    Attributes:
        description: Kind of network and runtime, for people.
        names: Of its classes: those in the file, or those of COCO if there are 80; else empty.
        classes: Number of its classes.
    """

    def __init__(
        self, path: Path, *, runtime: str = "auto", threads: int = 0, size: tuple[int, int] | None = None
    ) -> None:
        """Load an ONNX file, and run it once to see what it is.

        ``runtime`` is ``auto``, ``openvino`` or ``onnxruntime``; ``threads`` 0 leaves its choice. ``size`` (height,
        width) of the input replaces that of the file, in multiples of 32. Raises EngineError if no runtime is
        installed, or the file is no network that one can load, and ParameterError if it is none of the known families.
        """
        if not path.is_file():
            raise EngineError(f"there is no detector {path}", expected="an ONNX file", remedy="check the path")
        if size is not None and any(side <= 0 or side % _STRIDES[-1] for side in size):
            raise ParameterError(
                f"the detector's input size is {size[1]} x {size[0]}", expected=f"multiples of {_STRIDES[-1]}"
            )
        self._session = _open(path, runtime, threads, size)
        height, width = self._size = (self._session.shape[2], self._session.shape[3])
        cells = sum((height // stride) * (width // stride) for stride in _STRIDES)
        outputs = self._outputs(np.zeros((1, 3, height, width), np.float32))
        shape = outputs[0].shape
        if len(outputs) == 1 and len(shape) == 3 and shape[0] == 1 and shape[1] == cells and shape[2] > 5:
            self._yolox, self.classes = True, int(shape[2]) - 5
        elif len(outputs) == 1 and len(shape) == 3 and shape[0] == 1 and shape[2] == cells and shape[1] > 4:
            self._yolox, self.classes = False, int(shape[1]) - 4
        else:
            raise ParameterError(
                f"{path} gives {len(outputs)} outputs, the first of shape {shape}, for pictures of {width} x {height}",
                expected=f"(1, {cells}, 5 + classes) as YOLOX, or (1, 4 + classes, {cells}) as YOLOv8",
                remedy="export the network without decoding (YOLOX) and without non-maximum suppression (YOLOv8)",
            )
        kind = "YOLOX" if self._yolox else "YOLOv8"
        self.description = f"{kind} of {self.classes} classes at {width} x {height} in {self._session.description}"
        self.names = tuple(self._session.names) or (COCO_CLASSES if self.classes == len(COCO_CLASSES) else ())
        rows, strides = [], []
        for stride in _STRIDES:
            y, x = np.mgrid[0 : height // stride, 0 : width // stride]
            rows.append(np.stack([x.ravel(), y.ravel()], axis=1))
            strides.append(np.full((x.size, 1), stride))
        self._grid = np.concatenate(rows).astype(np.float32)
        self._strides = np.concatenate(strides).astype(np.float32)

    def detect(
        self, picture: NDArray[np.uint8], groups: Sequence[Sequence[int]] | None = None, least: float = LEAST_SCORE
    ) -> Detections:
        """Find objects in (H, W, 3) red, green, blue or (H, W) grey, 0 to 255, with a score above ``least``.

        ``groups`` are classes of the detector, as indices, that count as one; others are left out. None: all, each its
        own. Raises ImageError if it is no picture, and EngineError if the inference fails.
        """
        if picture.dtype != np.uint8 or picture.size == 0 or picture.shape[2:] not in ((), (3,)):
            raise ImageError(
                f"the picture has shape {picture.shape} and type {picture.dtype}",
                expected="(H, W, 3) or (H, W) with pixels, of uint8",
            )
        batch, scale = self._batch(picture if picture.ndim == 3 else grey_as_colour(picture))
        centres, sides, scores = self._decoded(self._outputs(batch)[0][0])
        if groups is not None:
            scores = np.stack([scores[:, list(group)].max(axis=1) for group in groups], axis=1)
        use = scores.max(axis=1) > least
        centres, sides, scores = centres[use], sides[use], scores[use]
        boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1) / scale
        height, width = picture.shape[:2]
        boxes = np.clip(boxes, 0, np.array([width, height, width, height]))
        likely = scores.max(axis=1, initial=0)
        kinds = scores.argmax(axis=1)
        return suppressed(Detections(boxes.astype(np.float32), likely.astype(np.float32), kinds))

    def _batch(self, picture: NDArray[np.uint8]) -> tuple[Floats, float]:
        """The network's input, and how many of its pixels a pixel of the picture has."""
        (rows, columns), (height, width) = self._size, picture.shape[:2]
        scale = min(rows / height, columns / width)
        size = max(1, int(width * scale)), max(1, int(height * scale))
        canvas = np.full((rows, columns, 3), _PADDING, np.uint8)
        canvas[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
        channels = (canvas[:, :, ::-1] if self._yolox else canvas).transpose(2, 0, 1)[None].astype(np.float32)
        return np.ascontiguousarray(channels if self._yolox else channels / 255), scale

    def _decoded(self, rows: Floats) -> tuple[Floats, Floats, Floats]:
        """Centres and sides in pixels of the input, (N, 2) each, and scores, (N, C)."""
        if self._yolox:
            centres = (rows[:, :2] + self._grid) * self._strides
            return centres, np.exp(rows[:, 2:4]) * self._strides, rows[:, 4:5] * rows[:, 5:]
        rows = rows.T
        return rows[:, :2], rows[:, 2:4], rows[:, 4:]

    def _outputs(self, batch: Floats) -> list[NDArray[Any]]:
        try:
            return self._session.run(batch)
        except Exception as error:  # runtimes' own errors share no other ancestor
            raise EngineError(f"the detector failed in {self._session.description} ({error})") from error


def suppressed(found: Detections) -> Detections:
    """Non-maximum suppression, class by class; most likely first. Also joins detections of several pictures."""
    if not len(found.scores):
        return found
    # Classes are moved apart, so that boxes of two classes never overlap.
    apart = (found.classes * (2 * float(found.boxes.max()) + 1))[:, None]
    corners, sides = found.boxes[:, :2] + apart, found.boxes[:, 2:] - found.boxes[:, :2]
    boxes = np.concatenate([corners, sides], axis=1).astype(np.float64)
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), found.scores.tolist(), 0.0, MOST_OVERLAP)
    keep = np.asarray(kept, np.intp).ravel()
    return Detections(found.boxes[keep], found.scores[keep], found.classes[keep])


def joined(found: Sequence[Detections]) -> Detections:
    """Detections on several pictures of one scene, as those of one picture: late fusion."""
    boxes, scores, classes = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return suppressed(Detections(boxes, scores, classes))


def _open(path: Path, runtime: str, threads: int, size: tuple[int, int] | None) -> _Session:
    known: dict[str, type[_OpenVino] | type[_OnnxRuntime]] = {"openvino": _OpenVino, "onnxruntime": _OnnxRuntime}
    if runtime not in {"auto", *known}:
        raise ParameterError(f"the detector's runtime is {runtime!r}", expected=f"auto, {', '.join(known)}")
    missing = []
    for name in known if runtime == "auto" else (runtime,):
        try:
            return known[name](path, threads, size)
        except ImportError as error:
            missing.append(f"{name}: {error}")
        except Exception as error:  # runtimes' own errors share no other ancestor
            raise EngineError(f"{path} cannot be loaded by {name} ({error})", expected="an ONNX network") from error
    raise EngineError(
        f"the detector cannot run ({'; '.join(missing)})", remedy="pip install openvino, or pip install onnxruntime"
    )


def _input_shape(given: Sequence[int | None], size: tuple[int, int] | None) -> tuple[int, ...]:
    """(1, 3, height, width) of an input whose open sides are None; ``size`` goes before what it says."""
    if len(given) != 4 or given[1] != 3:
        raise ValueError(f"its input has shape {tuple(given)}, not (1, 3, height, width)")
    height, width = size or (given[2] or _SIDE, given[3] or _SIDE)
    return 1, 3, height, width


class _OpenVino:
    def __init__(self, path: Path, threads: int, size: tuple[int, int] | None) -> None:
        import openvino  # noqa: PLC0415 - one of two runtimes is enough

        core = openvino.Core()
        model = core.read_model(path)
        given = [None if side.is_dynamic else side.get_length() for side in model.inputs[0].partial_shape]
        self.shape = _input_shape(given, size)
        model.reshape(list(self.shape))
        options: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        self._request = core.compile_model(model, "CPU", options).create_infer_request()
        entry = ["framework", "names"]
        self.names = _names(model.get_rt_info(entry).value if model.has_rt_info(entry) else "")
        self.description = "openvino cpu float32"

    def run(self, batch: Floats) -> list[NDArray[Any]]:
        result = self._request.infer([batch])
        return [np.array(value) for value in result.values()]


class _OnnxRuntime:
    def __init__(self, path: Path, threads: int, size: tuple[int, int] | None) -> None:
        import onnxruntime  # noqa: PLC0415 - one of two runtimes is enough

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        first = self._session.get_inputs()[0]
        self._name = first.name
        given = [side if isinstance(side, int) else None for side in first.shape]
        self.shape = _input_shape(given, size)
        if any(fixed not in (None, wanted) for fixed, wanted in zip(given[2:], self.shape[2:], strict=True)):
            raise ValueError(f"its input is fixed to {given[3]} x {given[2]}, which only openvino can change")
        self.names = _names(self._session.get_modelmeta().custom_metadata_map.get("names"))
        self.description = "onnxruntime cpu float32"

    def run(self, batch: Floats) -> list[NDArray[Any]]:
        return list(self._session.run(None, {self._name: batch}))


def _names(text: object) -> tuple[str, ...]:
    """Class names as Ultralytics writes them into its files: ``{0: 'person', 1: 'bicycle'}``."""
    try:
        table = ast.literal_eval(str(text))
    except (ValueError, SyntaxError):
        return ()
    return tuple(str(table[key]) for key in sorted(table)) if isinstance(table, dict) else ()
