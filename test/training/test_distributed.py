"""Several processes train as one: the same gradients, the same model after a kill, and clear words when one fails."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from small_training import BLEND, write_data, write_recipe
from torch import Tensor
from torch import distributed as dist
from torchrun_runs import COUNT, LEFT_THREAD, in_float32, regression

from camf_ros.cli.main import build_parser
from camf_ros.errors import CamfError, ParameterError
from camf_ros.network.blend import BlendNetwork
from camf_ros.network.checkpoint import load_checkpoint, network_of
from camf_ros.network.inference import Network
from camf_ros.network.paper import PaperNetwork
from camf_ros.training import distributed
from camf_ros.training.autoencoder import autoencoder_stage
from camf_ros.training.classifier_stage import blend_task, joint_stage, paper_stage, paper_task
from camf_ros.training.config import BlendRecipe, PaperRecipe, Recipe, load_recipe
from camf_ros.training.data import Sources, load_sources
from camf_ros.training.fusion_stage import fusion_stage, linear_weight
from camf_ros.training.loop import Stage, Trainer
from camf_ros.training.recipe_run import check_batches, train

CPU = torch.device("cpu")
PAPER = {
    "autoencoder.batch": 12,
    "classifier.batch": 12,
    "classifier.folds": 0,
    "architecture": {"kind": "paper", "encoder": [4, 6, 8, 8, 8, 8], "decoder": [8, 8, 6, 4, 4]},
}
FUSES = {"classifier.batch": 12, "fusion.batch": 12, "fusion.steps": 4}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


def make_recipe(folder: Path, changes: dict[str, Any]) -> Recipe:
    """Of the paper's network where the changes are of one, else of a blending network."""
    folder.mkdir(parents=True, exist_ok=True)
    base = {} if "architecture" in changes else {"base": BLEND}
    return load_recipe(write_recipe(folder / "small.yaml", changes, **base))


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    in_float32(monkeypatch.setattr)


@pytest.fixture
def as_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Makes this process believe that it is one of several."""

    def pretend(rank: int, count: int) -> None:
        monkeypatch.setattr(distributed, "_connected", lambda: True)
        monkeypatch.setattr(dist, "get_rank", lambda: rank)
        monkeypatch.setattr(dist, "get_world_size", lambda: count)

    return pretend


@pytest.mark.parametrize(("rows", "count"), [(12, 1), (12, 2), (12, 3), (12, 12), (2, 2)])
def test_shares(as_process: Callable[[int, int], None], rows: int, count: int) -> None:
    """Every row is in one share; the first rows of the batch are the first ones of the shares."""
    batch = torch.arange(rows)
    seen: list[int] = []
    for rank in range(count):
        as_process(rank, count)
        part = distributed.share(batch)
        assert len(part) == rows // count
        seen += part.tolist()
        for first in range(rows + 1):
            assert distributed.share_size(first) == int((part < first).sum())
            assert bool((part[: distributed.share_size(first)] < first).all())
    assert sorted(seen) == list(range(rows))


def autoencoder_case(recipe: PaperRecipe, data: Path) -> Stage:
    return autoencoder_stage(PaperNetwork(recipe.architecture), recipe, data, CPU)


def classifier_case(recipe: PaperRecipe, data: Path) -> Stage:
    sources = load_sources(data, ["pairs"], 64)
    network = PaperNetwork(recipe.architecture)
    return paper_stage(paper_task(network, recipe, sources, sources.choose([]), CPU), recipe, 1)


def joint_case(recipe: BlendRecipe, data: Path) -> Stage:
    network, folders = blend_case(recipe, data)
    return joint_stage(blend_task(network, recipe, folders, [], CPU), recipe)


def fusion_case(recipe: BlendRecipe, data: Path) -> Stage:
    network, folders = blend_case(recipe, data)
    return fusion_stage(network, recipe, folders, [], linear=linear_weight(network, recipe), device=CPU)


def blend_case(recipe: BlendRecipe, data: Path) -> tuple[BlendNetwork, list[Sources]]:
    return BlendNetwork(recipe.architecture), [load_sources(data, ["pairs"], recipe.crops.side)]


@pytest.mark.parametrize(
    "case",
    [
        (autoencoder_case, PAPER),
        (classifier_case, PAPER),
        (joint_case, FUSES),
        # Three pairs are judged: they cannot be shared equally by two processes or by four.
        (fusion_case, {**FUSES, "fusion.classifier_weight": 5.0}),
    ],
)
@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.usefixtures("float32")
def test_mean_of_the_shares_gradients_is_the_batchs(
    tmp_path: Path,
    data: Path,
    as_process: Callable[[int, int], None],
    case: tuple[Callable[..., Stage], dict[str, Any]],
    count: int,
) -> None:
    build, changes = case
    recipe = make_recipe(tmp_path, changes)

    def gradients(rank: int, processes: int) -> dict[str, Tensor]:
        as_process(rank, processes)
        torch.manual_seed(1)
        stage = build(recipe, data)
        stage.loss(0).backward()  # type: ignore[no-untyped-call]
        return {name: p.grad.double() for name, p in stage.module.named_parameters() if p.grad is not None}

    whole = gradients(0, 1)
    shares = [gradients(rank, count) for rank in range(count)]
    assert whole
    assert any(bool((gradient != 0).any()) for gradient in whole.values())
    for name, gradient in whole.items():
        mean = sum(part[name] for part in shares) / count
        torch.testing.assert_close(mean, gradient, rtol=1e-3, atol=1e-4 * float(gradient.abs().max()), msg=name)


@pytest.mark.parametrize(
    ("changes", "stage"), [(PAPER, "autoencoder"), (PAPER, "classifier"), (FUSES, "classifier"), (FUSES, "fusion")]
)
def test_batch_that_cannot_be_shared(
    tmp_path: Path, data: Path, as_process: Callable[[int, int], None], changes: dict[str, Any], stage: str
) -> None:
    recipe = make_recipe(tmp_path, {**changes, f"{stage}.batch": 10})
    as_process(1, 2)
    check_batches(recipe)
    as_process(1, 4)
    with pytest.raises(ParameterError, match=rf"{stage}\.batch is 10.*4 processes.*multiple of 4"):
        train(
            recipe,
            data=data,
            run=tmp_path / "run",
            output=tmp_path / "x.safetensors",
            device=CPU,
            command=[],
            quiet=True,
        )
    assert not (tmp_path / "run").exists()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    yield monkeypatch
    assert not dist.is_initialized()


@pytest.mark.parametrize("size", [None, "", "1"])
def test_single_process_connects_to_nobody(environment: pytest.MonkeyPatch, size: str | None) -> None:
    if size is not None:
        environment.setenv("WORLD_SIZE", size)
    with distributed.joined("cpu") as device:
        assert device == CPU
        assert not dist.is_initialized()
        assert (distributed.process_rank(), distributed.process_count()) == (0, 1)
        assert distributed.from_first("x") == "x"
        assert distributed.mean_over_processes(torch.tensor(2.5)) == 2.5


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"WORLD_SIZE": "2"}, "RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT not set.*torchrun"),
        ({"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "here"}, "but MASTER_PORT not set"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two'"),
    ],
)
def test_environment_that_is_not_torchruns(
    environment: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    with pytest.raises(ParameterError, match=message), distributed.joined("cpu"):
        pytest.fail("training began")


@pytest.mark.parametrize(
    ("name", "rank", "expected"),
    [
        ("auto", "1", "cuda:1"),
        ("cuda", "0", "cuda:0"),
        ("cuda:1", "0", "CUDA_VISIBLE_DEVICES"),
        ("auto", "2", r"process 3 of this machine has no GPU, PyTorch sees 2; torchrun --nproc-per-node 2"),
    ],
)
def test_each_process_takes_a_gpu_of_its_own(
    environment: pytest.MonkeyPatch, name: str, rank: str, expected: str
) -> None:
    environment.setenv("WORLD_SIZE", "3")
    environment.setenv("LOCAL_RANK", rank)
    environment.setattr(torch.cuda, "is_available", lambda: True)
    environment.setattr(torch.cuda, "device_count", lambda: 2)
    if expected.startswith("cuda"):
        assert distributed._own_device(name) == torch.device(expected)
    else:
        with pytest.raises(ParameterError, match=expected):
            distributed._own_device(name)


def test_command_line_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """torchrun gives our options to us, also --run, which it could take for the beginning of one of its own."""
    from torch.distributed.run import parse_args  # noqa: PLC0415 - slow

    with pytest.raises(SystemExit):
        build_parser().parse_args(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    command = text.split("On several GPUs: torchrun ")[1].split("...")[0].replace(" N ", " 2 ")
    ours = ["camf-paper", "--data", "DIR", "--run", "FOLDER", "--output", "FILE", "--device", "cpu", "--quiet"]
    parsed = parse_args([*command.split(), *ours])
    assert (parsed.nproc_per_node, parsed.no_python) == ("2", True)
    assert parsed.training_script == "camf"
    assert parsed.training_script_args == ["train", *ours]


def weights(network: Network) -> Tensor:
    return torch.cat([value.flatten() for value in network.state_dict().values()])


@dataclass
class Runs:
    folder: Path
    outcomes: dict[str, list[int]]
    messages: str

    def weights(self, name: str) -> Tensor:
        return weights(load_checkpoint(self.folder / name / "small.safetensors").network)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Runs:
    """See torchrun_runs.py."""
    folder = tmp_path_factory.mktemp("runs")
    recipe = write_recipe(folder / "small.yaml", FUSES, BLEND)
    script = Path(__file__).parents[1] / "torchrun_runs.py"
    result = subprocess.run(
        [sys.executable, script, data, recipe, folder],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stderr=subprocess.PIPE,
        text=True,
        timeout=600,  # against a hang, however busy the machine is
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return Runs(folder, json.loads((folder / "outcomes.json").read_text(encoding="utf-8")), result.stderr)


@pytest.mark.usefixtures("float32")
def test_several_processes_give_the_model_of_one(tmp_path: Path, data: Path, runs: Runs) -> None:
    """As far as rounding lets it, which the optimisers of the stages enlarge where gradients are small."""
    assert runs.outcomes["unbroken"] == [0] * COUNT
    recipe, path = make_recipe(tmp_path, FUSES), tmp_path / "one" / "small.safetensors"
    train(recipe, data=data, run=tmp_path / "one", output=path, device=CPU, command=[], quiet=True)
    alone, many = (load_checkpoint(p) for p in (path, runs.folder / "unbroken" / "small.safetensors"))
    torch.manual_seed(recipe.seed)
    start, end, other = (weights(n) for n in (network_of(recipe.architecture), alone.network, many.network))
    assert float((other - end).norm()) < 0.01 * float((end - start).norm())
    for stage in ("classifier", "fusion"):
        ours, theirs = many.training["metrics"][stage], alone.training["metrics"][stage]
        assert ours.keys() == theirs.keys()
        assert all(math.isclose(ours[key], theirs[key], rel_tol=0.05) for key in ours if key != "seconds")
    assert many.training["device"] == f"{COUNT} x cpu"
    assert many.training["data_hash"] == alone.training["data_hash"]


def test_gradients_are_averaged(tmp_path: Path, runs: Runs) -> None:
    assert runs.outcomes["regression"] == [0] * COUNT
    stage = regression()
    Trainer(tmp_path, {}, quiet=True).run(stage)
    expected = stage.module.state_dict()
    state = torch.load(runs.folder / "regression" / "regression.pt", weights_only=True)["module"]
    torch.testing.assert_close(state, expected, rtol=1e-10, atol=1e-12)
    lines = [
        [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
        for folder in (tmp_path, runs.folder / "regression")
    ]
    one, many = ([(line["step"], line.get("loss", 0)) for line in log] for log in lines)
    assert [step for step, _ in many] == [10, 20, 20, 30, 40, 40, 41], "one process writes the log"
    assert many == [(step, pytest.approx(loss, rel=1e-9)) for step, loss in one], "the loss is that of the whole batch"


def test_every_process_knows_the_figures(runs: Runs) -> None:
    results = [torch.load(runs.folder / f"result{rank}.pt", weights_only=True) for rank in range(COUNT)]
    assert results[0]["figure"] == 1.5
    assert results == [results[0]] * COUNT


def test_killed_processes_go_on_to_the_same_bits(runs: Runs) -> None:
    assert -9 in runs.outcomes["killed first"]
    assert -9 in runs.outcomes["killed again"]
    assert runs.outcomes["killed"] == [0] * COUNT
    assert torch.equal(runs.weights("unbroken"), runs.weights("killed"))


def test_one_process_that_fails_ends_the_run(runs: Runs) -> None:
    assert 1 in runs.outcomes["failed"]
    assert "camf train: the disk of one process is gone" in runs.messages
    assert not (runs.folder / "failed" / "small.safetensors").exists()


def test_no_thread_of_the_group_outlives_a_training(runs: Runs) -> None:
    """Whether it succeeded or failed: such a thread can crash the interpreter at its end, with a signal as status."""
    assert LEFT_THREAD not in runs.messages


def test_progress_is_told_once(runs: Runs) -> None:
    assert runs.messages.count(f"{runs.folder / 'unbroken'}/small.safetensors written") == 1
    assert not list(runs.folder.glob("*/*.tmp"))


@pytest.mark.parametrize("error", [dist.DistBackendError("broken"), RuntimeError("[../gloo/pair.cc] closed by peer")])
def test_lost_processes(environment: pytest.MonkeyPatch, error: Exception) -> None:
    pretend_torchrun(environment)
    message = "process 1 lost the others; see what the one that ended first says"
    with pytest.raises(CamfError, match=message), distributed.joined("cpu"):
        raise error


def test_other_errors_stay_what_they_are(environment: pytest.MonkeyPatch) -> None:
    pretend_torchrun(environment)
    with pytest.raises(RuntimeError, match="a bug"), distributed.joined("cpu"):
        raise RuntimeError("a bug")


@pytest.mark.parametrize("error", [ValueError("bad data"), KeyboardInterrupt()])
def test_nothing_of_the_group_outlives_a_failure(environment: pytest.MonkeyPatch, error: BaseException) -> None:
    init, destroy = dist.init_process_group, dist.destroy_process_group
    pretend_torchrun(environment)
    environment.setattr(
        dist, "init_process_group", lambda *_, **__: init("gloo", store=dist.HashStore(), rank=0, world_size=1)
    )
    environment.setattr(dist, "destroy_process_group", destroy)
    with pytest.raises(type(error)), distributed.joined("cpu"):
        assert dist.is_initialized()
        raise error
    assert not dist.is_initialized()


def pretend_torchrun(environment: pytest.MonkeyPatch) -> None:
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "1"), ("LOCAL_RANK", "1"), ("MASTER_ADDR", "localhost")):
        environment.setenv(name, value)
    environment.setenv("MASTER_PORT", "1")
    environment.setattr(dist, "init_process_group", lambda *_, **__: None)
    environment.setattr(dist, "destroy_process_group", lambda *_, **__: None)
