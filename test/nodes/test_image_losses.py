"""Images that are lost on the way are told from cameras that are slow, or send camera_info in their own way."""

from __future__ import annotations

from collections import deque

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run scripts/test, which brings it")

from camf_ros.nodes.losses import Losses

NONE = {"thermal": 0, "rgb": 0}
PERIOD = 33_333_333


def look(images, infos, lost=NONE, came=NONE):
    """What is said of the RGB camera."""
    found = Losses().look(
        lost, came, {"thermal": deque(), "rgb": deque(images)}, {"thermal": deque(), "rgb": deque(infos)}, 0.0
    )
    assert "thermal" not in found
    return found.get("rgb", "")


def stamps(count, every=1, period=PERIOD, first=10**18):
    return [first + number * period for number in range(0, count, every)]


@pytest.mark.parametrize("every", [5, 10, 30])
def test_camera_info_without_images(every):
    text = look(stamps(200, every), stamps(200))
    announced = (len(stamps(200, every)) - 1) * every
    assert text.startswith(f"{announced // every} of {announced} images of the rgb camera arrived, by the stamps")
    assert "with the same Fast DDS profile" in text


@pytest.mark.parametrize(
    ("images", "infos"),
    [
        (stamps(60), stamps(60)),
        (stamps(200, 3), stamps(200, 3)),  # 10 Hz by nature
        (stamps(200, 3), stamps(200)),  # thinned out from 30 to 10 Hz
        (stamps(60), stamps(60, 30)),  # camera_info now and then
        (stamps(60), []),
        ([], stamps(60)),  # silent: told elsewhere
        (stamps(60, 10), stamps(200, first=10**18 + 7)),  # by a timer of its own
        (stamps(60, 10), [10**18] * 200),  # one stamp for ever
        (stamps(60)[50:], stamps(60)),  # before the node was active
        (stamps(200)[:20], stamps(200)),  # images that stopped: told elsewhere
        (stamps(60)[::-1], stamps(60)),
        ([0] * 60, [0] * 60),
    ],
)
def test_no_false_alarm(images, infos):
    assert look(images, infos) == ""


def test_what_the_middleware_counts():
    losses = Losses()

    def look(lost, came, now):
        counts = ({"thermal": 0, "rgb": lost}, {"thermal": came, "rgb": came})
        return losses.look(*counts, {"thermal": [], "rgb": []}, {"thermal": [], "rgb": []}, now)

    assert look(5, 3, 0.0) == {}, "what was lost before counts for nothing"
    assert look(10, 10, 1.0) == {}
    assert look(30, 8, 2.0)["rgb"].startswith(
        "25 of 30 images of the rgb camera were lost on the way: start the camera"
    )
    assert look(31, 108, 4.0) == {}
