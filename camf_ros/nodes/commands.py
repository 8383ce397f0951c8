"""Services of the fusion node: pause and go on, load anew, save what was fused last."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from camf_ros.detector_picture import DetectorFrame
from camf_ros.errors import CamfError, DataError
from camf_ros.explain.explanation import Explainer
from camf_ros.explain.panel import render
from camf_ros.explain.summary import content
from camf_ros.fused_frame import FusedFrame
from camf_ros.fusion import FusedPair
from camf_ros.imaging.picture_files import write_png, write_tiff
from camf_ros.nodes import topics

_FOLDER = "~/.ros/camf_ros/snapshots"


class Commands:
    """Offers the services."""

    def __init__(
        self,
        node: Node,
        *,
        enable: Callable[[bool], None],
        reload: Callable[[], str],
        last: Callable[[], tuple[FusedPair, Explainer | None] | None],
        parameters: Callable[[], Mapping[str, object]],
    ) -> None:
        """Create them.

        ``enable`` pauses or goes on, ``reload`` loads model and registration anew and says what happens: both raise
        CamfError if they cannot. ``last`` is what was fused last, and who can explain it.
        """
        self._enable, self._reload, self._last, self._parameters = enable, reload, last, parameters
        node.create_service(SetBool, topics.ENABLE, self._on_enable)
        node.create_service(Trigger, topics.RELOAD, self._on_reload)
        node.create_service(Trigger, topics.SAVE_SNAPSHOT, self._on_save)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        def act() -> str:
            self._enable(request.data)
            return "fusing" if request.data else "paused"

        return _answer(response, act)

    def _on_reload(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:  # noqa: ARG002
        return _answer(response, self._reload)

    def _on_save(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:  # noqa: ARG002
        return _answer(response, self._save)

    def _save(self) -> str:
        last = self._last()
        if last is None:
            raise CamfError("nothing was fused yet")
        pair, explainer = last
        folder = Path(_FOLDER).expanduser() / datetime.now().astimezone().strftime("%Y%m%d-%H%M%S-%f")
        return str(save_snapshot(folder, pair, self._parameters(), explainer))


def _answer(response: Any, act: Callable[[], str]) -> Any:
    try:
        response.message, response.success = act(), True
    except Exception as error:  # from a callback it would end the node
        response.message, response.success = str(error) or repr(error), False
    return response


def save_snapshot(folder: Path, pair: FusedPair, parameters: Mapping[str, object], explainer: Explainer | None) -> Path:
    """Write one fused pair, with all that it was made of: to look at later, or to send to whoever can tell why.

    Thermal (8 and 16 bits as PNG, temperatures as a TIFF of float32) and RGB picture as they came, ``fused.png``,
    ``detector.png`` or both, ``weights.json`` and ``parameters.yaml``; with an explainer also ``explanation.png`` and
    ``explanation.json``. The folder is made here and must not exist.

    Raises:
        DataError: If it cannot be written.
    """
    thermal, frame, detector = pair.thermal, pair.frame, pair.detector
    try:
        folder.mkdir(parents=True)
        if thermal.dtype == np.float32:
            write_tiff(folder / "thermal.tiff", thermal)  # type: ignore[arg-type]
        else:
            write_png(folder / "thermal.png", thermal)  # type: ignore[arg-type]
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
