"""What staged frames need of a GPU: memory that both sides reach, a stream of their own, and captured graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import torch
from torch import Tensor

from camf_ros.engines.engine import DeviceMemory
from camf_ros.engines.torch_frame import FrameTensors
from camf_ros.engines.torch_precision import exact_float32

# Before a capture: libraries choose their ways in the first run, and the allocator has seen all sizes after it.
_WARM_UP_RUNS = 3
_TIMED_RUNS = 10

#: Computes a frame from what is in its static inputs. What it gives is overwritten by the next run.
Run = Callable[[], FrameTensors]


class FrameDevice(Protocol):
    """See :class:`CudaDevice`, from which tests differ.

    Attributes:
        device: Where the tensors are.
    """

    device: torch.device

    def host_memory(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Memory of this side from which, and to which, the device copies while the processor goes on."""
        ...

    def running(self) -> AbstractContextManager[None]:
        """Context in which everything below, and all copies, are to be done."""
        ...

    def capture(self, run: Run) -> Run:
        """Make a run that gives what ``run`` gives, as one launch.

        Raises:
            RuntimeError: If something in it cannot be captured.
        """
        ...

    def milliseconds(self, run: Run) -> float:
        """Time of a run."""
        ...

    def wait(self) -> None:
        """Return when everything that was asked for is done."""
        ...

    def memory(self) -> DeviceMemory:
        """What is held and what is left.

        Raises:
            RuntimeError: If the device does not answer any more.
        """
        ...


class CudaDevice:
    """One GPU and one stream on it.

    Attributes:
        device: The GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def host_memory(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """See :class:`FrameDevice`."""
        return torch.empty(shape, dtype=dtype, pin_memory=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        """See :class:`FrameDevice`."""
        with torch.inference_mode(), torch.cuda.stream(self._stream), exact_float32(self.device):
            yield

    def capture(self, run: Run) -> Run:
        """See :class:`FrameDevice`."""
        # What other streams still do, such as the upload of weights, is to be over.
        torch.cuda.synchronize(self.device)
        graph = torch.cuda.CUDAGraph()
        with exact_float32(self.device, benchmark=True):
            for _ in range(_WARM_UP_RUNS):
                run()
            # Only this thread's: others may do with the GPU what they like meanwhile.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                result = run()

        def replay() -> FrameTensors:
            graph.replay()
            return result

        return replay

    def milliseconds(self, run: Run) -> float:
        """See :class:`FrameDevice`."""
        run()
        start = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        start.record()
        for _ in range(_TIMED_RUNS):
            run()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / _TIMED_RUNS

    def wait(self) -> None:
        """See :class:`FrameDevice`."""
        self._stream.synchronize()

    def memory(self) -> DeviceMemory:
        """See :class:`FrameDevice`."""
        free, total = torch.cuda.mem_get_info(self.device)
        return DeviceMemory(torch.cuda.memory_reserved(self.device), free, total)
