"""Messages of a pair, as the node publishes them: images, camera_info and channel weights, under one header."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from camf_ros.bag.types import CAMERA_INFO, CHANNEL_WEIGHTS, IMAGE, MessageTypes
from camf_ros.detector_picture import DetectorFrame
from camf_ros.engines.engine import Engine
from camf_ros.fused_frame import FusedFrame, PassedFrame
from camf_ros.imaging.camera_model import InfoHistory, fused_info, picture_size
from camf_ros.pairing.stream import ImagePair, LoneFrame

_ARRAYS = ("d", "k", "r", "p")


class Made(NamedTuple):
    """A message to be written.

    Attributes:
        name: What it is, as in :meth:`camf_ros.bag.topics.BagTopics.outputs`.
        data: The message, encoded.
    """

    name: str
    data: memoryview


class _Seen(NamedTuple):
    """What is known of a camera from its last frame."""

    frame_id: str
    size: tuple[int, int]


class ResultMessages:
    """Makes them. Times that a recording does not have, latency and inference_time, are 0."""

    def __init__(self, types: MessageTypes, engine: Engine, infos: dict[str, InfoHistory]) -> None:
        """Keep what they are made of.

        Args:
            types: The messages' types.
            engine: Whose model fuses.
            infos: Of both cameras, by name.
        """
        self._types, self._engine, self._infos = types, engine, infos
        self._seen: dict[str, _Seen] = {}
        #: Images without camera_info because the cameras' own had another size, by a sentence that says so.
        self.without_info: dict[str, int] = {}

    def saw(self, camera: str, header: Any, size: tuple[int, int]) -> None:
        """Take note of a camera's frame, before anything is made of it: its header, and its (height, width)."""
        self._seen[camera] = _Seen(header.frame_id, size)

    def fused(self, pair: ImagePair, frame: FusedFrame | None, detector: DetectorFrame | None) -> Iterator[Made]:
        """Of a pair, of which one picture at least was made."""
        made = frame or detector
        assert made is not None
        header = {"thermal": pair.thermal, "rgb": pair.rgb}[made.reference].header
        if frame is not None:
            yield self._image("fused", frame.image, header)
        if detector is not None:
            yield self._image("detector", detector.image, header)
        yield from self._info(made, header)
        yield self._weights(
            header,
            frame,
            sources=self._types.constant(CHANNEL_WEIGHTS, "SOURCE_BOTH"),
            thermal_stamp=pair.thermal.header.stamp,
            rgb_stamp=pair.rgb.header.stamp,
            skew=pair.skew,
        )

    def passed(self, lone: LoneFrame, frame: PassedFrame, *, eyes: bool) -> Iterator[Made]:
        """Of a frame of one camera; ``eyes``: also as fused image."""
        stamp = lone.message.header.stamp
        # In the other camera's geometry it is the other camera's frame, at its own time.
        header = self._types.make("std_msgs/msg/Header", stamp=stamp, frame_id=self._seen[frame.reference].frame_id)
        if eyes:
            yield self._image("fused", frame.image, header)
        if frame.detector_image is not None:
            yield self._image("detector", frame.detector_image, header)
        yield from self._info(frame, header)
        none = self._types.make("builtin_interfaces/msg/Time", sec=0, nanosec=0)
        yield self._weights(
            header,
            None,
            sources=self._types.constant(CHANNEL_WEIGHTS, f"SOURCE_{lone.camera.upper()}"),
            thermal_stamp=stamp if lone.camera == "thermal" else none,
            rgb_stamp=stamp if lone.camera == "rgb" else none,
            skew=0.0,
        )

    def _weights(self, header: Any, frame: FusedFrame | None, **fields: Any) -> Made:
        """Without a fused frame all lists are empty."""
        nothing = np.empty(0, np.float32)
        lists = {
            "infrared_weight": frame.weights[0] if frame else nothing,
            "visible_weight": frame.weights[1] if frame else nothing,
            "infrared_activation": frame.infrared_activation if frame else nothing,
            "visible_activation": frame.visible_activation if frame else nothing,
            "infrared_share": frame.infrared_share if frame else nothing,
        }
        message = self._types.make(
            CHANNEL_WEIGHTS,
            header=header,
            model_name=self._engine.model_name,
            model_hash=self._engine.model_hash,
            gain=frame.gain if frame else 0.0,
            latency=0.0,
            inference_time=0.0,
            **{name: np.ascontiguousarray(value, np.float32) for name, value in lists.items()},
            **fields,
        )
        return Made("weights", self._types.encode(message, CHANNEL_WEIGHTS))

    def _image(self, name: str, image: NDArray[np.uint8], header: Any) -> Made:
        picture: NDArray[np.uint8] = np.ascontiguousarray(image)
        height, width = picture.shape[:2]
        message = self._types.make(
            IMAGE,
            header=header,
            height=height,
            width=width,
            encoding="rgb8" if picture.ndim == 3 else "mono8",
            is_bigendian=0 if np.little_endian else 1,
            step=picture[0].size,
            data=picture.ravel(),
        )
        return Made(name, self._types.encode(message, IMAGE))

    def _info(self, frame: FusedFrame | DetectorFrame | PassedFrame, header: Any) -> Iterator[Made]:
        height, width = frame.image.shape[:2]
        info = self._infos[frame.reference].of(header.stamp)
        if info is None:
            return
        size = self._seen[frame.reference].size
        if picture_size(info) != size:
            text = (
                f"{frame.reference} camera_info is for {info.width} x {info.height} and the image has "
                f"{size[1]} x {size[0]}: not passed on"
            )
            self.without_info[text] = self.without_info.get(text, 0) + 1
            return
        result = fused_info(info, header, (height, width), undistorted=frame.undistorted)
        for name in _ARRAYS:
            setattr(result, name, np.asarray(getattr(result, name), np.float64))
        yield Made("info", self._types.encode(result, CAMERA_INFO))
