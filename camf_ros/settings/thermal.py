"""Settings of the thermal front end."""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.errors import ParameterError
from camf_ros.settings.spec import setting


@dataclass(frozen=True)
class ThermalSettings:
    """How raw thermal values become grey levels."""

    low_percentile: float = setting(
        0.5,
        "Percentile of the raw thermal values that becomes black. Only 16-bit and float images are stretched; 8-bit "
        "ones are taken as they are.",
        minimum=0.0,
        maximum=50.0,
        unit="%",
    )
    high_percentile: float = setting(
        99.5,
        "Percentile of the raw thermal values that becomes white.",
        minimum=50.0,
        maximum=100.0,
        unit="%",
    )
    time_constant: float = setting(
        1.0,
        "Time in which black and white level follow a change of the scene by 63 %. 0: at once, which may flicker.",
        minimum=0.0,
        maximum=60.0,
        unit="s",
    )

    def __post_init__(self) -> None:
        if self.low_percentile >= self.high_percentile:
            raise ParameterError(
                f"thermal.low_percentile is {self.low_percentile:g}",
                expected=f"less than thermal.high_percentile, which is {self.high_percentile:g}",
            )
