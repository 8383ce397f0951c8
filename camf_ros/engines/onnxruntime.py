"""The ONNX Runtime: one graph on any hardware that it has an execution provider for, TensorRT among them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import onnxruntime

from camf_ros.engines.engine import Arrays, DeviceMemory, SizeCache
from camf_ros.errors import EngineError, ParameterError
from camf_ros.network.architecture import PaperArchitecture
from camf_ros.network.model_info import INFRARED, Graph

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
# Of ONNX Runtime: errors only. Its warnings speak of its own decisions, and what matters of them is checked here.
_LOG_ERRORS = 3
_GPU_INFORMATION = Path("/proc/driver/nvidia/gpus")
_JETSON_MODEL = Path("/proc/device-tree/model")


class OnnxRuntime:
    """See :class:`camf_ros.engines.engine.Runtime`; a picture size gets a session when its first pair comes.

    Sizes that come and go share one session of any size.

    TensorRT builds an engine for each size, which takes minutes. They are kept in the user's cache, where ``camf export
    --build-only`` puts them before the robot drives.

    ``device`` is ``auto`` (a GPU if ONNX Runtime has a provider for it), ``cpu``, ``cuda`` or ``cuda:N``. ``precision``
    is ``auto`` or ``float32``, with TensorRT also ``float16``, which is its ``auto`` but for the paper's network.

    Raises EngineError if ONNX Runtime has no such provider here, and ParameterError if it lacks device or precision.
    """

    # ONNX Runtime's own errors share no other ancestor.
    failures: tuple[type[Exception], ...] = (Exception,)

    def __init__(
        self, graph: Graph, *, device: str = "auto", precision: str = "auto", threads: int = 0, tensorrt: bool = False
    ) -> None:
        self._provider = "tensorrt" if tensorrt else _provider_for(device)
        wanted = _PROVIDERS[self._provider]
        if wanted not in onnxruntime.get_available_providers():
            raise EngineError(
                f"ONNX Runtime has no {wanted} here",
                expected=f"one of {', '.join(onnxruntime.get_available_providers())}",
                remedy="pip install onnxruntime-gpu (on a Jetson NVIDIA's wheel), or use another engine",
            )
        if precision == "auto":
            paper = isinstance(graph.info.architecture, PaperArchitecture)
            precision = "float16" if tensorrt and not paper else "float32"
        if precision != "float32" and not (tensorrt and precision == "float16"):
            raise ParameterError(
                f"precision is {precision!r} with engine {'tensorrt' if tensorrt else 'onnxruntime'}",
                expected="auto, float32 or float16" if tensorrt else "auto or float32",
            )
        self._threads, self._data = threads, graph.data
        self._providers = _provider_options(self._provider, device, graph.info.hash, precision)
        self.description = f"onnxruntime {self._provider} {precision}"
        self.warnings: list[str] = []
        self._sessions: SizeCache[onnxruntime.InferenceSession] = SizeCache()

    def run(self, inputs: Arrays) -> Arrays:
        """See the protocol."""
        height, width = inputs[INFRARED].shape[2:]
        session = self._sessions.get(self._session, height, width, self._session)
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))

    def forget(self, height: int, width: int) -> None:
        """See the protocol."""
        self._sessions.forget(height, width)

    def memory(self) -> DeviceMemory | None:
        """None: ONNX Runtime does not tell."""
        return None

    def _session(self, height: int = 0, width: int = 0) -> onnxruntime.InferenceSession:
        """For one size, or for any: TensorRT would build an engine for each, which CUDA need not."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _LOG_ERRORS
        options.intra_op_num_threads = self._threads
        # A network of one known size needs no arithmetic of shapes, and TensorRT builds one engine that fits.
        if height:
            options.add_free_dimension_override_by_name("height", height)
            options.add_free_dimension_override_by_name("width", width)
        tensorrt = self._provider == "tensorrt"
        providers = self._providers[1:] if tensorrt and not height else self._providers
        session = onnxruntime.InferenceSession(self._data, options, providers=providers)
        wanted = providers[0][0]
        if session.get_providers()[0] != wanted:  # a library of the GPU is missing: it would run on, on the CPU
            raise EngineError(
                f"{wanted} could not be started",
                expected="the CUDA, cuDNN and TensorRT libraries that this ONNX Runtime was built for",
                remedy="install them, or use another engine",
            )
        return session


def tensorrt_cache(model_hash: str) -> Path:
    """Folder of TensorRT's engines of a model: below the user's cache, by GPU, runtime and model."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    runtime = f"onnxruntime-{onnxruntime.__version__}"
    return root / "camf_ros" / "tensorrt" / f"{_gpu_name()}-{runtime}" / model_hash[:16]


def tensorrt_is_prepared(model_hash: str) -> bool:
    """Whether an engine of this model was built on this machine."""
    return any(tensorrt_cache(model_hash).glob("*.engine"))


def _provider_for(device: str) -> str:
    if device == "auto":
        return "cuda" if _PROVIDERS["cuda"] in onnxruntime.get_available_providers() else "cpu"
    kind, _, number = device.partition(":")
    if kind not in {"cpu", "cuda"} or (number and not (kind == "cuda" and number.isdecimal())):
        raise ParameterError(f"device is {device!r} with engine onnxruntime", expected="auto, cpu, cuda or cuda:N")
    return kind


def _provider_options(provider: str, device: str, model_hash: str, precision: str) -> list[tuple[str, dict[str, str]]]:
    """Providers, best first: what TensorRT cannot do, CUDA does, and everything else falls to the CPU."""
    number = device.partition(":")[2]
    which = {"device_id": number} if number else {}
    # TensorFloat-32 would round the inputs of float32 convolutions to 10 bits.
    cuda = (_PROVIDERS["cuda"], {"use_tf32": "0", **which})
    if provider != "tensorrt":
        return [cuda] if provider == "cuda" else [(_PROVIDERS["cpu"], {})]
    folder = tensorrt_cache(model_hash)
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder.parent),
        "trt_fp16_enable": "1" if precision == "float16" else "0",
        **which,
    }
    return [(_PROVIDERS["tensorrt"], options), cuda]


def _gpu_name() -> str:
    """Model of the GPUs, as the driver names them; with letters and digits only, for a folder's name."""
    names = []
    for information in sorted(_GPU_INFORMATION.glob("*/information")):
        names += re.findall(r"^Model:\s*(.*)$", information.read_text(encoding="utf-8", errors="replace"), re.M)
    if not names and _JETSON_MODEL.is_file():
        names = [_JETSON_MODEL.read_text(encoding="utf-8", errors="replace").strip("\0")]
    return re.sub(r"[^A-Za-z0-9]+", "-", "+".join(names)).strip("-") or "unknown-gpu"
