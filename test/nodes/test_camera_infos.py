"""camera_info to intrinsics, the camera_info of a fused image, and transforms between cameras."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, RegionOfInterest
from std_msgs.msg import Header

from camf_ros.errors import ParameterError, RegistrationError
from camf_ros.imaging.camera_model import camera_of, fused_info, picture_size, wrong_with
from camf_ros.nodes.inputs import CameraTransforms

K = [500.0, 0.0, 319.5, 0.0, 510.0, 239.5, 0.0, 0.0, 1.0]
P = [480.0, 0.0, 310.0, -24.0, 0.0, 490.0, 235.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def info(**changes: object) -> CameraInfo:
    message = CameraInfo(
        width=640, height=480, distortion_model="plumb_bob", d=[-0.2, 0.05, 0.001, 0.002, 0.0], k=K, p=P
    )
    message.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def seen(p: list[float], point: tuple[float, ...]) -> np.ndarray:
    u = np.array(p).reshape(3, 4) @ [*point, 1.0]
    return u[:2] / u[2]


NAN, INF = float("nan"), float("inf")
NONSENSE = [
    ({"k": [NAN, *K[1:]]}, "k is [nan,"),
    ({"k": [*K[:2], INF, *K[3:]]}, "k is ["),
    ({"k": [-500.0, *K[1:]]}, "expected focal lengths above 0"),
    ({"k": [0.0, *K[1:]]}, "expected focal lengths above 0"),
    ({"k": [*K[:8], 2.0]}, "a last row of 0, 0, 1"),
    ({"k": [1e300, *K[1:]]}, "k is [1e+300,"),
    ({"d": [NAN] * 5}, "d is [nan,"),
    ({"d": [0.1] * 3}, "4 or 5 finite numbers for plumb_bob"),
    ({"d": [0.1] * 300}, "d is ["),
    ({"distortion_model": "equidistant", "d": [0.1] * 5}, "for equidistant"),
    ({"distortion_model": "rational_polynomial", "d": [0.1] * 14}, "for rational_polynomial"),
    ({"distortion_model": "x" * 5000 + "\n"}, "distortion_model is 'xxx"),
    ({"r": [NAN, *[0.0] * 8]}, "r is [nan,"),
    ({"r": [2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]}, "which is no rotation"),
    ({"r": [-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]}, "which is no rotation"),
    ({"p": [*P[:3], -INF, *P[4:]]}, "p is ["),
    ({"p": [-1.0, *P[1:]]}, "p is [-1.0,"),
    ({"p": [*P[:10], 0.0, 0.0]}, "p is ["),
    ({"binning_x": 2**32 - 1}, "binning is 4294967295 x 0 for 640 x 480"),
    ({"roi": RegionOfInterest(x_offset=600, width=100, height=10)}, "roi is 100 x 10 at 600, 0 of 640 x 480"),
]
SENSE = [
    {},
    {"k": [0.0] * 9, "p": [0.0] * 12, "r": [0.0] * 9, "d": [], "distortion_model": ""},
    {"p": [0.0] * 12, "r": [0.0] * 9},
    {"d": [0.1] * 4},
    {"d": [0.1] * 8},
    {"d": [0.0] * 8, "distortion_model": ""},
    {"d": [0.1] * 8 + [0.0] * 4, "distortion_model": "rational_polynomial"},
    {"d": [0.1] * 8 + [0.0] * 6, "distortion_model": "rational_polynomial"},
    {"d": [0.0] * 14, "distortion_model": "equidistant"},
    {"d": [0.1] * 4, "distortion_model": "fisheye"},
    {"binning_x": 2, "binning_y": 2},
    {"roi": RegionOfInterest(x_offset=100, y_offset=50, width=540, height=430)},
]


@pytest.mark.parametrize(("changes", "said"), NONSENSE)
def test_nonsense(changes: dict[str, object], said: str) -> None:
    text = wrong_with(info(**changes))
    assert said in text
    assert len(text) < 400
    assert text.isprintable()


@pytest.mark.parametrize("changes", SENSE)
def test_what_image_geometry_takes(changes: dict[str, object]) -> None:
    message = info(**changes)
    assert wrong_with(message) == ""
    camera = camera_of(message)
    assert (camera is None) == (not any(message.k))


def test_unchanged_under_the_header_of_the_image() -> None:
    header = Header(frame_id="here")
    got = fused_info(info(), header, (480, 640), undistorted=False)
    expected = info()
    expected.header = header
    assert got == expected


def test_other_size() -> None:
    got = fused_info(info(), Header(), (240, 960), undistorted=False)
    assert (got.width, got.height) == (960, 240)
    assert list(got.d) == list(info().d)
    # A point is seen at the same share of the picture, counted from the outer edge of the first pixel.
    for point in ((0.1, -0.2, 2.0), (-0.4, 0.3, 5.0)):
        before, after = seen(P, point), seen(got.p, point)
        np.testing.assert_allclose((after + 0.5) / (960, 240), (before + 0.5) / (640, 480))
    assert got.k[0] == pytest.approx(750)
    assert got.k[4] == pytest.approx(255)
    assert got.k[2] == pytest.approx((319.5 + 0.5) * 1.5 - 0.5)


def test_undistorted() -> None:
    got = fused_info(info(), Header(frame_id="camera"), (480, 640), undistorted=True)
    assert list(got.d) == [0.0] * 5
    assert got.distortion_model == "plumb_bob"
    assert list(got.k) == K
    assert list(got.r) == np.eye(3).ravel().tolist()
    np.testing.assert_array_equal(
        np.array(got.p).reshape(3, 4), np.column_stack([np.array(K).reshape(3, 3), np.zeros(3)])
    )
    assert got.header.frame_id == "camera"


def test_region_and_binning_are_in_the_numbers() -> None:
    message = info(binning_x=2, binning_y=2)
    message.roi.x_offset, message.roi.y_offset, message.roi.width, message.roi.height = 100, 40, 400, 300
    assert picture_size(message) == (150, 200)
    camera = camera_of(message)
    assert camera is not None
    assert (camera.width, camera.height) == (200, 150)
    assert camera.matrix[0] == 250
    assert camera.matrix[2] == pytest.approx((319.5 - 100 + 0.5) / 2 - 0.5)
    got = fused_info(message, Header(), (150, 200), undistorted=False)
    assert (got.width, got.height, got.binning_x, got.roi.width) == (200, 150, 0, 0)
    assert got.k[5] == pytest.approx((239.5 - 40 + 0.5) / 2 - 0.5)


def test_cameras() -> None:
    camera = camera_of(info())
    assert camera is not None
    assert camera.matrix == tuple(K)
    assert camera.coefficients == (-0.2, 0.05, 0.001, 0.002, 0.0)
    assert camera == camera_of(info()), "no new maps for the same numbers"
    assert camera_of(None) is None
    assert camera_of(CameraInfo(width=640, height=480)) is None
    nameless = camera_of(info(distortion_model="", d=[]))
    assert nameless is not None
    assert nameless.model == "plumb_bob"
    with pytest.raises(RegistrationError, match="'odd'"):
        camera_of(info(distortion_model="odd"))


class NoTransformError(Exception):
    pass


@pytest.fixture
def tf2(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], SimpleNamespace]:
    """What tf2_ros is to us; not every machine has the real one."""
    known: dict[tuple[str, str], SimpleNamespace] = {}

    class Buffer:
        def lookup_transform(self, target: str, source: str, _time: object) -> SimpleNamespace:
            try:
                return SimpleNamespace(transform=known[target, source])
            except KeyError:
                raise NoTransformError from None

    module = SimpleNamespace(
        Buffer=Buffer, TransformListener=lambda buffer, node: (buffer, node), TransformException=NoTransformError
    )
    monkeypatch.setitem(sys.modules, "tf2_ros", module)
    return known


def transform(quaternion: tuple[float, ...], translation: tuple[float, ...]) -> SimpleNamespace:
    return SimpleNamespace(
        rotation=SimpleNamespace(**dict(zip("xyzw", quaternion, strict=True))),
        translation=SimpleNamespace(**dict(zip("xyz", translation, strict=True))),
    )


def test_transforms(tf2: dict[tuple[str, str], SimpleNamespace]) -> None:
    transforms = CameraTransforms(node=None)
    assert transforms.extrinsics("thermal", "rgb") is None
    half = np.sqrt(0.5)
    # A quarter turn about z: x becomes y.
    tf2["rgb", "thermal"] = transform((0, 0, half, half), (0.1, 0.2, 0.3))
    found = transforms.extrinsics("thermal", "rgb")
    assert found is not None
    np.testing.assert_allclose(found.r @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    assert found.translation == (0.1, 0.2, 0.3)
    tf2["rgb", "thermal"] = transform((0, 0, half, half), (0.1, 0.2, 0.31))
    assert transforms.extrinsics("thermal", "rgb") != found


def test_without_tf2_ros_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tf2_ros", None)
    with pytest.raises(ParameterError, match="tf2_ros_py"):
        CameraTransforms(node=None)
