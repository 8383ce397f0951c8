"""Arrays to messages at the price of one copy, publishers, and what the fusion node publishes with them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from camf_ros import outputs
from camf_ros.detector_picture import Wanted
from camf_ros.imaging.camera_messages import Image as Picture
from camf_ros.imaging.camera_messages import encoding_of, image_fields
from camf_ros.imaging.compressed_image import JPEG_QUALITY, encode, layout_of
from camf_ros.msg import ChannelWeights, TemperatureBox, Temperatures, TemperatureSpot
from camf_ros.nodes import topics
from camf_ros.nodes.running import ThrottledLog
from camf_ros.nodes.statistics import Statistics
from camf_ros.outputs import Work
from camf_ros.settings.fusion_settings import CompressedSettings, FusionSettings

#: Publishers: reliable serves both kinds of subscriptions (RViz asks for reliable); a short queue, because an old
#: picture is worth nothing.
OUTPUT = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=2)

# More has no use, and the middleware says of it, and of less than 0, nothing that helps.
_DEEPEST = 10000
_POLICIES = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)
_KINDS = {
    outputs.HEADER: Header,
    outputs.TIME: Time,
    outputs.CHANNEL_WEIGHTS: ChannelWeights,
    outputs.SPOT: TemperatureSpot,
    outputs.BOX: TemperatureBox,
    outputs.TEMPERATURES: Temperatures,
}
# Compressed as well: what is for people and detectors. JPEG would spoil values.
_COMPRESSED = {
    outputs.FUSED: topics.FUSED_IMAGE,
    outputs.DETECTOR: topics.DETECTOR_IMAGE,
    outputs.COLOUR: topics.THERMAL_COLOUR,
    outputs.ISOTHERM: topics.ISOTHERM,
}
_RAW = {
    outputs.REGISTERED: topics.REGISTERED_IMAGE,
    outputs.REGISTERED_GREY: topics.REGISTERED_GREY,
    outputs.MASK: topics.FUSED_MASK,
}


def overridable(profile: QoSProfile) -> dict[str, Any]:
    """Options of a publisher or subscription with this profile, over which the user's ``qos_overrides`` go."""
    # They are written into the profile that is handed over.
    own = QoSProfile(reliability=profile.reliability, history=profile.history, depth=profile.depth)
    return {"qos_profile": own, "qos_overriding_options": QoSOverridingOptions(_POLICIES, callback=_checked)}


def _checked(profile: QoSProfile) -> SetParametersResult:
    return SetParametersResult(successful=0 <= profile.depth <= _DEEPEST, reason=f"depth is {profile.depth}")


def publish(node: Node, kind: type[Any], topic: str) -> Any:
    """A publisher of results."""
    return node.create_publisher(kind, topic, **overridable(OUTPUT))


def image_message(image: NDArray[Any], encoding: str, header: Header) -> Image:
    """Message of an array; see :func:`camf_ros.imaging.camera_messages.image_fields`."""
    fields = image_fields(image, encoding)
    return Image(header=header, **{**fields, "data": byte_array(fields["data"])})


def compressed_message(
    image: NDArray[np.uint8], encoding: str, header: Header, *, format: str = "jpeg", quality: int = JPEG_QUALITY
) -> CompressedImage:
    """Message of an ``rgb8`` or ``mono8`` array as compressed_image_transport writes it, in ``jpeg`` or ``png``.

    ``quality`` is that of JPEG, 1 to 100. Raises ImageError if the image is larger than the format allows.
    """
    data = byte_array(encode(image, format, quality))
    return CompressedImage(header=header, format=layout_of(encoding, format), data=data)


def byte_array(image: NDArray[np.generic]) -> array[int]:
    """Bytes in the one type that messages take without looking at every element, whatever their checks are set to."""
    data = array("B")
    data.frombytes(np.ascontiguousarray(image).data.cast("B"))
    return data


def float_array(values: NDArray[np.float32] | Sequence[float]) -> array[float]:
    """The same for a float32[] field."""
    data = array("f")
    data.frombytes(np.ascontiguousarray(values, dtype=np.float32).data.cast("B"))
    return data


class _ImageTopic:
    """An image topic, raw and, where it is for people or detectors, compressed."""

    def __init__(self, node: Node, topic: str, *, compressed: bool) -> None:
        self.publishers = [publish(node, Image, topic)]
        if compressed:
            self.publishers.append(publish(node, CompressedImage, topics.compressed(node, topic)))

    @property
    def wanted(self) -> bool:
        """Whether somebody subscribes to it."""
        return any(publisher.get_subscription_count() for publisher in self.publishers)

    def publish(self, image: Picture, header: Header, settings: CompressedSettings) -> None:
        raw, *compressed = self.publishers
        encoding = encoding_of(image)
        raw.publish(image_message(image, encoding, header))
        for publisher in compressed:
            if publisher.get_subscription_count():
                picture = np.asarray(image, np.uint8)
                publisher.publish(
                    compressed_message(picture, encoding, header, format=settings.format, quality=settings.jpeg_quality)
                )


class Publishers:
    """Publishes and counts results; see :class:`camf_ros.outputs.Outputs`. Used from one thread."""

    def __init__(self, node: Node, settings: FusionSettings, statistics: Statistics, log: ThrottledLog) -> None:
        self._node, self._statistics, self._log = node, statistics, log
        self._settings = settings.compressed
        self._pictures = {name: _ImageTopic(node, topic, compressed=True) for name, topic in _COMPRESSED.items()}
        self._pictures |= {name: _ImageTopic(node, topic, compressed=False) for name, topic in _RAW.items()}
        self._temperatures = publish(node, Temperatures, topics.TEMPERATURES)
        self._registered_info = publish(node, CameraInfo, topics.REGISTERED_INFO)
        self._info = publish(node, CameraInfo, topics.FUSED_INFO)
        self._weights = publish(node, ChannelWeights, topics.CHANNEL_WEIGHTS)
        self._made: Wanted | None = None

    def close(self) -> None:
        """Destroy the publishers."""
        images = [publisher for picture in self._pictures.values() for publisher in picture.publishers]
        for publisher in (*images, self._info, self._registered_info, self._weights, self._temperatures):
            self._node.destroy_publisher(publisher)

    def configure(self, settings: FusionSettings) -> None:
        """Use other settings from the next image on; from any thread."""
        self._settings = settings.compressed

    @property
    def wanted(self) -> Wanted:
        """What somebody subscribes to, and the fused image unless the detector image is wanted and that is not."""
        names = {name for name, picture in self._pictures.items() if picture.wanted}
        if self._temperatures.get_subscription_count():
            names.add(outputs.MEASURED)
        detector = outputs.DETECTOR in names
        return Wanted(
            not detector or outputs.FUSED in names, detector, frozenset(names - {outputs.FUSED, outputs.DETECTOR})
        )

    def make(self, kind: str, **fields: Any) -> Any:
        """See :meth:`camf_ros.outputs.Outputs.make`."""
        values = {name: float_array(each) if isinstance(each, np.ndarray) else each for name, each in fields.items()}
        return _KINDS[kind](**values)

    def constant(self, kind: str, name: str) -> int:
        """See :meth:`camf_ros.outputs.Outputs.constant`."""
        return int(getattr(_KINDS[kind], name))

    def picture(self, name: str, image: Picture, header: Header) -> None:
        """Publish it, compressed where somebody subscribes to that."""
        self._pictures[name].publish(image, header, self._settings)

    def camera_info(self, message: CameraInfo) -> None:
        """Publish it."""
        self._info.publish(message)
        if self._registered_info.get_subscription_count():
            self._registered_info.publish(message)

    def weights(self, message: ChannelWeights) -> None:
        """Publish them."""
        self._weights.publish(message)

    def temperatures(self, message: Temperatures) -> None:
        """Publish them."""
        self._temperatures.publish(message)

    def complain(self, cause: str, text: str) -> None:
        """Log it."""
        self._log.error(cause, text)

    def fused(self, work: Work) -> None:
        """Count it."""
        self._statistics.fused(work.latency, work.inference)
        if work.wanted != self._made:
            self._made = work.wanted  # from now on a frame takes another time
            self._statistics.forget_work()
        self._statistics.worked(work.frame, work.pipeline)

    def passed(self, camera: str, latency: float) -> None:
        """Count it."""
        self._statistics.passed(camera, latency)
