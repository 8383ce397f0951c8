"""An explanation as plain numbers for a file."""

from __future__ import annotations

from typing import Any

from camf_ros.explain.explanation import INFRARED, VISIBLE, Explanation
from camf_ros.explain.place import Place, look_at, within
from camf_ros.explain.placement import evidence_scale


def content(explanation: Explanation, place: Place | None = None) -> dict[str, Any]:
    """Everything but the pictures and the maps of channels, as lists and numbers that JSON holds.

    Names are those of :class:`~camf_ros.explain.explanation.Explanation`; what has a value for each source is a mapping
    with ``infrared`` and ``visible``. The numbers of a place are added under ``place``, if it is in the
    picture.
    """
    e = explanation
    at = (
        {}
        if place is None or not within(explanation, place)
        else {"place": {**place._asdict(), **look_at(explanation, place)._asdict()}}
    )
    return {
        **at,
        "model": e.model,
        "gain": e.gain,
        "automatic": e.automatic,
        "work": {"height": e.work[0], "width": e.work[1]},
        "mean_share": e.mean_share,
        "total_share": e.total_share,
        "classifier": {
            name: {"log_odds": float(e.log_odds[row]), "probability_of_infrared": e.probability(row)}
            for row, name in enumerate(("infrared", "visible"))
        },
        "bias": e.bias,
        "evidence_at_full_colour": evidence_scale(e),
        "share_map": e.share_map.tolist(),
        "evidence": _both(e.evidence),
        "strongest": [channel.number for channel in e.strongest],
        "weights": _both(e.weights),
        "activation": _both(e.activation),
        "contribution": _both(e.contribution),
        "infrared_share": e.infrared_share.tolist(),
    }


def _both(table: Any) -> dict[str, Any]:
    return {"infrared": table[INFRARED].tolist(), "visible": table[VISIBLE].tolist()}
