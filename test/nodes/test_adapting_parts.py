"""``model: auto`` without topics: what is timed, loaded, kept and said, with a loader that is ready at once."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from camf_ros.errors import EngineError
from camf_ros.fusion import Running
from camf_ros.nodes import model_choice
from camf_ros.nodes.model_choice import Adapting, first_choice
from camf_ros.nodes.statistics import Work
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.registration_settings import RegistrationSettings

AUTO = FusionSettings(model="auto", diagnostics_period=1.0)
# Seconds of a frame with each model, at full and at a smaller size.
TIMES = {"camf": (0.08, 0.05), "camf-lite": (0.03, 0.02)}
SMALL = (32, 48)


class Node:
    """The node around it: what runs takes its time, and the clock goes when the test says so."""

    def __init__(self, monkeypatch) -> None:
        self.now, self.speed, self.dropped, self.pairs = 1000.0, 1.0, 0, 0
        self.opened, self.loaded, self.said, self.forgotten, self.busy = [], [], [], 0, ""
        self.broken: set[str] = set()
        self.last, self.registration = None, None
        self.running = Running(SimpleNamespace(engine="first"), "camf-lite")
        monkeypatch.setattr(model_choice, "choose_engine", self._choose)
        monkeypatch.setattr(model_choice, "load", self._load)
        monkeypatch.setattr(model_choice, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(Adapting, "_time_one", lambda _, engine, choice, *more: self._time(engine, choice))
        self.adapting = Adapting(self, self, self, tell=self.said.append)

    # In place of the engines.

    def _choose(self, settings):
        self.opened.append(settings.model)
        if settings.model in self.broken:
            raise EngineError("broken")
        return SimpleNamespace(engine=settings.model)

    def _time(self, model, choice):
        return TIMES[model][choice.processing is not None]

    def _load(self, settings, processing, fusion):
        assert fusion is self
        self.loaded.append((settings.model, processing))
        return Running(
            SimpleNamespace(engine=f"{settings.model} number {len(self.loaded)}"), settings.model, processing
        )

    # In place of the fusion, the loader and the statistics.

    def use(self, running):
        self.running = running

    @property
    def loading(self):
        return self.busy

    def run(self, name, work, done):
        done(work(lambda: True), "")

    def forget_work(self):
        self.forgotten += 1

    def work(self, now):
        time = self.speed * TIMES.get(self.running.model, (0.01, 0.01))[self.running.processing is not None]
        return Work(0.1, 1000.0, time + 0.005, time)

    def snapshot(self, now):
        return SimpleNamespace(pairs=self.pairs)

    def sends(self, height=48, width=64):
        """Pairs of this size from now on."""
        image = np.zeros((height, width, 3), np.uint8)
        self.last = SimpleNamespace(thermal=image[:, :, 0], rgb=image, made=SimpleNamespace(image=image))

    def look(self, seconds=0.5, settings=AUTO):
        for _ in range(round(2 * seconds)):
            self.now += 0.5
            self.pairs += 5
            self.dropped += 2 * (self.work(0).frame > 0.1)
            self.adapting.look(settings, self.dropped)

    @property
    def runs(self):
        return self.running.model, self.running.processing


@pytest.fixture
def node(monkeypatch):
    return Node(monkeypatch)


def test_the_first_choice_is_named_where_the_settings_leave_it_to_the_node():
    assert first_choice(AUTO) == FusionSettings(model="camf-lite")
    assert first_choice(FusionSettings(model="camf-paper")).model == "camf-paper"


def test_nothing_is_done_before_the_first_pair_while_another_is_loaded_or_with_a_set_model(node):
    node.look(5)
    node.sends()
    node.busy = "camf"
    node.look(5)
    node.busy = ""
    node.look(5, FusionSettings(model="camf-paper"))
    assert (node.opened, node.said) == ([], [])
    assert node.adapting.values(FusionSettings(model="camf-paper")) == {}


def test_each_model_is_opened_once_and_the_best_that_fits_takes_over(node):
    node.sends()
    node.look()
    assert node.opened == ["camf", "camf-lite"]
    assert node.runs == ("camf-lite", None), "what was there goes on"
    assert "timed" in node.adapting.values(AUTO)["model chosen"]
    node.look(5)
    assert node.runs == ("camf", SMALL)
    assert node.loaded == [("camf", SMALL)]
    assert node.said[0] == (
        "candidates for model auto, each timed beside the fusion: "
        "camf 80.0 ms, camf at 48x32 50.0 ms, camf-lite 30.0 ms, camf-lite at 48x32 20.0 ms"
    )
    assert node.said[1:] == [
        "model auto: camf at 48x32 takes over: "
        "the best that is expected to fit 70 ms (with camf-lite a frame took 35 ms)"
    ]
    values = node.adapting.values(AUTO)
    assert (values["processing size"], values["frame must fit (ms)"]) == ("48x32", "70.0")
    assert values["frame with camf (ms)"] == "85.0"


def test_what_ran_before_is_kept_and_a_third_takes_its_place(node):
    node.sends()
    node.look(5)
    first = node.running
    node.speed = 2.0  # 0.105 s: dropped; camf-lite takes 0.065 s
    node.look(5)
    assert (node.runs, node.running.chosen.engine) == (("camf-lite", None), "first")
    assert len(node.loaded) == 1, "it was there still"
    node.speed = 1.0
    node.look(30)
    assert node.running is first
    node.speed = 3.0
    node.look(5)
    assert node.runs == ("camf-lite", SMALL)
    assert len(node.loaded) == 2


def test_one_that_does_not_work_is_left_out_and_told(node):
    node.broken = {"camf"}
    node.sends()
    node.look(30)
    assert node.runs == ("camf-lite", None)
    assert node.opened == ["camf", "camf", "camf-lite"]
    assert "camf broken, camf at 48x32 broken, camf-lite 30.0 ms" in node.said[0]
    assert node.adapting.values(AUTO)["frame with camf (ms)"] == "does not work"


def test_one_that_cannot_be_loaded_is_told_and_not_tried_again(node, monkeypatch):
    node.sends()
    node.look()
    monkeypatch.setattr(node, "run", lambda name, work, done: done(None, "no memory"))
    node.look(60)
    assert node.runs == ("camf-lite", None)
    assert node.said[1:] == ["model auto: camf at 48x32 cannot be used: no memory"]


def test_with_a_processing_size_only_the_model_is_chosen(node):
    settings = FusionSettings(model="auto", registration=RegistrationSettings(processing_width=32))
    node.sends()
    node.look(settings=settings)
    node.look(5, settings)
    assert node.runs == ("camf-lite", None)
    assert [name for name in node.adapting.values(settings) if name.startswith("frame with")] == [
        "frame with camf (ms)",
        "frame with camf-lite (ms)",
    ]


def test_other_settings_and_sizes_that_stay_are_timed_anew(node):
    node.sends()
    node.look(5)
    node.look(5, FusionSettings(model="auto", reference="thermal"))
    assert len(node.opened) == 4
    for number in range(20):  # a size of its own for every picture
        node.sends(48, 64 + number)
        node.look(1, FusionSettings(model="auto", reference="thermal"))
    assert len(node.opened) == 4
    node.sends(480, 640)
    node.look(5, FusionSettings(model="auto", reference="thermal"))
    assert len(node.opened) == 6
    assert node.runs == ("camf", (336, 456)), "at the smaller size of these"


def test_a_model_that_is_loaded_anew_starts_everything_anew(node):
    node.sends()
    node.look(5)
    node.running = Running(SimpleNamespace(engine="first again"), "camf-lite")
    node.adapting.restart()
    node.look(5)
    assert len(node.opened) == 4
    assert node.runs == ("camf", SMALL)
    assert len(node.loaded) == 2, "what was kept is not used"


def test_what_goes_on_because_nothing_could_be_loaded_stays(node):
    node.running = Running(SimpleNamespace(engine="own"), "own.safetensors")
    node.sends()
    node.look(30)
    assert node.runs == ("own.safetensors", None)
