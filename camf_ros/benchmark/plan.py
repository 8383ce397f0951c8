"""What a run measures: groups of cases, each beside the plain network at one model and size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from camf_ros.benchmark.peers import Peer
from camf_ros.benchmark.task import EAGER, Task
from camf_ros.network.architecture import Architecture

#: Model whose plain network the peers are compared to, if it is part of the run; else the first one is.
_PAPER = "camf-paper"


@dataclass(frozen=True)
class Model:
    """A CAMF model to measure.

    Attributes:
        name: For people, unlike that of any other model and peer.
        file: Checkpoint.
        architecture: Of its network.
        parameters: How many it has in inference.
        hash: SHA-256 (hex) of its weights.
    """

    name: str
    file: Path
    architecture: Architecture
    parameters: int
    hash: str


@dataclass(frozen=True)
class Case:
    """One task, and what it runs.

    Attributes:
        name: Of the model or peer.
        subject: The model or peer itself.
        task: For the child process.
    """

    name: str
    subject: Model | Peer
    task: Task


@dataclass(frozen=True)
class Group:
    """Cases of one size.

    Attributes:
        reference: The plain network.
        cases: What is measured in turn with it, one after the other.
    """

    reference: Case
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Plan:
    """A whole run.

    Attributes:
        models: At least one.
        peers: May be none.
        engines: Names.
        precisions: As wanted, which may be ``auto``.
        sizes: (width, height), pixels.
        device: Of models: ``cpu``, ``cuda`` or ``cuda:N``. Peers run on the CPU.
        threads: CPU threads of every case, at least 1.
        seconds: For each case, together with the plain network beside it.
    """

    models: Sequence[Model]
    peers: Sequence[Peer]
    engines: Sequence[str]
    precisions: Sequence[str]
    sizes: Sequence[tuple[int, int]]
    device: str
    threads: int
    seconds: float

    @property
    def reference(self) -> Model:
        """Model whose plain network the peers are compared to."""
        return next((model for model in self.models if model.name == _PAPER), self.models[0])

    def groups(self) -> Iterator[Group]:
        """What to measure, in order."""
        # Peers join a group that is there if they run on its device, and get one of their own otherwise.
        joined = self.device == "cpu"
        for model in self.models:
            for size in self.sizes:
                guests = self._guests(size) if joined and model is self.reference else ()
                yield Group(self._case(model, EAGER, "float32", size, self.device), self._members(model, size) + guests)
        if self.peers and not joined:
            for size in self.sizes:
                yield Group(self._case(self.reference, EAGER, "float32", size, "cpu"), self._guests(size))

    def _members(self, model: Model, size: tuple[int, int]) -> tuple[Case, ...]:
        return tuple(
            self._case(model, engine, precision, size, self.device)
            for engine, precision in product(self.engines, self.precisions)
        )

    def _case(self, model: Model, engine: str, precision: str, size: tuple[int, int], device: str) -> Case:
        return Case(model.name, model, Task(engine, str(model.file), *size, device, precision, self.threads))

    def _guests(self, size: tuple[int, int]) -> tuple[Case, ...]:
        return tuple(
            Case(
                peer.name,
                peer,
                Task("onnxruntime", str(peer.file), *size, "cpu", "float32", self.threads, peer.inputs),
            )
            for peer in self.peers
        )
