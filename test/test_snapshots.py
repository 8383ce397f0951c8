"""Snapshots: written beside the fusion, whole or not at all, and not without end."""

from __future__ import annotations

import json
import threading

import cv2
import numpy as np
import pytest

from camf_ros import snapshots
from camf_ros.errors import CamfError, DataError
from camf_ros.fusion import FusedPair
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.imaging.thermal.front_end import ThermalState
from camf_ros.imaging.warp import Rig
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.table import build
from camf_ros.snapshots import Snapshots, write_snapshot
from camf_ros.thermal_results import ThermalRecord

PICTURE = np.zeros((4, 6), np.uint8)
STATE = ThermalState(None, None, 0.0, 0.0, 0.0, np.empty(0, np.intp))


def pair(thermal=PICTURE, **parameters):
    settings = build(FusionSettings, {name.replace("__", "."): value for name, value in parameters.items()})
    record = ThermalRecord(thermal, PICTURE, STATE, settings, PlannedRegistration(), Rig())
    return FusedPair(thermal, PICTURE, None, None, Rig(), None, "small", "0123", record)


PAIR = pair()


def test_nothing_waits_while_one_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshots, "_FOLDER", str(tmp_path))
    written, failed, go = [], [], threading.Event()
    writer = Snapshots(written.append, failed.append)
    folder = writer.save(PAIR, {}, lambda: go.wait(60) and None)
    assert not folder.exists()
    with pytest.raises(CamfError, match="a snapshot is being written; try again"):
        writer.save(PAIR, {}, lambda: None)
    go.set()
    writer.close()
    assert (written, failed) == ([folder], [])
    assert {path.name for path in folder.iterdir()} == {
        "thermal.png", "registered.png", "rgb.png", "weights.json", "parameters.yaml",
    }  # fmt: skip


def test_registered_counts_and_temperatures(tmp_path):
    counts = np.full((2, 3), 29_815, np.uint16)
    counts[1, 2] = 31_015
    write_snapshot(tmp_path / "new", pair(counts, thermal__unit="centikelvin"), {}, None)
    registered = cv2.imread(str(tmp_path / "new" / "registered.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(registered, np.repeat(np.repeat(counts, 2, 0), 2, 1))
    numbers = json.loads((tmp_path / "new" / "temperatures.json").read_text())
    assert numbers["image"]["hottest"] == {"x": 2, "y": 1, "temperature": pytest.approx(37.0, abs=1e-3)}
    assert numbers["image"]["mean"] == pytest.approx(27.0, abs=1e-3)


def test_registered_kelvin_is_a_tiff(tmp_path):
    kelvin = np.full((4, 6), 300.5, np.float32)
    write_snapshot(tmp_path / "new", pair(kelvin, thermal__unit="kelvin"), {}, None)
    registered = cv2.imread(str(tmp_path / "new" / "registered.tiff"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(registered, kelvin)
    assert (tmp_path / "new" / "temperatures.json").is_file()


def test_what_fails_is_reported_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshots, "_FOLDER", str(tmp_path))
    written, failed = [], []
    writer = Snapshots(written.append, failed.append)
    writer.save(PAIR, {"not for YAML": object()}, lambda: None)
    writer.close()
    assert written == []
    assert len(failed) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        write_snapshot(tmp_path / "file" / "20260101-000000-000000", PAIR, {}, None)


def test_the_oldest_go(tmp_path):
    names = [f"20260101-000000-{number:06}" for number in range(snapshots.KEPT + 2)]
    for name in names[:-1]:
        (tmp_path / name).mkdir()
    (tmp_path / "mine").mkdir()
    write_snapshot(tmp_path / names[-1], PAIR, {}, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == [*names[2:], "mine"]
