"""What is loaded in the background reaches the node only while it is wanted."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from camf_ros.errors import CamfError
from camf_ros.nodes import model_choice
from camf_ros.nodes.model_choice import EngineLoader, load
from camf_ros.settings.fusion_settings import FusionSettings

# Against a hang.
PATIENCE = 10.0


class Loading:
    """A loader whose engines are ready when the test says so."""

    def __init__(self, monkeypatch) -> None:
        self.begun, self.may_end, self.done = threading.Semaphore(0), threading.Semaphore(0), threading.Semaphore(0)
        self.warmed, self.handed_out = [], []
        monkeypatch.setattr(model_choice, "choose_engine", self._choose)
        self.loader = EngineLoader()

    def _choose(self, settings):
        self.begun.release()
        assert self.may_end.acquire(timeout=PATIENCE)
        if settings.model == "broken":
            raise CamfError("broken")
        return SimpleNamespace(engine=settings.model)

    def warm_up(self, engine, processing):
        self.warmed.append((engine, processing))

    def _done(self, running, reason):
        self.handed_out.append((running and (running.chosen.engine, running.model, running.processing), reason))
        self.done.release()

    def request(self, model: str) -> None:
        self.loader.run(
            model, lambda _: load(FusionSettings(model=model), (3, 4), SimpleNamespace(pipeline=self)), self._done
        )


@pytest.fixture
def loading(monkeypatch):
    return Loading(monkeypatch)


def handed_out(model):
    return (model, model, (3, 4)), ""


def test_engine_is_warmed_up_and_handed_out(loading):
    loading.request("one")
    assert loading.loader.loading == "one"
    loading.may_end.release()
    assert loading.done.acquire(timeout=PATIENCE)
    assert (loading.warmed, loading.handed_out) == ([("one", (3, 4))], [handed_out("one")])


def test_only_the_last_request_counts(loading):
    loading.request("one")
    assert loading.begun.acquire(timeout=PATIENCE)
    loading.request("broken")
    loading.request("three")
    assert loading.loader.loading == "three"
    loading.may_end.release(3)
    assert loading.done.acquire(timeout=PATIENCE)
    assert loading.handed_out == [handed_out("three")]
    assert ("broken", (3, 4)) not in loading.warmed


@pytest.mark.parametrize("model", ["one", "broken"])
def test_nothing_is_handed_out_for_an_earlier_configuration(loading, model):
    loading.request(model)
    assert loading.begun.acquire(timeout=PATIENCE)
    loading.loader.cancel()
    assert loading.loader.loading == ""
    loading.request("two")
    loading.may_end.release(2)
    assert loading.done.acquire(timeout=PATIENCE)
    assert loading.handed_out == [handed_out("two")]


def test_failure_is_told(loading):
    loading.request("broken")
    loading.may_end.release()
    assert loading.done.acquire(timeout=PATIENCE)
    assert loading.handed_out == [(None, "broken")]


def test_work_is_told_when_it_is_not_wanted_any_more(loading):
    begun, end, seen = threading.Event(), threading.Event(), []

    def work(wanted):
        seen.append(wanted())
        begun.set()
        assert end.wait(PATIENCE)
        seen.append(wanted())
        loading.done.release()

    loading.loader.run("long", work, lambda *_: pytest.fail("nobody wants it"))
    assert begun.wait(PATIENCE)
    loading.loader.cancel()
    end.set()
    assert loading.done.acquire(timeout=PATIENCE)
    assert seen == [True, False]
