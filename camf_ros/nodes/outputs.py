"""What the node publishes for a pair or a lone frame: images, camera_info and channel weights, under one header."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from camf_ros.detector_picture import DetectorFrame, Wanted
from camf_ros.engines.engine import Engine
from camf_ros.fused_frame import FusedFrame, PassedFrame
from camf_ros.msg import ChannelWeights
from camf_ros.nodes import topics
from camf_ros.nodes.camera_infos import CameraInfos, fused_info, picture_size
from camf_ros.nodes.compressed_messages import compressed_message
from camf_ros.nodes.image_messages import float_array, image_message
from camf_ros.nodes.pairing import ImagePair, LoneFrame
from camf_ros.nodes.qos import publish
from camf_ros.settings.fusion_settings import CompressedSettings

_SOURCES = {topics.THERMAL: ChannelWeights.SOURCE_THERMAL, topics.RGB: ChannelWeights.SOURCE_RGB}


class _Seen(NamedTuple):
    """What is known of a camera from its last frame."""

    frame_id: str
    size: tuple[int, int]


class _ImageTopic:
    """An image topic, raw and compressed."""

    def __init__(self, node: Node, topic: str) -> None:
        self._node = node
        self._raw = publish(node, Image, topic)
        self._compressed = publish(node, CompressedImage, topics.compressed(node, topic))

    def close(self) -> None:
        for publisher in (self._raw, self._compressed):
            self._node.destroy_publisher(publisher)

    @property
    def wanted(self) -> bool:
        """Whether somebody subscribes to it."""
        return any(publisher.get_subscription_count() for publisher in (self._raw, self._compressed))

    def publish(self, image: NDArray[np.uint8], header: Header, settings: CompressedSettings) -> None:
        encoding = "rgb8" if image.ndim == 3 else "mono8"
        self._raw.publish(image_message(image, encoding, header))
        if self._compressed.get_subscription_count():
            self._compressed.publish(
                compressed_message(image, encoding, header, format=settings.format, quality=settings.jpeg_quality)
            )


class Outputs:
    """Publishes results. Used from one thread."""

    def __init__(
        self, node: Node, settings: CompressedSettings, infos: CameraInfos, complain: Callable[[str, str], None]
    ) -> None:
        """Create the publishers.

        Args:
            node: Whose.
            settings: Of the compressed images.
            infos: Where camera_info comes from.
            complain: Called with a cause and a sentence where something cannot be published.
        """
        self._node, self._settings, self._infos, self._complain = node, settings, infos, complain
        self._seen: dict[str, _Seen] = {}
        self._image = _ImageTopic(node, topics.FUSED_IMAGE)
        self._detector = _ImageTopic(node, topics.DETECTOR_IMAGE)
        self._info = publish(node, CameraInfo, topics.FUSED_INFO)
        self._weights = publish(node, ChannelWeights, topics.CHANNEL_WEIGHTS)

    def close(self) -> None:
        """Destroy the publishers."""
        self._image.close()
        self._detector.close()
        for publisher in (self._info, self._weights):
            self._node.destroy_publisher(publisher)

    @property
    def wanted(self) -> Wanted:
        """The detector image while somebody subscribes to it, and the fused image unless that one alone is."""
        detector = self._detector.wanted
        return Wanted(not detector or self._image.wanted, detector)

    def configure(self, settings: CompressedSettings) -> None:
        """Use other settings from the next image on; from any thread."""
        self._settings = settings

    def saw(self, camera: str, header: Header, size: tuple[int, int]) -> None:
        """Take note of a camera's frame, before anything is made of it: its header, and its (height, width)."""
        self._seen[camera] = _Seen(header.frame_id, size)

    def fused(self, pair: ImagePair, frame: FusedFrame, engine: Engine) -> float:
        """Publish a fused frame; returns its latency, seconds."""
        header = header_of(pair, frame.reference)
        self._image.publish(frame.image, header, self._settings)
        self._publish_info(frame, header)
        latency = time.monotonic() - pair.arrived
        self._publish_pair_weights(
            pair,
            engine,
            header,
            latency,
            frame.inference_time,
            gain=frame.gain,
            infrared_weight=float_array(frame.weights[0]),
            visible_weight=float_array(frame.weights[1]),
            infrared_activation=float_array(frame.infrared_activation),
            visible_activation=float_array(frame.visible_activation),
            infrared_share=float_array(frame.infrared_share),
        )
        return latency

    def detector(self, pair: ImagePair, frame: DetectorFrame, engine: Engine, *, alone: bool) -> float:
        """Publish the detector image of a pair; returns its latency, seconds.

        Args:
            pair: The pair.
            frame: Its picture.
            engine: That made it.
            alone: Whether it is the only picture of the pair. If not, the fused one has brought what belongs to both.
        """
        header = header_of(pair, frame.reference)
        self._detector.publish(frame.image, header, self._settings)
        if alone:
            self._publish_info(frame, header)
        latency = time.monotonic() - pair.arrived
        if alone:
            self._publish_pair_weights(pair, engine, header, latency, frame.inference_time)
        return latency

    def passed(self, lone: LoneFrame, frame: PassedFrame, engine: Engine) -> float:
        """Publish a frame of one camera; returns its latency, seconds."""
        stamp = lone.message.header.stamp
        # In the other camera's geometry it is the other camera's frame, at its own time.
        header = Header(stamp=stamp, frame_id=self._seen[frame.reference].frame_id)
        self._image.publish(frame.image, header, self._settings)
        if frame.detector_image is not None:
            self._detector.publish(frame.detector_image, header, self._settings)
        self._publish_info(frame, header)
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

    def _publish_pair_weights(
        self,
        pair: ImagePair,
        engine: Engine,
        header: Header,
        latency: float,
        inference_time: float,
        **channels: Any,
    ) -> None:
        """What belongs to a pair; ``channels`` are the fields of a fused frame, and left out where none was made."""
        self._weights.publish(
            ChannelWeights(
                header=header,
                model_name=engine.model_name,
                model_hash=engine.model_hash,
                sources=ChannelWeights.SOURCE_BOTH,
                thermal_stamp=pair.thermal.header.stamp,
                rgb_stamp=pair.rgb.header.stamp,
                skew=pair.skew,
                latency=latency,
                inference_time=inference_time,
                **channels,
            )
        )

    def _publish_info(self, frame: FusedFrame | DetectorFrame | PassedFrame, header: Header) -> None:
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


def header_of(pair: ImagePair, reference: str) -> Header:
    """Header of all results of a pair: that of the reference camera's frame."""
    header: Header = {topics.THERMAL: pair.thermal, topics.RGB: pair.rgb}[reference].header
    return header
