"""The engine for GPUs: on a GPU where there is one, and with a stand-in for the GPU everywhere.

The stand-in behaves as a GPU does in what matters to the engine: a captured run always writes to the same memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from pairs import psnr, reference, smooth_pair
from small_model import SMALL_GAIN, make_small_network
from torch import Tensor

from camf_ros.engines.cuda_device import Run
from camf_ros.engines.cuda_engine import CudaEngine
from camf_ros.engines.engine import DeviceMemory, device_memory
from camf_ros.engines.torch_engine import TorchEngine, open_torch
from camf_ros.engines.torch_frame import FrameTensors
from camf_ros.errors import EngineError, ImageError, ParameterError
from camf_ros.imaging.luminance import Visible
from camf_ros.models import find_model, shipped_models
from camf_ros.network import save_checkpoint

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
SIZES = [(20, 31), (24, 32), (21, 30)]


class StandIn:
    """Takes the place of a GPU."""

    def __init__(self, *, uncapturable: int = 0) -> None:
        self.device = torch.device("cpu")
        self.uncapturable = uncapturable
        self.captured: list[tuple[int, ...]] = []
        self.runs = 0
        self.inside = False
        self.times: dict[Run, float] = {}
        self.replayed: list[Run] = []
        self.lost = False

    def host_memory(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.full(shape, 7, dtype=dtype)

    @contextmanager
    def running(self) -> Iterator[None]:
        self.inside = True
        with torch.inference_mode():
            yield
        self.inside = False

    def capture(self, run: Run) -> Run:
        assert self.inside
        if self.uncapturable:
            self.uncapturable -= 1
            raise RuntimeError("operation not permitted\nwhen stream is capturing")
        result = run()
        self.captured.append(tuple(result.picture.shape))

        def replay() -> FrameTensors:
            assert self.inside
            self.runs += 1
            self.replayed.append(replay)
            for static, new in zip(result, run(), strict=True):
                static.copy_(new)
            return result

        # The later, the slower, unless a test says otherwise.
        self.times[replay] = len(self.times)
        return replay

    def milliseconds(self, run: Run) -> float:
        return self.times[run]

    def wait(self) -> None:
        assert self.inside

    def memory(self) -> DeviceMemory:
        if self.lost:
            raise RuntimeError("CUDA error: the launch timed out and was terminated")
        return DeviceMemory(3, 5, 8)


@pytest.fixture
def stand_in() -> StandIn:
    return StandIn()


@pytest.fixture
def engine(small_model: Path, stand_in: StandIn) -> CudaEngine:
    return CudaEngine(small_model, precision="float32", hardware=stand_in)


@pytest.fixture
def plain(small_model: Path) -> TorchEngine:
    return TorchEngine(small_model, device="cpu", precision="float32")


def colours(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(8).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("options", [{}, {"gain": SMALL_GAIN}, {"gain": SMALL_GAIN, "hold": 0.25}, {"hold": 0.25}])
def test_result_is_the_engines_for_cpus(engine: CudaEngine, plain: TorchEngine, options: dict[str, float]) -> None:
    for size in (*SIZES, *SIZES):
        got, expected = (each.fuse(*smooth_pair(*size), **options) for each in (engine, plain))
        for one, two in zip(got, expected, strict=True):
            np.testing.assert_array_equal(one, two)
    assert engine.warnings == ()
    assert engine.description == "torch cpu float32"
    assert (engine.model_name, engine.model_hash) == (plain.model_name, plain.model_hash)
    np.testing.assert_array_equal(engine.channel_weights(), plain.channel_weights())


@pytest.mark.parametrize("size", SIZES)
def test_colours(engine: CudaEngine, plain: TorchEngine, size: tuple[int, int]) -> None:
    infrared, rgb = smooth_pair(*size)[0], colours(*size)
    visible = Visible(rgb)
    expected = plain.fuse(infrared, visible.luminance, gain=0.7)
    output = engine.fuse_rgb(infrared, rgb, gain=0.7)
    np.testing.assert_array_equal(output.fused, visible.with_luminance(expected.fused))
    for one, two in zip(output[1:], expected[1:], strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_size_is_captured_once_and_the_oldest_is_forgotten(engine: CudaEngine, stand_in: StandIn) -> None:
    ways = len(engine._frames)
    first, second, third = SIZES
    for size in (first, first, second, first, second):
        engine.fuse(*smooth_pair(*size))
    assert stand_in.captured == [first] * ways + [second] * ways
    engine.fuse(*smooth_pair(*third))
    engine.fuse(*smooth_pair(*second))
    assert len(stand_in.captured) == 3 * ways
    engine.fuse(*smooth_pair(*first))
    assert stand_in.captured[-1] == first
    assert len(stand_in.captured) == 4 * ways
    # Colour is captured apart.
    engine.fuse_rgb(smooth_pair(*first)[0], colours(*first))
    assert stand_in.captured[-1] == (*first, 3)


def test_the_fastest_way_is_kept(small_model: Path) -> None:
    stand_in = StandIn()
    engine = CudaEngine(small_model, precision="float32", hardware=stand_in)
    assert len(engine._frames) == 2
    engine.fuse(*smooth_pair(*SIZES[0]))
    first, second = stand_in.times
    assert set(stand_in.replayed) == {first}
    stand_in.milliseconds = lambda run: -stand_in.times[run]  # type: ignore[method-assign]
    engine.fuse(*smooth_pair(*SIZES[1]))
    *_, second = stand_in.times
    assert stand_in.replayed[-1] is second


def test_one_way_that_cannot_be_captured(small_model: Path, plain: TorchEngine) -> None:
    engine = CudaEngine(small_model, precision="float32", hardware=StandIn(uncapturable=1))
    infrared, visible = smooth_pair(*SIZES[0])
    np.testing.assert_allclose(engine.fuse(infrared, visible).fused, plain.fuse(infrared, visible).fused, atol=1)
    assert engine.warnings == ()


def test_no_way_that_can_be_captured(small_model: Path, plain: TorchEngine) -> None:
    stand_in = StandIn(uncapturable=4)
    engine = CudaEngine(small_model, precision="float32", hardware=stand_in)
    for size in (SIZES[0], SIZES[1], SIZES[0]):
        infrared, visible = smooth_pair(*size)
        np.testing.assert_allclose(engine.fuse(infrared, visible).fused, plain.fuse(infrared, visible).fused, atol=1)
    assert stand_in.runs == 0
    assert engine.warnings == (
        "no CUDA graph could be captured, frames take longer (operation not permitted when stream is capturing)",
    )


def test_memory_of_the_device(engine: CudaEngine, plain: TorchEngine, stand_in: StandIn) -> None:
    assert device_memory(engine) == DeviceMemory(held=3, free=5, total=8)
    stand_in.lost = True
    assert device_memory(engine) is None, "a report must not fail where the GPU has"
    assert device_memory(plain) is None


def test_results_are_not_overwritten(engine: CudaEngine) -> None:
    infrared, visible = smooth_pair(*SIZES[0])
    rgb = colours(*SIZES[0])
    for fuse, second in ((engine.fuse, visible), (engine.fuse_rgb, rgb)):
        first = fuse(infrared, second)
        kept = [np.array(part) for part in first]
        fuse(255 - infrared, 255 - second)
        for one, two in zip(first, kept, strict=True):
            np.testing.assert_array_equal(one, two)
        first.fused[...] = 0
        first.infrared_activation[...] = 0
        for one, two in zip(fuse(infrared, second), kept, strict=True):
            np.testing.assert_array_equal(one, two)


def test_any_memory_will_do(engine: CudaEngine, plain: TorchEngine) -> None:
    infrared, visible = smooth_pair(20, 31)
    expected = plain.fuse(infrared, visible).fused
    frozen = np.frombuffer(infrared.tobytes(), np.uint8).reshape(20, 31)
    np.testing.assert_array_equal(engine.fuse(frozen, np.asfortranarray(visible)).fused, expected)
    rgb = np.ascontiguousarray(np.repeat(visible[..., None], 3, axis=2))
    np.testing.assert_array_equal(engine.fuse_rgb(frozen, rgb[:, :, ::-1]).fused[..., 1], expected)


def test_what_makes_no_pair(engine: CudaEngine, stand_in: StandIn) -> None:
    grey, rgb = np.zeros((8, 9), np.uint8), np.zeros((8, 9, 3), np.uint8)
    for infrared, visible in ((grey, grey), (grey, rgb[..., :2]), (grey, rgb[:7]), (rgb, rgb), (grey, rgb.astype(int))):
        with pytest.raises(ImageError):
            engine.fuse_rgb(infrared, visible)
    for infrared, visible in ((grey, rgb), (grey, grey[1:]), (grey, grey.astype(np.uint16))):
        with pytest.raises(ImageError):
            engine.fuse(infrared, visible)
    for options in ({"gain": -1.0}, {"gain": 1.0, "hold": 2.0}):
        for fuse, visible in ((engine.fuse, grey), (engine.fuse_rgb, rgb)):
            with pytest.raises(ParameterError):
                fuse(grey, visible, **options)
    assert stand_in.captured == []


def test_failures_are_told_and_the_next_frame_begins_anew(
    engine: CudaEngine, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    infrared, visible = smooth_pair(20, 31)
    expected = engine.fuse(infrared, visible).fused
    captured = len(stand_in.captured)

    def fail(*_: object) -> None:
        raise RuntimeError("an illegal memory access")

    with monkeypatch.context() as patch:
        patch.setattr(stand_in, "wait", fail)
        with pytest.raises(EngineError, match=r"torch cpu float32 failed on 31 x 20 pixels \(an illegal .*; use a sm"):
            engine.fuse(infrared, visible)
    np.testing.assert_array_equal(engine.fuse(infrared, visible).fused, expected)
    assert len(stand_in.captured) == 2 * captured


@pytest.mark.parametrize("method", ["capture", "host_memory"])
def test_want_of_memory(engine: CudaEngine, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """It is no reason to go on without a graph."""

    def fail(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("out of memory")

    infrared, visible = smooth_pair(20, 31)
    with monkeypatch.context() as patch:
        patch.setattr(stand_in, method, fail)
        with pytest.raises(EngineError, match="out of memory"):
            engine.fuse(infrared, visible)
    assert engine.warnings == ()
    assert engine.fuse(infrared, visible).fused.shape == (20, 31)


def test_values_that_are_not_finite(tmp_path: Path) -> None:
    network = make_small_network()
    network.encoder.layers[5].weight.mul_(3e38)
    save_checkpoint(tmp_path / "wild.safetensors", network, name="wild", training={})
    engine = CudaEngine(tmp_path / "wild.safetensors", precision="float32", hardware=StandIn())
    with pytest.raises(EngineError, match="not finite"):
        engine.fuse(*smooth_pair(20, 31))


def test_what_cannot_be(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ParameterError, match=r"device is 'cpu'; expected cuda"):
        CudaEngine(small_model, device="cpu")
    with pytest.raises(ParameterError, match="precision is 'float8'"):
        CudaEngine(small_model, precision="float8", hardware=StandIn())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ParameterError, match="no GPU"):
        CudaEngine(small_model)


def test_model_that_does_not_fit_float16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = make_small_network()
    network.encoder.layers[2].weight.mul_(1e5)
    save_checkpoint(tmp_path / "wild.safetensors", network, name="wild", training={})
    # As on a GPU, where half precision is the choice.
    monkeypatch.setattr("camf_ros.engines.cuda_engine.choose_precision", lambda _name, _device: torch.float16)
    engine = CudaEngine(tmp_path / "wild.safetensors", precision="auto", hardware=StandIn())
    assert engine.description == "torch cpu bfloat16"
    with pytest.raises(ParameterError, match="the features of wild can leave its range"):
        CudaEngine(tmp_path / "wild.safetensors", precision="float16", hardware=StandIn())


@GPU
@pytest.mark.parametrize("name", shipped_models())
@pytest.mark.parametrize(("precision", "least"), [("float32", 58), ("float16", 45), ("bfloat16", 45)])
@pytest.mark.parametrize("size", [(49, 62), (48, 64), (120, 161)])
def test_gpu(name: str, precision: str, least: float, size: tuple[int, int]) -> None:
    model = find_model(name)
    engine = open_torch(model, device="cuda", precision=precision)
    assert isinstance(engine, CudaEngine)
    for infrared, visible in (smooth_pair(*size), smooth_pair(*size, seed=1)):
        fused = engine.fuse(infrared, visible).fused
        assert psnr(fused, reference(model, infrared, visible)) >= least
    assert engine.warnings == ()


@GPU
def test_gpu_with_colours_and_after_other_sizes() -> None:
    """Not to the bit: another capture may compute a convolution in another order."""
    model = find_model("camf-lite")
    engine = CudaEngine(model)
    assert engine.description == "torch cuda float16"
    memory = device_memory(engine)
    assert memory is not None
    assert 0 < memory.held < memory.total
    for size in (*SIZES, *SIZES):
        infrared, grey = smooth_pair(*size)
        rgb = np.stack((grey, infrared, 255 - grey), axis=-1)
        visible = Visible(rgb)
        expected = visible.with_luminance(np.rint(reference(model, infrared, visible.luminance)).astype(np.uint8))
        error = engine.fuse_rgb(infrared, rgb).fused.astype(np.float64) - expected
        assert 10 * np.log10(255**2 / np.mean(error**2)) >= 40


@GPU
def test_gpu_takes_nothing_for_a_frame(small_model: Path) -> None:
    engine = CudaEngine(small_model)
    infrared, visible = smooth_pair(240, 320)
    engine.fuse(infrared, visible)
    before = torch.cuda.memory_stats()["allocation.all.allocated"]
    for _ in range(5):
        engine.fuse(infrared, visible)
    assert torch.cuda.memory_stats()["allocation.all.allocated"] == before
