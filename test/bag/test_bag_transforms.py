"""Transforms of a recording without tf2."""

from __future__ import annotations

import numpy as np
import pytest
from recordings import make, transforms

from camf_ros.bag.reader import RecordedTransforms
from camf_ros.errors import RegistrationError


def tree(*links: tuple[str, str, tuple[float, float, float]], static: bool = True) -> RecordedTransforms:
    found = RecordedTransforms()
    found.take(transforms("/tf_static", 0, *links).content, static=static)
    return found


def test_up_and_down_the_tree() -> None:
    found = tree(("base", "mast", (0, 0, 2)), ("mast", "rgb", (1, 0, 0)), ("base", "thermal", (0, 0.5, 2)))
    pose = found.extrinsics("thermal", "rgb")
    assert pose is not None
    assert pose.translation == pytest.approx((-1, 0.5, 0))
    assert pose.rotation == pytest.approx(tuple(np.eye(3).ravel()))
    back = found.extrinsics("rgb", "thermal")
    assert back is not None
    assert back.translation == pytest.approx((1, -0.5, 0))


def test_rotations_are_those_of_the_child_in_its_parent() -> None:
    message = transforms("/tf_static", 0, ("rgb", "thermal", (0.1, 0.2, 0.3))).content
    half = np.sqrt(0.5)
    # A quarter turn about z: the thermal camera's x axis lies along the RGB camera's y axis.
    message.transforms[0].transform.rotation = make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=half, w=half)
    found = RecordedTransforms()
    found.take(message, static=True)
    pose = found.extrinsics("thermal", "rgb")
    assert pose is not None
    np.testing.assert_allclose(pose.r @ [1, 0, 0] + pose.t, [0.1, 1.2, 0.3], atol=1e-12)


def test_nothing_between_them() -> None:
    assert tree(("a", "thermal", (0, 0, 0)), ("b", "rgb", (0, 0, 0))).extrinsics("thermal", "rgb") is None
    assert tree(("rgb", "thermal", (0, 0, 0)), ("thermal", "rgb", (0, 0, 0))).extrinsics("thermal", "c") is None


def test_one_part_may_move() -> None:
    found = tree(("base", "rgb", (0, 0, 0)))
    found.take(transforms("/tf", 1, ("base", "thermal", (1, 0, 0))).content, static=False)
    pose = found.extrinsics("thermal", "rgb")
    assert pose is not None
    assert pose.translation == pytest.approx((1, 0, 0))
    found.take(transforms("/tf", 3, ("base", "thermal", (2, 0, 0))).content, static=False)
    moved = found.extrinsics("thermal", "rgb")
    assert moved is not None
    assert moved.translation == pytest.approx((2, 0, 0))
    found.take(transforms("/tf", 4, ("base", "rgb", (0, 0, 0))).content, static=False)
    with pytest.raises(RegistrationError, match="move"):
        found.extrinsics("thermal", "rgb")


def test_what_is_known_already_is_not_learnt_again() -> None:
    found = tree(("rgb", "thermal", (1, 0, 0)))
    found.take(transforms("/tf_static", 9, ("rgb", "thermal", (5, 0, 0))).content, static=True, known=False)
    pose = found.extrinsics("thermal", "rgb")
    assert pose is not None
    assert pose.translation == pytest.approx((1, 0, 0))
