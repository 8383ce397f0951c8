"""Snapshots: written beside the fusion, whole or not at all, and not without end."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from camf_ros.errors import CamfError, DataError
from camf_ros.fusion import FusedPair
from camf_ros.imaging.warp import Rig
from camf_ros.nodes import snapshots
from camf_ros.nodes.snapshots import Snapshots, write_snapshot

PICTURE = np.zeros((4, 6), np.uint8)
PAIR = FusedPair(PICTURE, PICTURE, None, None, Rig(), None, "small", "0123")


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
    assert {path.name for path in folder.iterdir()} == {"thermal.png", "rgb.png", "weights.json", "parameters.yaml"}


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
