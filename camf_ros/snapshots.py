"""Snapshots: what was fused last, in files to look at later, or to send to whoever can tell why.

Written by a thread, so that nothing waits for a disk or an explanation.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import yaml

from camf_ros.detector_picture import DetectorFrame
from camf_ros.errors import CamfError, DataError
from camf_ros.explain.explanation import Explainer
from camf_ros.explain.panel import render
from camf_ros.explain.summary import content
from camf_ros.fused_frame import FusedFrame
from camf_ros.fusion import FusedPair
from camf_ros.imaging.picture_files import write_png, write_tiff
from camf_ros.imaging.thermal.temperatures import numbers_of

_FOLDER = "~/.ros/camf_ros/snapshots"
#: So many stay; the oldest go.
KEPT = 50
_NAME = re.compile(r"\d{8}-\d{6}-\d{6}")
# Seconds that a node which ends waits for one that is being written.
_JOIN_TIMEOUT = 5.0
# Nobody takes so many seconds to write one.
_LONGEST = 3600.0


class Snapshots:
    """Writes one at a time."""

    def __init__(self, written: Callable[[Path], None], failed: Callable[[Exception], None]) -> None:
        """``written`` and ``failed`` are called in the writing thread, with the folder or why there is none."""
        self._written, self._failed = written, failed
        self._thread: threading.Thread | None = None

    def save(
        self, pair: FusedPair, parameters: Mapping[str, object], explainer: Callable[[], Explainer | None]
    ) -> Path:
        """Begin to write; the folder that will be there once it is complete.

        ``explainer`` is called in the writing thread and tells who can explain the pair.

        Raises:
            CamfError: If one is being written.
        """
        if self._thread is not None and self._thread.is_alive():
            raise CamfError("a snapshot is being written", remedy="try again in a moment")
        folder = Path(_FOLDER).expanduser() / datetime.now().astimezone().strftime("%Y%m%d-%H%M%S-%f")
        # A daemon: a disk that hangs must not keep the process alive after shutdown.
        self._thread = threading.Thread(
            target=self._run, args=(folder, pair, parameters, explainer), name="snapshot", daemon=True
        )
        self._thread.start()
        return folder

    def close(self) -> None:
        """Wait a moment for what is being written."""
        if self._thread is not None:
            self._thread.join(_JOIN_TIMEOUT)

    def _run(
        self,
        folder: Path,
        pair: FusedPair,
        parameters: Mapping[str, object],
        explainer: Callable[[], Explainer | None],
    ) -> None:
        try:
            write_snapshot(folder, pair, parameters, explainer())
        except Exception as error:  # whatever it is: the node goes on
            self._failed(error)
        else:
            self._written(folder)


def write_snapshot(
    folder: Path, pair: FusedPair, parameters: Mapping[str, object], explainer: Explainer | None
) -> None:
    """Write one fused pair, with all that it was made of, whole or not at all; then remove the oldest beyond `KEPT`.

    Thermal (8 and 16 bits as PNG, temperatures as a TIFF of float32) and RGB picture as they came, ``fused.png``,
    ``detector.png`` or both, ``registered`` as the thermal picture, ``weights.json`` and ``parameters.yaml``; where the
    unit of raw values is known ``temperatures.json``; with an explainer also ``explanation.png`` and
    ``explanation.json``. The folder is made here and must not exist.

    Raises:
        DataError: If it cannot be written.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        try:
            _write(temporary, pair, parameters, explainer)
            temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        _clear(folder.parent)
    except OSError as error:
        raise DataError(
            f"the snapshot {folder} cannot be written ({error.strerror or error})", remedy="free some space there"
        ) from error


def _clear(folder: Path) -> None:
    """Remove the oldest snapshots, and what a killed process has left."""
    present = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    left = [path for path in folder.glob(".*.tmp") if time.time() - path.stat().st_mtime > _LONGEST]
    for path in (*present[:-KEPT], *left):
        shutil.rmtree(path, ignore_errors=True)


def _write(folder: Path, pair: FusedPair, parameters: Mapping[str, object], explainer: Explainer | None) -> None:
    frame, detector = pair.frame, pair.detector
    for name, thermal in (("thermal", pair.thermal), ("registered", pair.record.registered())):
        if thermal is not None and thermal.dtype == np.float32:
            write_tiff(folder / f"{name}.tiff", thermal)  # type: ignore[arg-type]
        elif thermal is not None:
            write_png(folder / f"{name}.png", thermal)  # type: ignore[arg-type]
    if (measured := pair.record.measured()) is not None:
        (folder / "temperatures.json").write_text(json.dumps(numbers_of(measured), indent=1) + "\n", encoding="utf-8")
    write_png(folder / "rgb.png", pair.rgb)
    if frame is not None:
        write_png(folder / "fused.png", frame.image)
    if detector is not None:
        write_png(folder / "detector.png", detector.image)
    if explainer is not None and frame is not None:
        explanation = explainer.explain(frame)
        write_png(folder / "explanation.png", render(explanation))
        (folder / "explanation.json").write_text(json.dumps(content(explanation)) + "\n", encoding="utf-8")
    numbers = {"model": pair.model, "model_hash": pair.model_hash, **_numbers(frame, detector)}
    (folder / "weights.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    (folder / "parameters.yaml").write_text(
        yaml.safe_dump({"/**": {"ros__parameters": _nested(parameters)}}, sort_keys=False), encoding="utf-8"
    )


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
