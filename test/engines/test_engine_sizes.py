"""Pictures of changing sizes: what is prepared for a size, kept and forgotten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pairs import ENGINES, SIZES, load, smooth_pair

from camf_ros.engines.engine import SizeCache, try_out
from camf_ros.errors import EngineError


@pytest.mark.parametrize("name", ENGINES)
def test_sizes_may_change_at_any_time(name: str, small_model: Path) -> None:
    engine = load(name, small_model)
    expected = {size: engine.fuse(*smooth_pair(*size)).fused for size in SIZES}
    for size in (*SIZES, *reversed(SIZES)):
        assert np.array_equal(engine.fuse(*smooth_pair(*size)).fused, expected[size])


@pytest.mark.parametrize(("name", "cache"), [("openvino", "_requests"), ("onnxruntime", "_sessions")])
def test_failure_of_the_runtime(name: str, cache: str, small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of ours, and what failed is not kept: it may hold the very memory that was wanting."""
    engine = load(name, small_model)
    first, second = (48, 64), (61, 83)
    engine.fuse(*smooth_pair(*first))
    engine.fuse(*smooth_pair(*second))
    sizes = getattr(engine._runtime, cache)
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise RuntimeError("out of memory")

        patch.setattr(SizeCache, "get", fail)
        with pytest.raises(EngineError, match=r"failed on 96 x 64 pixels .*out of memory"):
            engine.fuse(*smooth_pair(*second))
    assert list(sizes._entries) == [first]
    assert engine.fuse(*smooth_pair(*second)).fused.shape == second


def test_size_cache_forgets_what_was_not_used_for_longest() -> None:
    made: list[tuple[int, int]] = []

    def prepare(height: int, width: int) -> tuple[int, int]:
        made.append((height, width))
        return height, width

    cache: SizeCache[tuple[int, int]] = SizeCache(2)
    for size in ((1, 1), (2, 2), (1, 1), (3, 3), (1, 1), (2, 2)):
        assert cache.get(prepare, *size) == size
    assert made == [(1, 1), (2, 2), (3, 3), (2, 2)]
    cache.forget(2, 2)
    cache.forget(9, 9)
    cache.get(prepare, 2, 2)
    assert made[-1] == (2, 2)
    assert len(made) == 5


def test_sizes_that_come_and_go_share_what_takes_any_size() -> None:
    made: list[object] = []

    def prepare(height: int, width: int) -> object:
        made.append((height, width))
        return height, width

    def for_any() -> object:
        made.append("any")
        return "any"

    def get(side: int) -> object:
        return cache.get(prepare, side, side, for_any)

    cache: SizeCache[object] = SizeCache(2)
    for side in (1, 2) * 20:
        assert get(side) == (side, side)
    assert made == [(1, 1), (2, 2)]
    for side in (3, 1, 2) * 20:
        assert get(side) == ((side, side) if side < 3 else "any")
    for side in range(4, 54):
        assert get(side) == "any"
    assert made == [(1, 1), (2, 2), "any"], "nothing is prepared for sizes that come once"
    assert [get(60) for _ in range(10)] == ["any"] * 8 + [(60, 60)] * 2, "a size that stays"
    assert [get(2), get(60)] == [(2, 2), (60, 60)]
    assert get(61) == "any"
    assert made == [(1, 1), (2, 2), "any", (60, 60), "any"], "what takes any size is not kept when all is quiet"
    cache.forget(61, 61)
    assert get(61) == "any"
    assert made[-1] == "any"
    assert len(made) == 6, "what failed is made anew"


class Compilations:
    """Counts what a runtime prepares."""

    def __init__(self, runtime: object, method: str, patch: pytest.MonkeyPatch) -> None:
        self.sizes: list[tuple[int, ...]] = []
        prepare = getattr(runtime, method)

        def counted(*size: int) -> object:
            self.sizes.append(size)
            return prepare(*size)

        patch.setattr(runtime, method, counted)


@pytest.mark.parametrize(("name", "method"), [("openvino", "_compile"), ("onnxruntime", "_session")])
def test_fifty_sizes_and_alternating_ones(
    name: str, method: str, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most three compilations, and the pictures of a network that was compiled for their size."""
    engine = load(name, small_model)
    counted = Compilations(engine._runtime, method, monkeypatch)
    for side in (32, 48, 32, 48, 32):
        engine.fuse(*smooth_pair(side, side))
    assert counted.sizes == [(32, 32), (48, 48)]
    for number in range(50):
        pair = smooth_pair(40 + 8 * number, 440 - 8 * number)
        fused = engine.fuse(*pair).fused
        if number % 10 == 0:
            expected = load(name, small_model).fuse(*pair).fused
            assert np.abs(fused.astype(int) - expected).max() <= 1
    for _ in range(5):
        for side in (32, 64, 48, 80):
            assert engine.fuse(*smooth_pair(side, side)).fused.shape == (side, side)
    assert counted.sizes == [(32, 32), (48, 48), ()]


@pytest.mark.parametrize(("name", "cache"), [("openvino", "_requests"), ("onnxruntime", "_sessions")])
def test_the_trial_takes_no_place(name: str, cache: str, small_model: Path) -> None:
    engine = load(name, small_model)
    try_out(engine)
    assert not getattr(engine._runtime, cache)._entries
    assert not engine._blenders._entries
