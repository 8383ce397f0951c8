"""The PyTorch engine against the plain float64 network, in every arithmetic and for every kind of array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import plain_camf
import pytest
import torch
from numpy.typing import NDArray
from pairs import psnr, reference, smooth_pair
from small_model import SMALL_GAIN, make_small_network

from camf_ros.engines.torch_engine import TorchEngine, open_torch
from camf_ros.engines.torch_frame import TorchFrame
from camf_ros.errors import CheckpointError, EngineError, ImageError, ParameterError
from camf_ros.models import find_model, shipped_models
from camf_ros.network import CamfNetwork, load_checkpoint, save_checkpoint
from camf_ros.network.constants import CONTRAST
from camf_ros.network.devices import has_fast_bfloat16

Grey = NDArray[np.uint8]
CPU = torch.device("cpu")
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def pair(height: int, width: int) -> tuple[Grey, Grey]:
    """Two pictures of one place: soft shapes and some noise, different in either."""
    rng = np.random.default_rng(height * 1000 + width)
    rows, columns = np.mgrid[0:height, 0:width]
    spot = 150 * np.exp(-((rows - height / 3) ** 2 + (columns - width / 2) ** 2) / (0.02 * height * width + 1))
    waves = 60 * np.sin(columns / 3) + 40 * np.cos(rows / 5)
    infrared = 60 + spot + rng.normal(0, 4, spot.shape)
    visible = 120 + waves + rng.normal(0, 4, spot.shape)
    return tuple(np.clip(np.rint(image), 0, 255).astype(np.uint8) for image in (infrared, visible))  # type: ignore[return-value]


def normalise(grey: Grey) -> NDArray[np.float64]:
    return (grey.astype(np.float64) - 127.5) / 127.5


@pytest.fixture
def engine(small_model: Path) -> TorchEngine:
    return TorchEngine(small_model, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def paper_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The paper's widths with fresh weights, and an offset that brings the picture into the middle of tanh."""
    torch.manual_seed(11)
    network = CamfNetwork().requires_grad_(False)
    network.classifier.linear.weight.normal_(0, 0.5)
    images = [torch.from_numpy(normalise(image)).float()[None, None] for image in pair(49, 62)]
    fused = network(*images, network.class_activation_weights()).fused
    network.decoder.head.bias.sub_(torch.atanh(fused).mean())
    path = tmp_path_factory.mktemp("paper") / "paper.safetensors"
    save_checkpoint(path, network, name="paper", training={})
    return path


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 9), (16, 12), (31, 22)])
def test_float32_is_the_plain_network(engine: TorchEngine, small_model: Path, height: int, width: int) -> None:
    infrared, visible = pair(height, width)
    weights = {name: value.numpy() for name, value in load_checkpoint(small_model).network.state_dict().items()}
    for gain in (None, SMALL_GAIN):
        plain = plain_camf.fuse(weights, normalise(infrared), normalise(visible), gain)
        output = engine.fuse(infrared, visible, gain=gain or 0.0)
        assert (output.fused.dtype, output.fused.shape) == (np.uint8, (height, width))
        # Half a level of rounding, and what float32 may shift.
        np.testing.assert_allclose(output.fused, plain.image * 127.5 + 127.5, atol=0.501)
        for got, expected in (
            (output.infrared_activation, plain.infrared),
            (output.visible_activation, plain.visible),
        ):
            assert got.dtype == np.float32
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
        assert output.gain == pytest.approx(plain.gain, rel=1e-4)


def test_float32_with_the_papers_widths(paper_model: Path) -> None:
    infrared, visible = pair(49, 62)
    expected = reference(paper_model, infrared, visible)
    assert expected.std() > 10
    engine = TorchEngine(paper_model, device="cpu", precision="float32")
    np.testing.assert_allclose(engine.fuse(infrared, visible).fused, expected, atol=0.51)
    assert engine.description == "torch cpu float32"


def test_bfloat16_with_the_papers_widths(paper_model: Path) -> None:
    infrared, visible = pair(49, 62)
    engine = TorchEngine(paper_model, device="cpu", precision="bfloat16")
    output = engine.fuse(infrared, visible)
    assert psnr(output.fused, reference(paper_model, infrared, visible)) >= 45
    assert engine.description == "torch cpu bfloat16"
    plain = TorchEngine(paper_model, device="cpu", precision="float32").fuse(infrared, visible)
    for got, expected in zip(output[1:3], plain[1:3], strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=0.05, atol=0.01)
    assert output.gain == pytest.approx(plain.gain, rel=0.01)


@pytest.mark.parametrize(("precision", "least"), [("float32", 58), ("bfloat16", 45)])
@pytest.mark.parametrize("name", shipped_models())
def test_shipped_models(name: str, precision: str, least: float) -> None:
    """The bound of float32 is what rounding to grey levels leaves of a perfect computation: 58.9 dB."""
    model, (infrared, visible) = find_model(name), pair(49, 62)
    engine = TorchEngine(model, device="cpu", precision=precision)
    assert psnr(engine.fuse(infrared, visible).fused, reference(model, infrared, visible)) >= least


@pytest.mark.parametrize("name", shipped_models())
@pytest.mark.parametrize("size", [(61, 83), (48, 64), (50, 66)])
def test_shipped_models_at_all_kinds_of_sizes(name: str, size: tuple[int, int]) -> None:
    """Odd sizes, and even ones whose half is even or odd: enlargements by two and others."""
    model = find_model(name)
    rng = np.random.default_rng(5)
    for infrared, visible in (smooth_pair(*size), tuple(rng.integers(0, 256, (2, *size)).astype(np.uint8))):
        expected = reference(model, infrared, visible)
        plain = TorchEngine(model, device="cpu", precision="float32").fuse(infrared, visible).fused
        np.testing.assert_allclose(plain, expected, atol=0.51)
        assert np.mean(plain != np.rint(expected)) < 1e-3
    infrared, visible = smooth_pair(*size)
    reduced = TorchEngine(model, device="cpu", precision="bfloat16").fuse(infrared, visible).fused
    assert psnr(reduced, reference(model, infrared, visible)) >= 45


@GPU
@pytest.mark.parametrize(("precision", "least"), [("float32", 55), ("float16", 48), ("bfloat16", 42), ("auto", 48)])
def test_gpu(paper_model: Path, precision: str, least: float) -> None:
    infrared, visible = pair(49, 62)
    engine = TorchEngine(paper_model, device="cuda", precision=precision)
    assert psnr(engine.fuse(infrared, visible).fused, reference(paper_model, infrared, visible)) >= least
    output = engine.fuse(infrared, visible, gain=0.7)
    assert output.gain == pytest.approx(0.7)
    assert psnr(output.fused, reference(paper_model, infrared, visible, 0.7)) >= least


def test_auto_takes_what_the_processor_is_made_for(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    expected = "bfloat16" if has_fast_bfloat16(CPU) else "float32"
    assert TorchEngine(small_model).description == f"torch cpu {expected}"
    for fast in (True, False):
        monkeypatch.setattr("camf_ros.engines.torch_precision.has_fast_bfloat16", lambda _device, fast=fast: fast)
        expected = "bfloat16" if fast else "float32"
        assert TorchEngine(small_model, device="auto", precision="auto").description == f"torch cpu {expected}"


def test_says_what_it_runs(engine: TorchEngine, small_model: Path) -> None:
    checkpoint = load_checkpoint(small_model)
    assert (engine.model_name, engine.model_hash) == ("small", checkpoint.hash)


def test_same_pair_same_result(engine: TorchEngine) -> None:
    infrared, visible = pair(20, 31)
    first = engine.fuse(infrared, visible)
    engine.fuse(*pair(8, 8))
    for one, two in zip(first, engine.fuse(infrared, visible), strict=True):
        np.testing.assert_array_equal(one, two)


def test_results_are_not_reused(engine: TorchEngine) -> None:
    first = engine.fuse(*pair(20, 31))
    kept = [np.copy(part) for part in first]
    engine.fuse(*(255 - image for image in pair(20, 31)))
    for one, two in zip(first, kept, strict=True):
        np.testing.assert_array_equal(one, two)


def test_sources_are_not_swapped(engine: TorchEngine) -> None:
    infrared, visible = pair(20, 31)
    forth, back = engine.fuse(infrared, visible), engine.fuse(visible, infrared)
    np.testing.assert_allclose(forth.infrared_activation, back.visible_activation, rtol=1e-5)
    assert (forth.fused != back.fused).any()


def test_read_only_and_strided_arrays(engine: TorchEngine) -> None:
    infrared, visible = pair(20, 31)
    expected = engine.fuse(infrared, visible).fused
    message = np.frombuffer(infrared.tobytes(), np.uint8).reshape(20, 31)
    assert not message.flags.writeable
    wide = np.zeros((20, 40), np.uint8)
    wide[:, 3:34] = visible
    every_second = np.repeat(np.repeat(infrared, 2, 0), 2, 1)[::2, ::2]
    for one, two in (
        (message, wide[:, 3:34]),
        (every_second, np.asfortranarray(visible)),
        (infrared[::-1].copy()[::-1], visible[:, ::-1].copy()[:, ::-1]),
    ):
        np.testing.assert_array_equal(engine.fuse(one, two).fused, expected)
    np.testing.assert_array_equal(message, infrared)
    np.testing.assert_array_equal(wide[:, 3:34], visible)


@pytest.mark.parametrize(
    ("infrared", "visible"),
    [((4, 5), (5, 4)), ((4, 5), (4, 5, 3)), ((4, 5, 1), (4, 5, 1)), ((0, 5), (0, 5)), ((4, 0), (4, 0)), ((5,), (5,))],
)
def test_shapes_that_make_no_pair(engine: TorchEngine, infrared: tuple[int, ...], visible: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match=r"infrared has shape .*expected one shape"):
        engine.fuse(np.zeros(infrared, np.uint8), np.zeros(visible, np.uint8))


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32, np.bool_])
def test_values_that_are_not_grey_levels(engine: TorchEngine, dtype: type[np.generic]) -> None:
    """16-bit counts would run far out of the network's range without a word."""
    grey = np.full((4, 5), 1, np.uint8)
    for one, two in ((grey.astype(dtype), grey), (grey, grey.astype(dtype))):
        with pytest.raises(ImageError, match="uint8"):
            engine.fuse(one, two)


def test_channel_weights(engine: TorchEngine, small_model: Path) -> None:
    linear = load_checkpoint(small_model).network.classifier.linear.weight.numpy()
    weights = engine.channel_weights()
    assert (weights.dtype, weights.shape) == (np.float32, (2, 5))
    np.testing.assert_allclose(weights.mean(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(weights, plain_camf.activation_weights(linear), rtol=1e-5)


def test_channel_weights_of_all_fused_layers(tmp_path: Path) -> None:
    """Activations and weights speak of the same channels, also where finer layers are fused."""
    path = tmp_path / "fine.safetensors"
    save_checkpoint(path, make_small_network(fused=(1, 2, 6)), name="fine", training={})
    engine = TorchEngine(path, device="cpu", precision="float32")
    output = engine.fuse(*pair(20, 31))
    assert engine.channel_weights().shape == (2, 2 + 3 + 5)
    assert output.infrared_activation.shape == output.visible_activation.shape == (10,)


def test_constant_gain(engine: TorchEngine, small_model: Path) -> None:
    """A constant is used as it is, without a word about hold."""
    infrared, visible = pair(20, 31)
    for gain in (SMALL_GAIN, 0.25, 2.0):
        output = engine.fuse(infrared, visible, gain=gain)
        assert output.gain == pytest.approx(gain, rel=1e-6)
        np.testing.assert_allclose(output.fused, reference(small_model, infrared, visible, gain), atol=0.51)
    assert engine.fuse(infrared, visible).gain == engine.fuse(infrared, visible, gain=0.0, hold=0.5).gain


def test_automatic_gain_of_equal_pictures(tmp_path: Path) -> None:
    """Where the classifier prefers no channel, equal pictures are summed to four times the energy of one."""
    network = make_small_network()
    network.classifier.linear.weight.zero_()
    save_checkpoint(tmp_path / "even.safetensors", network, name="even", training={})
    engine = TorchEngine(tmp_path / "even.safetensors", device="cpu", precision="float32")
    for picture in pair(20, 31):
        assert engine.fuse(picture, picture).gain == pytest.approx(CONTRAST * 0.5**0.5, rel=1e-4)
    assert engine.fuse(*pair(20, 31)).gain > 0.75


@pytest.mark.parametrize("gain", [0.3, 1.5])
def test_held_gain_lies_between(engine: TorchEngine, gain: float) -> None:
    infrared, visible = pair(20, 31)
    own = engine.fuse(infrared, visible).gain
    for hold in (0.0, 0.25, 0.9, 1.0):
        output = engine.fuse(infrared, visible, gain=gain, hold=hold)
        assert output.gain == pytest.approx(hold * gain + (1 - hold) * own, rel=1e-5)
        same = engine.fuse(infrared, visible, gain=output.gain)
        np.testing.assert_array_equal(output.fused, same.fused)
        assert same.gain == output.gain


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gain": -1.0}, "gain is -1.0"),
        ({"gain": float("nan")}, "gain is nan"),
        ({"gain": float("inf")}, "gain is inf"),
        ({"gain": 0.7, "hold": -0.1}, "hold is -0.1"),
        ({"gain": 0.7, "hold": 1.1}, "hold is 1.1"),
        ({"hold": float("nan")}, "hold is nan"),
    ],
)
def test_impossible_gain(engine: TorchEngine, values: dict[str, float], message: str) -> None:
    infrared, visible = pair(20, 31)
    before = engine.fuse(infrared, visible)
    with pytest.raises(ParameterError, match=message):
        engine.fuse(infrared, visible, **values)
    np.testing.assert_array_equal(engine.fuse(infrared, visible).fused, before.fused)


def test_a_gain_does_not_stay(engine: TorchEngine) -> None:
    """Nothing is kept from one frame to the next."""
    infrared, visible = pair(20, 31)
    before, weights = engine.fuse(infrared, visible), engine.channel_weights()
    engine.fuse(infrared, visible, gain=2.0)
    after = engine.fuse(infrared, visible)
    assert after.gain == before.gain
    np.testing.assert_array_equal(after.fused, before.fused)
    np.testing.assert_array_equal(engine.channel_weights(), weights)


def test_weights_that_leave_are_the_callers_own(engine: TorchEngine) -> None:
    infrared, visible = pair(20, 31)
    expected, weights = engine.fuse(infrared, visible).fused, engine.channel_weights()
    engine.channel_weights()[:] = 0
    np.testing.assert_array_equal(engine.fuse(infrared, visible).fused, expected)
    np.testing.assert_array_equal(engine.channel_weights(), weights)


def test_unknown_precision_and_device(small_model: Path) -> None:
    with pytest.raises(ParameterError, match=r"precision is 'float8'; expected auto, float32"):
        TorchEngine(small_model, device="cpu", precision="float8")
    with pytest.raises(ParameterError, match=r"float16 on a CPU; expected float32 or bfloat16"):
        TorchEngine(small_model, device="cpu", precision="float16")
    with pytest.raises(ParameterError, match=r"device is 'tpu'"):
        TorchEngine(small_model, device="tpu")


def test_gpu_that_is_not_there(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ParameterError, match="no GPU"):
        TorchEngine(small_model, device="cuda")


def test_engine_of_a_device(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(open_torch(small_model, device="cpu", precision="float32"), TorchEngine)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert isinstance(open_torch(small_model), TorchEngine)
    with pytest.raises(ParameterError, match="no GPU"):
        open_torch(small_model, device="cuda")


def test_missing_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no model file"):
        TorchEngine(tmp_path / "none.safetensors", device="cpu")


def test_number_of_threads(small_model: Path) -> None:
    before = torch.get_num_threads()
    try:
        TorchEngine(small_model, device="cpu", threads=2)
        assert torch.get_num_threads() == 2
        TorchEngine(small_model, device="cpu")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_failure_of_the_runtime_is_told(engine: TorchEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_more: object) -> None:
        raise RuntimeError("out of memory")

    infrared, visible = pair(20, 31)
    with monkeypatch.context() as patch:
        patch.setattr(TorchFrame, "__call__", fail)
        with pytest.raises(
            EngineError, match=r"torch cpu float32 failed on 31 x 20 pixels \(out of memory\); use a smaller"
        ):
            engine.fuse(infrared, visible)
    assert engine.fuse(infrared, visible).fused.shape == (20, 31)
