"""Parameter files of ROS, read outside ROS."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camf_ros.errors import CamfError, DataError
from camf_ros.resources import share_file
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.parameter_file import read_parameters
from camf_ros.settings.table import build


def write(folder: Path, text: str) -> Path:
    path = folder / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_file_gives_the_defaults() -> None:
    assert build(FusionSettings, read_parameters(share_file("config/fusion.yaml"), "fusion")) == FusionSettings()


def test_sections(tmp_path: Path) -> None:
    """What is for all nodes comes first, whatever the order in the file; other nodes' parameters are theirs."""
    path = write(
        tmp_path,
        """
/robot/fusion: {ros__parameters: {gain: 1.0, pairing: {slop: 0.1}}}
camera: {ros__parameters: {exposure: 3}}
/**: {ros__parameters: {gain: 0.5, model: camf-lite, qos_overrides: {/a: {publisher: {depth: 1}}}}}
""",
    )
    assert read_parameters(path, "fusion") == {"gain": 1.0, "model": "camf-lite", "pairing.slop": 0.1}


@pytest.mark.parametrize(
    "text", ["", "[]", "fusion: 3", "camera: {ros__parameters: {a: 1}}", "/**: {ros__parameters: 3}", "a: [", "\x00"]
)
def test_no_parameter_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"parameter file .*params.yaml"):
        read_parameters(write(tmp_path, text), "fusion")


@given(data=st.binary(max_size=200))
def test_any_bytes(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(data)
    try:
        read_parameters(path, "fusion")
    except CamfError as error:
        assert "any.yaml" in str(error)


def test_sections_of_several_nodes_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "rigs.yaml"
    front = "/front/fusion: {ros__parameters: {gain: 2.0}}\n"
    path.write_text(front + "/back/fusion: {ros__parameters: {registration.file: back.yaml}}\n")
    with pytest.raises(DataError, match="/back/fusion, /front/fusion"):
        read_parameters(path, "fusion")
    path.write_text(front + "/**/fusion: {ros__parameters: {slop: 1.0}}\n/**: {ros__parameters: {gain: 1.0}}\n")
    assert read_parameters(path, "fusion")["gain"] == 2.0
