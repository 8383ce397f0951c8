"""What every test may need: one thread, no wall clock in property tests, and a small model with weights of its own."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from camf_ros.nodes.topics import free_domain, this_machine_alone

if TYPE_CHECKING:
    from camf_ros.network.blend import BlendNetwork

# Neither a robot nor another worker of pytest-xdist is heard, nor what tests start with a domain of its own.
os.environ["ROS_DOMAIN_ID"] = str(free_domain())
os.environ.update(this_machine_alone())

# The same examples in every run, and no verdict that hangs on how busy the machine is.
hypothesis.settings.register_profile("camf", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("camf")


def pytest_configure(config: pytest.Config) -> None:
    """Files are handed to the workers in the order below; xdist's own begins with those of the most tests."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of nodes wait, the others compute: from beginning to end some of both run beside each other.

    The order within a file stays.
    """
    kinds: tuple[dict[Path, None], dict[Path, None]] = ({}, {})
    for item in items:
        kinds[item.get_closest_marker("ros") is None].setdefault(item.path)
    place = {file: (index + 0.5) / len(files) for files in kinds for index, file in enumerate(files)}
    items.sort(key=lambda item: place[item.path])


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Sums in one order, so that equal runs give equal bits. Tests without PyTorch do not pay for its import."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def fresh_logging() -> Iterator[None]:
    """For commands, which set logging up for the whole process: nothing is set up before, so that they do."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.handlers[:] = []
    yield
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture
def small_network() -> BlendNetwork:
    """A blending network of a few channels, float32, in evaluation mode."""
    from small_model import make_small_network  # noqa: PLC0415 - PyTorch takes seconds to import

    return make_small_network()


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoint of the small network, with its graphs beside it. Tests read the files and never write them."""
    from small_model import make_small_network, write_model  # noqa: PLC0415

    return write_model(tmp_path_factory.mktemp("model") / "small.safetensors", make_small_network())


@pytest.fixture(scope="session")
def small_paper_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of a small network of the paper's kind, which has a gain."""
    from small_model import make_small_paper, write_model  # noqa: PLC0415

    return write_model(tmp_path_factory.mktemp("paper") / "paper.safetensors", make_small_paper(), name="paper")
