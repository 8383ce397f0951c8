"""One fused frame on disk, with all that it was made of: to look at later, or to send to whoever can tell why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from camf_ros.errors import DataError
from camf_ros.imaging.frames import Image
from camf_ros.imaging.picture_files import write_png, write_tiff
from camf_ros.pipeline import FusedFrame

#: Thermal frame as it came, (h, w); RGB frame, (H, W, 3) or (H, W); what they were fused to.
Fused = tuple[Image, NDArray[np.uint8], FusedFrame]


def save_snapshot(folder: Path, fused: Fused, parameters: Mapping[str, object]) -> Path:
    """Write thermal, RGB and fused picture, ``weights.json`` and ``parameters.yaml`` into a new folder.

    Args:
        folder: Made here; must not exist.
        fused: What to save. Thermal values of 8 and 16 bits become a PNG, temperatures a TIFF of float32.
        parameters: Of the node, by full name.

    Returns:
        The folder.

    Raises:
        DataError: If it cannot be written.
    """
    thermal, rgb, frame = fused
    try:
        folder.mkdir(parents=True)
        if thermal.dtype == np.float32:
            write_tiff(folder / "thermal.tiff", thermal)  # type: ignore[arg-type]
        else:
            write_png(folder / "thermal.png", thermal)  # type: ignore[arg-type]
        write_png(folder / "rgb.png", rgb)
        write_png(folder / "fused.png", frame.image)
        (folder / "weights.json").write_text(json.dumps(_numbers(frame), indent=1) + "\n", encoding="utf-8")
        (folder / "parameters.yaml").write_text(
            yaml.safe_dump({"/**": {"ros__parameters": _nested(parameters)}}, sort_keys=False), encoding="utf-8"
        )
    except OSError as error:
        raise DataError(f"the snapshot {folder} cannot be written: {error}") from error
    return folder


def _numbers(frame: FusedFrame) -> dict[str, object]:
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
