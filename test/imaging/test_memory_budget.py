"""What pictures may need in memory: the limit's default, what is refused, and at which size the network works."""

from __future__ import annotations

import json
import resource
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from picture_bytes import png_of

from camf_ros.errors import ImageError
from camf_ros.imaging import memory_budget
from camf_ros.imaging.camera_messages import check
from camf_ros.imaging.compressed_image import decode
from camf_ros.imaging.encodings import RGB_ENCODINGS, THERMAL_ENCODINGS
from camf_ros.imaging.memory_budget import (
    DEPTH_PIXEL,
    EXPLANATION_PIXEL,
    NETWORK_PIXEL,
    OUTPUT_PIXEL,
    RGB_PIXEL,
    THERMAL_PIXEL,
    UNLIMITED,
    MemoryBudget,
    check_alone,
    check_explanation,
    free_memory,
    network_pixel,
    within_budget,
)
from camf_ros.imaging.picture_files import read_picture
from camf_ros.settings.registration_settings import RegistrationSettings

FIGURES = Path(__file__).resolve().parents[2] / "docs/figures/memory.json"
MB = 10**6


def test_default_is_half_of_what_is_free() -> None:
    assert MemoryBudget.of(0).limit == pytest.approx(free_memory() / 2, rel=0.2)
    assert MemoryBudget.of(300).limit == 300e6


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def test_the_tightest_control_group_counts(tmp_path: Path) -> None:
    group(tmp_path / "robot", memory__max=1000 * MB, memory__current=300 * MB, memory__stat=f"inactive_file {50 * MB}")
    group(tmp_path / "robot" / "node", memory__max="max", memory__current=10 * MB)
    own = tmp_path / "cgroup"
    own.write_text("0::/robot/node\n")
    assert memory_budget._left_in_groups(tmp_path, own) == 750 * MB
    group(tmp_path / "robot" / "node", memory__max=60 * MB)
    assert memory_budget._left_in_groups(tmp_path, own) == 50 * MB
    own.write_text("0::/elsewhere\n")
    assert memory_budget._left_in_groups(tmp_path, own) == float("inf")


def test_control_groups_of_version_1(tmp_path: Path) -> None:
    memory = {"memory__limit_in_bytes": 500 * MB, "memory__usage_in_bytes": 200 * MB}
    group(tmp_path / "memory" / "box", **memory, memory__stat=f"inactive_file 1\ntotal_inactive_file {20 * MB}")
    own = tmp_path / "cgroup"
    own.write_text("5:cpu,cpuacct:/x\n4:memory:/box\n")
    assert memory_budget._left_in_groups(tmp_path, own) == 320 * MB


def test_limited_address_space_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2**46, 2**46))
    assert free_memory() < 2**46
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1, 1))
    assert free_memory() == 0


def test_bounds_are_above_what_was_measured() -> None:
    rows = json.loads(FIGURES.read_text())["rows"]
    bounds = {
        "thermal": THERMAL_PIXEL,
        "rgb": RGB_PIXEL,
        "output": RGB_PIXEL + OUTPUT_PIXEL,
        "explanation": NETWORK_PIXEL["openvino"][0] + EXPLANATION_PIXEL + RGB_PIXEL + OUTPUT_PIXEL,
    }
    assert {row["what"] for row in rows} == {*bounds, "network"}
    for row in rows:
        if row["what"] == "network":
            bound = RGB_PIXEL + OUTPUT_PIXEL + network_pixel(row["engine"], blends=row["model"] != "camf-paper")
        else:
            bound = bounds[row["what"]]
        assert row["bytes_a_pixel"] < bound, row


def test_registration_by_depth_counts() -> None:
    measured = json.loads(FIGURES.with_name("depth-registration.json").read_text(encoding="utf-8"))[
        "memory_bytes_a_pixel"
    ]
    assert max(measured.values()) <= DEPTH_PIXEL
    size, budget = (720, 1280), MemoryBudget(400e6)
    settings = RegistrationSettings(mode="calibrated", extrinsics="tf")
    within_budget(size, size, "rgb", settings, budget=budget, pixel=180)
    with pytest.raises(ImageError, match="MB of memory"):
        within_budget(size, size, "rgb", replace(settings, mode="depth"), budget=budget, pixel=180)


def test_a_network_on_a_gpu_takes_none_of_this_memory() -> None:
    assert network_pixel("torch cuda float16", blends=True) == 0
    assert network_pixel("openvino cpu float32", blends=True) < network_pixel("openvino cpu float32", blends=False)
    assert network_pixel("another", blends=True) == max(blending for blending, _ in NETWORK_PIXEL.values())


def sized(
    thermal: tuple[int, int], rgb: tuple[int, int], megabytes: float = 1e9, reference: str = "rgb", **settings: int
) -> tuple[tuple[int, int], str]:
    """Processing size that is set, and what is said."""
    registration = RegistrationSettings(**settings)  # type: ignore[arg-type]
    found, note = within_budget(thermal, rgb, reference, registration, budget=MemoryBudget(megabytes * 1e6), pixel=180)
    return (found.processing_height, found.processing_width), note


def test_usual_pairs_are_as_they_are() -> None:
    for thermal, rgb in (((120, 160), (480, 640)), ((512, 640), (1080, 1920)), ((1080, 1440), (1536, 2048))):
        assert sized(thermal, rgb) == ((0, 0), "")


def test_large_rgb_with_small_thermal_gets_a_processing_size() -> None:
    (height, width), note = sized((120, 160), (3000, 4000))
    assert height * width == pytest.approx(2**20, rel=0.01)
    assert width / height == pytest.approx(4 / 3, rel=0.01)
    assert "1182x887" in note
    assert "4000x3000" in note
    assert sized((1500, 2000), (3000, 4000))[0] == (1500, 2000), "thermal loses nothing"
    assert sized((3000, 4000), (3000, 4000)) == ((0, 0), "")
    assert sized((120, 160), (3000, 4000), processing_width=2000) == ((0, 2000), ""), "as the user wants it"
    assert sized((3000, 4000), (120, 160), reference="thermal") == ((0, 0), "")


def test_want_of_memory_gives_one_too() -> None:
    assert sized((120, 160), (960, 1280), 400)[0] == (0, 0)
    assert sized((120, 160), (960, 1280), 200)[0] == (120, 160)


@pytest.mark.parametrize(
    ("sizes", "settings", "remedy"),
    [
        (((6000, 6000), (6000, 6000)), {}, "registration.processing_width"),
        (((6000, 6000), (48, 64)), {}, "registration.processing_width"),
        (((48, 64), (48, 64)), {"output_width": 8192}, "smaller registration.output_width"),
        (((48, 64), (96, 128)), {"processing_width": 8192}, "smaller registration.processing_width"),
    ],
)
def test_what_needs_too_much_is_refused_with_size_and_remedy(
    sizes: tuple[tuple[int, int], tuple[int, int]], settings: dict[str, int], remedy: str
) -> None:
    with pytest.raises(ImageError, match=remedy) as refused:
        sized(*sizes, 1000, **settings)
    text = str(refused.value)
    assert f"{sizes[0][1]}x{sizes[0][0]}" in text
    assert "at most 1000 MB" in text
    assert "raise memory_limit" in text
    if settings.get("output_width") or sizes[0] == (6000, 6000):
        alone, registration = max(sizes[0], sizes[1]), RegistrationSettings(**settings)  # type: ignore[arg-type]
        with pytest.raises(ImageError, match="passing a thermal picture"):
            check_alone("thermal", alone, None, "rgb", registration, budget=MemoryBudget(1000e6))


def test_passing_through_in_the_geometry_of_the_other_camera() -> None:
    budget = MemoryBudget(100e6)
    check_alone("thermal", (120, 160), None, "rgb", RegistrationSettings(), budget=budget)
    with pytest.raises(ImageError, match="4000x3000"):
        check_alone("thermal", (120, 160), (3000, 4000), "rgb", RegistrationSettings(), budget=budget)


def test_explanations_count() -> None:
    check_explanation((480, 640), MemoryBudget(200e6))
    with pytest.raises(ImageError, match="explaining 4000x3000"):
        check_explanation((3000, 4000), MemoryBudget(200e6))


@pytest.mark.parametrize("accepted", [RGB_ENCODINGS, THERMAL_ENCODINGS])
def test_a_small_file_of_a_giant_picture(accepted: frozenset[str]) -> None:
    data = png_of(4000, 3000, 8, 0, bytes(4001 * 3000))
    assert len(data) < 20_000
    assert decode(data, "png", accepted, "topic", UNLIMITED)[0].shape == (3000, 4000)
    with pytest.raises(ImageError, match=r"4000 x 3000 .*MB"):
        decode(data, "png", accepted, "topic", MemoryBudget(100e6))


@pytest.mark.parametrize("encoding", ["mono8", "64FC1"])
def test_raw_frames(encoding: str) -> None:
    class Message:
        height, width, is_bigendian = 3000, 4000, 0
        step = 4000 * (8 if encoding == "64FC1" else 1)
        data = bytes(1)

    message = Message()
    message.encoding = encoding  # type: ignore[attr-defined]
    with pytest.raises(ImageError, match=r"4000 x 3000 .*MB"):
        check(message, THERMAL_ENCODINGS, "topic", MemoryBudget(100e6))  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="data has 1 bytes"):
        check(message, THERMAL_ENCODINGS, "topic", MemoryBudget(1e9))  # type: ignore[arg-type]


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tiff", ".bmp"])
def test_picture_files(tmp_path: Path, ending: str) -> None:
    done, data = cv2.imencode(ending, np.zeros((48, 64, 3), np.uint8))
    assert done
    path = tmp_path / f"picture{ending}"
    path.write_bytes(data.tobytes())
    assert read_picture(path, MemoryBudget(1e6)).shape == (48, 64, 3)
    with pytest.raises(ImageError, match=r"64 x 48 would need"):
        read_picture(path, MemoryBudget(1e3))
