"""Runs a plan: for each case a child process that takes turns with one that runs the reference.

All cases of a size share the child of the reference. Each case gets a child of its own, and both take turns (see
:mod:`camf_ros.benchmark.timing`) until the time of the case is used up; then its child ends and the next one starts. So
the reference is timed anew beside every case, and its own row has all of these times.

What the floors of a size need is measured after its cases, in a child of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from camf_ros.benchmark.child import Child, Timed
from camf_ros.benchmark.plan import Case, Plan
from camf_ros.benchmark.timing import WARM_UP_SHARE, Sample, all_of, ratio, spread, take_turns
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
        cpu_ms: Processor time of one pair, all threads together; median.
        ratio: Time as a share of the reference's in the same rounds.
        cpu_ratio: Processor time likewise.
        floor_ms: See :mod:`camf_ros.benchmark.floor`.
        blending_floor_ms: The part of it that is the blending's.
        gflop: Billions of floating point operations of the convolutions.
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
    cpu_ms: float
    ratio: float | None
    cpu_ratio: float | None
    floor_ms: float | None
    blending_floor_ms: float | None
    gflop: float | None
    memory_mib: float
    gpu_memory_mib: float | None
    start_s: float


@dataclass(frozen=True)
class Skipped:
    """What could not be measured.

    Attributes:
        model: Name of the model or peer.
        engine: Name of the engine; ``floor`` for a floor.
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
    """What came out of a run, in the order of the plan.

    Attributes:
        rows: Cases.
        skipped: What is missing among them.
        gpu: What the driver calls the GPU, if one was used.
    """

    rows: list[Row] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    gpu: str | None = None


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
        self.results = Results()

    def run(self) -> Results:
        """Measure everything; what fails is noted and left out."""
        for size in self._plan.sizes:
            rows = self._run_size(size)
            self._progress(f"floors {size[0]}x{size[1]}")
            self.results.rows += self._with_floors(rows)
        return self.results

    def _run_size(self, size: tuple[int, int]) -> list[Row]:
        case = self._plan.reference_case(size)
        self._tell(case)
        with Child(self._plan.threads) as child:
            measured: set[tuple[str, str, str]] = set()
            reference = self._open(child, case, measured)
            self._progress("")
            rows: list[Row] = []
            times: list[Sample] = []
            for other in self._plan.cases(size):
                self._tell(other)
                if reference is not None and reference.ended:
                    self._skip(case, "its process has ended")
                    reference = None
                times += self._run_case(other, reference, measured, rows)
                self._progress("")
            if reference is not None:
                try:
                    times = times or all_of(take_turns([reference], self._plan.seconds)[0])
                    rows.insert(0, self._row(case, reference, times, Sample(1.0, 1.0)))
                except EngineError as error:
                    self._skip(case, str(error))
        return rows

    def _open(self, child: Child, case: Case, measured: set[tuple[str, str, str]]) -> Timed | None:
        """A case, warm; None if that fails, or if it is one of those measured, to which it is added."""
        kind = (case.name, case.task.engine, case.task.precision)
        if kind in self._closed:
            return None
        try:
            station = Timed(child, case.task)
        except EngineError as error:
            # Neither the model nor the runtime knows the size yet: it is the same for all.
            self._closed.add(kind)
            self.results.skipped.append(Skipped(*kind, None, None, str(error)))
            return None
        self.results.gpu = station.gpu or self.results.gpu
        found = (case.name, case.task.engine, station.precision)
        if found in measured:
            return None  # two wanted precisions are the same one here
        try:
            station.warm_up(self._plan.seconds * WARM_UP_SHARE)
        except EngineError as error:
            self._skip(case, str(error))
            return None
        measured.add(found)
        return station

    def _run_case(
        self, case: Case, reference: Timed | None, measured: set[tuple[str, str, str]], rows: list[Row]
    ) -> list[Sample]:
        """Measure one case beside the reference, and return what the latter took."""
        with Child(self._plan.threads) as child:
            station = self._open(child, case, measured)
            if station is None:
                return []
            try:
                rounds = take_turns([station, *([] if reference is None else [reference])], self._plan.seconds)
                quotient = ratio(rounds[0], rounds[1]) if reference is not None else None
                rows.append(self._row(case, station, all_of(rounds[0]), quotient))
            except EngineError as error:
                beside = reference is not None and reference.ended
                self._skip(case, f"the reference beside it failed: {error}" if beside else str(error))
                return []
        return [] if reference is None else all_of(rounds[1])

    def _row(self, case: Case, station: Timed, samples: Sequence[Sample], quotient: Sample | None) -> Row:
        task, memory = case.task, station.memory()
        figures = spread([sample.wall for sample in samples])
        return Row(
            model=case.name,
            engine=task.engine,
            precision=station.precision,
            width=task.width,
            height=task.height,
            device=task.device,
            description=station.description,
            peer=case.peer,
            calls=figures.calls,
            median_ms=figures.median * 1e3,
            p5_ms=figures.p5 * 1e3,
            p95_ms=figures.p95 * 1e3,
            cpu_ms=spread([sample.cpu for sample in samples]).median * 1e3,
            ratio=None if quotient is None else quotient.wall,
            cpu_ratio=None if quotient is None else quotient.cpu,
            floor_ms=None,
            blending_floor_ms=None,
            gflop=None,
            memory_mib=memory["memory_mib"] or 0.0,
            gpu_memory_mib=memory["gpu_memory_mib"],
            start_s=station.start_seconds,
        )

    def _with_floors(self, rows: Sequence[Row]) -> list[Row]:
        """Rows of one size; those of engines on a GPU and of peers have no floor."""
        plan = self._plan
        sources = {model.name: model.source for model in (*plan.models, plan.reference.model)}
        with Child(plan.threads) as child:
            return [row if row.peer or row.device != "cpu" else self._with_floor(child, row, sources) for row in rows]

    def _with_floor(self, child: Child, row: Row, sources: dict[str, str]) -> Row:
        kind = (row.model, "floor", row.precision)
        if kind in self._closed:
            return row
        what = {"width": row.width, "height": row.height, "precision": row.precision, "threads": self._plan.threads}
        try:
            floor = child.ask("floor", model=sources[row.model], **what)
        except EngineError as error:
            self._closed.add(kind)
            self.results.skipped.append(Skipped(*kind, None, None, str(error)))
            return row
        total = floor["convolutions"] + floor["blending"]
        return replace(row, floor_ms=total * 1e3, blending_floor_ms=floor["blending"] * 1e3, gflop=floor["flops"] / 1e9)

    def _tell(self, case: Case) -> None:
        task = case.task
        self._progress(f"{case.name} {task.engine} {task.precision} {task.width}x{task.height}")

    def _skip(self, case: Case, reason: str) -> None:
        task = case.task
        self.results.skipped.append(Skipped(case.name, task.engine, task.precision, task.width, task.height, reason))
