"""The page of encodings says what the code does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from by_path import load

from camf_ros.imaging.camera_messages import thermal_values
from camf_ros.imaging.encodings import ENCODINGS, NOT_FROM_RGB, NOT_FROM_THERMAL, NOT_UNDERSTOOD, Kind

PAGE = Path(__file__).resolve().parents[2] / "docs" / "encodings.md"
encoding_page = load("scripts/write_encodings.py")


def test_the_page_is_that_of_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == encoding_page.page(), (
        "run python3 scripts/write_encodings.py and commit what it writes"
    )


def test_nothing_is_both_understood_and_refused() -> None:
    assert not set(ENCODINGS) & set(NOT_UNDERSTOOD)
    assert set(NOT_FROM_RGB) | set(NOT_FROM_THERMAL) <= set(ENCODINGS)
    assert not set(NOT_FROM_RGB) & set(NOT_FROM_THERMAL)


def cells(name: str) -> tuple[str, str]:
    """What the page says an encoding becomes, from an RGB camera and from a thermal one."""
    rows = [row.split("|") for row in encoding_page.page().split("## YUV layouts")[0].splitlines() if "|" in row]
    (row,) = [row for row in rows if f"`{name}`" in row[1].strip().split(", ")]
    return row[2], row[3]


@pytest.mark.parametrize("name", sorted(ENCODINGS))
def test_each_encoding_has_a_row_that_says_where_it_is_refused(name: str) -> None:
    rgb, thermal = cells(name)
    assert ("refused" in rgb) == (name in NOT_FROM_RGB)
    assert ("refused" in thermal) == (name in NOT_FROM_THERMAL)


@pytest.mark.parametrize("name", [name for name in sorted(ENCODINGS) if ENCODINGS[name].kind is Kind.GREY])
def test_types_on_the_page_are_those_of_the_code(name: str) -> None:
    _, row = cells(name)
    got = thermal_values(np.zeros((2, 2), ENCODINGS[name].dtype), ENCODINGS[name], "topic").dtype
    assert ("float32" in row) == (got == np.float32)
    assert (f"{8 * got.itemsize}-bit" in row) == (got != np.float32)


def test_the_command_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(encoding_page, "__file__", str(tmp_path / "scripts" / "write_encodings.py"))
    encoding_page.main()
    assert (tmp_path / "docs" / "encodings.md").read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")
