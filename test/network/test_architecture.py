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
        BlendArchitecture(encoder=(1, 2), heads=(0, 1), limit=2),
        BlendArchitecture(encoder=tuple(range(1, 9)), heads=(0, 1, 2, 3, 4, 5, 6, 7)),
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
    assert set(BLEND) == {"kind", "encoder", "heads", "limit"}
    assert (PaperArchitecture().channels, BlendArchitecture((3, 4, 5), (2, 2, 2)).channels) == (128, 12)


@pytest.mark.parametrize(
    ("scales", "levels", "step", "reduction"),
    [(2, 3, 4, 4), (3, 4, 8, 8), (4, 5, 16, 8), (6, 7, 64, 8), (8, 9, 256, 8)],
)
def test_what_follows_from_the_scales(scales: int, levels: int, step: int, reduction: int) -> None:
    architecture = BlendArchitecture((3,) * scales, (2,) * scales)
    assert (architecture.levels, architecture.step, architecture.reduction) == (levels, step, reduction)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "new"}, "architecture is of kind 'new'; expected one of paper, blend"),
        ({"kind": None}, "architecture is of kind None"),
        ({"kind": ["blend"]}, "architecture is of kind"),
        ({"kind": "paper"}, "architecture has entries"),
        ({"x": 1}, "architecture has entries"),
        ({"encoder": [1]}, "encoder widths (1,); expected 2 to 8 whole numbers"),
        ({"encoder": [1] * 9}, "expected 2 to 8 whole numbers"),
        ({"encoder": [1, 2, 3, 4, 5, 0]}, "encoder widths"),
        ({"encoder": [1, 2, 3, 4, 5, 3.0]}, "encoder widths"),
        ({"encoder": [1, 2, 3, 4, 5, True]}, "encoder widths"),
        ({"encoder": [1, 2, 3, 4, 5, 10**9]}, "encoder widths"),
        ({"encoder": [1, 2, 3, 4, 5]}, "heads widths"),
        ({"encoder": "abc"}, "encoder widths"),
        ({"encoder": {"1": 2}}, "encoder widths"),
        ({"heads": [1, -1, 2, 3, 4, 5]}, "heads widths"),
        ({"heads": [1, 2, 3]}, "heads widths (1, 2, 3); expected 6 whole numbers"),
        ({"heads": None}, "heads widths"),
        ({"deeper": 0}, "architecture has entries"),
        ({"levels": 7}, "architecture has entries"),
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
