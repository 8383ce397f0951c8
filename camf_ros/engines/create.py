"""Makes the engine that the settings ask for; a runtime is imported only when it is used."""

from __future__ import annotations

from camf_ros.engines.engine import Engine
from camf_ros.errors import EngineError
from camf_ros.models import find_model
from camf_ros.settings.fusion import FusionSettings


def create_engine(settings: FusionSettings) -> Engine:
    """Load the model of some settings.

    Raises:
        CheckpointError: If the model cannot be used.
        EngineError: If the runtime is not installed.
        ParameterError: If the device is not there, or does not compute in the wanted precision.
    """
    try:
        from camf_ros.engines.torch_engine import TorchEngine  # noqa: PLC0415 (large, and not on every machine)
    except ImportError as error:
        raise EngineError(
            f"the inference runtime cannot be imported ({error})",
            expected="PyTorch and safetensors in this Python",
            remedy="pip install torch safetensors; on a Jetson take NVIDIA's PyTorch wheel",
        ) from error
    return TorchEngine(
        find_model(settings.model), device=settings.device, precision=settings.precision, threads=settings.threads
    )
