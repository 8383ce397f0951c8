"""Runs a plan: for each case a child process that takes turns with one that runs the plain network.

A group shares the child of the plain network. Each case of it gets a child of its own, and both take turns (see
:mod:`camf_ros.benchmark.timing`) until the time of the case is used up; then its child ends and the next one starts. So
the plain network is timed anew beside every case, and its own row has all of these times.

What the machine reaches at best is measured at the end of every group, and the best of all groups is what floors are
computed from: any moment may be a bad one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from camf_ros.benchmark.child import Child, Timed
from camf_ros.benchmark.cost import Cost, cost_of
from camf_ros.benchmark.floor import floor, layered_floor
from camf_ros.benchmark.peaks import Peaks
from camf_ros.benchmark.plan import Case, Group, Model, Plan
from camf_ros.benchmark.task import NUMBER_BYTES
from camf_ros.benchmark.timing import WARM_UP_SHARE, ratio, spread, take_turns
from camf_ros.errors import EngineError

#: Called with what is about to be measured, and with an empty text when a case is done.
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """Figures of one case, as they stand in the JSON; ``None``: not known.

    Attributes:
        model: Name of the model or peer.
        engine: Name of the engine.
        precision: Arithmetic it computed in.
        width: Of both pictures, pixels.
        height: Of both pictures, pixels.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        description: What the engine calls itself.
        peer: Whether it is a network of others.
        calls: How many times were taken.
        median_ms: Time of one pair from host memory to host memory.
        p5_ms: Five percent of the times are below.
        p95_ms: Five percent of the times are above.
        ratio_to_eager: Time as a multiple of the plain network's in the same rounds.
        eager_model: Model of that plain network.
        floor_ms: See :func:`camf_ros.benchmark.floor.floor`.
        layered_floor_ms: See :func:`camf_ros.benchmark.floor.layered_floor`.
        gflop: Billions of floating point operations.
        parameters: Of the network.
        memory_mib: Growth of the resident memory of the process, from before the runtime was loaded to the peak.
        gpu_memory_mib: Growth of what is in use on the GPU, without the empty context.
        start_s: From nothing to the first fused pair: runtime, model, preparation for the size.
    """

    model: str
    engine: str
    precision: str
    width: int
    height: int
    device: str
    description: str
    peer: bool
    calls: int
    median_ms: float
    p5_ms: float
    p95_ms: float
    ratio_to_eager: float | None
    eager_model: str
    floor_ms: float | None
    layered_floor_ms: float | None
    gflop: float | None
    parameters: int | None
    memory_mib: float
    gpu_memory_mib: float | None
    start_s: float


@dataclass(frozen=True)
class Skipped:
    """What could not be measured.

    Attributes:
        model: Name of the model or peer.
        engine: Name of the engine.
        precision: As wanted.
        width: Of the pictures, pixels; ``None``: no size at all.
        height: Likewise.
        reason: One line.
    """

    model: str
    engine: str
    precision: str
    width: int | None
    height: int | None
    reason: str


@dataclass
class Results:
    """What came out of a run, in the order of the plan."""

    rows: list[Row] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


class Measurement:
    """One run of a plan."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        """Prepare it.

        Args:
            plan: What to measure.
            progress: Told what happens.
        """
        self._plan = plan
        self._progress = progress
        self._closed: set[tuple[str, str, str]] = set()
        self._rows: list[tuple[Row, Cost | None]] = []
        self.peaks = Peaks(plan.threads)
        self.results = Results()

    def run(self) -> None:
        """Measure everything; what fails is noted and left out."""
        for group in self._plan.groups():
            self._run_group(group)
        self.results.rows = [self._with_floors(row, cost) for row, cost in self._rows]

    def _run_group(self, group: Group) -> None:
        self._tell(group.reference)
        position = len(self._rows)
        with Child(self._plan.threads) as child:
            try:
                eager: Timed | None = self._warm(child, group.reference)
            except EngineError as error:
                self._skip(group.reference, str(error))
                eager = None
            self._progress("")
            times: list[float] = []
            measured: set[tuple[str, str, str]] = set()
            for case in group.cases:
                self._tell(case)
                if eager is not None and eager.ended:
                    eager = None
                times += self._run_case(case, group.reference, eager, measured)
                self._progress("")
            if eager is None or eager.ended:
                return
            try:
                if not times:
                    times = _all(take_turns([eager], self._plan.seconds)[0])
                # Its memory before anything else is done in its process.
                self._rows.insert(position, self._row(group.reference, group.reference, eager, times, 1.0))
            except EngineError as error:
                self._skip(group.reference, str(error))
                return
            device = group.reference.task.device
            self._progress(f"peak of {device}")
            self.peaks.measure(child, device, {row.precision for row, _ in self._rows[position:] if not row.peer})

    def _run_case(
        self, case: Case, reference: Case, eager: Timed | None, measured: set[tuple[str, str, str]]
    ) -> list[float]:
        """Measure one case beside the plain network, and return what the latter took."""
        kind = (case.name, case.task.engine, case.task.precision)
        if kind in self._closed:
            return []
        with Child(self._plan.threads) as child:
            try:
                station = Timed(child, case.task)
            except EngineError as error:
                # Neither the model nor the runtime knows the size yet: it is the same for all.
                self._closed.add(kind)
                self.results.skipped.append(Skipped(*kind, None, None, str(error)))
                return []
            found = (case.name, case.task.engine, station.precision)
            if found in measured:
                return []  # two wanted precisions are the same one here
            try:
                station.warm_up(self._plan.seconds * WARM_UP_SHARE)
                stations = [station] if eager is None else [station, eager]
                rounds = take_turns(stations, self._plan.seconds)
                quotient = None if eager is None else ratio(*rounds)
                row = self._row(case, reference, station, _all(rounds[0]), quotient)
            except EngineError as error:
                if eager is not None and eager.ended:
                    self._skip(reference, str(error))
                    self._skip(case, f"the plain network beside it failed: {error}")
                else:
                    self._skip(case, str(error))
                return []
        measured.add(found)
        self._rows.append(row)
        return [] if eager is None else _all(rounds[1])

    def _warm(self, child: Child, case: Case) -> Timed:
        station = Timed(child, case.task)
        station.warm_up(self._plan.seconds * WARM_UP_SHARE)
        return station

    def _row(
        self, case: Case, reference: Case, station: Timed, times: Sequence[float], quotient: float | None
    ) -> tuple[Row, Cost | None]:
        """A row without floors, and what they are computed from."""
        task, memory, figures = case.task, station.memory(), spread(times)
        subject = case.subject
        cost = cost_of(subject.architecture, task.width, task.height) if isinstance(subject, Model) else None
        row = Row(
            model=case.name,
            engine=task.engine,
            precision=station.precision,
            width=task.width,
            height=task.height,
            device=task.device,
            description=station.description,
            peer=cost is None,
            calls=figures.calls,
            median_ms=figures.median * 1e3,
            p5_ms=figures.p5 * 1e3,
            p95_ms=figures.p95 * 1e3,
            ratio_to_eager=quotient,
            eager_model=reference.name,
            floor_ms=None,
            layered_floor_ms=None,
            gflop=None if cost is None else cost.flops / 1e9,
            parameters=subject.parameters,
            memory_mib=memory["memory_mib"] or 0.0,
            gpu_memory_mib=memory["gpu_memory_mib"],
            start_s=station.start_seconds,
        )
        return row, cost

    def _with_floors(self, row: Row, cost: Cost | None) -> Row:
        number_bytes = NUMBER_BYTES.get(row.precision)
        peak = self.peaks.of(row.device, row.precision)
        if cost is None or number_bytes is None or peak is None:
            return row
        return replace(
            row,
            floor_ms=floor(cost, number_bytes, peak) * 1e3,
            layered_floor_ms=layered_floor(cost, number_bytes, peak) * 1e3,
        )

    def _tell(self, case: Case) -> None:
        task = case.task
        self._progress(f"{case.name} {task.engine} {task.precision} {task.width}x{task.height}")

    def _skip(self, case: Case, reason: str) -> None:
        task = case.task
        self.results.skipped.append(Skipped(case.name, task.engine, task.precision, task.width, task.height, reason))


def _all(rounds: Sequence[Sequence[float]]) -> list[float]:
    return list(chain.from_iterable(rounds))
