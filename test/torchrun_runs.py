"""Trainings of several processes, run by torchrun's agent.

A script of its own, whose processes are spawned as torchrun's are: a fork of a process that has other threads, as the
agent has, can inherit a lock that nobody opens any more, and then waits for ever.

``python torchrun_runs.py DATA RECIPE FOLDER`` leaves in ``FOLDER``: a run that nobody disturbed (``unbroken``), one
that was killed twice and went on (``killed``), one of which one process failed (``failed``), a regression
(``regression``) and what the agent said of each (``outcomes.json``). The messages of all are on stderr.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from camf_ros.cli.main import main
from camf_ros.errors import DataError
from camf_ros.training import autoencoder, classifier_stage, fusion_stage, loop
from camf_ros.training.distributed import joined, share
from camf_ros.training.loop import Stage, Trainer, warm_cosine

#: With three, the order in which gradients are summed matters.
COUNT = 3
#: What a process says of each thread of the group that is alive after the training.
LEFT_THREAD = "left alive: thread"
# A process that still runs after so many seconds says where it is and ends. The longest of the trainings takes ten.
_HANGS = 240.0


def in_float32(patch: Callable[[Any, str, Any], None]) -> None:
    """Bfloat16 would hide a wrong share in its rounding."""
    for module in (autoencoder, classifier_stage, fusion_stage):
        patch(module, "autocast", lambda device: contextlib.nullcontext())


def together(function: Callable[..., int], *arguments: Any) -> list[int]:
    """Exit status of each process, negative for a signal."""
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=COUNT,
        run_id="test",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="127.0.0.1",
        max_restarts=0,
        monitor_interval=0.05,
        start_method="spawn",
    )
    try:
        elastic_launch(config, function)(*arguments)
    except ChildFailedError as error:
        return sorted(failure.exitcode for failure in error.failures.values())
    return [0] * COUNT


def train(arguments: list[str]) -> int:
    prepare()
    status = main(["train", *arguments, "--device", "cpu", "--quiet"])
    for path in Path("/proc/self/task").glob("*/comm"):
        if "gloo" in (name := path.read_text(encoding="utf-8").strip()):
            print(f"{LEFT_THREAD} {name}", file=sys.stderr)
    if status:
        sys.exit(status)
    return status


def killed_in_classifier(arguments: list[str]) -> int:
    """Every process is killed in mid-run."""
    after(classifier_stage, "pair_crops", 4, kill)
    return train(arguments)


def killed_in_fusion(arguments: list[str]) -> int:
    """Likewise, in the later stage."""
    after(fusion_stage, "pair_crops", 3, kill)
    return train(arguments)


def failed(arguments: list[str]) -> int:
    """One process meets an error of its own in mid-run."""

    def fail() -> None:
        if os.environ["RANK"] == "1":
            raise DataError("the disk of one process is gone")

    after(classifier_stage, "pair_crops", 3, fail)
    return train(arguments)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def prepare() -> None:
    """What holds in every process of a training."""
    faulthandler.dump_traceback_later(_HANGS, exit=True)
    torch.set_num_threads(1)
    loop._SAVE_EVERY = -1.0  # after every step
    in_float32(setattr)


def after(module: Any, name: str, calls: int, action: Callable[[], None]) -> None:
    """Do something when a function of a module is called once more than so often."""
    original, made = getattr(module, name), [0]

    def function(*arguments: Any) -> Any:
        made[0] += 1
        if made[0] > calls:
            action()
        return original(*arguments)

    setattr(module, name, function)


def regression() -> Stage:
    """In float64 and with plain gradient descent, which shows any difference in the gradients."""
    torch.manual_seed(5)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()

    def loss(step: int) -> Tensor:
        x = torch.rand(12, 3, generator=torch.Generator().manual_seed(step), dtype=torch.float64)
        x = share(x)
        output: Tensor = module(x)
        return ((output - x.sum(1, keepdim=True)) ** 2).mean()

    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    return Stage("regression", module, optimizer, 41, loss, warm_cosine(41, 0.1, 2), lambda: {"figure": 1.5}, 10)


def regress(folder: Path) -> int:
    prepare()
    with joined("cpu"):
        result = Trainer(folder, {}, quiet=True).run(regression())
        torch.save(result, folder.with_name(f"result{os.environ['RANK']}.pt"))
    return 0


def run(data: str, recipe: str, folder: Path) -> None:
    def arguments(name: str) -> list[str]:
        return [recipe, "--data", data, "--run", str(folder / name)]

    outcomes = {
        "unbroken": together(train, arguments("unbroken")),
        "killed first": together(killed_in_classifier, arguments("killed")),
        "killed again": together(killed_in_fusion, arguments("killed")),
        "killed": together(train, arguments("killed")),
        "failed": together(failed, arguments("failed")),
        "regression": together(regress, folder / "regression"),
    }
    (folder / "outcomes.json").write_text(json.dumps(outcomes), encoding="utf-8")


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
