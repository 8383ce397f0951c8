"""Registered thermal, mask and temperatures in recordings, where they are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from recordings import FUSED, INFO, ROOT, START, STORE, info, pixels, read, scene, street, topics, write
from rosbags.typesys import get_types_from_msg

from camf_ros.bag.player import Tally
from camf_ros.detector_picture import Wanted
from camf_ros.outputs import OTHERS

for name in ("TemperatureSpot", "TemperatureBox", "Temperatures"):
    STORE.register(get_types_from_msg((ROOT / "msg" / f"{name}.msg").read_text(), f"camf_ros/msg/{name}"))

REGISTERED, TEMPERATURES = "/thermal/registered/image", "/thermal/temperatures"
PICTURES = {
    REGISTERED: "16UC1",
    "/thermal/registered/mono8": "mono8",
    "/fused/mask": "mono8",
    "/thermal/colour": "rgb8",
    "/thermal/isotherm": "rgb8",
}
ALL = Wanted(others=frozenset(OTHERS))


def fused(tmp_path: Path, fuse: Any, wanted: Wanted, output: str) -> tuple[Tally, Path]:
    source = tmp_path / "in"
    if not source.exists():
        write(source, [info("/rgb/camera_info", START, (64, 48)), *street(3)])
    parameters = {
        "thermal.unit": "0.04_kelvin",
        "temperatures.spots": "here 3 4",
        "temperatures.boxes": "there 1 2 8 9",
    }
    return fuse(source, tmp_path / output, parameters, wanted=wanted), tmp_path / output


def test_they_are_written(tmp_path: Path, fuse: Any) -> None:
    tally, output = fused(tmp_path, fuse, ALL, "out")
    assert tally.fused == 3
    for topic, encoding in PICTURES.items():
        assert [message.encoding for _, message in read(output, topic)] == [encoding] * 3, topic
    infos = [message for _, message in read(output, INFO)]
    again = [message for _, message in read(output, "/thermal/registered/camera_info")]
    assert [each.header for each in again] == [each.header for each in infos]
    assert len(again) == 3
    for number, (_, message) in enumerate(read(output, TEMPERATURES)):
        thermal = scene(number)[0] + np.uint16(50 * number)
        row, column = np.unravel_index(thermal.argmax(), thermal.shape)
        hottest = message.image.hottest
        assert (hottest.x, hottest.y) == (column, row)
        assert abs(hottest.temperature - (thermal.max() * 0.04 - 273.15)) < 1e-3
        assert [spot.name for spot in message.spots] == ["here"]
        part = thermal[2:11, 1:9] * 0.04 - 273.15
        assert abs(message.boxes[0].mean - part.mean()) < 1e-3
    for _, message in read(output, REGISTERED):
        values = np.frombuffer(message.data, np.uint16).reshape(48, 64)
        assert message.header.frame_id == "rgb"
        assert 7000 <= values.min() <= values.max() < 9200


def test_they_are_not_written_where_nobody_asks_and_change_nothing(tmp_path: Path, fuse: Any) -> None:
    _, plain = fused(tmp_path, fuse, Wanted(), "plain")
    _, output = fused(tmp_path, fuse, ALL, "out")
    assert not {*PICTURES, TEMPERATURES} & set(topics(plain))
    for (_, one), (_, other) in zip(read(plain, FUSED), read(output, FUSED), strict=True):
        np.testing.assert_array_equal(pixels(one), pixels(other))
    _, mask = fused(tmp_path, fuse, Wanted(others=frozenset({"mask"})), "mask")
    assert set(topics(mask)) - set(topics(plain)) == {"/fused/mask"}
