"""Pictures that are scored: found, read as grey, and their problems told one by one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from camf_ros.errors import DataError
from camf_ros.evaluation.samples import average, check_samples, find_samples, given, maximum
from camf_ros.imaging.luminance import RgbPicture
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.settings.fusion_settings import FusionSettings

SHAPE = (44, 50)


def noise(seed: int, *shape: int, top: int = 256, kind: type[np.generic] = np.uint8) -> NDArray[np.generic]:
    return np.random.default_rng(seed).integers(0, top, shape or SHAPE).astype(kind)


def save(path: Path, image: NDArray[np.generic]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def data(folder: Path, names: tuple[str, ...] = ("a", "b")) -> Path:
    for number, name in enumerate(names):
        save(folder / "infrared" / f"{name}.png", noise(number))
        save(folder / "visible" / f"{name}.bmp", noise(10 + number))
        save(folder / "fused" / f"{name}.png", noise(20 + number))
    return folder


def problems(folder: Path, fused: Path | None = None) -> list[str]:
    found = find_samples(folder, fused)
    return [*found.problems, *(problem for problem in check_samples(found.samples) if problem)]


def test_samples_by_name(tmp_path: Path) -> None:
    folder = data(tmp_path)
    (folder / "infrared" / "notes.txt").touch()
    samples, wrong, ignored = find_samples(folder)
    assert [(sample.name, sample.fused) for sample in samples] == [("a", None), ("b", None)]
    assert (wrong, ignored) == ([], [folder / "infrared" / "notes.txt"])
    assert list(check_samples(samples)) == [None, None]
    first, second = samples[0].read()
    np.testing.assert_array_equal(first, noise(0))
    np.testing.assert_array_equal(second, noise(10))
    assert [len(sample.read()) for sample in find_samples(folder, folder / "fused").samples] == [3, 3]


def test_colour_is_scored_on_its_luminance(tmp_path: Path) -> None:
    colour = noise(5, *SHAPE, 3)
    luminance = RgbPicture(np.ascontiguousarray(colour[:, :, ::-1])).luminance
    save(tmp_path / "infrared" / "a.png", colour[:, :, 0])
    for place in ("visible", "fused"):
        save(tmp_path / place / "a.png", colour)
    (sample,) = find_samples(tmp_path, tmp_path / "fused").samples
    for grey in sample.read()[1:]:
        np.testing.assert_array_equal(grey, luminance)
    save(tmp_path / "infrared" / "a.png", colour)
    with pytest.raises(DataError, match=r"infrared/a\.png is in colour; expected grey values or counts"):
        sample.read()


def test_grey_stored_as_colour_and_with_alpha_is_grey(tmp_path: Path) -> None:
    grey = noise(1)
    save(tmp_path / "infrared" / "a.png", np.dstack([grey] * 3))
    save(tmp_path / "visible" / "a.png", np.dstack([grey, grey, grey, noise(2)]))
    for picture in find_samples(tmp_path).samples[0].read():
        np.testing.assert_array_equal(picture, grey)


def test_sixteen_bits(tmp_path: Path) -> None:
    """Thermal counts as a model gets them, everything else by 255 / 65535."""
    counts = noise(1, top=900, kind=np.uint16) + np.uint16(30000)
    deep = noise(2, top=65536, kind=np.uint16)
    save(tmp_path / "infrared" / "a.png", counts)
    save(tmp_path / "visible" / "a.png", deep)
    save(tmp_path / "fused" / "a.png", np.dstack([deep] * 3))
    infrared, visible, fused = find_samples(tmp_path, tmp_path / "fused").samples[0].read()
    np.testing.assert_array_equal(infrared, ThermalFrontEnd(FusionSettings().thermal).apply(counts, 0.0))
    assert infrared.max() > infrared.min()
    np.testing.assert_array_equal(visible, np.rint(deep / 257))
    np.testing.assert_array_equal(fused, visible)


def test_every_problem_is_told(tmp_path: Path) -> None:
    folder = data(tmp_path, ("alone", "cut", "double", "good", "narrow", "small", "text", "unfused"))
    (folder / "visible" / "alone.bmp").unlink()
    content = (folder / "infrared" / "cut.png").read_bytes()
    (folder / "infrared" / "cut.png").write_bytes(content[: len(content) // 2])
    save(folder / "infrared" / "double.jpg", noise(3))
    save(folder / "fused" / "narrow.png", noise(4, 44, 49))
    for place, ending in (("infrared", "png"), ("visible", "bmp"), ("fused", "png")):
        save(folder / place / f"small.{ending}", noise(5, 30, 50))
    (folder / "fused" / "text.png").write_text("no picture")
    (folder / "fused" / "unfused.png").unlink()
    save(folder / "fused" / "surplus.png", noise(6))
    told = problems(folder, folder / "fused")
    expected = {
        "alone": f"no picture of this name in {folder / 'visible'}",
        "cut": "cut.png cannot be read as a picture",
        "double": "has both double.jpg and double.png",
        "narrow": "the sizes differ: 50 x 44, 49 x 44",
        "small": "the size is 50 x 30",
        "surplus": f"no picture of this name in {folder / 'infrared'} and {folder / 'visible'}",
        "text": "text.png cannot be read as a picture",
        "unfused": f"no picture of this name in {folder / 'fused'}",
    }
    by_name = dict(line.split(": ", 1) for line in told)
    assert "double" not in {sample.name for sample in find_samples(folder, folder / "fused").samples}, (
        "which of the two?"
    )
    assert sorted(by_name) == sorted(expected)
    assert len(told) == len(expected)
    for name, part in expected.items():
        assert part in by_name[name]


def test_folders_that_are_not_there_or_empty(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*infrared"):
        find_samples(tmp_path)
    for place in ("infrared", "visible"):
        (tmp_path / place).mkdir()
    with pytest.raises(DataError, match="there are no pictures in"):
        find_samples(tmp_path)
    with pytest.raises(DataError, match=r"there is no folder .*made"):
        find_samples(tmp_path, tmp_path / "made")


def test_baselines_by_hand() -> None:
    a, b = np.array([[0, 1, 255, 254, 7]], np.uint8), np.array([[0, 2, 255, 255, 4]], np.uint8)
    assert maximum(a, b).tolist() == [[0, 2, 255, 255, 7]]
    assert average(a, b).tolist() == [[0, 2, 255, 255, 6]]
    assert average(a, b).dtype == np.uint8
    assert given(a, b, b) is b
