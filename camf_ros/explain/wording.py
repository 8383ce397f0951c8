"""What an explanation says in words; the same in the panel, in the figure and in tests. ASCII: OpenCV has no more."""

from __future__ import annotations

from camf_ros.explain.explanation import INFRARED, Channel, Explanation


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
