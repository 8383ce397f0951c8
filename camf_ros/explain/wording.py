"""What an explanation says in words; the same in the panel, in the figure and in tests. ASCII: OpenCV has no more."""

from __future__ import annotations

from camf_ros.explain.explanation import INFRARED, Channel, Explanation
from camf_ros.explain.place import Place, look_at, verdict_on, within

#: Titles of the pictures that lack the features of one source, infrared first.
WITHOUT = ("Fused without thermal", "Fused without RGB")
#: What every reader should know who sees the maps for the first time.
NOTE = (
    "Orange and blue say where features come from, not what is bright. Without: made of the other camera's features "
    "alone. The classifier's maps are not used in fusing."
)
# Verdicts of the classifier that are less sure than this are none.
_SURE = 0.75


def percent(share: float) -> str:
    """A share as whole per cent."""
    return f"{100 * share:.0f} %"


def share_title(explanation: Explanation) -> str:
    """Where the features of the frame come from."""
    thermal = round(100 * explanation.mean_share)
    return f"Features: {thermal} % thermal, {100 - thermal} % RGB"


def verdict(explanation: Explanation, source: int) -> str:
    """What the classifier takes a picture for, and how sure it is."""
    name = "thermal" if source == INFRARED else "RGB"
    probability = explanation.probability(source)
    undecided = "" if max(probability, 1 - probability) >= _SURE else "undecided, "
    return f"Classifier on {name}: {undecided}{percent(probability)} infrared"


def channel_title(channel: Channel) -> str:
    """Name of a channel, and its part in the frame."""
    return f"channel {channel.number}: {percent(sum(channel.contribution))}"


def gain_line(explanation: Explanation) -> str:
    """The gain."""
    return f"gain {explanation.gain:.2f}"


def place_line(explanation: Explanation, place: Place) -> str:
    """The numbers of a place."""
    where = f"At {place.x}, {place.y}: "
    if not within(explanation, place):
        height, width = explanation.fused.shape[:2]
        return f"{where}outside of the picture, which is {width} x {height}"
    numbers = look_at(explanation, place)
    levels = f"thermal {numbers.thermal:.0f}, RGB {numbers.rgb:.0f}, fused {numbers.fused:.0f}"
    if not numbers.both:
        return f"{where}only one camera sees this place, and the picture is that camera's; {levels}"
    return (
        f"{where}{verdict_on(numbers)}; {levels}, without thermal {numbers.without_thermal:.0f}, "
        f"without RGB {numbers.without_rgb:.0f}; features {percent(numbers.share)} thermal"
    )
