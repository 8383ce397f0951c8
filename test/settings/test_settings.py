"""Every setting of every node: its default, its range, its type, and the way through a parameter file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from by_path import load
from hypothesis import given
from hypothesis import strategies as st

from camf_ros.errors import ParameterError
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.table import Spec, Value, build, specs

ROOT = Path(__file__).resolve().parents[2]
documents = load("scripts/write_parameters.py")
NODES: Mapping[str, type[Any]] = documents.NODES
ALL = [pytest.param(spec, id=f"{node}.{name}") for node, kind in NODES.items() for name, spec in specs(kind).items()]
NUMBERS = [case for case in ALL if type(case.values[0].default) in (int, float)]  # type: ignore[attr-defined]


def flat(settings: Any, prefix: str = "") -> dict[str, Value]:
    """Values of a settings object by full name."""
    values: dict[str, Value] = {}
    for field in fields(settings):
        value, name = getattr(settings, field.name), f"{prefix}{field.name}"
        values.update(flat(value, f"{name}.") if is_dataclass(value) else {name: value})
    return values


def read_yaml(text: str) -> dict[str, object]:
    """Values by full name of a parameter file, read as ROS reads it."""

    def walk(tree: Mapping[str, Any], prefix: str) -> dict[str, object]:
        values: dict[str, object] = {}
        for name, value in tree.items():
            values.update(walk(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value})
        return values

    return walk(yaml.safe_load(text)["/**"]["ros__parameters"], "")


@pytest.mark.parametrize("spec", ALL)
def test_default_passes_its_own_check(spec: Spec) -> None:
    value = spec.check(spec.default)
    assert (type(value), value) == (type(spec.default), spec.default)
    assert spec.description.endswith(".")


@pytest.mark.parametrize("spec", ALL)
def test_default_is_the_fields(spec: Spec, request: pytest.FixtureRequest) -> None:
    node = request.node.callspec.id.split(".")[0]
    assert flat(NODES[node]())[spec.name] == spec.default


@pytest.mark.parametrize("spec", NUMBERS)
def test_ranges(spec: Spec) -> None:
    assert spec.minimum is not None, "a number without a range cannot be described to ROS"
    assert spec.maximum is not None
    kind = type(spec.default)
    for inside in (spec.minimum, spec.maximum):
        assert spec.check(kind(inside)) == inside
    below, above = (
        (kind(spec.minimum) - 1, kind(spec.maximum) + 1)
        if kind is int
        else (math.nextafter(spec.minimum, -math.inf), math.nextafter(spec.maximum, math.inf))
    )
    for outside in (below, above, -math.inf, math.inf, math.nan):
        with pytest.raises(ParameterError, match=rf"parameter {spec.name} is .*expected a .*number: .* to "):
            spec.check(outside)


@pytest.mark.parametrize("spec", NUMBERS)
def test_accepted_range_in_words_is_exact(spec: Spec) -> None:
    low, _, high, *unit = spec.accepted.split(" ")
    assert (float(low), float(high)) == (spec.minimum, spec.maximum)
    assert " ".join(unit) == spec.unit


@pytest.mark.parametrize("spec", ALL)
@pytest.mark.parametrize("value", [True, None, [1], {"a": 1}, b"1", 1j, "no such choice", 1, 1.5])
def test_wrong_types(spec: Spec, value: object) -> None:
    kind = type(spec.default)
    fits = type(value) is kind or (kind is float and type(value) is int)
    if fits and (spec.minimum is None or spec.minimum <= value <= spec.maximum) and not spec.choices:  # type: ignore[operator]
        checked = spec.check(value)
        assert (type(checked), checked) == (kind, value)
    else:
        with pytest.raises(ParameterError, match=f"parameter {spec.name} is "):
            spec.check(value)


def test_number_too_large_for_any_type() -> None:
    with pytest.raises(ParameterError, match="parameter gain is "):
        build(FusionSettings, {"gain": 10**400})


def test_whole_numbers_where_people_write_them() -> None:
    settings = build(FusionSettings, {"gain": 1, "pairing.slop": 1})
    assert (type(settings.gain), settings.gain, settings.pairing.slop) == (float, 1.0, 1.0)


@pytest.mark.parametrize("spec", [case for case in ALL if case.values[0].choices])  # type: ignore[attr-defined]
def test_choices(spec: Spec) -> None:
    for choice in spec.choices:
        assert spec.check(choice) == choice
        assert choice in spec.accepted
        for wrong in (choice.upper(), choice + " ", ""):
            if wrong not in spec.choices:
                with pytest.raises(ParameterError, match=r"expected .*\|"):
                    spec.check(wrong)


@pytest.mark.parametrize("off", ["off", False])
def test_off_is_what_yaml_makes_of_it(off: object) -> None:
    assert build(FusionSettings, {"thermal.dead_pixels": off}).thermal.dead_pixels == "off"


@pytest.mark.parametrize(
    ("name", "value", "quoted"), [("model", 1000.0, "1000.0"), ("registration.file", 7, "7"), ("model", True, "on")]
)
def test_a_text_that_yaml_takes_for_something_else(name: str, value: object, quoted: str) -> None:
    with pytest.raises(ParameterError, match=f"parameter {name} is {value}; expected a string; .* needs quotes"):
        build(FusionSettings, {name: value})
    with pytest.raises(ParameterError, match=re.escape(f"(\"'{quoted}'\")")):
        build(FusionSettings, {name: value})


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("name", ["", "no_such", "pairing", "Gain", "model "])
def test_unknown_name(node: str, name: str) -> None:
    with pytest.raises(ParameterError, match="unknown parameters") as caught:
        build(NODES[node], {name: 1})
    assert repr(name) in str(caught.value)


def test_names_that_are_no_text() -> None:
    with pytest.raises(ParameterError, match="unknown parameters"):
        build(FusionSettings, {1: 2, "no_such": 3})  # type: ignore[dict-item]


def test_one_bad_value_refuses_all() -> None:
    with pytest.raises(ParameterError, match=r"pairing\.queue_size is 0"):
        build(FusionSettings, {"gain": 1.0, "pairing.queue_size": 0})


def test_parts_are_built() -> None:
    settings = build(FusionSettings, {"pairing.queue_size": 3, "thermal.time_constant": 2.5, "reference": "thermal"})
    assert (settings.pairing.queue_size, settings.thermal.time_constant, settings.reference) == (3, 2.5, "thermal")
    assert settings.pairing.slop == FusionSettings().pairing.slop


def test_values_that_contradict_each_other() -> None:
    with pytest.raises(ParameterError, match=r"pairing.slop is 0 .*exact"):
        build(FusionSettings, {"pairing.slop": 0.0})
    assert build(FusionSettings, {"pairing.slop": 0.0, "pairing.policy": "exact"}).pairing.slop == 0


def test_black_must_lie_below_white() -> None:
    """Equal percentiles leave no contrast: every frame would be one grey."""
    with pytest.raises(ParameterError, match=r"thermal\.low_percentile"):
        build(FusionSettings, {"thermal.low_percentile": 50.0, "thermal.high_percentile": 50.0})


@pytest.mark.parametrize("name", ["thermal_stamps", "rgb_stamps", "zero_stamps"])
def test_times_of_arrival_are_never_equal(name: str) -> None:
    with pytest.raises(ParameterError, match=rf"pairing\.{name} is arrival with pairing\.policy exact"):
        build(FusionSettings, {f"pairing.{name}": "arrival", "pairing.policy": "exact"})


def test_settings_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        FusionSettings().gain = 1.0  # type: ignore[misc]


def test_what_can_change_at_run_time() -> None:
    assert {name for name, spec in specs(FusionSettings).items() if spec.dynamic} == {
        "explanation_x",
        "explanation_y",
        "model",
        "engine",
        "device",
        "precision",
        "threads",
        "registration.mode",
        "registration.file",
        "registration.extrinsics",
        "thresholds.latency",
        "thresholds.skew",
        "thresholds.rate",
        "compressed.format",
        "compressed.jpeg_quality",
        "gain",
        "gain_time_constant",
        "missing_timeout",
        "on_missing",
        "reference",
        "registration.distance",
        "registration.depth_slop",
        "registration.output_width",
        "registration.output_height",
        "registration.processing_width",
        "registration.processing_height",
        "registration.feather",
        *(name for name in specs(FusionSettings) if name.startswith(("thermal.", "temperatures."))),
    }


@pytest.mark.parametrize("node", NODES)
def test_parameter_file_holds_all_defaults(node: str) -> None:
    values = read_yaml(documents.parameter_file(node))
    assert build(NODES[node], values) == NODES[node]()
    assert {name: (type(value), value) for name, value in values.items()} == {
        name: (type(spec.default), spec.default) for name, spec in specs(NODES[node]).items()
    }


# Any text would be refused, and so would most scales with most units.
CHOSEN = {
    "temperatures.spots": ("", "motor 1 2; door 300 4"),
    "temperatures.boxes": ("", "motor 1 2 3 4;"),
    "thermal.unit": ("unknown", "custom"),
}


def values_of(spec: Spec) -> st.SearchStrategy[Any]:
    if spec.name in CHOSEN:
        return st.sampled_from(CHOSEN[spec.name])
    if spec.choices:
        return st.sampled_from(spec.choices)
    if type(spec.default) is bool:
        return st.booleans()
    if type(spec.default) is float:
        return st.floats(spec.minimum, spec.maximum)
    if type(spec.default) is int:
        return st.integers(int(spec.minimum or 0), int(spec.maximum or 0))
    return st.text()


@pytest.mark.parametrize("node", NODES)
@given(data=st.data())
def test_round_trip_through_yaml(node: str, data: st.DataObject) -> None:
    values = {name: data.draw(values_of(spec), label=name) for name, spec in specs(NODES[node]).items()}
    try:
        settings = build(NODES[node], values)
    except ParameterError as error:
        # The only things that can be wrong with values that are each in their range.
        words = (
            "slop",
            "percentile",
            "registration.file is empty",
            "pairing.policy exact",
            "thermal.m",
            "thermal.polarity",
            "temperatures.isotherm_minimum",
        )
        assert any(word in str(error) for word in words)
        return
    assert flat(settings) == values
    assert build(NODES[node], yaml.safe_load(yaml.safe_dump(flat(settings)))) == settings


@pytest.mark.parametrize("node", NODES)
def test_shipped_parameter_file_is_up_to_date(node: str) -> None:
    text = (ROOT / "config" / f"{node}.yaml").read_text(encoding="utf-8")
    assert text == documents.parameter_file(node), "run python3 scripts/write_parameters.py"


def test_parameter_page_is_up_to_date() -> None:
    page = ROOT / "docs" / "parameters.md"
    if not page.parent.is_dir():
        pytest.skip("no docs in this tree")
    assert page.read_text(encoding="utf-8") == documents.parameter_page(), "run python3 scripts/write_parameters.py"


def test_parameter_page_has_every_setting_in_a_whole_row() -> None:
    rows = [line for line in documents.parameter_page().splitlines() if line.startswith("| `")]
    assert len(rows) == len(ALL)
    for row in rows:
        assert row.replace("\\|", "").count("|") == 5, row
