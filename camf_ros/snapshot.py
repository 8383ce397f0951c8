"""One fused frame on disk, with all that it was made of: to look at later, or to send to whoever can tell why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from camf_ros.detector_picture import DetectorFrame
from camf_ros.errors import DataError
from camf_ros.explain.explanation import Explainer
from camf_ros.explain.panel import render
from camf_ros.explain.summary import content
from camf_ros.fused_frame import FusedFrame
from camf_ros.imaging.picture_files import write_png, write_tiff
from camf_ros.imaging.raw_image import Image


def save_snapshot(
    folder: Path,
    *,
    thermal: Image,
    rgb: NDArray[np.uint8],
    frame: FusedFrame | None,
    detector: DetectorFrame | None = None,
    model: str,
    model_hash: str,
    parameters: Mapping[str, object],
    explainer: Explainer | None = None,
) -> Path:
    """Write thermal and RGB picture, what was made of them, ``weights.json`` and ``parameters.yaml`` into a new folder.

    What was made is ``fused.png``, ``detector.png`` or both. With an explainer there are also ``explanation.png`` and
    ``explanation.json``.

    Args:
        folder: Made here; must not exist.
        thermal: As it came, (h, w). Values of 8 and 16 bits become a PNG, temperatures a TIFF of float32.
        rgb: As it came, (H, W, 3) or (H, W).
        frame: What they were fused to; None where that was not made.
        detector: The picture for detectors; None where that was not made.
        model: Name or path of the model that fused them, which the parameters may leave to the node.
        model_hash: Of that model.
        parameters: Of the node, by full name.
        explainer: Of the model that fused them.

    Returns:
        The folder.

    Raises:
        DataError: If it cannot be written.
    """
    try:
        folder.mkdir(parents=True)
        if thermal.dtype == np.float32:
            write_tiff(folder / "thermal.tiff", thermal)  # type: ignore[arg-type]
        else:
            write_png(folder / "thermal.png", thermal)  # type: ignore[arg-type]
        write_png(folder / "rgb.png", rgb)
        if frame is not None:
            write_png(folder / "fused.png", frame.image)
        if detector is not None:
            write_png(folder / "detector.png", detector.image)
        if explainer is not None and frame is not None:
            explanation = explainer.explain(frame)
            write_png(folder / "explanation.png", render(explanation))
            (folder / "explanation.json").write_text(json.dumps(content(explanation)) + "\n", encoding="utf-8")
        numbers = {"model": model, "model_hash": model_hash, **_numbers(frame, detector)}
        (folder / "weights.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
        (folder / "parameters.yaml").write_text(
            yaml.safe_dump({"/**": {"ros__parameters": _nested(parameters)}}, sort_keys=False), encoding="utf-8"
        )
    except OSError as error:
        raise DataError(f"the snapshot {folder} cannot be written: {error}") from error
    return folder


def _numbers(frame: FusedFrame | None, detector: DetectorFrame | None) -> dict[str, object]:
    if frame is None:
        return {"reference": detector.reference, "overlap": detector.overlap} if detector else {}
    return {
        "reference": frame.reference,
        "gain": frame.gain,
        "overlap": frame.overlap,
        "infrared_weight": frame.weights[0].tolist(),
        "visible_weight": frame.weights[1].tolist(),
        "infrared_activation": frame.infrared_activation.tolist(),
        "visible_activation": frame.visible_activation.tolist(),
        "infrared_share": frame.infrared_share.tolist(),
    }


def _nested(parameters: Mapping[str, object]) -> dict[str, object]:
    """As parameter files have them: the parts of a name are levels."""
    tree: dict[str, object] = {}
    for name, value in parameters.items():
        *parents, last = name.split(".")
        level = tree
        for parent in parents:
            level = level.setdefault(parent, {})  # type: ignore[assignment]
        level[last] = list(value) if isinstance(value, tuple) else value
    return tree
