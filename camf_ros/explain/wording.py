"""What an explanation says in words; the same in the panel, in the figure and in tests. ASCII: OpenCV has no more."""

from __future__ import annotations

from camf_ros.explain.explanation import INFRARED, Channel, Explanation
from camf_ros.explain.place import Place, look_at, within

#: Titles of the pictures that lack the features of one source, infrared first.
WITHOUT = ("Fused without thermal", "Fused without RGB")
#: What every reader should know who sees the maps for the first time.
NOTE = (
    "Orange, blue: where features come from, not what is bright. "
    "Without: what the network makes of the other camera's features alone."
)


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
    return f"Classifier on {name}: {percent(explanation.probability(source))} infrared"


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
    levels = f"{where}thermal {numbers.thermal:.0f}, RGB {numbers.rgb:.0f}, fused {numbers.fused:.0f}; "
    if not numbers.both:
        return f"{levels}only one camera sees this place, and the picture is that camera's"
    return (
        f"{levels}without thermal {numbers.without_thermal:.0f}, without RGB {numbers.without_rgb:.0f}; "
        f"features {percent(numbers.share)} thermal"
    )
