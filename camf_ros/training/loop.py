"""The training loop: steps, progress bar, log, and a state on disk from which a killed run goes on to one result."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm

from camf_ros.errors import DataError, ParameterError
from camf_ros.files import replacing, write_whole
from camf_ros.training.distributed import average_gradients, from_first, is_first, mean_over_processes, start_alike

# Seconds between two states on disk: what a kill costs at most.
_SAVE_EVERY = 60.0


@dataclass
class Stage:
    """One stage of training."""

    name: str  #: Names the state file, the bar and the lines of the log
    module: nn.Module  #: What is trained and saved
    optimizer: Optimizer  #: Over parameters of ``module``
    steps: int  #: How many steps there are in all
    #: Loss of a step from its number, counted from 0; the same number must give the same batch. With several processes
    #: that of this process's share.
    loss: Callable[[int], Tensor]
    schedule: Callable[[int], float]  #: Factor of the learning rate from the step number
    #: Measures validation figures; called every ``validate_every`` steps and at the end, in the first process.
    validate: Callable[[], Mapping[str, float]] | None = None
    validate_every: int = 1000  #: Steps between two validations
    #: Asked before each step whether to end here; what it answers by is part of ``module``.
    enough: Callable[[], bool] | None = None


def warm_cosine(steps: int, final: float, warm_up: int = 100) -> Callable[[int], float]:
    """Learning-rate factor: linear from 0 to 1 over ``warm_up`` steps, then half a cosine from 1 to ``final``."""

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        position = min(1.0, (step - warm_up) / max(1, steps - warm_up))
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * position))

    return factor


class Trainer:
    """Runs stages in a run folder and remembers there how far each one is.

    Of several processes the first one alone reads and writes the folder.
    """

    def __init__(
        self, folder: Path, recipe: Mapping[str, Any], *, data: str | None = None, quiet: bool = False
    ) -> None:
        """Open or create a run folder for states and ``log.jsonl``.

        Raises ParameterError if it belongs to another recipe or to other data, of which ``data`` is the hash.
        """
        self.folder = folder
        self.quiet = quiet or not is_first()
        if is_first():
            self._open(recipe, data)

    def _open(self, recipe: Mapping[str, Any], data: str | None) -> None:
        folder = self.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ParameterError(
                f"the run folder {folder} cannot be made ({error})", remedy="name another one"
            ) from error
        stored, text = folder / "recipe.json", json.dumps(recipe, indent=1, sort_keys=True)
        if stored.exists() and stored.read_text(encoding="utf-8") != text:
            raise ParameterError(
                f"{folder} holds a run of another recipe",
                expected="the recipe in its recipe.json",
                remedy="name another --run folder, or delete this one to start again",
            )
        begun = folder / "data.sha256"
        if data is not None:
            # A folder of an earlier version does not say what data it began with.
            if begun.exists() and begun.read_text(encoding="utf-8").strip() != data:
                raise ParameterError(
                    f"{folder} holds a run that began with other data: pictures have changed, come or gone",
                    expected=f"the data with the hash in its {begun.name}",
                    remedy="bring those data back, name another --run folder, or delete this one to start again",
                )
            write_whole(begun, f"{data}\n".encode())
        write_whole(stored, text.encode())

    def run(self, stage: Stage) -> dict[str, float]:
        """Train a stage to its end, going on from the saved state if there is one.

        Returns the last validation figures, and ``seconds``: the training time over all its runs.
        """
        path = self.folder / f"{stage.name}.pt"
        scheduler = LambdaLR(stage.optimizer, stage.schedule)
        start, seconds, figures = self._restore(path, stage, scheduler)
        began = saved = time.monotonic()
        start_alike(stage.module)

        def save(step: int) -> None:
            # A state that is not finite must not be written over the last good one, let alone end up in a model.
            if not all(bool(torch.isfinite(value).all()) for value in stage.module.state_dict().values()):
                raise DataError(
                    f"{stage.name}: the weights are not finite any more at step {step}",
                    remedy="lower the learning rate; the last good state is kept",
                )
            state = {
                "step": step,
                "seconds": seconds + time.monotonic() - began,
                "figures": figures,
                "module": stage.module.state_dict(),
                "optimizer": stage.optimizer.state_dict(),
                "scheduler": scheduler.state_dict(),
            }
            with replacing(path) as temporary:
                torch.save(state, temporary)

        bar = tqdm(total=stage.steps, initial=start, desc=stage.name, unit="step", disable=self.quiet)
        for step in range(start, stage.steps):
            if stage.enough is not None and stage.enough():
                break
            loss = stage.loss(step)
            stage.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            average_gradients(stage.module)
            stage.optimizer.step()
            scheduler.step()
            done = step + 1
            bar.update()
            if done % 20 == 0:
                value = mean_over_processes(loss)
                bar.set_postfix(loss=f"{value:.5f}", **{k: f"{v:.3g}" for k, v in figures.items()})
                self.log(stage=stage.name, step=done, loss=value, rate=scheduler.get_last_lr()[0])
            if not is_first():
                continue
            if stage.validate and (done % stage.validate_every == 0 or done == stage.steps):
                figures = dict(stage.validate())
                self.log(stage=stage.name, step=done, **figures)
            if done == stage.steps or time.monotonic() - saved > _SAVE_EVERY:
                save(done)
                saved = time.monotonic()
        bar.close()
        return from_first({**figures, "seconds": seconds + time.monotonic() - began})

    def log(self, **entry: Any) -> None:
        """Append one line to ``log.jsonl``."""
        if not is_first():
            return
        line = json.dumps({"time": round(time.time(), 1), **entry})
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _restore(self, path: Path, stage: Stage, scheduler: LambdaLR) -> tuple[int, float, dict[str, float]]:
        state = from_first(_read(path) if is_first() else None)
        if state is None:
            return 0, 0.0, {}
        try:
            stage.module.load_state_dict(state["module"])
            stage.optimizer.load_state_dict(state["optimizer"])
            scheduler.load_state_dict(state["scheduler"])
            return int(state["step"]), float(state["seconds"]), dict(state["figures"])
        except Exception as error:  # of many kinds, for whatever may be in the file
            raise _unreadable(path, error) from error


def _read(path: Path) -> Any:
    """The state in a file; none without a file."""
    if not path.exists():
        return None
    try:
        # weights_only: a state file is data and must not be able to run code.
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many kinds for a damaged file
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"the training state {path} cannot be read ({error})", remedy="delete it to train this stage again"
    )
