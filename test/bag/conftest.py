"""What the tests of recordings share: all are skipped where rosbags is not installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rosbags", reason="needs rosbags: pip install rosbags")

from small_model import open_small

from camf_ros.bag.player import BagJob, Tally
from camf_ros.bag.reader import BagTopics
from camf_ros.engines.engine import Engine
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.table import build


@pytest.fixture(scope="session")
def engine(small_model: Path) -> Engine:
    return open_small(small_model)


@pytest.fixture
def fuse(engine: Engine) -> Callable[..., Tally]:
    """Fuses a recording; parameters of the node by their full names, topics as :class:`BagTopics` calls them."""

    def run(
        source: Path,
        output: Path,
        parameters: dict[str, Any] | None = None,
        topics: dict[str, str] | None = None,
        progress: Any = lambda messages, _: messages,
        **options: Any,
    ) -> Tally:
        job = BagJob(source, output, BagTopics(**(topics or {})), **options)
        return job.run(lambda: engine, build(FusionSettings, parameters or {}), progress)

    return run
