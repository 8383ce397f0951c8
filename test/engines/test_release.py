"""An engine that is let go is gone at once: it holds threads and memory that Python's garbage collector cannot see."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

from camf_ros.engines.choose import open_engine
from camf_ros.models import find_model


@pytest.mark.parametrize("name", ["openvino", "torch", "onnxruntime"])
def test_engine_is_in_no_ring(name: str, small_model: Path) -> None:
    pytest.importorskip(name)

    def used() -> weakref.ref[object]:
        engine = open_engine(name, find_model(str(small_model)), device="cpu", precision="float32", threads=1)
        for side in (32, 48):
            engine.fuse(*np.zeros((2, side, side), np.uint8))
        return weakref.ref(engine)

    used()  # what a runtime keeps of its first use is not the engine's
    gc.collect()
    gc.disable()
    try:
        assert used()() is None
    finally:
        gc.enable()
