"""Opens the engine that the settings name, or the best one that works here.

A runtime is imported only when it is tried. An engine that fails is followed by the next best one, and a warning says
so: slow fusion is better than none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camf_ros.engines.engine import Engine, FusionEngine, Inspector, Runtime, try_out
from camf_ros.errors import CamfError, CheckpointError, EngineError, ParameterError, to_install
from camf_ros.models import Model, find_model
from camf_ros.network.model_info import ModelInfo
from camf_ros.settings.fusion_settings import FusionSettings

#: Names of all engines.
ENGINES = ("torch", "openvino", "onnxruntime", "tensorrt")
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
# A desktop's driver, and that of a Jetson's integrated GPU.
_GPU_FILES = ("/proc/driver/nvidia/gpus", "/dev/nvhost-gpu", "/dev/nvgpu")
_CPU_FILE = Path("/proc/cpuinfo")
# x86: AVX-512 or AMX; ARM: the extension of that name.
_BFLOAT16 = re.compile(r"\b(avx512_bf16|amx_bf16|bf16)\b")
_DEVICES = {"torch": ("cuda", "cpu"), "openvino": ("cpu",), "onnxruntime": ("cuda", "cpu"), "tensorrt": ("cuda",)}
# Why an engine is preferred to those after it.
_REASONS = {
    ("tensorrt", "cuda"): "its engine for this model was built on this machine",
    ("torch", "cuda"): "there is a GPU, and a frame is one CUDA graph",
    ("onnxruntime", "cuda"): "there is a GPU",
    ("openvino", "cpu"): "the fastest on CPUs",
    ("torch", "cpu"): "faster than ONNX Runtime on a CPU with bfloat16",
    ("onnxruntime", "cpu"): "faster than PyTorch on a CPU without bfloat16",
}
# What to install where a runtime's first module cannot be imported.
_PACKAGES = {
    "torch": "torch safetensors (on a Jetson NVIDIA's wheel of torch)",
    "openvino": "openvino",
    "onnxruntime": "onnxruntime",
    "tensorrt": "onnxruntime-gpu, and TensorRT",
}


class ChosenEngine(NamedTuple):
    """An engine that works, and how it came to be chosen."""

    engine: Engine  #: Ready, with one small inference behind it
    reason: str  #: Why this one, for people
    #: What was asked for, or should have been better, and failed; empty if all is as it should be.
    warnings: tuple[str, ...]


def open_engine(name: str, model: Model, *, device: str = "auto", precision: str = "auto", threads: int = 0) -> Engine:
    """Load a model into one of :data:`ENGINES`; ``threads`` are CPU threads, 0 leaves the runtime's choice.

    ``device`` is ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, ``precision`` is ``auto``, ``float32``, ``bfloat16`` or
    ``float16``.

    Raises CheckpointError if the model cannot be used, EngineError if the runtime is not installed or does not work
    here, ParameterError if there is no such engine, or it does not have the device or the precision.
    """
    return FusionEngine(*_open(name, model, False, device=device, precision=precision, threads=threads))


def open_inspector(model: Model, *, name: str = "", threads: int = 1) -> Inspector:
    """Load what explanation and source check ask of a model, in float32 on the CPU.

    Without a ``name`` in the first engine that works. One thread does not hold up the engine that fuses. Raises
    CheckpointError if the model cannot be used, and EngineError if no runtime works here.
    """
    failures: list[CamfError] = []
    for each in (name,) if name else ("openvino", "onnxruntime", "torch"):
        try:
            return Inspector(*_open(each, model, True, device="cpu", precision="float32", threads=threads))
        except CamfError as error:
            failures.append(error)
    raise failures[0]


def _open(
    name: str, model: Model, inspect: bool, *, device: str, precision: str, threads: int
) -> tuple[ModelInfo, NDArray[np.float32], Runtime]:
    """A model's description, its class activation weights, and a runtime with its graph."""
    if name not in ENGINES:
        raise ParameterError(f"engine is {name!r}", expected=f"one of {', '.join(ENGINES)}")
    # A runtime is imported here, when it is tried.
    try:
        if name == "torch":
            from camf_ros.engines.torch import TorchRuntime  # noqa: PLC0415
            from camf_ros.network.checkpoint import load_checkpoint  # noqa: PLC0415

            if model.checkpoint is None:
                raise EngineError(f"model {model.name} has no .safetensors file, which engine torch runs")
            point = load_checkpoint(model.checkpoint)
            info = ModelInfo(point.network.architecture, point.name, point.hash, point.training)
            weights: NDArray[np.float32] | None = point.network.class_activation_weights().numpy()
            runtime: Runtime = TorchRuntime(point, inspect=inspect, device=device, precision=precision, threads=threads)
        else:
            graph = model.read_inspection() if inspect else model.read_graph()
            info, weights = graph.info, graph.info.weights
            if name == "openvino":
                from camf_ros.engines.openvino import OpenVinoRuntime  # noqa: PLC0415

                runtime = OpenVinoRuntime(graph, device=device, precision=precision, threads=threads)
            else:
                from camf_ros.engines.onnxruntime import OnnxRuntime  # noqa: PLC0415

                tensorrt = name == "tensorrt"
                runtime = OnnxRuntime(graph, device=device, precision=precision, threads=threads, tensorrt=tensorrt)
    except CamfError:
        raise
    except ImportError as error:
        raise EngineError(
            f"engine {name} cannot be imported ({error})",
            remedy=to_install(error, f"pip install {_PACKAGES[name]}", own={*_PACKAGES, "safetensors"}),
        ) from error
    except Exception as error:  # whatever a broken installation raises: the next engine may work
        raise EngineError(f"engine {name} cannot be started ({error})", remedy="use another engine") from error
    assert weights is not None
    return info, weights, runtime


def choose_engine(settings: FusionSettings) -> ChosenEngine:
    """Load the model of some settings into the engine that they name, or into the best one that works.

    Raises CheckpointError if the model cannot be used, EngineError if no engine works, ParameterError if the device is
    none, or no engine has the precision.
    """
    check_device(settings.device)
    model = find_model(settings.model)
    failures: list[tuple[str, CamfError]] = []
    for name, device in _candidates(settings, model):
        try:
            engine = open_engine(name, model, device=device, precision=settings.precision, threads=settings.threads)
            try_out(engine)
        except CamfError as error:
            failures.append((name, error))
        else:
            reason = "as set" if name == settings.engine else _REASONS[name, _kind(device)]
            return ChosenEngine(engine, _explain(reason, failures), _warnings(settings, name, failures))
    for kind in (ParameterError, CheckpointError):
        if all(isinstance(error, kind) for _, error in failures):
            raise failures[0][1]
    cause = dict(failures)["torch"].__cause__  # which was tried in any case
    if model.graph is None and isinstance(cause, ImportError):
        raise EngineError(
            f"model {model.name} is there as {model.checkpoint} alone, which engine torch runs, and PyTorch cannot be "
            f"imported ({cause})",
            remedy=f"run 'camf export {model.checkpoint}' on a machine with PyTorch: it writes the .onnx file for "
            f"OpenVINO and ONNX Runtime; or pip install {_PACKAGES['torch']}",
        )
    raise EngineError(
        "no inference engine works here: " + "; ".join(f"{name}: {error}" for name, error in failures),
        remedy="pip install openvino or onnxruntime, or torch and safetensors",
    )


def check_device(device: str) -> None:
    """Raise a ParameterError if this is no name of a device."""
    if not _DEVICE.fullmatch(device):
        raise ParameterError(f"device is {device!r}", expected="auto, cpu, cuda or cuda:N")


def _candidates(settings: FusionSettings, model: Model) -> list[tuple[str, str]]:
    """Engine and device, best first, what the settings name before all others."""
    wanted = "cuda" if settings.device == "auto" and has_nvidia_gpu() else settings.device
    # Where a GPU is asked for and there is none, a slow fusion is better than none.
    devices = [wanted, "cpu"] if _kind(wanted) == "cuda" else ["cpu"]
    on_cpu = ["openvino", "torch", "onnxruntime"] if has_bfloat16() else ["openvino", "onnxruntime", "torch"]
    on_gpu = ["torch", "onnxruntime"]
    if len(devices) > 1 and _tensorrt_is_prepared(model):
        on_gpu.insert(0, "tensorrt")
    best = [(name, device) for device in devices for name in (on_cpu if device == "cpu" else on_gpu)]
    if settings.engine == "auto":
        return best
    # On a device that it cannot use, it will say so itself.
    usable = [device for device in devices if _kind(device) in _DEVICES[settings.engine]] or devices[:1]
    return list(dict.fromkeys([*((settings.engine, device) for device in usable), *best]))


def _kind(device: str) -> str:
    return device.partition(":")[0]


def _tensorrt_is_prepared(model: Model) -> bool:
    try:
        from camf_ros.engines.onnxruntime import tensorrt_is_prepared  # noqa: PLC0415
    except ImportError:
        return False
    return tensorrt_is_prepared(model.info().hash)


def _explain(reason: str, failures: Sequence[tuple[str, CamfError]]) -> str:
    missing = ", ".join(dict.fromkeys(name for name, _ in failures))
    return f"{reason}; not usable here: {missing}" if missing else reason


def _warnings(settings: FusionSettings, name: str, failures: Sequence[tuple[str, CamfError]]) -> tuple[str, ...]:
    """A failure is worth a warning if it was asked for by name, or is worse than a missing package."""
    return tuple(
        f"engine {failed} failed, {name} runs instead: {error}"
        for failed, error in failures
        if failed == settings.engine or _kind(settings.device) == "cuda" or not isinstance(error.__cause__, ImportError)
    )


def has_nvidia_gpu() -> bool:
    """Whether a driver for an NVIDIA GPU runs."""
    return any(Path(name).exists() for name in _GPU_FILES)


def has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware."""
    try:
        return bool(_BFLOAT16.search(_CPU_FILE.read_text(encoding="utf-8", errors="replace")))
    except OSError:  # no Linux
        return False
