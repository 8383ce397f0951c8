"""The TensorRT engine: ONNX Runtime's TensorRT provider, with the engines that it builds kept on disk.

Building takes minutes, so it is done once for a GPU, a runtime and a model; ``camf export --build-only`` does it before
the robot drives.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import onnxruntime

from camf_ros.engines.onnxruntime_engine import OnnxRuntimeEngine
from camf_ros.network.checkpoint_file import read_checkpoint_file

_GPU_INFORMATION = Path("/proc/driver/nvidia/gpus")
_JETSON_MODEL = Path("/proc/device-tree/model")


class TensorRtEngine(OnnxRuntimeEngine):
    """See :class:`camf_ros.engines.engine.Engine`."""

    def __init__(self, model: Path, *, device: str = "auto", precision: str = "auto", threads: int = 0) -> None:
        """Load a checkpoint; the first pair of a size that is not in the cache waits for minutes.

        Args:
            model: Checkpoint file.
            device: ``auto``, ``cuda`` or ``cuda:N``.
            precision: ``auto`` (float16), ``float32`` or ``float16``.
            threads: Not used.

        Raises:
            CheckpointError: If the file cannot be used.
            EngineError: If ONNX Runtime has no TensorRT here.
            ParameterError: If device or precision is not to be had.
        """
        folder = cache_folder(read_checkpoint_file(model).hash)
        options = {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(folder),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(folder.parent),
            "trt_fp16_enable": "0" if precision == "float32" else "1",
        }
        super().__init__(
            model, device=device, precision=precision, threads=threads, provider="tensorrt", options=options
        )
        # After the checks: a machine without TensorRT gets no folder.
        folder.mkdir(parents=True, exist_ok=True)


def cache_folder(model_hash: str) -> Path:
    """Where the engines of a model are kept: below the user's cache, by GPU, version of the runtime, and model."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    runtime = f"onnxruntime-{onnxruntime.__version__}"
    return root / "camf_ros" / "tensorrt" / f"{_gpu_name()}-{runtime}" / model_hash[:16]


def is_prepared(model_hash: str) -> bool:
    """Whether an engine of this model was built on this machine."""
    return any(cache_folder(model_hash).glob("*.engine"))


def _gpu_name() -> str:
    """Model of the GPUs, as the driver names them; with letters and digits only, for a folder's name."""
    names = []
    for information in sorted(_GPU_INFORMATION.glob("*/information")):
        names += re.findall(r"^Model:\s*(.*)$", information.read_text(encoding="utf-8", errors="replace"), re.M)
    if not names and _JETSON_MODEL.is_file():
        names = [_JETSON_MODEL.read_text(encoding="utf-8", errors="replace").strip("\0")]
    return re.sub(r"[^A-Za-z0-9]+", "-", "+".join(names)).strip("-") or "unknown-gpu"
