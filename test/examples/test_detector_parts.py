"""Spots and bearings of the example of a detector, without ROS."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camf_ros.examples.finders import BrightSpots, Finding, bearing, turn_to
from camf_ros.imaging.camera_model import Camera
from camf_ros.settings.demo_settings import DetectorSettings

K = (500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0)
LENSES = {
    "none": Camera(640, 480, K),
    "plumb_bob": Camera(640, 480, K, "plumb_bob", (-0.2, 0.05, 0.001, -0.001, 0.0)),
    "rational_polynomial": Camera(640, 480, K, "rational_polynomial", (0.1, 0.02, 0.0, 0.0, 0.0, 0.15, 0.01, 0.0)),
    "equidistant": Camera(640, 480, K, "equidistant", (0.02, -0.01, 0.002, 0.0)),
}


@pytest.mark.parametrize("lens", LENSES)
@given(x=st.floats(-0.6, 0.6), y=st.floats(-0.4, 0.4))
def test_a_bearing_is_the_way_back_from_the_pixel(lens: str, x: float, y: float) -> None:
    camera = LENSES[lens]
    points, d = np.array([[[x, y]]]), np.array(camera.coefficients or (0.0,) * 4)
    if lens == "equidistant":
        (((column, row),),) = cv2.fisheye.distortPoints(points, camera.k, d)
    else:
        rays = cv2.convertPointsToHomogeneous(points[0])
        (((column, row),),) = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), camera.k, d)[0]
    found = np.array(bearing(camera, float(column), float(row)))
    wanted = np.array([x, y, 1.0]) / np.linalg.norm([x, y, 1.0])
    assert np.linalg.norm(found) == pytest.approx(1.0)
    # OpenCV solves by iteration; a thousandth is a twentieth of a degree.
    np.testing.assert_allclose(found, wanted, atol=1e-3)


@given(x=st.floats(-5, 5), y=st.floats(-5, 5))
def test_the_rotation_turns_x_to_the_direction(x: float, y: float) -> None:
    direction = np.array([x, y, 1.0]) / np.linalg.norm([x, y, 1.0])
    qx, qy, qz, qw = turn_to((float(direction[0]), float(direction[1]), float(direction[2])))
    assert np.linalg.norm((qx, qy, qz, qw)) == pytest.approx(1.0)
    turned = (1 - 2 * (qy * qy + qz * qz), 2 * (qx * qy + qw * qz), 2 * (qx * qz - qw * qy))
    np.testing.assert_allclose(turned, direction, atol=1e-9)


@given(
    column=st.integers(40, 280),
    row=st.integers(40, 200),
    radius=st.integers(10, 30),
    level=st.integers(200, 255),
    colour=st.booleans(),
)
def test_a_bright_disc_is_found_where_it_is(column: int, row: int, radius: int, level: int, colour: bool) -> None:
    picture = np.full((240, 320), 50, np.uint8)
    cv2.circle(picture, (column, row), radius, level, -1)
    (spot,) = BrightSpots(DetectorSettings()).find(np.dstack([picture] * 3) if colour else picture)
    assert spot[:2] == pytest.approx((column, row), abs=1.0)
    assert (spot.width, spot.height) == pytest.approx((2 * radius, 2 * radius), abs=3.0)
    assert (spot.label, spot.score) == ("bright spot", 1.0)


def test_neither_darkness_nor_what_is_too_dim_or_too_small_is_a_spot() -> None:
    detector = BrightSpots(DetectorSettings(threshold=160.0, smallest=20.0))
    picture = np.full((240, 320), 50, np.uint8)
    assert detector.find(picture) == []
    for centre, radius, level in (((60, 60), 20, 150), ((200, 60), 6, 255), ((100, 160), 20, 0)):
        cv2.circle(picture, centre, radius, level, -1)
    assert detector.find(picture) == []
    cv2.circle(picture, (220, 160), 20, 230, -1)
    assert len(detector.find(picture)) == 1


def test_boxes_hold_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages with the fields of vision_msgs since Humble."""
    std_msgs = pytest.importorskip("std_msgs.msg", reason="needs ROS 2: run scripts/test, which brings it")
    pytest.importorskip("camf_ros.msg", reason="needs the built messages: run scripts/setup")
    node = importlib.import_module("camf_ros.examples.detector_node")

    def box() -> SimpleNamespace:
        centre = SimpleNamespace(position=SimpleNamespace(x=0.0, y=0.0), theta=0.0)
        return SimpleNamespace(center=centre, size_x=0.0, size_y=0.0)

    for name, make in (
        ("ObjectHypothesisWithPose", lambda: SimpleNamespace(hypothesis=SimpleNamespace(class_id="", score=0.0))),
        ("Detection2D", lambda **fields: SimpleNamespace(bbox=box(), **fields)),
        ("Detection2DArray", SimpleNamespace),
    ):
        monkeypatch.setattr(node, name, make, raising=False)
    header = std_msgs.Header(frame_id="rgb")
    message = node.boxes_message(header, [Finding(30.5, 20.0, 8.0, 16.0, "person", 0.75)])
    assert message.header == header
    (found,) = message.detections
    assert found.header == header
    assert (found.bbox.center.position.x, found.bbox.center.position.y) == (30.5, 20.0)
    assert (found.bbox.size_x, found.bbox.size_y) == (8.0, 16.0)
    (hypothesis,) = found.results
    assert (hypothesis.hypothesis.class_id, hypothesis.hypothesis.score) == ("person", 0.75)
