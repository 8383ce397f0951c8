"""Camera presets: what each says is a parameter of the node that it says it to."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import yaml

from camf_ros.errors import DataError
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.resources import share_file
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.parameter_file import preset_file, read_parameters
from camf_ros.settings.table import build

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "test" / "nodes"))
from stand_in_cameras import USB_CAM, USB_CAM_RAW  # noqa: E402

PRESETS = {path.stem: path for path in sorted((ROOT / "config" / "cameras").glob("*.yaml"))}
# Width and height of the picture, and rows of telemetry below it.
USB_SIZES = {
    "boson_320": (320, 256, 0),
    "boson_640": (640, 512, 0),
    "lepton_2": (80, 60, 0),
    "lepton_2_telemetry": (80, 60, 3),
    "lepton_3": (160, 120, 0),
    "lepton_3_telemetry": (160, 120, 2),
}


def sections(preset: str) -> set[str]:
    return set(yaml.safe_load(PRESETS[preset].read_text(encoding="utf-8")))


def test_a_preset_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    assert preset_file("boson_640").samefile(PRESETS["boson_640"])
    assert preset_file(f"{tmp_path}/mine.yaml") == tmp_path / "mine.yaml"
    with pytest.raises(DataError, match="camera preset 'bosom' is unknown; expected one of boson_320"):
        preset_file("bosom")


@pytest.mark.parametrize("preset", PRESETS)
def test_the_fusion_node_takes_it(preset: str) -> None:
    values = read_parameters(preset_file(preset), "fusion")
    settings = build(FusionSettings, values)
    assert {name.partition(".")[0] for name in values} <= {"thermal", "pairing"}
    assert settings.thermal.agc == values["thermal.agc"]
    assert settings.thermal.polarity == values["thermal.polarity"]
    assert sections(preset) <= {"fusion", "usb_cam"}


@pytest.mark.parametrize("preset", USB_SIZES)
def test_usb_cam_takes_it(preset: str) -> None:
    values = read_parameters(preset_file(preset), "usb_cam")
    assert set(values) == {"pixel_format", "image_width", "image_height", "framerate"}
    assert {name: type(value) for name, value in values.items()} == {name: type(USB_CAM[name]) for name in values}
    assert USB_CAM_RAW[str(values["pixel_format"])] == "mono16"
    width, height, telemetry = USB_SIZES[preset]
    assert (values["image_width"], values["image_height"]) == (width, height + telemetry)
    assert read_parameters(preset_file(preset), "fusion").get("thermal.crop_bottom", 0) == telemetry


def test_no_other_preset_is_for_usb_cam() -> None:
    assert {name for name in PRESETS if "usb_cam" in sections(name)} == set(USB_SIZES)


@pytest.mark.parametrize(
    ("preset", "celsius"),
    [
        ("lepton_3", lambda t: np.uint16(round((t + 273.15) * 100))),
        ("lepton_2", lambda t: np.uint16(round((t + 273.15) * 100))),
        ("gazebo", lambda t: np.uint16(round((t + 273.15) * 100))),
        ("optris", lambda t: np.uint16(round(t * 10 + 1000))),
        ("oak_t", np.float32),
    ],
)
def test_temperatures_are_right(preset: str, celsius: type) -> None:
    """In the mode that shows temperatures, the ends of the range are black and white, the middle is grey."""
    values = read_parameters(preset_file(preset), "fusion") | {"thermal.agc": "temperature"}
    thermal = build(FusionSettings, values).thermal
    middle = (thermal.minimum + thermal.maximum) / 2
    columns = [celsius(temperature) for temperature in (thermal.minimum, middle, thermal.maximum)]
    picture = np.repeat(np.array([columns]), 24, axis=0).repeat(16, axis=1)
    grey = ThermalFrontEnd(thermal).apply(picture, 0.0)
    assert [int(grey[12, column]) for column in (8, 24, 40)] == pytest.approx([0, 128, 255], abs=2)


def test_the_world_of_gazebo_has_what_is_bridged() -> None:
    """Topics and formats of both cameras, and no bridged topic that nobody publishes."""
    world = ET.parse(share_file("config/gazebo/yard.sdf")).getroot()
    cameras = {sensor.findtext("topic"): sensor for sensor in world.iter("sensor")}
    formats = {topic: sensor.findtext("camera/image/format") for topic, sensor in cameras.items()}
    assert formats == {"thermal/image_raw": "L16", "rgb/image_raw": "R8G8B8"}
    assert cameras["thermal/image_raw"].get("type") == "thermal"
    fields = {sensor.findtext("camera/horizontal_fov") for sensor in cameras.values()}
    assert len(fields) == 1, "one field of view: frames are resized, not registered"

    bridged = yaml.safe_load(share_file("config/gazebo/bridge.yaml").read_text(encoding="utf-8"))
    published = {"/clock"} | {f"/{topic}" for topic in cameras}
    published |= {f"/{topic.rpartition('/')[0]}/camera_info" for topic in cameras if topic}
    assert {entry["topic_name"] for entry in bridged} == published
    for entry in bridged:
        package, _, name = entry["ros_type_name"].partition("/msg/")
        assert package in {"sensor_msgs", "rosgraph_msgs"}
        assert entry["gz_type_name"] == f"gz.msgs.{name}"


def test_everything_visible_in_the_world_has_a_temperature() -> None:
    world = ET.parse(share_file("config/gazebo/yard.sdf")).getroot()
    kelvin = [float(visual.findtext("plugin/temperature", "nan")) for visual in world.iter("visual")]
    assert len(kelvin) >= 9
    assert all(270 < value < 330 for value in kelvin)
