"""What every engine must do alike: one answer, own outputs, clear errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pairs import psnr, reference, smooth_pair

from camf_ros.engines.create import open_engine
from camf_ros.engines.engine import Engine
from camf_ros.engines.size_cache import SizeCache
from camf_ros.errors import CamfError, CheckpointError, EngineError, ImageError, ParameterError
from camf_ros.models import find_model, shipped_models
from camf_ros.network import load_checkpoint

ENGINES = ("torch", "openvino", "onnxruntime")
SIZES = [(48, 64), (61, 83), (40, 41)]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, small_model: Path) -> Engine:
    return open_engine(request.param, small_model, device="cpu", precision="float32", threads=1)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("model", shipped_models())
def test_float32_is_the_reference(name: str, model: str) -> None:
    path = find_model(model)
    engine = open_engine(name, path, device="cpu", precision="float32", threads=1)
    rng = np.random.default_rng(1)
    pairs = [smooth_pair(*size) for size in SIZES] + [tuple(rng.integers(0, 256, (2, 30, 37)).astype(np.uint8))]
    for infrared, visible in pairs:
        exact = reference(path, infrared, visible)
        picture = engine.fuse(infrared, visible).fused
        # Whole levels hide what is below half a level, but at ties, of which a picture has some near ones.
        relative = 1e-5 * np.linalg.norm(exact) / np.sqrt(exact.size)
        assert np.abs(picture - exact).max() < 0.5 + 3 * relative


@pytest.mark.parametrize("name", ["torch", "openvino"])
@pytest.mark.parametrize("model", shipped_models())
def test_bfloat16_is_close(name: str, model: str) -> None:
    path = find_model(model)
    try:
        engine = open_engine(name, path, device="cpu", precision="bfloat16", threads=1)
    except ParameterError:
        pytest.skip("this CPU has no bfloat16")
    for size in SIZES:
        infrared, visible = smooth_pair(*size)
        # The paper's network, which was never trained in reduced precision, is the more sensitive one.
        wanted = 40 if model == "camf-paper" else 45
        assert psnr(engine.fuse(infrared, visible).fused, reference(path, infrared, visible)) > wanted


def test_gain(engine: Engine) -> None:
    infrared, visible = smooth_pair(32, 40)
    automatic = engine.fuse(infrared, visible)
    assert 0.5 <= automatic.gain <= 1.5
    constant = engine.fuse(infrared, visible, gain=0.6)
    assert constant.gain == pytest.approx(0.6, abs=1e-6)
    between = engine.fuse(infrared, visible, gain=0.6, hold=0.75)
    assert between.gain == pytest.approx(0.45 + 0.25 * automatic.gain, abs=1e-5)
    # Without a gain there is nothing to hold.
    assert engine.fuse(infrared, visible, hold=0.3).gain == automatic.gain
    assert not np.array_equal(constant.fused, automatic.fused)
    for wrong in ({"gain": -1.0}, {"gain": float("nan")}, {"gain": 1.0, "hold": 1.5}):
        with pytest.raises(ParameterError):
            engine.fuse(infrared, visible, **wrong)


def test_results_are_the_caller_s(engine: Engine) -> None:
    first, second = smooth_pair(30, 44, seed=1), smooth_pair(30, 44, seed=2)
    output = engine.fuse(*first)
    kept = [np.array(value) for value in output[:3]]
    engine.fuse(*second)
    for value, before in zip(output[:3], kept, strict=True):
        assert np.array_equal(value, before)
        value[...] = 7  # may be written to
    again = engine.fuse(*first)
    for value, before in zip(again[:3], kept, strict=True):
        assert np.array_equal(value, before)
    weights = engine.channel_weights()
    expected = weights.copy()
    weights[:] = 0
    assert np.array_equal(engine.channel_weights(), expected)
    np.testing.assert_allclose(expected.mean(axis=1), 1, rtol=1e-5)


def test_any_memory_will_do(engine: Engine) -> None:
    infrared, visible = smooth_pair(34, 46)
    expected = engine.fuse(infrared, visible).fused
    frozen = np.frombuffer(infrared.tobytes(), np.uint8).reshape(infrared.shape)
    assert not frozen.flags.writeable
    wide = np.zeros((34, 92), np.uint8)
    wide[:, ::2] = visible
    assert np.array_equal(engine.fuse(frozen, wide[:, ::2]).fused, expected)
    assert np.array_equal(frozen, infrared)


def test_sizes_may_change_at_any_time(engine: Engine) -> None:
    expected = {size: engine.fuse(*smooth_pair(*size)).fused for size in SIZES}
    for size in (*SIZES, *reversed(SIZES)):
        assert np.array_equal(engine.fuse(*smooth_pair(*size)).fused, expected[size])


@pytest.mark.parametrize(
    ("infrared", "visible"),
    [((8, 8), (8, 9)), ((8,), (8,)), ((0, 4), (0, 4)), ((8, 8, 1), (8, 8, 1))],
)
def test_wrong_shapes(engine: Engine, infrared: tuple[int, ...], visible: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="has shape"):
        engine.fuse(np.zeros(infrared, np.uint8), np.zeros(visible, np.uint8))


def test_wrong_types(engine: Engine) -> None:
    grey = np.zeros((8, 8), np.uint8)
    with pytest.raises(ImageError, match="uint16"):
        engine.fuse(grey.astype(np.uint16), grey)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="float32"):
        engine.fuse(grey, grey.astype(np.float32))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ENGINES)
def test_options_that_cannot_be(name: str, small_model: Path, tmp_path: Path) -> None:
    for options in ({"device": "tpu"}, {"precision": "int3"}):
        with pytest.raises(ParameterError):
            open_engine(name, small_model, **options)
    with pytest.raises(CheckpointError):
        open_engine(name, tmp_path / "none.safetensors")


@pytest.mark.parametrize("name", ENGINES)
def test_half_precision_on_a_processor(name: str, small_model: Path) -> None:
    """OpenVINO computes it where the processor does (AVX512-FP16, for example); the others never."""
    if name == "openvino" and _has_float16():
        assert "float16" in open_engine(name, small_model, device="cpu", precision="float16").description
    else:
        with pytest.raises(ParameterError, match="float16"):
            open_engine(name, small_model, device="cpu", precision="float16")


def _has_float16() -> bool:
    import openvino  # noqa: PLC0415 (may be missing)

    return "FP16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def test_options_of_onnxruntime_that_this_machine_has_not(small_model: Path) -> None:
    with pytest.raises(ParameterError, match="bfloat16"):
        open_engine("onnxruntime", small_model, device="cpu", precision="bfloat16")
    if not torch.cuda.is_available():
        for name, device in (("onnxruntime", "cuda"), ("tensorrt", "cuda:0")):
            with pytest.raises(EngineError, match="ExecutionProvider here"):
                open_engine(name, small_model, device=device)


@pytest.mark.parametrize("name", ENGINES)
def test_description_says_what_runs(name: str, small_model: Path) -> None:
    engine = open_engine(name, small_model, device="cpu", precision="float32")
    assert engine.description == f"{name} cpu float32"
    assert engine.model_name == "small"
    assert engine.model_hash == load_checkpoint(small_model).hash


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_failure_of_the_runtime_is_an_engine_error(
    name: str, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(name, small_model, device="cpu", precision="float32", threads=1)

    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(SizeCache, "get", fail)
    with pytest.raises(EngineError, match=r"8 x 6 pixels .*out of memory"):
        engine.fuse(*np.zeros((2, 6, 8), np.uint8))
    assert issubclass(EngineError, CamfError)


@pytest.mark.parametrize(("name", "cache"), [("openvino", "_requests"), ("onnxruntime", "_sessions")])
def test_what_failed_is_not_kept(name: str, cache: str, small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold the very memory that was wanting."""
    engine = open_engine(name, small_model, device="cpu", precision="float32", threads=1)
    engine.fuse(*smooth_pair(*SIZES[0]))
    engine.fuse(*smooth_pair(*SIZES[1]))
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise RuntimeError("out of memory")

        patch.setattr(f"camf_ros.engines.{name}_engine.engine_output", fail)
        with pytest.raises(EngineError, match="out of memory"):
            engine.fuse(*smooth_pair(*SIZES[1]))
    assert list(getattr(engine, cache)._entries) == [SIZES[0]]
    assert engine.fuse(*smooth_pair(*SIZES[1])).fused.shape == SIZES[1]


def test_network_that_needs_every_bit_gets_it() -> None:
    """Without finer features fused, bfloat16 is for those who ask for it."""
    for name, expected in (("camf-paper", {"float32"}), ("camf", {"float32", "bfloat16"})):
        engine = open_engine("openvino", find_model(name), device="cpu")
        assert engine.description.split()[-1] in expected
