"""What is read off a recording beside its frames: one camera_info of each camera."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recordings import MS, START, info, street, write

from camf_ros.bag.reader import BagTopics
from camf_ros.bag.recorded_pairs import RecordedPairs
from camf_ros.errors import RegistrationError
from camf_ros.imaging.camera_model import camera_of
from camf_ros.settings.fusion_settings import FusionSettings

TOPIC = "/thermal/camera_info"


def infos_of(path: Path, *focals: float) -> dict[str, Any]:
    """Of a recording with these focal lengths of the thermal camera, one after the other."""
    infos = [info(TOPIC, START + number * MS, (40, 32), focal) for number, focal in enumerate(focals)]
    with RecordedPairs(write(path / "in", [*street(2), *infos]), BagTopics(), FusionSettings()) as recorded:
        return recorded.infos


@pytest.mark.parametrize("wrong", [np.nan, -50.0, np.inf])
def test_the_first_camera_info_that_makes_sense_is_taken(tmp_path: Path, wrong: float) -> None:
    infos = infos_of(tmp_path, wrong, wrong, 60.0, 70.0)
    camera = camera_of(infos["thermal"])
    assert camera is not None
    assert camera.k[0, 0] == 60.0
    assert infos["rgb"] is None


def test_where_none_makes_sense_its_user_hears_why(tmp_path: Path) -> None:
    with pytest.raises(RegistrationError, match="nan"):
        camera_of(infos_of(tmp_path, np.nan, np.nan)["thermal"])
