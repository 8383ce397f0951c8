"""Which topics of a recording are which: what is read, and under which names results are written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rosbags.interfaces import Connection

from camf_ros.bag.reader import BagError, BagReader
from camf_ros.bag.types import CAMERA_INFO, CHANNEL_WEIGHTS, COMPRESSED_IMAGE, IMAGE, TRANSFORMS
from camf_ros.detector_picture import Wanted
from camf_ros.nodes import topics
from camf_ros.settings.fusion_settings import FusionSettings

#: Names where nobody says otherwise: those of a fusion node without a namespace.
THERMAL, RGB, FUSED, DETECTOR, WEIGHTS = (
    f"/{topics.THERMAL_IMAGE}",
    f"/{topics.RGB_IMAGE}",
    f"/{topics.FUSED_IMAGE}",
    f"/{topics.DETECTOR_IMAGE}",
    topics.CHANNEL_WEIGHTS.replace("~", "/fusion"),
)
TF, TF_STATIC = "/tf", "/tf_static"

_SUFFIX = "/compressed"
_TYPES = {"raw": IMAGE, "compressed": COMPRESSED_IMAGE}


@dataclass(frozen=True)
class BagTopics:
    """Names of all topics.

    Attributes:
        thermal: Thermal images, as the raw topic is called.
        rgb: RGB images, likewise.
        fused: Fused images.
        detector: Detector images.
        weights: Channel weights.
        thermal_info: Their camera_info; beside the images when empty.
        rgb_info: Likewise.
    """

    thermal: str = THERMAL
    rgb: str = RGB
    fused: str = FUSED
    detector: str = DETECTOR
    weights: str = WEIGHTS
    thermal_info: str = ""
    rgb_info: str = ""

    def outputs(self, wanted: Wanted) -> dict[str, tuple[str, str]]:
        """Topic and type of what is written, by what it is: an attribute of this class, or ``info``."""
        pictures = {"fused": self.fused} if wanted.eyes else {}
        pictures |= {"detector": self.detector} if wanted.detector else {}
        return {name: (topic, IMAGE) for name, topic in pictures.items()} | {
            "info": (_beside(self.fused), CAMERA_INFO),
            "weights": (self.weights, CHANNEL_WEIGHTS),
        }

    def inputs(self, bag: BagReader, settings: FusionSettings) -> dict[str, str]:
        """What each topic that is read is for: ``thermal``, ``rgb``, ``thermal info``, ``rgb info``, or ``tf``.

        Raises:
            BagError: If the images are not there, or are something else.
        """
        transports = settings.input_transport
        found = {
            _image_topic(bag, "thermal", self.thermal, transports.thermal): "thermal",
            _image_topic(bag, "rgb", self.rgb, transports.rgb): "rgb",
        }
        if len(found) == 1:
            raise BagError(f"both cameras are {self.thermal}", expected="two topics", remedy=_options(bag))
        empty = [topic for topic in found if not any(each.msgcount for each in bag.on(topic))]
        if len(empty) == len(found):
            raise BagError(f"{' and '.join(empty)} have no messages in {bag.path}", remedy=_options(bag))
        for camera, image, name in (
            ("thermal", self.thermal, self.thermal_info),
            ("rgb", self.rgb, self.rgb_info),
        ):
            topic = name or _beside(image)
            if name and not _of_type(bag.on(topic), CAMERA_INFO):
                raise BagError(f"no camera_info on {topic} in {bag.path}", remedy="check the option's name")
            if _of_type(bag.on(topic), CAMERA_INFO):
                found[topic] = f"{camera} info"
        for topic in (TF, TF_STATIC):
            if _of_type(bag.on(topic), TRANSFORMS):
                found[topic] = "tf"
        return found

    def check_free(self, bag: BagReader, wanted: Wanted) -> None:
        """Refuse a recording that has the topics already that are to be written.

        Raises:
            BagError: If it has.
        """
        taken = [topic for topic, _ in self.outputs(wanted).values() if bag.on(topic)]
        if taken:
            raise BagError(
                f"{bag.path} has {', '.join(taken)} already",
                remedy="name others (--fused-topic, --detector-topic, --weights-topic), or leave the originals out "
                "(--fused-only)",
            )


def _image_topic(bag: BagReader, camera: str, topic: str, transport: str) -> str:
    """The topic on which a camera's images are.

    Raises:
        BagError: If there is none.
    """
    raw = topic.removesuffix(_SUFFIX)
    names = {"raw": raw, "compressed": f"{raw}{_SUFFIX}"}
    wanted, other = names[transport], "compressed" if transport == "raw" else "raw"
    there = bag.on(wanted)
    if _of_type(there, _TYPES[transport]):
        return wanted
    remedy = _options(bag)
    if _of_type(bag.on(names[other]), _TYPES[other]):
        remedy = f"{names[other]} is there: say --set input_transport.{camera}={other}"
    what = f"{wanted} is {there[0].msgtype}" if there else f"{bag.path} has no topic {wanted}"
    raise BagError(what, expected=_TYPES[transport], remedy=remedy)


def _options(bag: BagReader) -> str:
    images = bag.images()
    if not images:
        return "there are no image topics in it"
    return f"name them with --thermal-topic and --rgb-topic; image topics are: {', '.join(images)}"


def _beside(image: str) -> str:
    """The camera_info that goes with an image topic, by the convention of image_transport."""
    return f"{image.removesuffix(_SUFFIX).rpartition('/')[0]}/camera_info"


def _of_type(connections: Iterable[Connection], kind: str) -> bool:
    return any(connection.msgtype == kind for connection in connections)
