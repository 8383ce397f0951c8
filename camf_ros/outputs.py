"""Where results of the fusion go: the publishers of a node, or a recording."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from camf_ros.detector_picture import Wanted
from camf_ros.imaging.camera_messages import Image

#: Types of the messages that are made.
HEADER, TIME, CHANNEL_WEIGHTS = "std_msgs/msg/Header", "builtin_interfaces/msg/Time", "camf_ros/msg/ChannelWeights"
SPOT, BOX = "camf_ros/msg/TemperatureSpot", "camf_ros/msg/TemperatureBox"
TEMPERATURES = "camf_ros/msg/Temperatures"
#: Names of the pictures, as :meth:`Outputs.picture` gets them.
FUSED, DETECTOR = "fused", "detector"
REGISTERED, REGISTERED_GREY, MASK = "registered", "mono8", "mask"
COLOUR, ISOTHERM = "colour", "isotherm"
#: Name of what :meth:`Outputs.temperatures` gets.
MEASURED = "temperatures"
#: Name of the camera_info of the registered pictures.
REGISTERED_INFO = "registered info"
#: What :attr:`camf_ros.detector_picture.Wanted.others` may have.
OTHERS = (REGISTERED, REGISTERED_GREY, MASK, COLOUR, ISOTHERM, MEASURED)


class Work(NamedTuple):
    """What a fused pair took.

    Attributes:
        wanted: Which pictures were made.
        latency: Arrival of the later frame to publishing the last picture, seconds.
        inference: Time in the engine, for all pictures, seconds.
        frame: Decoding to publishing, seconds.
        pipeline: The part of it in the pipeline, seconds.
    """

    wanted: Wanted
    latency: float
    inference: float
    frame: float
    pipeline: float


class Outputs(Protocol):
    """Where results go: the publishers of a node, or a recording."""

    @property
    def wanted(self) -> Wanted:
        """Which pictures of the next pair are to be made."""
        ...

    def make(self, kind: str, **fields: Any) -> Any:
        """A message of a type; sequences of numbers are float32 arrays, and every field is given."""

    def constant(self, kind: str, name: str) -> int:
        """A constant of a message's type."""
        ...

    def picture(self, name: str, image: Image, header: Any) -> None:
        """A picture by its name: (H, W, 3) red, green, blue, or (H, W) grey, counts or float values."""

    def camera_info(self, message: Any) -> None:
        """Of the picture before it."""

    def weights(self, message: Any) -> None:
        """Channel weights of the picture before them."""

    def temperatures(self, message: Any) -> None:
        """Of a thermal frame, where they are wanted."""

    def complain(self, cause: str, text: str) -> None:
        """Something cannot be published."""

    def fused(self, work: Work) -> None:
        """A pair is done."""

    def passed(self, camera: str, latency: float) -> None:
        """A frame was published alone, so many seconds after its arrival."""
