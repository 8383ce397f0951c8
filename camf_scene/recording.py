"""A recording (rosbag2) of the drive, as a robot's two camera drivers would have made it.

    python3 -m camf_scene.recording DIR --seconds 60 --depth 32FC1

Thermal stamps are late: by DELAY, and by a jitter around it. Needs rosbags.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from .camera import Pinhole
from .drive import BASELINE, DELAY, StreetDrive

#: Time of the first picture, nanoseconds.
START = 1_700_000_000_000_000_000
TOPICS = {"rgb": "/rgb", "thermal": "/thermal", "depth": "/depth"}
_IMAGE, _INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"
_ENCODINGS = {(3, "uint8"): "rgb8", (2, "uint16"): "mono16", (2, "float32"): "32FC1"}
# The newest layout of metadata.yaml that every distribution from Humble on reads.
_VERSION = 8
# From the stamp to the recorder, seconds.
_TRANSPORT = 0.005


def record(
    path: Path,
    drive: StreetDrive,
    *,
    seconds: float,
    start: float = 0.0,
    rgb_rate: float = 15.0,
    thermal_rate: float = 9.0,
    jitter: float = 0.001,
    depth: str = "",
    seed: int = 1,
) -> None:
    """Write both cameras' images and camera_infos.

    Args:
        path: Folder to make, in MCAP.
        drive: What the cameras see.
        seconds: Length.
        start: Moment of the drive to begin with, seconds.
        rgb_rate: Frames a second.
        thermal_rate: Likewise.
        jitter: Standard deviation of the thermal stamps around their DELAY, seconds.
        depth: Encoding of the depth images, aligned to RGB and of its stamps: 16UC1 (millimetres, 0 for none) or 32FC1
            (metres, infinite in the sky); empty for none.
        seed: Of the jitter.
    """
    store = get_typestore(Stores.LATEST)
    rng = np.random.default_rng((seed, 23))
    fired = {"rgb": np.arange(round(seconds * rgb_rate)) / rgb_rate}
    fired["thermal"] = np.arange(round(seconds * thermal_rate)) / thermal_rate
    late = np.sort(fired["thermal"] + DELAY + jitter * rng.standard_normal(len(fired["thermal"])))
    stamps = {"rgb": fired["rgb"], "thermal": late}
    frames = [
        (stamp, moment, name)
        for name in stamps
        for stamp, moment in zip(stamps[name].tolist(), fired[name].tolist(), strict=True)
    ]
    with Writer(path, version=_VERSION, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {}
        for name, topic in TOPICS.items():
            if name != "depth" or depth:
                image = "image" if name == "depth" else "image_raw"
                connections[name] = (
                    writer.add_connection(f"{topic}/{image}", _IMAGE, typestore=store),
                    writer.add_connection(f"{topic}/camera_info", _INFO, typestore=store),
                )
        for stamp, moment, name in sorted(frames):
            pictures: dict[str, NDArray[Any]] = {}
            if name == "thermal":
                pictures[name] = drive.thermal(start + moment)
            else:
                pictures[name] = drive.rgb(start + moment)
                if depth:
                    pictures["depth"] = encoded_depth(drive.depth(start + moment), depth)
            camera = drive.camera(name)
            for each, picture in pictures.items():
                header = _header(store, stamp, f"{name}_optical_frame")
                received = START + round((stamp + _TRANSPORT) * 1e9)
                for connection, message in zip(
                    connections[each],
                    (_image(store, header, picture, depth), _info(store, header, camera)),
                    strict=True,
                ):
                    writer.write(connection, received, store.serialize_cdr(message, connection.msgtype))


def encoded_depth(metres: NDArray[np.float32], encoding: str) -> NDArray[Any]:
    """A depth image in an encoding of REP 118: 32FC1 metres, or 16UC1 millimetres with 0 for none and what is far."""
    if encoding == "32FC1":
        return metres
    millimetres = np.where(metres < 65.5, metres * 1000, 0)
    return np.asarray(np.rint(millimetres), np.uint16)


def _header(store: Any, stamp: float, frame: str) -> Any:
    sec, nanosec = divmod(START + round(stamp * 1e9), 1_000_000_000)
    time = store.types["builtin_interfaces/msg/Time"](sec=sec, nanosec=nanosec)
    return store.types["std_msgs/msg/Header"](stamp=time, frame_id=frame)


def _image(store: Any, header: Any, picture: NDArray[Any], depth: str) -> Any:
    encoding = _ENCODINGS[picture.ndim, picture.dtype.name]
    if depth == "16UC1" and header.frame_id == "rgb_optical_frame" and picture.ndim == 2:
        encoding = depth
    return store.types[_IMAGE](
        header=header,
        height=picture.shape[0],
        width=picture.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=picture[0].nbytes,
        data=np.frombuffer(picture.tobytes(), np.uint8),
    )


def _info(store: Any, header: Any, camera: Pinhole) -> Any:
    roi = store.types["sensor_msgs/msg/RegionOfInterest"](x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    return store.types[_INFO](
        header=header,
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=camera.matrix.ravel(),
        r=np.eye(3).ravel(),
        p=np.insert(camera.matrix, 3, 0, axis=1).ravel(),
        binning_x=0,
        binning_y=0,
        roi=roi,
    )


def main() -> None:
    """Write a recording and print what is true of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("path", type=Path, metavar="DIR", help="folder to make")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--baseline", type=float, default=BASELINE, help="between the cameras, metres")
    parser.add_argument("--depth", default="", choices=("", "16UC1", "32FC1"), help="write depth images too")
    options = parser.parse_args()
    drive = StreetDrive(options.seed, baseline=options.baseline)
    record(options.path, drive, seconds=options.seconds, depth=options.depth, seed=options.seed)
    print(f"extrinsics:  # X_rgb = R X_thermal + t\n  rotation: {drive.rotation.tolist()}")
    print(f"  translation: {drive.translation.tolist()}\nthermal stamps are late by: {DELAY} s")


if __name__ == "__main__":
    main()
