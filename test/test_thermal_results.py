"""What is handed out of thermal frames beside the fused image: in which geometry, where it is valid, if wanted."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from small_model import open_small

from camf_ros import thermal_results
from camf_ros.detector_picture import Wanted
from camf_ros.engines.choose import ChosenEngine
from camf_ros.engines.engine import Engine
from camf_ros.fusion import Cameras, Fusion, Running
from camf_ros.imaging.camera_messages import ImageConversion, encoding_of, image_fields
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.imaging.thermal.temperatures import numbers_of
from camf_ros.imaging.warp import Warp
from camf_ros.outputs import (
    COLOUR,
    DETECTOR,
    FUSED,
    ISOTHERM,
    MASK,
    MEASURED,
    OTHERS,
    REGISTERED,
    REGISTERED_GREY,
    Work,
)
from camf_ros.pairing.synchronizer import ImagePair, LoneFrame
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.table import build
from camf_ros.thermal_results import ThermalRecord

ALL = Wanted(eyes=True, detector=True, others=frozenset(OTHERS))
HEIGHT, WIDTH = 60, 80
# The thermal camera sees the RGB picture from (8, 6) on, at its own scale; its picture is 40 x 32.
SHIFT = np.array([[1.0, 0.0, 8.0], [0.0, 1.0, 6.0], [0.0, 0.0, 1.0]])
SEEN = np.s_[6 : 6 + 32, 8 : 8 + 40]


class Outputs:
    """Keeps what is handed out."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.kept: dict[str, Any] = {}
        self.headers: dict[str, Any] = {}

    def make(self, kind: str, **fields: Any) -> Any:
        return SimpleNamespace(kind=kind, **fields)

    def constant(self, *_: str) -> int:
        return 0

    def picture(self, name: str, image: NDArray[Any], header: Any) -> None:
        self.kept[name], self.headers[name] = image.copy(), header

    def camera_info(self, message: Any) -> None:
        self.kept["info"] = message

    def weights(self, message: Any) -> None:
        self.kept["weights"] = message

    def temperatures(self, message: Any) -> None:
        self.kept[MEASURED] = message

    def complain(self, cause: str, text: str) -> None:
        raise AssertionError((cause, text))

    def fused(self, work: Work) -> None:
        pass

    def passed(self, camera: str, latency: float) -> None:
        pass


def message(image: NDArray[Any], frame: str, sec: int) -> SimpleNamespace:
    header = SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=0), frame_id=frame)
    return SimpleNamespace(header=header, **image_fields(image, encoding_of(image)))


def frames(sec: int = 1, dtype: type = np.uint16) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Thermal in hundredths of a kelvin, or in kelvin, and RGB."""
    rng = np.random.default_rng(sec)
    counts = rng.integers(29_000, 31_000, (32, 40), dtype=np.uint16)
    thermal = counts if dtype == np.uint16 else (counts / 100).astype(np.float32)
    return thermal, rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def pair(thermal: NDArray[Any], rgb: NDArray[Any], sec: int = 1) -> ImagePair:
    return ImagePair(message(thermal, "thermal", sec), message(rgb, "rgb", sec), 0.0, float(sec), 0.0)


@pytest.fixture(scope="module")
def engine(small_model: Path) -> Engine:
    return open_small(small_model)


class Bench:
    """A fusion, its outputs, and what it told."""

    def __init__(self, engine: Engine, wanted: Wanted, **parameters: Any) -> None:
        values = {"thermal.time_constant": 0.0, "thermal.unit": "centikelvin", "thermal.dead_pixels": "off"}
        values |= {name.replace("__", "."): value for name, value in parameters.items()}
        settings = build(FusionSettings, values)
        self.outputs, self.told = Outputs(wanted), list[str]()
        self.fusion = Fusion(
            settings,
            Running(ChosenEngine(engine, "", ()), "small"),
            PlannedRegistration.checked(settings.registration),
            self.outputs,
            cameras=Cameras(settings.registration),
            conversion=ImageConversion(),
            tell=self.told.append,
        )

    def fuse(self, thermal: NDArray[Any], rgb: NDArray[Any], sec: int = 1) -> dict[str, Any]:
        self.outputs.kept.clear()
        self.fusion.process(pair(thermal, rgb, sec))
        return dict(self.outputs.kept)

    def alone(self, camera: str, image: NDArray[Any], sec: int = 2) -> dict[str, Any]:
        self.outputs.kept.clear()
        self.fusion.process(LoneFrame(camera, message(image, camera, sec), 0.0, float(sec)))
        return dict(self.outputs.kept)


@pytest.fixture
def shifted(tmp_path: Path) -> dict[str, Any]:
    """Parameters of a registration by :data:`SHIFT`."""
    file = tmp_path / "registration.yaml"
    sizes = {"thermal": {"width": 40, "height": 32}, "rgb": {"width": WIDTH, "height": HEIGHT}}
    file.write_text(yaml.safe_dump({"camf_registration": 1, **sizes, "homography": SHIFT.tolist()}))
    return {"registration__mode": "homography", "registration__file": str(file)}


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_raw_values_are_registered_unchanged_and_marked_where_thermal_sees_nothing(
    engine: Engine, shifted: dict[str, Any], dtype: type
) -> None:
    unit = "centikelvin" if dtype == np.uint16 else "kelvin"
    bench = Bench(engine, ALL, thermal__unit=unit, **shifted)
    thermal, rgb = frames(dtype=dtype)
    made = bench.fuse(thermal, rgb)
    expected = np.full((HEIGHT, WIDTH), 0 if dtype == np.uint16 else np.nan, dtype)
    expected[SEEN] = thermal
    assert made[REGISTERED].dtype == dtype
    np.testing.assert_array_equal(made[REGISTERED], expected)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[SEEN] = 255
    np.testing.assert_array_equal(made[MASK], mask)
    frame = bench.fusion.last.frame
    assert made[REGISTERED_GREY].dtype == np.uint8
    assert made[FUSED].shape[:2] == made[REGISTERED_GREY].shape == (HEIGHT, WIDTH)
    np.testing.assert_array_equal(made[REGISTERED_GREY][SEEN], frame.aligned.thermal[SEEN])
    assert (made[REGISTERED_GREY][mask == 0] == 0).all()
    headers = bench.outputs.headers
    assert headers[REGISTERED] is headers[REGISTERED_GREY] is headers[MASK] is headers[FUSED]


def test_in_the_thermal_cameras_geometry_they_are_the_frame_itself(engine: Engine, shifted: dict[str, Any]) -> None:
    thermal, rgb = frames()
    made = Bench(engine, ALL, reference="thermal", **shifted).fuse(thermal, rgb)
    np.testing.assert_array_equal(made[REGISTERED], thermal)
    assert (made[MASK] == 255).all()


def test_resized_pictures_have_the_values_of_their_nearest_pixels(engine: Engine) -> None:
    thermal, rgb = frames()
    made = Bench(engine, ALL, registration__mode="resize").fuse(thermal, rgb)
    assert made[REGISTERED].shape == (HEIGHT, WIDTH)
    rows, columns = ((np.arange(side) + 0.5) * part / side for side, part in ((HEIGHT, 32), (WIDTH, 40)))
    nearest = thermal[np.ix_(rows.astype(int), columns.astype(int))]
    clear = rows % 1 != 0  # elsewhere two rows are equally near
    np.testing.assert_array_equal(made[REGISTERED][clear], nearest[clear])
    assert (made[MASK] == 255).all()


def test_also_where_the_network_works_at_another_size(engine: Engine, shifted: dict[str, Any]) -> None:
    thermal, rgb = frames()
    sized = {"registration__processing_width": 40, "registration__processing_height": 30}
    made, whole = (
        Bench(engine, ALL, **shifted, **sized).fuse(thermal, rgb),
        Bench(engine, ALL, **shifted).fuse(thermal, rgb),
    )
    for name in (REGISTERED, MASK):
        np.testing.assert_array_equal(made[name], whole[name])
    assert made[REGISTERED_GREY].shape == (HEIGHT, WIDTH)


def test_temperatures_are_of_the_thermal_frame(engine: Engine, shifted: dict[str, Any]) -> None:
    bench = Bench(engine, ALL, temperatures__spots="here 3 4", **shifted)
    thermal, rgb = frames()
    thermal[20, 30], thermal[10, 5] = 35_000, 27_500
    made = bench.fuse(thermal, rgb)
    image = made[MEASURED].image
    assert (image.hottest.x, image.hottest.y) == (30, 20)
    assert image.hottest.temperature == pytest.approx(76.85, abs=1e-3)
    assert (image.coldest.x, image.coldest.y) == (5, 10)
    assert image.coldest.temperature == pytest.approx(1.85, abs=1e-3)
    assert [spot.name for spot in made[MEASURED].spots] == ["here"]
    assert made[MEASURED].header.frame_id == bench.outputs.headers[COLOUR].frame_id == "thermal"
    assert made[COLOUR].shape == made[ISOTHERM].shape == (32, 40, 3)
    assert bench.fusion.problem == "" and not bench.told


def test_without_a_unit_it_says_so_once_and_the_rest_is_there(engine: Engine) -> None:
    bench = Bench(engine, ALL, thermal__unit="unknown")
    for sec in (1, 2):
        made = bench.fuse(*frames(sec), sec)
        assert set(made) == {FUSED, DETECTOR, "weights", REGISTERED, REGISTERED_GREY, MASK, COLOUR}
        assert "thermal.unit is unknown" in bench.fusion.problem
    assert len(bench.told) == 1
    bench.outputs.wanted = Wanted()
    bench.fuse(*frames(3), 3)
    assert bench.fusion.problem == "", "nobody asks any more"


def test_a_spot_outside_of_the_picture_is_told(engine: Engine) -> None:
    bench = Bench(engine, ALL, temperatures__spots="far 100 4")
    made = bench.fuse(*frames())
    assert np.isnan(made[MEASURED].spots[0].temperature)
    assert bench.told == [bench.fusion.problem]
    assert bench.fusion.problem.startswith("far of")


@pytest.mark.parametrize("name", OTHERS)
def test_each_is_made_alone_and_changes_nothing_else(engine: Engine, shifted: dict[str, Any], name: str) -> None:
    plain, other = Bench(engine, Wanted(), **shifted), Bench(engine, Wanted(others=frozenset({name})), **shifted)
    for sec in (1, 2, 3):
        if sec == 3:
            other.outputs.wanted = Wanted()  # the subscriber goes
        before, after = plain.fuse(*frames(sec), sec), other.fuse(*frames(sec), sec)
        assert set(after) - set(before) == ({name} if sec < 3 else set())
        np.testing.assert_array_equal(after[FUSED], before[FUSED])
        for part in ("gain", "infrared_weight", "infrared_activation", "infrared_share"):
            np.testing.assert_array_equal(getattr(after["weights"], part), getattr(before["weights"], part))


# What takes time, and which outputs need it.
STEPS = {
    "temperatures": {ISOTHERM, MEASURED},
    "measure": {ISOTHERM, MEASURED},
    "isotherm": {ISOTHERM},
    "coloured": {COLOUR},
    "resized": {REGISTERED_GREY},
}


@pytest.mark.parametrize("name", ["", *OTHERS])
def test_what_nobody_subscribes_to_costs_nothing(
    engine: Engine, shifted: dict[str, Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    calls: Counter[str] = Counter()

    def counting(step: str, call: Any) -> Any:
        def counted(*arguments: Any, **keywords: Any) -> Any:
            calls[step] += 1
            return call(*arguments, **keywords)

        return counted

    for step in STEPS:
        monkeypatch.setattr(thermal_results, step, counting(step, getattr(thermal_results, step)))
    monkeypatch.setattr(Warp, "sample", counting("sample", Warp.sample))
    monkeypatch.setattr(ThermalRecord, "registered", counting("record", ThermalRecord.registered))
    monkeypatch.setattr(ThermalRecord, "measured", counting("record", ThermalRecord.measured))
    bench = Bench(engine, Wanted(others=frozenset({name} if name else ())), **shifted)
    for sec in (1, 2, 3):
        bench.fuse(*frames(sec), sec)
    if not name:
        assert not calls
        return
    expected = {step: 3 for step, needed in STEPS.items() if name in needed}
    expected |= {"sample": 3} if name in (REGISTERED, REGISTERED_GREY) else {}
    assert calls == expected


def test_while_rgb_is_missing_thermal_is_there_and_the_mask_is_black(engine: Engine, shifted: dict[str, Any]) -> None:
    bench = Bench(engine, ALL, **shifted)
    bench.fuse(*frames())
    thermal, _ = frames(2)
    made = bench.alone("thermal", thermal)
    expected = np.zeros((HEIGHT, WIDTH), np.uint16)
    expected[SEEN] = thermal
    np.testing.assert_array_equal(made[REGISTERED], expected)
    np.testing.assert_array_equal(made[REGISTERED_GREY], made[FUSED][:, :, 0])
    assert made[MASK].shape == (HEIGHT, WIDTH)
    assert not made[MASK].any()
    assert {COLOUR, ISOTHERM, MEASURED} <= set(made)
    assert bench.outputs.headers[REGISTERED].frame_id == "rgb"


def test_while_thermal_is_missing_nothing_thermal_is_there(engine: Engine, shifted: dict[str, Any]) -> None:
    bench = Bench(engine, ALL, **shifted)
    bench.fuse(*frames())
    made = bench.alone("rgb", frames(2)[1])
    assert set(made) == {FUSED, DETECTOR, "weights", MASK}
    assert not made[MASK].any()


def test_before_the_first_rgb_frame_it_is_the_thermal_cameras_geometry(engine: Engine, shifted: dict[str, Any]) -> None:
    thermal, _ = frames()
    made = Bench(engine, ALL, **shifted).alone("thermal", thermal)
    np.testing.assert_array_equal(made[REGISTERED], thermal)
    assert made[MASK].shape == (32, 40)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("reference", ["rgb", "thermal"])
def test_a_pair_keeps_what_its_thermal_results_are_made_of(
    engine: Engine, shifted: dict[str, Any], reference: str, dtype: type
) -> None:
    unit = "centikelvin" if dtype == np.uint16 else "kelvin"
    parameters = {**shifted, "reference": reference, "thermal__unit": unit, "temperatures__spots": "here 3 4"}
    bench = Bench(engine, ALL, **parameters)
    made = bench.fuse(*frames(dtype=dtype))
    record = bench.fusion.last.record
    # Later pairs and other parameters change nothing.
    bench.fuse(*frames(5, dtype), sec=5)
    np.testing.assert_array_equal(record.registered(), made[REGISTERED])
    numbers = numbers_of(record.measured())
    hottest, message = numbers["image"]["hottest"], made[MEASURED]
    assert (hottest["x"], hottest["y"]) == (message.image.hottest.x, message.image.hottest.y)
    assert hottest["temperature"] == pytest.approx(message.image.hottest.temperature)
    assert numbers["spots"] == [{"name": "here", "x": 3, "y": 4, "temperature": message.spots[0].temperature}]
    assert numbers["boxes"] == []


def test_raw_counts_of_an_unknown_unit_have_no_temperatures_to_keep(engine: Engine) -> None:
    bench = Bench(engine, Wanted(), thermal__unit="unknown")
    bench.fuse(*frames())
    assert bench.fusion.last.record.measured() is None
    assert bench.fusion.last.record.registered().shape == (HEIGHT, WIDTH)


def test_numbers_are_none_where_nothing_is_measured(engine: Engine) -> None:
    bench = Bench(engine, Wanted(), temperatures__spots="out 300 4", temperatures__boxes="out 300 4 5 5")
    bench.fuse(*frames())
    numbers = numbers_of(bench.fusion.last.record.measured())
    assert numbers["spots"][0]["temperature"] is None
    assert (numbers["boxes"][0]["mean"], numbers["boxes"][0]["pixels"]) == (None, 0)
    json.dumps(numbers, allow_nan=False)
