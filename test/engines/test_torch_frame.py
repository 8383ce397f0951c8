"""The parts of a frame in PyTorch: colour, enlargement, kernels, and what shows that the arithmetic left its range."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pairs import smooth_pair
from small_model import make_small_network
from torch.nn import functional as F

from camf_ros.engines.torch_colour import Colour
from camf_ros.engines.torch_enlargement import interleave, is_doubling
from camf_ros.engines.torch_frame import FrameTensors, TorchFrame, engine_output
from camf_ros.engines.torch_kernels import OneDnnKernels, PlainKernels, channels_last, choose_kernels
from camf_ros.engines.torch_precision import exact_float32
from camf_ros.engines.torch_range import fits_float16
from camf_ros.engines.torch_weights import rearrange
from camf_ros.errors import EngineError
from camf_ros.imaging.luminance import Visible
from camf_ros.models import find_model, shipped_models
from camf_ros.network import CamfNetwork, load_checkpoint
from camf_ros.network.doubling import combined_weight

CPU = torch.device("cpu")
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
AUTOMATIC = torch.zeros(2)


def frame_of(
    network: CamfNetwork, dtype: torch.dtype = torch.float32, kernels: PlainKernels | None = None
) -> TorchFrame:
    return TorchFrame(rearrange(network, CPU, dtype), kernels or choose_kernels(CPU, dtype))


def run(frame: TorchFrame, *pictures: np.ndarray, wanted: torch.Tensor = AUTOMATIC) -> FrameTensors:
    with torch.inference_mode():
        return frame(*(torch.from_numpy(picture) for picture in pictures), wanted)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=GPU)])
def test_colour_is_opencvs_to_the_bit(device: str) -> None:
    """All colours, each with a luminance that has nothing to do with it."""
    colour = Colour(torch.device(device))
    rng = np.random.default_rng(3)
    green, blue = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    for red in range(256):
        rgb = np.stack((np.full_like(green, red), green, blue), axis=-1)
        luminance, chroma = colour.split(torch.from_numpy(rgb).to(device))
        np.testing.assert_array_equal(luminance.cpu().numpy(), Visible(rgb).luminance)
        fused = rng.integers(0, 256, green.shape, np.uint8)
        for level in (fused, fused.astype(np.float32)):
            merged = colour.merge(torch.from_numpy(level).to(device), chroma)
            assert merged.dtype == torch.uint8
            np.testing.assert_array_equal(merged.cpu().numpy(), Visible(rgb).with_luminance(fused))


@pytest.mark.parametrize("size", [(2, 2), (2, 3), (7, 5)])
def test_enlargement_in_the_convolution(size: tuple[int, int]) -> None:
    random = torch.Generator().manual_seed(1)
    small = torch.randn((1, 3, *size), generator=random, dtype=torch.float64)
    weight = torch.randn((4, 3, 3, 3), generator=random, dtype=torch.float64)
    large = F.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
    expected = F.conv2d(large, weight)
    got = interleave(
        F.conv2d(F.pad(small, (1, 1, 1, 1), mode="replicate"), torch.from_numpy(combined_weight(weight.numpy())))
    )
    assert got.shape[-2:] == large.shape[-2:]
    torch.testing.assert_close(got[..., 1:-1, 1:-1], expected)


def test_doubling() -> None:
    small = torch.zeros(1, 1, 5, 7)
    assert is_doubling(small, (10, 14))
    assert not is_doubling(small, (9, 14))
    assert not is_doubling(small, (10, 13))


@pytest.mark.parametrize("fused", [(6,), (2, 6), (1, 6), (1, 2, 6)])
@pytest.mark.parametrize("size", [(1, 1), (9, 5), (12, 16), (14, 18), (13, 16)])
def test_all_architectures_and_sizes(fused: tuple[int, ...], size: tuple[int, int]) -> None:
    """Also with the treatment that bfloat16 gets, in float32, where nothing hides a mistake at the border."""
    network = make_small_network(fused=fused)
    infrared, visible = smooth_pair(*size)
    images = [torch.from_numpy(picture / 127.5 - 1)[None, None] for picture in (infrared, visible)]
    double = make_small_network(fused=fused).double()
    for wanted in (AUTOMATIC, torch.tensor([0.6, 1.0]), torch.tensor([0.6, 0.25])):
        constant, hold = wanted.double()[:1], wanted.double()[1:]
        expected = double(*images, double.class_activation_weights(), constant, hold)
        for delicate in (False, True):
            frame = frame_of(network)
            frame._delicate = delicate
            result = run(frame, infrared, visible, wanted=wanted)
            np.testing.assert_allclose(result.picture.numpy(), expected.fused[0, 0].numpy() * 127.5 + 127.5, atol=0.501)
            activations = torch.cat((expected.infrared_activation[0], expected.visible_activation[0]))
            torch.testing.assert_close(result.figures[:-2], activations.float(), rtol=1e-5, atol=1e-6)
            assert float(result.figures[-2]) == pytest.approx(float(expected.gain), rel=1e-4)


def test_colour_around_the_fusion() -> None:
    frame = frame_of(make_small_network(fused=(1, 2, 6)))
    rng = np.random.default_rng(2)
    rgb = rng.integers(0, 256, (21, 30, 3), np.uint8)
    infrared, _ = smooth_pair(21, 30)
    visible = Visible(rgb)
    grey = run(frame, infrared, visible.luminance)
    coloured = run(frame, infrared, rgb)
    np.testing.assert_array_equal(coloured.picture.numpy(), visible.with_luminance(grey.picture.numpy()))
    torch.testing.assert_close(coloured.figures, grey.figures, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_kernels_agree(dtype: torch.dtype) -> None:
    random = torch.Generator().manual_seed(4)
    x = channels_last(torch.rand((1, 6, 23, 38), generator=random).to(dtype))
    weight, bias = torch.randn((5, 6, 3, 3), generator=random).to(dtype), torch.randn(5, generator=random).to(dtype)
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    fast, plain = choose_kernels(CPU, dtype), PlainKernels()
    for options in ({}, {"stride": 2}, {"padding": 0}):
        torch.testing.assert_close(
            fast.convolve_relu(x, weight, bias, **options),
            plain.convolve_relu(x, weight, bias, **options),
            rtol=tolerance,
            atol=tolerance,
        )
    sums = [each.convolve_relu(x, weight, bias, onto=each.convolve(x, weight, padding=1)) for each in (fast, plain)]
    torch.testing.assert_close(*sums, rtol=2 * tolerance, atol=4 * tolerance)
    means = x.float().mean((0, 2, 3))
    for each in (fast, plain):
        assert each.mean(x).dtype == torch.float32
        torch.testing.assert_close(each.mean(x), means, rtol=tolerance, atol=tolerance)
        got = each.moments([x, 2 * x])
        for moment, power in zip(got, (1, 2), strict=True):
            expected = torch.stack([(factor * x.float()).pow(power).mean((0, 2, 3)) for factor in (1, 2)])
            torch.testing.assert_close(moment, expected, rtol=1e-5, atol=1e-6)


def test_kernels_that_are_not_there_or_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(choose_kernels(CPU, torch.float32)) is OneDnnKernels
    right = OneDnnKernels.convolve_relu

    def missing(*_arguments: object, **_more: object) -> torch.Tensor:
        raise AttributeError("no such operation")

    def wrong(*arguments: object, **more: object) -> torch.Tensor:
        return right(*arguments, **more) * 1.5  # type: ignore[arg-type]

    for broken in (missing, wrong):
        monkeypatch.setattr(OneDnnKernels, "convolve_relu", broken)
        assert type(choose_kernels(CPU, torch.float32)) is PlainKernels


def test_one_channel_stays_last() -> None:
    """Else PyTorch takes the picture, and all features after it, for ones with channels first."""
    x = channels_last(torch.zeros(1, 1, 6, 8))
    assert F.conv2d(x, torch.ones(4, 1, 3, 3)).is_contiguous(memory_format=torch.channels_last)


def test_plain_kernels_give_the_same_picture() -> None:
    network = load_checkpoint(find_model("camf-lite")).network
    pictures = smooth_pair(45, 60)
    fast, plain = (run(frame_of(network, kernels=each), *pictures) for each in (None, PlainKernels()))
    assert float((fast.picture != plain.picture).float().mean()) < 1e-3
    torch.testing.assert_close(fast.figures, plain.figures, rtol=1e-4, atol=1e-5)


def test_input_is_exact_in_bfloat16() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    for dtype in (torch.bfloat16, torch.float16):
        torch.testing.assert_close((levels.to(dtype) - 127.5).double(), levels.double() - 127.5, rtol=0, atol=0)


@pytest.mark.parametrize("layer", ["encoder.layers.5", "decoder.head"])
def test_values_out_of_range_are_told(layer: str) -> None:
    """Also those that only the last layer sees: tanh makes a grey level of infinity."""
    network = make_small_network()
    state = network.state_dict()
    state[f"{layer}.bias"].fill_(float("inf"))
    result = run(frame_of(network), *smooth_pair(20, 24))
    with pytest.raises(EngineError, match="an engine gave values that are not finite"):
        engine_output(result.picture.numpy(), result.figures.numpy(), "an engine")


def test_range_of_float16() -> None:
    assert all(fits_float16(load_checkpoint(find_model(name)).network) for name in shipped_models())
    for layer in ("encoder.layers.2", "decoder.layers.3"):
        network = make_small_network()
        assert fits_float16(network)
        network.state_dict()[f"{layer}.weight"].mul_(1e5)
        assert not fits_float16(network)


def test_silent_channels_do_not_divide_by_zero() -> None:
    """A class activation weight of 0 is allowed, and the activation is told all the same."""
    network = make_small_network()
    network.classifier.linear.weight[:, 0] = -100
    expected = make_small_network()
    expected.classifier.linear.weight.copy_(network.classifier.linear.weight)
    infrared, visible = smooth_pair(24, 20)
    images = [torch.from_numpy(picture / 127.5 - 1).float()[None, None] for picture in (infrared, visible)]
    output = expected(*images, expected.class_activation_weights())
    result = run(frame_of(network), infrared, visible)
    np.testing.assert_allclose(result.picture.numpy(), output.fused[0, 0].numpy() * 127.5 + 127.5, atol=0.501)
    activations = torch.cat((output.infrared_activation[0], output.visible_activation[0]))
    torch.testing.assert_close(result.figures[:-2], activations, rtol=1e-4, atol=1e-5)


def test_network_is_left_as_it_was() -> None:
    network = make_small_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    run(frame_of(network, torch.bfloat16), *smooth_pair(12, 16))
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_float32_of_a_gpu_is_float32() -> None:
    backend = torch.backends.cudnn
    before = (backend.allow_tf32, backend.benchmark)
    with exact_float32(torch.device("cuda"), benchmark=True):
        assert (backend.allow_tf32, backend.benchmark) == (False, True)
    with exact_float32(CPU):
        assert (backend.allow_tf32, backend.benchmark) == before
    assert (backend.allow_tf32, backend.benchmark) == before
