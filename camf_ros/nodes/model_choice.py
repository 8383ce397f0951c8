"""Loads engines in the background, and with ``model: auto`` chooses among the candidates.

They are timed beside the fusion, and the one runs that the policy, :class:`camf_ros.adaptation.Adaptation`, wants. All
that takes long is done in the engine loader's thread.
"""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

from camf_ros.adaptation import CANDIDATES, FIRST, Adaptation, Candidate, Load, fitting_time, smaller_size
from camf_ros.engines.choose import choose_engine
from camf_ros.engines.engine import Engine
from camf_ros.errors import CamfError, EngineError
from camf_ros.fusion import FusedPair, Fusion, Running
from camf_ros.imaging.warp import Size
from camf_ros.models import find_model
from camf_ros.nodes.statistics import Statistics
from camf_ros.nodes.worker import trim
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import AUTO, FusionSettings

# A candidate is timed on so many frames, or for so many seconds: one frame at least, after one that prepares.
_FRAMES, _SECONDS = 5, 1.0
# Pictures of another size are a reason to time anew once they have come for so many seconds: there are recordings with
# a size of its own for every picture. Until then the proportions of the times are taken for what they were.
_SETTLED = 3.0

#: Settings that ask for another engine.
ENGINE_SETTINGS = ("model", "engine", "device", "precision", "threads")

_T = TypeVar("_T")


def first_choice(settings: FusionSettings) -> FusionSettings:
    """The settings with the name of the model to begin with, where they leave that to the node."""
    return replace(settings, model=FIRST.model) if settings.model == AUTO else settings


def same_engine(one: FusionSettings, other: FusionSettings) -> bool:
    """Whether two settings ask for the same engine."""
    return all(getattr(one, name) == getattr(other, name) for name in ENGINE_SETTINGS)


def check_model(settings: FusionSettings) -> None:
    """Look whether the model is there, which takes milliseconds; raises CheckpointError if it is not."""
    find_model(settings.model).info()


def load(settings: FusionSettings, processing: Size | None, fusion: Fusion | None) -> Running:
    """Load the engine that settings ask for, and have it prepare for the pictures of a fusion that is there already.

    Raises:
        CamfError: As :func:`camf_ros.engines.choose.choose_engine`, or if the inference fails.
    """
    chosen = choose_engine(settings)
    if fusion is not None:
        fusion.pipeline.warm_up(chosen.engine, processing)
    return Running(chosen, settings.model, processing)


class _Job(NamedTuple):
    """See :meth:`EngineLoader.run`."""

    name: str
    work: Callable[[Callable[[], bool]], Any]
    done: Callable[[Any, str], None]


class EngineLoader:
    """One thread that does what was asked for last."""

    def __init__(self) -> None:
        self._next: _Job | None = None
        self._name = ""
        # Of the last request or cancellation: what is loaded for an earlier one is not wanted any more.
        self._number = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False

    def run(self, name: str, work: Callable[[Callable[[], bool]], _T], done: Callable[[_T | None, str], None]) -> None:
        """Do this, and not what was asked for before.

        Args:
            name: Of what is loaded.
            work: Called in the loader's thread with a function that says whether the result is still wanted.
            done: Called there with the result if it is, or with None and the reason why there is none.
        """
        with self._changed:
            self._next, self._name = _Job(name, work, done), name
            self._number += 1
            if not self._busy:
                self._busy = True
                # A daemon: a runtime that hangs must not keep the process alive after shutdown.
                self._thread = threading.Thread(target=self._run, name="engine loader", daemon=True)
                self._thread.start()

    def cancel(self) -> None:
        """Nothing that was asked for is wanted any more. A runtime cannot be stopped: what it loads is dropped."""
        with self._changed:
            self._next, self._name = None, ""
            self._number += 1

    @property
    def loading(self) -> str:
        """Name of what is being loaded; empty if nothing is."""
        with self._changed:
            return self._name if self._busy else ""

    def _run(self) -> None:
        while True:
            with self._changed:
                job, self._next = self._next, None
                if job is None:
                    self._busy = False
                    return
                number = self._number
            result, reason = self._attempt(job, number)
            if self._wanted(number):
                job.done(result, reason)
            # One that is not wanted any more is not held while the next one is loaded.
            del job, result

    def _attempt(self, job: _Job, number: int) -> tuple[Any, str]:
        try:
            return job.work(lambda: self._wanted(number)), ""
        except CamfError as error:
            return None, str(error)
        except Exception as error:  # whatever a runtime raises: the old engine goes on
            return None, "".join(traceback.format_exception(error))

    def _wanted(self, number: int) -> bool:
        with self._changed:
            return number == self._number


class _Choice(NamedTuple):
    """A candidate for the pictures that come; ``processing`` as in :class:`camf_ros.fusion.Running`."""

    candidate: Candidate
    processing: Size | None

    def __str__(self) -> str:
        return self.candidate.model + (f" at {self.processing[1]}x{self.processing[0]}" if self.processing else "")


class _Timed(NamedTuple):
    """Seconds that a frame takes, for each choice; infinity and the reason for those that do not work."""

    seconds: list[float]
    problems: list[str]


class Adapting:
    """While the node is active. Everything but what the loader does is called in the executor's thread."""

    def __init__(
        self, fusion: Fusion, loader: EngineLoader, statistics: Statistics, *, tell: Callable[[str], None]
    ) -> None:
        """Begin; ``tell`` is called with a sentence when another candidate runs, and when all are timed."""
        self._fusion, self._loader, self._statistics, self._tell = fusion, loader, statistics, tell
        self._closed = False
        self.restart()

    def close(self) -> None:
        """Have the loader come to an end soon."""
        self._closed = True

    def restart(self) -> None:
        """The first choice is being loaded anew; what was measured and kept does not count any more."""
        # What the candidates are timed for: settings, and shapes of the pictures.
        self._asked: object = None
        self._shapes: object = None
        # Shapes of the last pictures, and since when.
        self._seen: object = None
        self._seen_since = 0.0
        # The newest results of the loader's thread, until they are looked at.
        self._timed: _Timed | None = None
        self._loaded: tuple[int, Running | None, str] | None = None
        self._choices: list[_Choice] = []
        self._policy: Adaptation | None = None
        # What ran before, ready to run again.
        self._spare: tuple[int, Running] | None = None
        self._load: Load | None = None
        self._reason = "it starts fast; the candidates are timed with the first pictures"

    def look(self, settings: FusionSettings, dropped: int) -> None:
        """Do what is due, once or twice a second; ``dropped``: pairs that a newer one has displaced."""
        last = self._fusion.last
        if settings.model != AUTO or last is None or self._loader.loading:
            return
        now = time.monotonic()
        shapes = last.thermal.shape, last.rgb.shape
        if shapes != self._seen:
            self._seen, self._seen_since = shapes, now
        settled = now - self._seen_since >= _SETTLED
        if _asked(settings) != self._asked or (shapes != self._shapes and settled):
            self._begin(settings, last)
            return
        if self._timed is not None:
            self._start(self._timed, now)
        if self._policy is None:
            return
        if self._loaded is not None:
            self._end_change(*self._loaded, now)
        work = self._statistics.work(now)
        pairs = self._statistics.snapshot(now).pairs
        self._load = Load(work.period, work.steady, work.frame, work.pipeline, pairs, dropped)
        wanted = self._policy.look(now, self._load)
        if wanted is not None:
            self._change(wanted, settings, now)

    def values(self, settings: FusionSettings) -> dict[str, object]:
        """What runs, why, and the times that it was chosen by, for /diagnostics; nothing where the model is set."""
        if settings.model != AUTO:
            return {}
        running, policy, current = self._fusion.running, self._policy, self._load
        values: dict[str, object] = {
            "processing size": f"{running.processing[1]}x{running.processing[0]}" if running.processing else "full",
            "model chosen": self._reason,
        }
        if policy is None or current is None or current.period is None or not current.frame:
            return values
        values["frame must fit (ms)"] = f"{1e3 * fitting_time(current.period):.1f}"
        for choice, seconds in zip(self._choices, policy.estimates(current), strict=True):
            values[f"frame with {choice} (ms)"] = f"{1e3 * seconds:.1f}" if math.isfinite(seconds) else "does not work"
        return values

    def _begin(self, settings: FusionSettings, pair: FusedPair) -> None:
        """Have all candidates timed for what is now asked for, while the one that runs goes on."""
        self.restart()
        self._asked, self._shapes = _asked(settings), (pair.thermal.shape, pair.rgb.shape)
        running = self._fusion.running
        size = pair.made.image.shape[0], pair.made.image.shape[1]
        named = settings.registration.names_processing_size
        self._choices = [
            _Choice(candidate, smaller_size(size) if candidate.small else None)
            for candidate in CANDIDATES
            if not (candidate.small and named)
        ]
        if running.processing not in (None, smaller_size(size)):
            self._fusion.use(running._replace(processing=smaller_size(size)))
        self._loader.run(
            "candidates for model auto",
            lambda wanted: self._time(settings, pair, lambda: wanted() and not self._closed),
            self._take_times,
        )

    def _start(self, timed: _Timed, now: float) -> None:
        self._timed = None
        running = self._fusion.running
        named = _Choice(Candidate(running.model, running.processing is not None), running.processing)
        if named not in self._choices:
            return  # the model to begin with could not be loaded: what runs instead stays
        self._policy = Adaptation(timed.seconds, self._choices.index(named), now)
        self._statistics.forget_work()  # what was measured beside the timing
        self._reason = "it starts fast; the choice follows"
        times = ", ".join(
            f"{choice} {problem or f'{1e3 * seconds:.1f} ms'}"
            for choice, seconds, problem in zip(self._choices, timed.seconds, timed.problems, strict=True)
        )
        self._tell(f"candidates for model auto, each timed beside the fusion: {times}")

    def _change(self, wanted: int, settings: FusionSettings, now: float) -> None:
        assert self._policy is not None
        assert self._load is not None
        assert self._load.period is not None
        own, limit = self._policy.estimates(self._load)[self._policy.running], fitting_time(self._load.period)
        slow = f"with {self._choices[self._policy.running]} a frame took {1e3 * own:.0f} ms"
        self._reason = (
            f"the best that is expected to fit {1e3 * limit:.0f} ms"
            if min(self._policy.estimates(self._load)) <= limit
            else f"the cheapest; none is expected to fit {1e3 * limit:.0f} ms"
        ) + f" ({slow})"
        if self._spare is not None and self._spare[0] == wanted:
            self._end_change(*self._spare, "", now)
            return
        # Its memory is for the one that is loaded now.
        self._spare = None
        choice = self._choices[wanted]

        def work(_: Callable[[], bool]) -> Running:
            return load(replace(settings, model=choice.candidate.model), choice.processing, self._fusion)

        def done(running: Running | None, reason: str) -> None:
            self._loaded = wanted, running, reason

        self._loader.run(str(choice), work, done)

    def _end_change(self, number: int, running: Running | None, problem: str, now: float) -> None:
        assert self._policy is not None
        self._loaded = None
        if running is None:
            self._policy.failed(number, now)
            self._tell(f"model auto: {self._choices[number]} cannot be used: {problem}")
            return
        self._spare = self._policy.running, self._fusion.running
        self._fusion.use(running)
        self._statistics.forget_work()
        self._load = None
        self._policy.changed(number, now)
        self._tell(f"model auto: {self._choices[number]} takes over: {self._reason}")

    # In the loader's thread.

    def _take_times(self, timed: _Timed | None, reason: str) -> None:
        self._timed = timed or _Timed([math.inf] * len(self._choices), [reason] * len(self._choices))

    def _time(self, settings: FusionSettings, pair: FusedPair, wanted: Callable[[], bool]) -> _Timed:
        timed = _Timed([], [])
        for model, choices in groupby(self._choices, lambda choice: choice.candidate.model):
            engine: Engine | None = None
            for choice in choices:
                seconds, problem = math.inf, ""
                try:
                    engine = engine or choose_engine(replace(settings, model=model)).engine
                    seconds = self._time_one(engine, choice, settings, pair, wanted)
                except CamfError as error:
                    problem = str(error)
                timed.seconds.append(seconds)
                timed.problems.append(problem)
        del engine
        trim()
        return timed

    def _time_one(
        self, engine: Engine, choice: _Choice, settings: FusionSettings, pair: FusedPair, wanted: Callable[[], bool]
    ) -> float:
        if choice.processing and "tensorrt" in engine.description:
            raise EngineError("TensorRT would build an engine for this size, which takes minutes")
        fusion = self._fusion
        pipeline = FusionPipeline(engine, settings, fusion.registration.another(), budget=fusion.pipeline.budget)
        pipeline.use(engine, choice.processing)
        least, end = math.inf, math.inf
        for number in range(_FRAMES + 1):
            began = time.monotonic()
            if (number > 1 and began > end) or not wanted():
                break
            pipeline.fuse(pair.thermal, pair.rgb, 1.0 + number, pair.rig)
            if number:
                # The least: whatever else the machine does only adds.
                least = min(least, time.monotonic() - began)
            else:
                end = time.monotonic() + _SECONDS
        return least


def _asked(settings: FusionSettings) -> object:
    """The settings that the times of the candidates depend on."""
    return *(getattr(settings, name) for name in ENGINE_SETTINGS), settings.reference, settings.registration
