"""Which pairs of a recording are kept, how they are split, and which recordings are refused."""

from __future__ import annotations

import numpy as np
import pytest
from rigs import drive, folder_of, noisy, place

from camf_ros.errors import DataError
from camf_ros.training.adapt_frames import FEWEST, MOST, Frame, Gathering


def test_of_each_place_of_a_drive_one_pair_is_kept():
    gathered = drive(24, 4)
    assert gathered.pairs == 96
    assert [frame.stamp for frame in gathered.kept] == [2.0 * number for number in range(24)]


def test_a_long_recording_keeps_no_more_than_the_most_and_from_all_of_it():
    gathered = drive(MOST + 60, 1)
    assert MOST // 3 < len(gathered.kept) <= MOST
    stamps = [frame.stamp or 0.0 for frame in gathered.kept]
    assert stamps == sorted(stamps)
    assert stamps[-1] > 0.45 * MOST


def test_no_neighbour_in_time_of_a_training_pair_is_in_validation():
    parts = drive(60, 2, period=0.6).parts()
    held, trained = ([frame.stamp or 0.0 for frame in part] for part in (parts.validation, parts.training))
    assert len(held) == 12
    assert len(trained) >= 36
    assert min(abs(a - b) for a in held for b in trained) >= 2.0


def test_without_room_for_a_gap_at_least_the_neighbours_are_left_out():
    parts = drive(60, 1, period=10.0).parts()
    held, trained = ([frame.stamp or 0.0 for frame in part] for part in (parts.validation, parts.training))
    assert min(abs(a - b) for a in held for b in trained) == 20.0


def test_similar_pictures_of_a_folder_are_on_one_side():
    gathered = Gathering()
    for number in range(60):
        thermal, rgb = place(number // 3)
        gathered.add(Frame(f"p{number}", noisy(thermal, number, 1.0), noisy(rgb, number + 99, 1.0), None))
    parts = gathered.parts()
    sides = [{int(frame.name[1:]) // 3 for frame in part} for part in parts]
    assert not sides[0] & sides[1]
    assert len(parts.training) + len(parts.validation) == 60
    assert 0.15 < len(parts.validation) / 60 < 0.35


def test_the_split_of_a_folder_does_not_depend_on_the_order():
    one, other = folder_of(30), Gathering()
    for frame in reversed(one.kept):
        other.add(frame)
    assert {frame.name for frame in one.parts().validation} == {frame.name for frame in other.parts().validation}


def test_too_few_pairs():
    with pytest.raises(DataError, match=f"19 of 76 pairs differ.*expected {FEWEST} or more.*record"):
        drive(FEWEST - 1, 4).check()


def test_a_folder_of_one_place_leaves_nothing_to_validate_on():
    gathered = Gathering()
    thermal, rgb = place(1)
    for number in range(30):
        gathered.add(Frame(f"p{number}", noisy(thermal, number, 1.0), noisy(rgb, number + 99, 1.0), None))
    with pytest.raises(DataError, match="are left to train on"):
        gathered.parts()


@pytest.mark.parametrize("camera", ["thermal", "rgb"])
@pytest.mark.parametrize(("share", "refused"), [(0.7, True), (0.3, False)])
def test_a_frozen_camera(camera: str, share: float, refused: bool):
    gathered, count, still = Gathering(), 60, place(1000)[0]
    for number in range(count):
        thermal, rgb = place(number)
        frame = Frame("", thermal, rgb, float(number))
        gathered.add(frame._replace(**{camera: still}) if number < share * count else frame)
    if refused:
        with pytest.raises(DataError, match=f"the {camera} camera was frozen.*of 60 pairs"):
            gathered.check()
    else:
        gathered.check()


@pytest.mark.parametrize("camera", ["thermal", "rgb"])
def test_a_covered_camera(camera: str):
    gathered = Gathering()
    for number in range(40):
        thermal, rgb = place(number)
        frame = Frame("", thermal, rgb, float(number))
        dark = noisy(np.full((128, 128), 8, np.uint8), number, 2.0)
        gathered.add(frame._replace(**{camera: dark}) if number % 10 else frame)
    with pytest.raises(DataError, match=f"the {camera} camera was covered.* in 36 of 40 pairs"):
        gathered.check()
