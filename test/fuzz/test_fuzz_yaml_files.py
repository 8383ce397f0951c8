"""YAML files made to do harm: only refused, within bounds of memory and time, and never run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from caged import read_in_cage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from camf_ros.errors import CamfError, DataError
from camf_ros.imaging.registration_file import RegistrationFile, read_registration, write_registration
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.parameter_file import read_parameters
from camf_ros.settings.table import build, specs
from camf_ros.settings.yaml_file import MAX_SIZE, read_yaml

READERS = {
    "registration": "camf_ros.imaging.registration_file read_registration",
    "parameters": "camf_ros.settings.parameter_file read_parameters fusion",
    "recipe": "camf_ros.training.config load_recipe",
}
LAUGHS = "\n".join(["a0: &a0 [ha, ha]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))])
MAPS = "\n".join(["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}" for n in range(1, 30))])
CAMERAS = "camf_registration: 1\nthermal: {width: 8, height: 8}\nrgb: {width: 8, height: 8}\n"
HARMFUL = {
    "laughs": LAUGHS,
    "laughs inside": f"{CAMERAS}{LAUGHS}\nhomography: *a29\n",
    "laughing parameters": f"{MAPS}\nfusion: {{ros__parameters: *a29}}",
    "merges": "\n".join(
        ["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 30))]
    ),
    "itself": "fusion: &a {ros__parameters: *a}",
    "itself in a list": f"{CAMERAS}homography: &a [*a]",
    "rows over rows": f"{CAMERAS}r: &r [{'1, ' * 9999}1]\nhomography: [{'*r, ' * 9999}*r]",
    "deep": "[" * 5000,
    "deep maps": "{a: " * 5000,
    "deep parameters": "fusion: {ros__parameters: " + "{a: " * 900 + "1" + "}" * 901,
    "code": f"{CAMERAS}homography: !!python/object/apply:os.mkdir [PROOF]",
    "module": "!!python/module:os",
    "name": "fusion: {ros__parameters: {gain: !!python/name:os.system }}",
    "tuple": "fusion: {ros__parameters: !!python/tuple [1]}",
    "a date that is none": f"{CAMERAS}homography: 2024-99-99",
    "many digits": f"{CAMERAS}homography: [{'9' * 5000}]",
    "many hexadecimal digits": f"{CAMERAS}homography: [0x{'f' * 50000}, 1, 1, 1, 1, 1, 1, 1, 1]",
    "hexadecimal side": f"camf_registration: 1\nthermal: {{width: 0x{'f' * 50000}, height: 1}}\nrgb: 1",
    "hexadecimal version": f"camf_registration: 0x{'f' * 50000}",
    "hexadecimal name": f"0x{'f' * 50000}: 1",
    "large": f"{CAMERAS}homography: [1.0e+308, 0, 0, 0, 1.0e+308, 0, 0, 0, 1e400]",
    "whole and large": f"{CAMERAS}homography: [1{'0' * 400}, 0, 0, 0, 1, 0, 0, 0, 1]",
    "no number": f"{CAMERAS}homography: [.nan, 0, 0, 0, 1, 0, 0, 0, 1]",
    "infinite": f"{CAMERAS}homography: [.inf, 0, 0, 0, 1, 0, 0, 0, -.inf]",
    "infinite camera": f"{CAMERAS.replace('rgb: {', 'rgb: {k: [.inf, 0, 0, 0, 1, 0, 0, 0, 1], ')}homography: [1]",
    "two documents": "a: 1\n---\nb: 2\n",
    "key is a list": "? [a]\n: 1",
    "merged": "<<: 3",
    "merged with itself": "&a {<<: *a}",
    "set": "!!set {a, b}",
    "binary": "!!binary #",
    "long": "a: " + "x" * MAX_SIZE,
    "long and deep": "- " * (MAX_SIZE // 4),
    "zeros": "\0" * 1000,
    "surrogates": "\\ud800",
}


@pytest.mark.parametrize("kind", READERS)
def test_harmful_files(tmp_path: Path, kind: str) -> None:
    files, proof = [], tmp_path / "it ran"
    for title, text in HARMFUL.items():
        files.append(tmp_path / title)
        files[-1].write_text(text.replace("PROOF", str(proof)), encoding="utf-8")
    files.append(tmp_path / "sparse")
    with files[-1].open("wb") as file:
        file.truncate(2**40)
    files += [Path("/dev/zero"), Path("/dev/null"), tmp_path]
    results = dict(zip([file.name for file in files], read_in_cage(READERS[kind], files), strict=True))
    assert not proof.exists()
    # Nine hundred names within each other are an odd parameter, but one.
    assert {name for name, result in results.items() if result == "read"} <= {"deep parameters"}


def test_aliases_are_read(tmp_path: Path) -> None:
    shared = ["a", "b"]
    content = RegistrationFile((8, 8), (8, 8), np.eye(3), provenance={"one": shared, "other": shared})
    write_registration(tmp_path / "a.yaml", content)
    assert "*" in (tmp_path / "a.yaml").read_text(), "PyYAML writes what occurs twice once"
    assert read_registration(tmp_path / "a.yaml").provenance == content.provenance


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats() | st.text(max_size=6) | st.dates(),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
numbers = st.lists(st.floats() | st.integers(-3, 3), min_size=8, max_size=10) | plain
camera = st.fixed_dictionaries(
    {"width": st.integers(-1, 70000) | plain, "height": st.integers(1, 9)},
    optional={"k": numbers, "d": numbers, "distortion_model": st.sampled_from(["plumb_bob", "equidistant", ""])},
)
registration = st.fixed_dictionaries(
    {"camf_registration": st.just(1), "thermal": camera | plain, "rgb": camera},
    optional={
        "homography": numbers | st.lists(st.lists(st.floats(-5, 5), min_size=3, max_size=3), min_size=3, max_size=3),
        "extrinsics": st.fixed_dictionaries({"rotation": numbers, "translation": numbers}) | plain,
        "provenance": plain,
    },
)


@given(tree=registration | plain)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_registration(tmp_path: Path, tree: Any) -> None:
    path = tmp_path / "any.yaml"
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8", errors="replace")
    try:
        read = read_registration(path)
    except DataError as error:
        assert "any.yaml" in str(error)
        return
    assert read.homography is None or np.isfinite(read.homography).all()
    assert read.homography is not None or read.extrinsics is not None


@given(tree=st.dictionaries(st.sampled_from([*specs(FusionSettings), "thermal", "pairing"]) | st.text(), plain))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_parameters(tmp_path: Path, tree: dict[str, Any]) -> None:
    """From a file to settings, or a refusal: as `camf fuse --params` and the node do it."""
    path = tmp_path / "any.yaml"
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": tree}}), encoding="utf-8", errors="replace")
    try:
        build(FusionSettings, read_parameters(path, "fusion"))
    except CamfError as error:
        assert str(error)


COSTLY = {
    "base 60": "a: [" + "1:1," * (MAX_SIZE // 4 - 4) + "]",
    "one to the base 60": "a: !!int " + "1:" * (MAX_SIZE // 2 - 8) + "1",
    "a fraction to the base 60": "a: !!float " + "1:" * (MAX_SIZE // 2 - 8) + "1",
    "numbers": "a: [" + "1," * (MAX_SIZE // 2 - 4) + "]",
    "lines": "- 1\n" * (MAX_SIZE // 4),
    "names": "{" + "a: 1," * (MAX_SIZE // 5 - 1) + "}",
    "no time": "a: !!timestamp x",
    "no number": "a: !!int ''",
    "neither true nor false": "a: !!bool x",
}


def test_costly_files_are_refused(tmp_path: Path) -> None:
    for title, text in COSTLY.items():
        path = tmp_path / title
        path.write_text(text)
        with pytest.raises(DataError, match="is no YAML"):
            read_yaml(path, "file")


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """Nobody writes to the FIFO, and nobody waits for it."""
    os.mkfifo(tmp_path / "fifo")
    for path, what in (
        (tmp_path / "fifo", "is no regular file"),
        ("/dev/zero", "is no regular"),
        (tmp_path, "cannot be opened .*directory"),
    ):
        with pytest.raises(DataError, match=what):
            read_yaml(Path(path), "file")


def test_times_are_text_and_numbers_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "plain.yaml"
    path.write_text("[1:30, 2024-01-02, 10, -0x1f, 1.5, -1.0e+3, .inf, true, Off, ~, '1', 1e, '<<']")
    expected = ["1:30", "2024-01-02", 10, -31, 1.5, -1000.0, float("inf"), True, False, None, "1", "1e", "<<"]
    assert read_yaml(path, "file") == expected
