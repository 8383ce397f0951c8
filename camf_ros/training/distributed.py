"""Several processes, started by torchrun, that train as one: each does its share of every batch.

Every process draws the whole batch of a step and takes its own rows. Losses are means over the batch, so the mean of
the shares' gradients is the gradient of the whole batch: any number of processes computes the same model up to
rounding. In a single process nothing here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist

from camf_ros.errors import CamfError, ParameterError
from camf_ros.network.inference import choose_device

_T = TypeVar("_T")
# What torchrun says to each process.
_VARIABLES = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
# torchrun notices at once when a process ends. This is for one that hangs, and must outlast a validation.
_TIMEOUT = timedelta(hours=1)


def _connected() -> bool:
    # A PyTorch that is built without this has no is_initialized.
    return dist.is_available() and dist.is_initialized()


def process_count() -> int:
    """Number of processes that train together; 1 without torchrun."""
    return dist.get_world_size() if _connected() else 1


def process_rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if _connected() else 0


def is_first() -> bool:
    """Whether this is the process that validates, writes files and shows progress."""
    return process_rank() == 0


def share(batch: Tensor) -> Tensor:
    """This process's rows of a batch (N, ...), the same in all processes, N a multiple of their number.

    Returns (N / processes, ...): every so-manieth row, so that the first rows are spread over all processes.
    """
    return batch[process_rank() :: process_count()]


def share_size(rows: int) -> int:
    """How many of the first ``rows`` rows of a batch are in this process's :func:`share`; there they come first."""
    return len(range(process_rank(), rows, process_count()))


def mean_over_processes(value: Tensor) -> float:
    """Mean of a number over all processes; every process must ask for it."""
    result = value.detach().clone()
    if process_count() > 1:
        dist.all_reduce(result)
        result /= process_count()
    return float(result)


def from_first(value: _T) -> _T:
    """The first process's value, in all processes; every process must ask for it."""
    if process_count() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def start_alike(module: nn.Module) -> None:
    """Give all processes the parameters and buffers of the first one."""
    if process_count() > 1:
        for value in module.state_dict().values():
            dist.broadcast(value, src=0)


def average_gradients(module: nn.Module) -> None:
    """Replace each gradient by its mean over all processes.

    Every process must ask for it, with gradients in the same parameters.
    """
    if process_count() == 1:
        return
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    whole = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(whole)
    whole /= process_count()
    sizes = [gradient.numel() for gradient in gradients]
    for gradient, mean in zip(gradients, torch.split(whole, sizes), strict=True):
        gradient.copy_(mean.view_as(gradient))


@contextmanager
def joined(device: str) -> Iterator[torch.device]:
    """Connect to the other processes of a torchrun, and yield the device of this one; without torchrun only choose it.

    ``device`` is ``auto``, ``cpu`` or ``cuda``; with ``cuda`` each process takes a GPU of its own. A single process
    takes also ``cuda:N``. Raises ParameterError if device or environment do not fit several processes, and CamfError if
    another process has ended before the work was done.
    """
    if _number("WORLD_SIZE", 1) == 1:
        yield choose_device(device)
        return
    missing = [name for name in _VARIABLES if not os.environ.get(name)]
    if missing:
        raise ParameterError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']} but {', '.join(missing)} not set",
            expected="the environment of torchrun",
            remedy="start with torchrun, or unset WORLD_SIZE",
        )
    if not dist.is_available():
        raise ParameterError("this PyTorch is built without torch.distributed", remedy="train in a single process")
    own = _own_device(device)
    if own.type == "cuda":
        torch.cuda.set_device(own)
    try:
        with _group("nccl" if own.type == "cuda" else "gloo"):
            yield own
    except RuntimeError as error:
        # The gloo backend has no error type of its own.
        if isinstance(error, dist.DistError) or "gloo" in str(error):
            raise CamfError(
                f"process {os.environ['RANK']} lost the others",
                remedy="see what the one that ended first says, and start again to go on",
            ) from error
        raise


@contextmanager
def _group(backend: str) -> Iterator[None]:
    """The processes as a group, until the work is done or has failed."""
    # This module keeps the group that exists when it is imported. PyTorch imports it with the first optimiser, and the
    # group's threads would then run to the end of the process, and might crash it there.
    import_module("torch.distributed.nn")
    dist.init_process_group(backend, timeout=_TIMEOUT)
    try:
        yield
    except BaseException:
        # Gloo's threads would still run while the interpreter is taken down under them. NCCL might wait here for
        # processes that are gone.
        if backend == "gloo":
            dist.destroy_process_group()
        raise
    dist.destroy_process_group()


def _own_device(name: str) -> torch.device:
    device = choose_device(name)
    if device.type != "cuda":
        return device
    if ":" in name:
        raise ParameterError(
            f"device is {name!r} for {os.environ['WORLD_SIZE']} processes",
            expected="auto, cpu or cuda",
            remedy="choose GPUs with CUDA_VISIBLE_DEVICES",
        )
    own, seen = _number("LOCAL_RANK", 0), torch.cuda.device_count()
    if own >= seen:
        raise ParameterError(
            f"process {own + 1} of this machine has no GPU, PyTorch sees {seen}",
            remedy=f"torchrun --nproc-per-node {seen}, or --device cpu",
        )
    return torch.device("cuda", own)


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, "") or str(default)
    try:
        return int(text)
    except ValueError:
        raise ParameterError(f"{variable} is {text!r}", expected="a whole number, as torchrun sets it") from None
