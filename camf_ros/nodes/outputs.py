"""What the node publishes for a pair or a lone frame: image, camera_info and channel weights, under one header."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from builtin_interfaces.msg import Time
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from camf_ros.engines.engine import Engine
from camf_ros.msg import ChannelWeights
from camf_ros.nodes import topics
from camf_ros.nodes.camera_infos import CameraInfos, fused_info, picture_size
from camf_ros.nodes.compressed_messages import compressed_message
from camf_ros.nodes.image_messages import float_array, image_message
from camf_ros.nodes.pairing import ImagePair, LoneFrame
from camf_ros.nodes.qos import publish
from camf_ros.pipeline import FusedFrame, PassedFrame
from camf_ros.settings.fusion import CompressedSettings

_SOURCES = {topics.THERMAL: ChannelWeights.SOURCE_THERMAL, topics.RGB: ChannelWeights.SOURCE_RGB}


class _Seen(NamedTuple):
    """What is known of a camera from its last frame."""

    frame_id: str
    size: tuple[int, int]


class Outputs:
    """Publishes results. Used from one thread."""

    def __init__(
        self, node: Node, settings: CompressedSettings, infos: CameraInfos, complain: Callable[[str, str], None]
    ) -> None:
        """Create the publishers.

        Args:
            node: Whose.
            settings: Of the compressed image.
            infos: Where camera_info comes from.
            complain: Called with a cause and a sentence where something cannot be published.
        """
        self._node, self._settings, self._infos, self._complain = node, settings, infos, complain
        self._seen: dict[str, _Seen] = {}
        self._image = publish(node, Image, topics.FUSED_IMAGE)
        self._compressed = publish(node, CompressedImage, topics.compressed(node, topics.FUSED_IMAGE))
        self._info = publish(node, CameraInfo, topics.FUSED_INFO)
        self._weights = publish(node, ChannelWeights, topics.CHANNEL_WEIGHTS)

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in (self._image, self._compressed, self._info, self._weights):
            self._node.destroy_publisher(publisher)

    def configure(self, settings: CompressedSettings) -> None:
        """Use other settings from the next image on; from any thread."""
        self._settings = settings

    def saw(self, camera: str, header: Header, size: tuple[int, int]) -> None:
        """Take note of a camera's frame, before anything is made of it: its header, and its (height, width)."""
        self._seen[camera] = _Seen(header.frame_id, size)

    def fused(self, pair: ImagePair, frame: FusedFrame, engine: Engine) -> float:
        """Publish a fused frame; returns its latency, seconds."""
        messages = {topics.THERMAL: pair.thermal, topics.RGB: pair.rgb}
        header = messages[frame.reference].header
        self._publish_image(frame, header)
        latency = time.monotonic() - pair.arrived
        self._weights.publish(
            ChannelWeights(
                header=header,
                model_name=engine.model_name,
                model_hash=engine.model_hash,
                sources=ChannelWeights.SOURCE_BOTH,
                gain=frame.gain,
                infrared_weight=float_array(frame.weights[0]),
                visible_weight=float_array(frame.weights[1]),
                infrared_activation=float_array(frame.infrared_activation),
                visible_activation=float_array(frame.visible_activation),
                infrared_share=float_array(frame.infrared_share),
                thermal_stamp=pair.thermal.header.stamp,
                rgb_stamp=pair.rgb.header.stamp,
                skew=pair.skew,
                latency=latency,
                inference_time=frame.inference_time,
            )
        )
        return latency

    def passed(self, lone: LoneFrame, frame: PassedFrame, engine: Engine) -> float:
        """Publish a frame of one camera; returns its latency, seconds."""
        stamp = lone.message.header.stamp
        # In the other camera's geometry it is the other camera's frame, at its own time.
        header = Header(stamp=stamp, frame_id=self._seen[frame.reference].frame_id)
        self._publish_image(frame, header)
        latency = time.monotonic() - lone.arrived
        self._weights.publish(
            ChannelWeights(
                header=header,
                model_name=engine.model_name,
                model_hash=engine.model_hash,
                sources=_SOURCES[lone.camera],
                thermal_stamp=stamp if lone.camera == topics.THERMAL else Time(),
                rgb_stamp=stamp if lone.camera == topics.RGB else Time(),
                latency=latency,
            )
        )
        return latency

    def _publish_image(self, frame: FusedFrame | PassedFrame, header: Header) -> None:
        encoding = "rgb8" if frame.image.ndim == 3 else "mono8"
        self._image.publish(image_message(frame.image, encoding, header))
        if self._compressed.get_subscription_count():
            settings = self._settings
            self._compressed.publish(
                compressed_message(frame.image, encoding, header, format=settings.format, quality=settings.jpeg_quality)
            )
        info = self._infos.of(frame.reference, header.stamp)
        if info is None:
            return
        height, width = self._seen[frame.reference].size
        if picture_size(info) == (height, width):
            size = frame.image.shape[0], frame.image.shape[1]
            self._info.publish(fused_info(info, header, size, undistorted=frame.undistorted))
        else:
            self._complain(
                "camera_info",
                f"{frame.reference} camera_info is for {info.width} x {info.height} and the image has "
                f"{width} x {height}: not passed on",
            )
