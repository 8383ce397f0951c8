"""What is loaded in the background reaches the node only while it is wanted."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from camf_ros.errors import CamfError
from camf_ros.nodes import engine_loader
from camf_ros.nodes.engine_loader import EngineLoader
from camf_ros.settings.fusion import FusionSettings

# Against a hang.
PATIENCE = 10.0


class Loading:
    """A loader whose engines are ready when the test says so."""

    def __init__(self, monkeypatch) -> None:
        self.begun, self.may_end, self.done = threading.Semaphore(0), threading.Semaphore(0), threading.Semaphore(0)
        self.warmed, self.handed_out = [], []
        monkeypatch.setattr(engine_loader, "choose_engine", self._choose)
        self.loader = EngineLoader(self.warmed.append, self._done)

    def _choose(self, settings):
        self.begun.release()
        assert self.may_end.acquire(timeout=PATIENCE)
        if settings.model == "broken":
            raise CamfError("broken")
        return SimpleNamespace(engine=settings.model)

    def _done(self, chosen, reason):
        self.handed_out.append((chosen.engine if chosen else None, reason))
        self.done.release()

    def request(self, model: str) -> None:
        self.loader.request(FusionSettings(model=model))


@pytest.fixture
def loading(monkeypatch):
    return Loading(monkeypatch)


def test_engine_is_warmed_up_and_handed_out(loading):
    loading.request("one")
    assert loading.loader.loading == "one"
    loading.may_end.release()
    assert loading.done.acquire(timeout=PATIENCE)
    assert (loading.warmed, loading.handed_out) == (["one"], [("one", "")])


def test_only_the_last_request_counts(loading):
    loading.request("one")
    assert loading.begun.acquire(timeout=PATIENCE)
    loading.request("broken")
    loading.request("three")
    assert loading.loader.loading == "three"
    loading.may_end.release(3)
    assert loading.done.acquire(timeout=PATIENCE)
    assert loading.handed_out == [("three", "")]
    assert "broken" not in loading.warmed


@pytest.mark.parametrize("model", ["one", "broken"])
def test_nothing_is_handed_out_for_an_earlier_configuration(loading, model):
    loading.request(model)
    assert loading.begun.acquire(timeout=PATIENCE)
    loading.loader.cancel()
    assert loading.loader.loading == ""
    loading.request("two")
    loading.may_end.release(2)
    assert loading.done.acquire(timeout=PATIENCE)
    assert loading.handed_out == [("two", "")]


def test_failure_is_told(loading):
    loading.request("broken")
    loading.may_end.release()
    assert loading.done.acquire(timeout=PATIENCE)
    assert loading.handed_out == [(None, "broken")]
