"""The simulated street: what both cameras see, and what only one of them sees."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from streets import night_street

from camf_scene import PERIOD, Box, NightStreet
from camf_scene.camera import sway
from camf_scene.people import ACTORS
from camf_scene.traffic import LEAVING, ONCOMING

#: A moment with a car that waits, people on the crossing and two people in the smoke.
BUSY = 12.0
Frame = NDArray[np.uint8]
Raw = NDArray[np.uint16]


@pytest.fixture(scope="module")
def street() -> NightStreet:
    return night_street()


@pytest.fixture(scope="module")
def small() -> NightStreet:
    """Another street in smaller frames."""
    return NightStreet(seed=2, rgb_size=(640, 360), thermal_size=(160, 120))


def _calm(raw: Raw) -> NDArray[np.float32]:
    """The thermal frame without most of its noise."""
    return np.asarray(cv2.GaussianBlur(raw.astype(np.float32), (0, 0), 2.0), np.float32)


def _grey(rgb: Frame) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32)


def _thermal_part(street: NightStreet, box: tuple[float, float, float, float]) -> tuple[slice, slice]:
    """Pixels of the thermal frame that show a box (left, top, right, bottom) of RGB pixels."""
    fx = street.thermal_camera.width / street.rgb_camera.width
    fy = street.thermal_camera.height / street.rgb_camera.height
    return slice(round(box[1] * fy), round(box[3] * fy)), slice(round(box[0] * fx), round(box[2] * fx))


def _person(street: NightStreet, t: float, name: str) -> Box:
    return next(box for box in street.people(t) if box.name == name)


def _moved(box: tuple[float, float, float, float], t: float) -> tuple[int, int, int, int]:
    dx, dy = sway(t)
    return round(box[0] + dx), round(box[1] + dy), round(box[2] + dx), round(box[3] + dy)


def test_frames_have_the_promised_shape_type_and_range(street: NightStreet) -> None:
    rgb, raw = street.rgb(BUSY), street.thermal(BUSY)
    assert rgb.shape == (720, 1280, 3)
    assert rgb.dtype == np.uint8
    assert rgb.flags.c_contiguous
    assert raw.shape == (512, 640)
    assert raw.dtype == np.uint16
    assert raw.flags.c_contiguous
    assert 6000 < raw.min() < raw.max() < 16384
    assert 7000 < np.median(raw) < 8000


def test_same_seed_and_time_give_the_same_frames_in_any_order(street: NightStreet) -> None:
    first_rgb, first_raw = street.rgb(BUSY), street.thermal(BUSY)
    other = NightStreet(seed=1)
    other.thermal(3.0)
    resized = street.resized((1280, 720), (640, 512))
    assert np.array_equal(resized.thermal(BUSY), first_raw)
    assert np.array_equal(resized.rgb(BUSY), first_rgb)
    assert np.array_equal(other.thermal(BUSY), first_raw)
    assert np.array_equal(other.rgb(BUSY), first_rgb)
    assert np.array_equal(street.rgb(BUSY), first_rgb)


def test_frames_do_not_share_memory(street: NightStreet) -> None:
    rgb, raw = street.rgb(BUSY), street.thermal(BUSY)
    rgb[:], raw[:] = 0, 0
    assert street.rgb(BUSY).any()
    assert street.thermal(BUSY).any()


def test_other_sizes_keep_the_field_of_view(small: NightStreet) -> None:
    assert small.rgb(1.0).shape == (360, 640, 3)
    assert small.thermal(1.0).shape == (120, 160)
    rgb, thermal = small.rgb_camera, small.thermal_camera
    assert thermal.fx == pytest.approx(rgb.fx * 160 / 640)
    assert thermal.fy == pytest.approx(rgb.fy * 120 / 360)
    assert thermal.cx + 0.5 == pytest.approx((rgb.cx + 0.5) * 160 / 640)
    assert thermal.cy + 0.5 == pytest.approx((rgb.cy + 0.5) * 120 / 360)


def test_boxes_follow_the_size_of_the_frame(street: NightStreet, small: NightStreet) -> None:
    for whole, half in zip(street.people(BUSY), small.people(BUSY), strict=True):
        assert half.name == whole.name
        assert half[:4] == pytest.approx([v / 2 for v in whole[:4]])
        assert half.distance == whole.distance


def test_seeds_differ(street: NightStreet, small: NightStreet) -> None:
    usual = cv2.resize(street.rgb(BUSY), (640, 360), interpolation=cv2.INTER_AREA)
    change = np.abs(usual.astype(float) - small.rgb(BUSY)).max(axis=2)
    assert (change > 60).mean() > 0.003


def test_the_scene_moves_and_the_noise_is_new_in_each_frame(street: NightStreet) -> None:
    a, b = street.thermal(BUSY), street.thermal(BUSY + 1e-3)
    assert 0 < np.abs(a.astype(float) - b).mean() < 20
    later = street.thermal(BUSY + 1.0)
    assert np.abs(_calm(later) - _calm(a)).max() > 200
    assert np.abs(_grey(street.rgb(BUSY + 1.0)) - _grey(street.rgb(BUSY))).mean() > 3


@pytest.mark.parametrize("name", ["crossing right", "crossing left"])
def test_people_are_hot_in_thermal_and_dark_in_rgb(street: NightStreet, name: str) -> None:
    t = 14.5
    box = _person(street, t, name)
    height, width = box.bottom - box.top, box.right - box.left
    assert 100 < height < 250
    middle = (box.left + box.right) / 2
    chest = (middle - 0.04 * height, box.top + 0.2 * height, middle + 0.04 * height, box.top + 0.4 * height)
    beside = (box.left - 0.5 * width, chest[1], box.left - 0.2 * width, chest[3])
    raw, grey = street.thermal(t), _grey(street.rgb(t))
    warm = raw[_thermal_part(street, chest)].mean() - raw[_thermal_part(street, beside)].mean()
    assert warm > 150
    x0, y0, x1, y1 = (round(v) for v in chest)
    assert grey[y0:y1, x0:x1].mean() < 60


def test_every_reported_person_in_the_open_is_warm(street: NightStreet) -> None:
    raw = street.thermal(14.5)
    boxes = street.people(14.5)
    assert len(boxes) >= 6
    tall = [b for b in boxes if b.bottom - b.top > 60 and b.left > 0 and b.right < 1280]
    hottest = [raw[_thermal_part(street, b[:4])].max() for b in tall]
    assert len(hottest) >= 4
    assert min(hottest) > np.percentile(raw, 99) - 50


def test_smoke_hides_people_from_rgb_only(street: NightStreet) -> None:
    hidden = []
    for t in (1.0, 12.0, 27.0, 35.0):
        box = _person(street, t, "in the smoke")
        height = box.bottom - box.top
        x, top = (box.left + box.right) / 2, box.top + 0.15 * height
        body = (x - 5, top, x + 5, top + 0.4 * height)
        left = (x - 32, top, x - 20, top + 0.4 * height)
        raw, grey = street.thermal(t), _grey(street.rgb(t))
        assert raw[_thermal_part(street, body)].mean() - raw[_thermal_part(street, left)].mean() > 120
        inside, outside = (grey[round(b[1]) : round(b[3]), round(b[0]) : round(b[2])].mean() for b in (body, left))
        hidden.append(abs(inside - outside))
    # a dark person in front of a lit pavement would differ by far more than the smoke's own clouds
    assert np.median(hidden) < 12


@pytest.mark.parametrize(
    "sign",
    [
        pytest.param((895, 225, 1030, 275), id="letters over the shop"),
        pytest.param((832, 238, 864, 264), id="number on the road sign"),
        pytest.param((1078, 216, 1174, 232), id="street name"),
        pytest.param((955, 125, 1018, 148), id="neon letters"),
    ],
)
def test_letters_are_for_rgb_only(street: NightStreet, sign: tuple[int, int, int, int]) -> None:
    t = BUSY
    box = _moved(sign, t)
    grey, calm = _grey(street.rgb(t)), _calm(street.thermal(t))
    letters = grey[box[1] : box[3], box[0] : box[2]]
    heat = calm[_thermal_part(street, box)]
    assert letters.std() > 9
    # detail within the sign, not the slope of the wall behind it
    rough = heat - cv2.GaussianBlur(heat, (0, 0), 6.0)
    assert rough.std() < 12


def test_glare_saturates_rgb_and_leaves_thermal_alone(street: NightStreet) -> None:
    dx, dy = sway(BUSY)
    distance = ONCOMING.where(BUSY)
    assert distance is not None
    u, v = street.rgb_camera.project(ONCOMING.x - 0.64, 0.68, distance)
    x, y = round(u + dx), round(v + dy)
    rgb = street.rgb(BUSY)
    assert (rgb[y - 6 : y + 6, x - 6 : x + 6] > 240).mean() > 0.9
    raw = street.thermal(BUSY)
    around = raw[_thermal_part(street, (x - 40, y - 60, x + 40, y - 20))]
    assert around.max() < 8200


def test_tail_lights_are_red(street: NightStreet) -> None:
    t = 13.0
    distance = LEAVING.where(t)
    assert distance is not None
    dx, dy = sway(t)
    u, v = street.rgb_camera.project(LEAVING.x - 0.72, 0.82, distance)
    x, y = round(u + dx), round(v + dy)
    spot = street.rgb(t)[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).mean(axis=0)
    assert spot[0] > 150
    assert spot[0] > 1.8 * spot[2]


def test_the_street_repeats_without_a_jump(street: NightStreet) -> None:
    here, next_round = _calm(street.thermal(7.0)), _calm(street.thermal(7.0 + PERIOD))
    assert np.abs(here - next_round).max() < 20
    before, after = _calm(street.thermal(PERIOD - 1e-4)), _calm(street.thermal(PERIOD + 1e-4))
    assert np.abs(before - after).max() < 30
    left, right = _grey(street.rgb(PERIOD - 1e-4)), _grey(street.rgb(PERIOD + 1e-4))
    assert np.abs(cv2.GaussianBlur(left - right, (0, 0), 4.0)).max() < 8


def test_nobody_appears_or_vanishes_in_the_picture(street: NightStreet) -> None:
    ways = [way for actor in ACTORS for way in actor.ways if len(way.points) > 1]
    ways += [*ONCOMING.ways, *LEAVING.ways]
    moments = sorted({t for way in ways for t in (way.points[0][0], way.points[-1][0])})
    assert len(moments) > 15
    for t in moments:
        change = np.abs(_calm(street.thermal(t - 0.005)) - _calm(street.thermal(t + 0.005)))
        # a walker's next step changes a few hundred pixels, one who appears some thousand
        assert (change > 80).sum() < 900, f"something jumps at {t} s"
