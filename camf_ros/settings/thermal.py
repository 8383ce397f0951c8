"""Settings of the thermal front end."""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.errors import ParameterError
from camf_ros.settings.spec import setting

_CROP = 4096


@dataclass(frozen=True)
class ThermalSettings:
    """How raw thermal values become grey levels."""

    low_percentile: float = setting(
        0.5,
        "Percentile of the raw thermal values that becomes black with agc linear.",
        minimum=0.0,
        maximum=50.0,
        unit="%",
        dynamic=True,
    )
    high_percentile: float = setting(
        99.5,
        "Percentile of the raw thermal values that becomes white with agc linear.",
        minimum=50.0,
        maximum=100.0,
        unit="%",
        dynamic=True,
    )
    time_constant: float = setting(
        1.0,
        "Time in which grey levels follow a change of the scene by 63 %, at any frame rate. 0: at once, which may "
        "flicker.",
        minimum=0.0,
        maximum=60.0,
        unit="s",
        dynamic=True,
    )
    agc: str = setting(
        "plateau",
        "From raw values to grey levels. linear: stretch between the percentiles; plateau: plateau histogram "
        "equalisation of a smoothed picture, its fine detail added back; clahe: histogram equalisation by tiles with "
        "limited contrast; temperature: the fixed range from thermal.minimum to thermal.maximum.",
        choices=("linear", "plateau", "clahe", "temperature"),
        dynamic=True,
    )
    plateau_limit: float = setting(
        3.0,
        "With agc plateau: no value counts more than this many times the mean value that occurs. 1: every value that "
        "occurs gets as many grey levels, large: plain histogram equalisation.",
        minimum=1.0,
        maximum=100.0,
        dynamic=True,
    )
    linear_share: float = setting(
        0.3,
        "With agc plateau: share of the grey levels that is given out as with agc linear. 0: none, which brings out "
        "what is common in the picture, and the fixed pattern of the sensor with it; 1: all.",
        minimum=0.0,
        maximum=1.0,
        dynamic=True,
    )
    detail_gain: float = setting(
        1.0,
        "With agc plateau: contrast of fine detail, everywhere alike, as a multiple of the mean contrast of the "
        "equalisation.",
        minimum=0.0,
        maximum=5.0,
        dynamic=True,
    )
    clahe_limit: float = setting(
        2.0,
        "With agc clahe: largest contrast in a tile as a multiple of that of a linear stretch.",
        minimum=1.0,
        maximum=20.0,
        dynamic=True,
    )
    minimum: float = setting(
        0.0,
        "With agc temperature: what becomes black, in the unit of value * thermal.scale + thermal.offset.",
        minimum=-300.0,
        maximum=70000.0,
        dynamic=True,
    )
    maximum: float = setting(
        40.0,
        "With agc temperature: what becomes white, likewise.",
        minimum=-300.0,
        maximum=70000.0,
        dynamic=True,
    )
    scale: float = setting(
        1.0,
        "With agc temperature: temperature = value * scale + offset. 0.01 and an offset of -273.15 make Celsius of "
        "hundredths of a kelvin.",
        minimum=1e-6,
        maximum=1000.0,
        dynamic=True,
    )
    offset: float = setting(
        0.0, "With agc temperature: see thermal.scale.", minimum=-70000.0, maximum=70000.0, dynamic=True
    )
    polarity: str = setting(
        "white_hot",
        "What hot looks like in the pictures that the camera sends: white_hot: hot has the larger values; black_hot: "
        "the smaller ones, and every picture (8-bit ones too) is inverted, because the network expects hot as white.",
        choices=("white_hot", "black_hot"),
        dynamic=True,
    )
    least_span: float = setting(
        0.0,
        "Least difference of raw values, in their unit, that is stretched from black to white, so that the noise of an "
        "even scene is not. 0: automatic, from the noise of the frame itself.",
        minimum=0.0,
        maximum=70000.0,
        dynamic=True,
    )
    dead_pixels: str = setting(
        "auto",
        "auto: single pixels that stand out from all their neighbours for a second or longer, and sharper than a lens "
        "can draw, are replaced by the median of their neighbours; off: none.",
        choices=("auto", "off"),
        dynamic=True,
    )
    byte_order: str = setting(
        "as_sent",
        "Of 16-bit and float values. swapped: the other one than the message or file says, for a driver that says the "
        "wrong thing.",
        choices=("as_sent", "swapped"),
        dynamic=True,
    )
    crop_top: int = setting(
        0,
        "Rows above the picture that are none, such as telemetry: cut off, as if the camera did not send them. The "
        "size of the thermal camera_info is that of what is left.",
        minimum=0,
        maximum=_CROP,
        unit="px",
        dynamic=True,
    )
    crop_bottom: int = setting(
        0, "Rows below the picture, likewise.", minimum=0, maximum=_CROP, unit="px", dynamic=True
    )
    crop_left: int = setting(
        0, "Columns left of the picture, likewise.", minimum=0, maximum=_CROP, unit="px", dynamic=True
    )
    crop_right: int = setting(
        0, "Columns right of the picture, likewise.", minimum=0, maximum=_CROP, unit="px", dynamic=True
    )
    process_8bit: bool = setting(
        False,
        "Whether 8-bit pictures go through agc and dead_pixels as well. Usually the camera has done both, and they are "
        "taken as they are.",
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
        if self.agc == "temperature" and self.polarity == "black_hot":
            raise ParameterError(
                "thermal.polarity is black_hot with thermal.agc temperature",
                expected="values that grow with temperature",
                remedy="set thermal.polarity to white_hot, or another thermal.agc",
            )
