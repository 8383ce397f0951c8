"""The PyTorch engine for GPUs: a frame is one upload, one CUDA graph and one download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from camf_ros.engines.checked_engine import CheckedEngine
from camf_ros.engines.cuda_device import CudaDevice, FrameDevice
from camf_ros.engines.cuda_station import Station
from camf_ros.engines.engine import DeviceMemory, EngineOutput, check_pair
from camf_ros.engines.size_cache import SizeCache
from camf_ros.engines.torch_frame import TorchFrame, engine_output
from camf_ros.engines.torch_kernels import PlainKernels, choose_kernels
from camf_ros.engines.torch_precision import choose_precision
from camf_ros.engines.torch_range import fits_float16
from camf_ros.engines.torch_weights import rearrange
from camf_ros.errors import EngineError, ImageError, ParameterError
from camf_ros.network import load_checkpoint
from camf_ros.network.devices import choose_device


class CudaEngine(CheckedEngine):
    """See :class:`camf_ros.engines.engine.Engine`. The first frame of a size takes a while."""

    _remedy = "use a smaller image, another device or another precision"

    def __init__(
        self,
        model: Path,
        *,
        device: str = "cuda",
        precision: str = "auto",
        threads: int = 0,
        hardware: FrameDevice | None = None,
    ) -> None:
        """Load a checkpoint.

        Args:
            model: Checkpoint file.
            device: ``cuda`` or ``cuda:N``.
            precision: ``auto`` (float16, or bfloat16 for a model that would leave its range), ``float32``,
                ``bfloat16`` or ``float16``.
            threads: CPU threads; 0 leaves PyTorch's choice.
            hardware: Takes the place of the device.

        Raises:
            CheckpointError: If the file cannot be used.
            EngineError: If the GPU does not take it.
            ParameterError: If the device is not there or does not compute in this precision, or the model does
                not stay within its range.
        """
        if threads:
            torch.set_num_threads(threads)
        place = choose_device(device) if hardware is None else hardware.device
        if hardware is None and place.type != "cuda":
            raise ParameterError(f"device is {device!r}", expected="cuda or cuda:N", remedy="use the engine for CPUs")
        dtype = choose_precision(precision, place)
        checkpoint = load_checkpoint(model)
        if dtype == torch.float16 and not fits_float16(checkpoint.network):
            if precision != "auto":
                raise ParameterError(
                    f"precision is float16, but the features of {checkpoint.name} can leave its range",
                    expected="bfloat16 or float32 for this model",
                )
            dtype = torch.bfloat16
        super().__init__(checkpoint.name, checkpoint.hash, checkpoint.network.class_activation_weights().numpy())
        self.description = f"torch {place} {str(dtype).removeprefix('torch.')}"
        self._warnings: list[str] = []
        try:
            self._hardware: FrameDevice = CudaDevice(place) if hardware is None else hardware
            arranged = rearrange(checkpoint.network, place, dtype)
            kernels = {type(each): each for each in (choose_kernels(place, dtype), PlainKernels())}
            self._frames = [TorchFrame(arranged, each) for each in kernels.values()]
        except RuntimeError as error:
            raise EngineError(f"{self.description} does not take the model ({error})", remedy=self._remedy) from error
        self._forget_sizes()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is not as it should be, for people. More can come with a frame of a new size."""
        return tuple(self._warnings)

    def device_memory(self) -> DeviceMemory | None:
        """Memory of the GPU; None from one that does not answer any more."""
        try:
            return self._hardware.memory()
        except RuntimeError:
            return None

    def fuse_rgb(
        self, infrared: NDArray[np.uint8], rgb: NDArray[np.uint8], *, gain: float = 0.0, hold: float = 1.0
    ) -> EngineOutput:
        """Fuse a grey picture with the luminance of one of colours, and keep the colours.

        The result is bit by bit that of :class:`camf_ros.imaging.luminance.Visible` around :meth:`fuse`, but the
        conversions are done on the device.

        Args:
            infrared: (H, W), 0 to 255.
            rgb: (H, W, 3), red, green, blue; 0 to 255.
            gain: As of :meth:`fuse`.
            hold: As of :meth:`fuse`.

        Returns:
            As of :meth:`fuse`, with ``fused`` of (H, W, 3).

        Raises:
            ImageError: If the sizes differ or ``rgb`` has not three channels.
            ParameterError: If ``gain`` or ``hold`` is out of range.
            EngineError: If the runtime fails.
        """
        if rgb.ndim != 3 or rgb.shape[2] != 3:
            raise ImageError(f"the visible picture has shape {rgb.shape}", expected="(H, W, 3)")
        check_pair(infrared, rgb[:, :, 0])
        return self._guarded(self._run_coloured, infrared, rgb, gain, hold)

    def _run(self, infrared: NDArray[np.uint8], visible: NDArray[np.uint8], gain: float, hold: float) -> EngineOutput:
        return engine_output(
            *self._grey.get(self._grey_station, *infrared.shape).fuse(infrared, visible, gain, hold), self.description
        )

    def _run_coloured(
        self, infrared: NDArray[np.uint8], rgb: NDArray[np.uint8], gain: float, hold: float
    ) -> EngineOutput:
        return engine_output(
            *self._coloured.get(self._colour_station, *infrared.shape).fuse(infrared, rgb, gain, hold), self.description
        )

    def _recover(self, height: int, width: int) -> None:  # noqa: ARG002 (all sizes alike)
        # The memory of the sizes may be what is wanted, and none of them is to be trusted.
        self._forget_sizes()

    def _forget_sizes(self) -> None:
        self._grey: SizeCache[Station] = SizeCache()
        self._coloured: SizeCache[Station] = SizeCache()

    def _grey_station(self, height: int, width: int) -> Station:
        return self._station(height, width, colour=False)

    def _colour_station(self, height: int, width: int) -> Station:
        return self._station(height, width, colour=True)

    def _station(self, height: int, width: int, *, colour: bool) -> Station:
        station = Station(self._frames, self._hardware, height, width, colour=colour)
        if station.warning and station.warning not in self._warnings:
            self._warnings.append(station.warning)
        return station
