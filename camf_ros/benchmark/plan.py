"""What a run measures: for each size, cases that take turns with one reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from camf_ros.benchmark.peers import Peer
from camf_ros.benchmark.task import Task


@dataclass(frozen=True)
class Model:
    """A CAMF model to measure.

    Attributes:
        name: For people, unlike that of any other model and peer.
        source: As :func:`camf_ros.models.find_model` takes it.
        hash: SHA-256 (hex) of its weights.
    """

    name: str
    source: str
    hash: str


@dataclass(frozen=True)
class Reference:
    """What all times are compared with.

    Attributes:
        model: Need not be one of those to measure.
        engine: Name.
        precision: As wanted, which may be ``auto``.
    """

    model: Model
    engine: str
    precision: str

    def __str__(self) -> str:
        return f"{self.model.name}/{self.engine}/{self.precision}"


@dataclass(frozen=True)
class Case:
    """One task, and what it runs.

    Attributes:
        name: Of the model or peer.
        peer: Whether it is a network of others.
        task: For the child process.
    """

    name: str
    peer: bool
    task: Task


@dataclass(frozen=True)
class Plan:
    """A whole run.

    Attributes:
        models: At least one.
        peers: May be none.
        engines: Names.
        precisions: As wanted, which may be ``auto``.
        reference: What takes turns with every case.
        sizes: (width, height), pixels.
        device: Of models: ``cpu``, ``cuda`` or ``cuda:N``. Peers run on the CPU.
        threads: CPU threads of every case, at least 1.
        seconds: For each case, together with the reference beside it.
    """

    models: Sequence[Model]
    peers: Sequence[Peer]
    engines: Sequence[str]
    precisions: Sequence[str]
    reference: Reference
    sizes: Sequence[tuple[int, int]]
    device: str
    threads: int
    seconds: float

    def reference_case(self, size: tuple[int, int]) -> Case:
        """The reference at a size."""
        wanted = self.reference
        return self._case(wanted.model, wanted.engine, wanted.precision, size)

    def cases(self, size: tuple[int, int]) -> list[Case]:
        """All others at a size, in order."""
        own = [self._case(*choice, size) for choice in product(self.models, self.engines, self.precisions)]
        peers = [
            Case(
                peer.name,
                True,
                Task("onnxruntime", str(peer.file), *size, "cpu", "float32", self.threads, peer.inputs),
            )
            for peer in self.peers
        ]
        return own + peers

    def _case(self, model: Model, engine: str, precision: str, size: tuple[int, int]) -> Case:
        return Case(model.name, False, Task(engine, model.source, *size, self.device, precision, self.threads))
