"""Frames of one size: where they wait on either side of the bus, and the graph that computes them.

8-bit pictures go up and come down; everything between is on the device. All memory is taken when a station is made, and
none for a frame but the copy that the caller keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camf_ros.engines.cuda_device import FrameDevice, Run
from camf_ros.engines.torch_frame import TorchFrame


class Station:
    """Fuses pairs of one size, one after the other.

    Attributes:
        warning: What is not as it should be, for people; empty if all is.
    """

    def __init__(
        self, frames: Sequence[TorchFrame], device: FrameDevice, height: int, width: int, *, colour: bool
    ) -> None:
        """Take memory and capture the graph, which takes a while.

        Args:
            frames: The same computation in different ways, of which the fastest is taken; the last one works for sure.
            device: Where they compute.
            height: Of the pictures, pixels.
            width: Of the pictures, pixels.
            colour: Whether the visible picture is one of colours.

        Raises:
            RuntimeError: If the device fails, for example for want of memory.
        """
        self._device = device
        visible = (height, width, 3) if colour else (height, width)
        self._here: list[Tensor] = [
            device.host_memory((height, width), torch.uint8),
            device.host_memory(visible, torch.uint8),
            device.host_memory((2,), torch.float32),
        ]
        # Views of the same memory.
        self._arrays: list[NDArray[Any]] = [tensor.numpy() for tensor in self._here]
        with device.running():
            self._there = [torch.zeros(tensor.shape, dtype=tensor.dtype, device=device.device) for tensor in self._here]
            self._run, self.warning = _fastest(frames, device, self._there)
            result = self._run()
            self._results = [device.host_memory(tuple(part.shape), part.dtype) for part in result]
            device.wait()

    def fuse(
        self, infrared: NDArray[np.uint8], visible: NDArray[np.uint8], gain: float, hold: float
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Fuse one pair.

        Args:
            infrared: (H, W).
            visible: (H, W), or (H, W, 3) in red, green, blue.
            gain: As of :class:`camf_ros.engines.torch_frame.TorchFrame`.
            hold: Likewise.

        Returns:
            Picture and figures as of :class:`camf_ros.engines.torch_frame.FrameTensors`, which are the caller's own.

        Raises:
            RuntimeError: If the device fails.
        """
        values: tuple[NDArray[Any], ...] = (infrared, visible, np.array([gain, hold], np.float32))
        for array, value in zip(self._arrays, values, strict=True):
            np.copyto(array, value)
        with self._device.running():
            for there, here in zip(self._there, self._here, strict=True):
                there.copy_(here, non_blocking=True)
            for here, part in zip(self._results, self._run(), strict=True):
                here.copy_(part, non_blocking=True)
            self._device.wait()
            picture, figures = (np.array(result.numpy()) for result in self._results)
        return picture, figures


def _fastest(frames: Sequence[TorchFrame], device: FrameDevice, inputs: Sequence[Tensor]) -> tuple[Run, str]:
    """A run of the inputs, and a warning if it could not be captured."""
    captured: list[Run] = []
    reason = ""
    for frame in frames:
        run: Run = partial(frame, *inputs)
        try:
            captured.append(device.capture(run))
        except torch.cuda.OutOfMemoryError:  # would only come back
            raise
        except RuntimeError as error:
            reason = " ".join(str(error).split())
    if not captured:
        return run, f"no CUDA graph could be captured, frames take longer ({reason})"
    return (min(captured, key=device.milliseconds) if len(captured) > 1 else captured[0]), ""
