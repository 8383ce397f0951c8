"""Small recordings, made by the library that reads them, and what is in one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from camf_ros.bag.reader import BagError

START = 1_700_000_000_000_000_000
MS = 1_000_000
THERMAL, RGB = "/thermal/image_raw", "/rgb/image_raw"
FUSED, INFO, WEIGHTS = "/fused/image", "/fused/camera_info", "/fusion/channel_weights"
DETECTOR = "/fused/detector_image"
ROOT = Path(__file__).resolve().parents[1]

STORE = get_typestore(Stores.ROS2_JAZZY)
STORE.register(get_types_from_msg((ROOT / "msg" / "ChannelWeights.msg").read_text(), "camf_ros/msg/ChannelWeights"))
OWN = "acme_msgs/msg/Own"
STORE.register(get_types_from_msg("uint8 value\n", OWN))


class Message(NamedTuple):
    """A message of a recording; times in nanoseconds."""

    topic: str
    kind: str
    received: int
    content: Any


def make(kind: str, **fields: Any) -> Any:
    return STORE.types[kind](**fields)


def header(stamp: int, frame: str = "camera") -> Any:
    sec, nanosec = divmod(stamp, 1_000_000_000)
    return make(
        "std_msgs/msg/Header", stamp=make("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec), frame_id=frame
    )


def image(topic: str, picture: NDArray[Any], stamp: int, received: int | None = None, frame: str = "") -> Message:
    """An image message: grey of 8 or 16 bits, or red, green, blue."""
    encoding = "rgb8" if picture.ndim == 3 else {1: "mono8", 2: "mono16"}[picture.dtype.itemsize]
    content = make(
        "sensor_msgs/msg/Image",
        header=header(stamp, frame or topic.split("/")[1]),
        height=picture.shape[0],
        width=picture.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=picture[0].nbytes,
        data=np.frombuffer(picture.tobytes(), np.uint8),
    )
    return Message(topic, "sensor_msgs/msg/Image", stamp if received is None else received, content)


def info(topic: str, stamp: int, size: tuple[int, int], focal: float = 50.0, frame: str = "") -> Message:
    """camera_info for pictures of (width, height)."""
    width, height = size
    k = np.array([focal, 0, width / 2, 0, focal, height / 2, 0, 0, 1], np.float64)
    p = np.insert(k.reshape(3, 3), 3, 0, axis=1).ravel()
    roi = make("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    content = make(
        "sensor_msgs/msg/CameraInfo",
        header=header(stamp, frame or topic.split("/")[1]),
        height=height,
        width=width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=k,
        r=np.eye(3).ravel(),
        p=p,
        binning_x=0,
        binning_y=0,
        roi=roi,
    )
    return Message(topic, "sensor_msgs/msg/CameraInfo", stamp, content)


def transforms(topic: str, received: int, *links: tuple[str, str, tuple[float, float, float]]) -> Message:
    """TFMessage of (parent, child, translation)."""
    made = [
        make(
            "geometry_msgs/msg/TransformStamped",
            header=header(received, parent),
            child_frame_id=child,
            transform=make(
                "geometry_msgs/msg/Transform",
                translation=make("geometry_msgs/msg/Vector3", x=x, y=y, z=z),
                rotation=make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
            ),
        )
        for parent, child, (x, y, z) in links
    ]
    return Message(topic, "tf2_msgs/msg/TFMessage", received, make("tf2_msgs/msg/TFMessage", transforms=made))


def text(topic: str, received: int, words: str) -> Message:
    return Message(topic, "std_msgs/msg/String", received, make("std_msgs/msg/String", data=words))


def scene(seed: int, rgb_size: tuple[int, int] = (64, 48), thermal_size: tuple[int, int] = (40, 32)) -> tuple[Any, Any]:
    """Thermal counts and RGB of random structure."""
    rng = np.random.default_rng(seed)
    thermal = rng.integers(7000, 9000, thermal_size[::-1], dtype=np.uint16)
    return thermal, rng.integers(0, 256, (*rgb_size[::-1], 3), dtype=np.uint8)


def street(count: int, *, skew: int = 4 * MS, step: int = 100 * MS, latency: int = 7 * MS) -> list[Message]:
    """Pairs of both cameras, and a topic that has nothing to do with them."""
    found = [text("/chatter", START, "begin")]
    for number in range(count):
        thermal, rgb = scene(number)
        stamp = START + number * step
        found.append(image(RGB, rgb, stamp, stamp + latency))
        found.append(image(THERMAL, thermal + np.uint16(50 * number), stamp + skew, stamp + skew + latency))
    return found


def write(
    path: Path,
    messages: Iterable[Message | tuple[Message, bytes]],
    storage: str = "mcap",
    *,
    empty: Iterable[tuple[str, str]] = (),
    version: int = 9,
) -> Path:
    """A recording; ``(message, bytes)`` writes these bytes in place of the message's."""
    with Writer(path, version=version, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        connections = {topic: writer.add_connection(topic, kind, typestore=STORE) for topic, kind in empty}
        for each in messages:
            message, data = each if type(each) is tuple else (each, None)
            if message.topic not in connections:
                connections[message.topic] = writer.add_connection(message.topic, message.kind, typestore=STORE)
            encoded = STORE.serialize_cdr(message.content, message.kind) if data is None else data
            writer.write(connections[message.topic], message.received, encoded)
    return path


def raw(path: Path) -> list[tuple[str, int, bytes]]:
    """(topic, receive time, bytes) of all messages in their order."""
    with Reader(path) as reader:
        return [(connection.topic, time, bytes(data)) for connection, time, data in reader.messages()]


def read(path: Path, topic: str) -> list[tuple[int, Any]]:
    """(receive time, message) of a topic."""
    with Reader(path) as reader:
        connections = [each for each in reader.connections if each.topic == topic]
        if not connections:
            return []
        return [
            (time, STORE.deserialize_cdr(data, connection.msgtype))
            for connection, time, data in reader.messages(connections)
        ]


def topics(path: Path) -> dict[str, str]:
    with Reader(path) as reader:
        return {connection.topic: connection.msgtype for connection in reader.connections}


def pixels(message: Any) -> NDArray[np.uint8]:
    channels = 3 if message.encoding == "rgb8" else 1
    array = np.asarray(message.data).reshape(message.height, message.width, channels)
    return array if channels == 3 else array[:, :, 0]


def refused(fuse: Any, source: Path, output: Path, **options: Any) -> str:
    """Why a recording is not fused; nothing is left of the attempt."""
    left = set(output.parent.iterdir())
    with pytest.raises(BagError) as error:
        fuse(source, output, **options)
    assert set(output.parent.iterdir()) == left
    return str(error.value)
