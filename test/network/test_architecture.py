"""Architectures as plain data: what is written comes back, and what no network can have is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from camf_ros.errors import CheckpointError
from camf_ros.network.architecture import Architecture, BlendArchitecture, PaperArchitecture, from_dict, to_dict

BLEND = to_dict(BlendArchitecture())


@pytest.mark.parametrize(
    "architecture",
    [
        PaperArchitecture(),
        PaperArchitecture(encoder=(2, 3, 4, 5, 6, 7), decoder=(1, 2, 3, 4, 5)),
        BlendArchitecture(),
        BlendArchitecture(encoder=(1, 2, 3), deeper=2, heads=(0, 1, 2), levels=7, limit=2),
    ],
)
def test_round_trip(architecture: Architecture) -> None:
    assert from_dict(json.loads(json.dumps(to_dict(architecture)))) == architecture


def test_plain_data() -> None:
    assert to_dict(PaperArchitecture()) == {
        "kind": "paper",
        "encoder": [16, 32, 64, 128, 128, 128],
        "decoder": [128, 128, 64, 32, 32],
    }
    assert set(BLEND) == {"kind", "encoder", "deeper", "heads", "levels", "limit"}
    assert (PaperArchitecture().channels, BlendArchitecture(encoder=(3, 4, 5)).channels) == (128, 12)
    assert BlendArchitecture(levels=6).step == 32


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "new"}, "architecture is of kind 'new'; expected one of paper, blend"),
        ({"kind": None}, "architecture is of kind None"),
        ({"kind": ["blend"]}, "architecture is of kind"),
        ({"kind": "paper"}, "architecture has entries"),
        ({"x": 1}, "architecture has entries"),
        ({"encoder": [1, 2]}, "encoder widths"),
        ({"encoder": [1, 2, 0]}, "encoder widths"),
        ({"encoder": [1, 2, 3.0]}, "encoder widths"),
        ({"encoder": [1, 2, True]}, "encoder widths"),
        ({"encoder": [1, 2, 10**9]}, "encoder widths"),
        ({"encoder": "abc"}, "encoder widths"),
        ({"encoder": {"1": 2}}, "encoder widths"),
        ({"heads": [1, -1, 2]}, "heads widths"),
        ({"heads": None}, "heads widths"),
        ({"deeper": -1}, "deeper -1; expected a whole number from 0 to 16"),
        ({"deeper": 1.0}, "deeper 1.0"),
        ({"levels": 3}, "levels 3; expected a whole number from 4 to 8"),
        ({"levels": True}, "levels True"),
        ({"limit": 1}, "limit 1; expected a number above 1"),
        ({"limit": float("nan")}, "limit nan"),
        ({"limit": float("inf")}, "limit inf"),
        ({"limit": "2"}, "limit '2'"),
    ],
)
def test_impossible_entries(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        from_dict({**BLEND, **changes})
    assert words in str(caught.value)


def test_missing_entries() -> None:
    for name in BLEND:
        with pytest.raises(CheckpointError, match="architecture"):
            from_dict({key: value for key, value in BLEND.items() if key != name})
