"""From the classifier's scores to probabilities that mean what they say.

A score difference is the infrared score minus the visible one, averaged over many crops of a picture. Its log-odds are
fitted on pictures whose kind is known (Platt, 1999): all crops of a picture may err together, so that their number
alone says little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Calibration:
    """How score differences become log-odds.

    Attributes:
        slope: Of the log-odds that one picture is infrared.
        offset: Of the same.
        joint: Slope of the log-odds that a pair is the right way round, over the difference of both cameras' score
            differences. What makes all crops of a scene look like one kind cancels out in it.
        pairs: What all of this was fitted on. With so many seen, nothing can be surer than one in so many.
    """

    slope: float
    offset: float
    joint: float
    pairs: int

    def infrared(self, difference: float) -> float:
        """Log-odds that a picture is infrared."""
        return self._capped(self.slope * difference + self.offset)

    def swapped(self, thermal: float, rgb: float) -> float:
        """Log-odds that two cameras are swapped, against that they are right."""
        return self._capped(self.joint * (rgb - thermal))

    def _capped(self, log_odds: float) -> float:
        most = math.log(self.pairs + 1)  # the rule of succession
        return min(max(log_odds, -most), most)


@dataclass(frozen=True)
class Limits:
    """Below which values a picture shows nothing: half of the least that a training picture has.

    Attributes:
        detail: Of :attr:`camf_ros.source_check.measures.Measures.detail`.
        structure: Of :attr:`camf_ros.source_check.measures.Measures.structure`.
    """

    detail: float
    structure: float


#: For a model nobody calibrated: the classifier's own probability, and for a pair that of the mean of both.
UNCALIBRATED = Calibration(1.0, 0.0, 0.5, 200)


def probability(log_odds: float) -> float:
    """0 to 1; any finite log-odds."""
    if log_odds < 0:
        return 1 - probability(-log_odds)
    return 1 / (1 + math.exp(-log_odds))


def log_odds(probability: float) -> float:
    """Of a probability between 0 and 1, both excluded."""
    return math.log(probability / (1 - probability))
