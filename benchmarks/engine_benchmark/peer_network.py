"""A foreign ONNX network in ONNX Runtime, on random pictures."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from camf_ros.errors import EngineError
from engine_benchmark.peers import PeerInput


class PeerNetwork:
    """See :data:`engine_benchmark.peers.FORMAT`."""

    def __init__(self, file: str, inputs: Sequence[PeerInput], *, width: int, height: int, threads: int) -> None:
        """Load it and make its pictures.

        Args:
            file: ONNX file.
            inputs: First infrared, then visible.
            width: Of the pictures, pixels.
            height: Of the pictures, pixels.
            threads: CPU threads, at least 1.

        Raises:
            EngineError: If ONNX Runtime is not installed, cannot load the file, or finds other inputs in it.
        """
        try:
            onnxruntime: Any = importlib.import_module("onnxruntime")  # only where there are peers
        except ImportError as error:
            raise EngineError(f"onnxruntime cannot be imported ({error})", remedy="pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no common type of their own
            raise EngineError(f"{file} cannot be loaded ({error})", expected="an ONNX network") from error
        found = sorted(entry.name for entry in self._session.get_inputs())
        if found != sorted(entry.name for entry in inputs):
            raise EngineError(
                f"{file} has the inputs {found}", expected=f"{[entry.name for entry in inputs]} as the list says"
            )
        random = np.random.default_rng(0)
        self._feed: dict[str, Any] = {
            entry.name: random.uniform(entry.low, entry.high, (1, entry.channels, height, width)).astype(np.float32)
            for entry in inputs
        }
        self.description = "onnxruntime cpu float32"

    def run(self) -> None:
        """Fuse once.

        Raises:
            EngineError: If it fails, for example for a size that it does not take.
        """
        try:
            self._session.run(None, self._feed)
        except Exception as error:  # likewise
            shapes = ", ".join(f"{name} {value.shape}" for name, value in self._feed.items())
            raise EngineError(f"the network failed on {shapes} ({error})") from error
