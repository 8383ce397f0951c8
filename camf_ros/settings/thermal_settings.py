"""Settings of the thermal front end."""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.errors import ParameterError
from camf_ros.settings.table import setting

_CROP = 4096
#: Scale and offset to Celsius, by unit.
UNITS = {
    "celsius": (1.0, 0.0),
    "kelvin": (1.0, -273.15),
    "decikelvin": (0.1, -273.15),
    "centikelvin": (0.01, -273.15),
    "0.04_kelvin": (0.04, -273.15),
    "optris": (0.1, -100.0),
}


@dataclass(frozen=True)
class ThermalSettings:
    """How raw thermal values become grey levels."""

    low_percentile: float = setting(
        0.5,
        "agc linear: percentile that becomes black.",
        minimum=0.0,
        maximum=50.0,
        unit="%",
        dynamic=True,
    )
    high_percentile: float = setting(
        99.5,
        "agc linear: percentile that becomes white.",
        minimum=50.0,
        maximum=100.0,
        unit="%",
        dynamic=True,
    )
    time_constant: float = setting(
        1.0,
        "Smoothing of the grey levels. 0: none.",
        minimum=0.0,
        maximum=60.0,
        unit="s",
        dynamic=True,
    )
    agc: str = setting(
        "plateau",
        "Conversion to grey levels. linear: between percentiles. plateau: limited histogram equalisation. clahe: "
        "equalisation in tiles. temperature: fixed range.",
        choices=("linear", "plateau", "clahe", "temperature"),
        dynamic=True,
    )
    plateau_limit: float = setting(
        3.0,
        "agc plateau: histogram limit, relative to the mean count. Large: no limit.",
        minimum=1.0,
        maximum=100.0,
        dynamic=True,
    )
    linear_share: float = setting(
        0.3,
        "agc plateau: share of grey levels distributed as with linear.",
        minimum=0.0,
        maximum=1.0,
        dynamic=True,
    )
    detail_gain: float = setting(
        1.0,
        "agc plateau: contrast of fine detail, relative to the mean.",
        minimum=0.0,
        maximum=5.0,
        dynamic=True,
    )
    clahe_limit: float = setting(
        2.0,
        "agc clahe: largest contrast, relative to linear.",
        minimum=1.0,
        maximum=20.0,
        dynamic=True,
    )
    minimum: float = setting(
        0.0,
        "agc temperature: temperature that becomes black.",
        minimum=-300.0,
        maximum=70000.0,
        dynamic=True,
    )
    maximum: float = setting(
        40.0,
        "agc temperature: temperature that becomes white.",
        minimum=-300.0,
        maximum=70000.0,
        dynamic=True,
    )
    unit: str = setting(
        "unknown",
        "Unit of raw values. unknown: no temperatures. 0.04_kelvin: FLIR Tau. custom: see scale.",
        choices=("unknown", *UNITS, "custom"),
        dynamic=True,
    )
    scale: float = setting(
        1.0,
        "unit custom, or unknown with agc temperature: temperature = value * scale + offset.",
        minimum=1e-6,
        maximum=1000.0,
        dynamic=True,
    )
    offset: float = setting(
        0.0,
        "See scale.",
        minimum=-70000.0,
        maximum=70000.0,
        dynamic=True,
    )
    polarity: str = setting(
        "white_hot",
        "black_hot: smaller values are hotter; images are inverted.",
        choices=("white_hot", "black_hot"),
        dynamic=True,
    )
    least_span: float = setting(
        0.0,
        "Smallest raw range from black to white. 0: from the noise.",
        minimum=0.0,
        maximum=70000.0,
        dynamic=True,
    )
    dead_pixels: str = setting(
        "auto",
        "auto: replace by the median of neighbours.",
        choices=("auto", "off"),
        dynamic=True,
    )
    byte_order: str = setting(
        "as_sent",
        "swapped: if the driver declares the wrong byte order.",
        choices=("as_sent", "swapped"),
        dynamic=True,
    )
    crop_top: int = setting(
        0,
        "Rows to remove, such as telemetry. camera_info must have the remaining size.",
        minimum=0,
        maximum=_CROP,
        unit="px",
        dynamic=True,
    )
    crop_bottom: int = setting(0, "Rows to remove.", minimum=0, maximum=_CROP, unit="px", dynamic=True)
    crop_left: int = setting(0, "Columns to remove.", minimum=0, maximum=_CROP, unit="px", dynamic=True)
    crop_right: int = setting(0, "Columns to remove.", minimum=0, maximum=_CROP, unit="px", dynamic=True)
    process_8bit: bool = setting(
        False,
        "Apply agc and dead_pixels to 8-bit images.",
        dynamic=True,
    )

    def __post_init__(self) -> None:
        if self.low_percentile >= self.high_percentile:
            raise ParameterError(
                f"thermal.low_percentile is {self.low_percentile:g}",
                expected=f"less than thermal.high_percentile, which is {self.high_percentile:g}",
            )
        if self.minimum >= self.maximum:
            raise ParameterError(
                f"thermal.minimum is {self.minimum:g}",
                expected=f"less than thermal.maximum, which is {self.maximum:g}",
            )
        if (self.scale, self.offset) not in ((1.0, 0.0), self.conversion):
            raise ParameterError(
                f"thermal.scale is {self.scale:g} and thermal.offset {self.offset:g} with thermal.unit {self.unit}",
                expected=f"{self.conversion[0]:g} and {self.conversion[1]:g}, which the unit means",
                remedy="leave them out, or set thermal.unit to custom",
            )
        if self.polarity == "black_hot" and (self.agc == "temperature" or self.unit != "unknown"):
            what = "agc temperature" if self.agc == "temperature" else f"unit {self.unit}"
            raise ParameterError(
                f"thermal.polarity is black_hot with thermal.{what}",
                expected="values that grow with temperature",
                remedy="set thermal.polarity to white_hot, or another thermal.agc and thermal.unit unknown",
            )

    @property
    def conversion_text(self) -> str:
        """How temperatures are made of raw values, in words."""
        if self.unit == "unknown":
            return "none: thermal.unit is unknown"
        scale, offset = self.conversion
        return f"value * {scale:g} {'-' if offset < 0 else '+'} {abs(offset):g} °C"

    @property
    def conversion(self) -> tuple[float, float]:
        """Scale and offset from a raw value to its temperature."""
        return UNITS.get(self.unit, (self.scale, self.offset))
