"""What every engine must do alike: one answer, own outputs, clear errors."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pairs import ENGINES, SIZES, load, reference, smooth_pair

from camf_ros.engines.choose import open_engine, open_inspector
from camf_ros.engines.engine import Arrays, DeviceMemory, Engine, FusionEngine, device_memory
from camf_ros.errors import CheckpointError, EngineError, ImageError, ParameterError
from camf_ros.imaging.blending import Blender
from camf_ros.models import find_model
from camf_ros.network.checkpoint import load_checkpoint
from camf_ros.network.inference import BlendInspection


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest, small_model: Path) -> FusionEngine:
    return load(request.param, small_model)


@pytest.fixture(scope="module", params=ENGINES)
def paper_engine(request: pytest.FixtureRequest, small_paper_model: Path) -> FusionEngine:
    return load(request.param, small_paper_model)


@pytest.mark.parametrize("kind", ["small_model", "small_paper_model"])
@pytest.mark.parametrize("name", ENGINES)
def test_float32_is_the_network(name: str, kind: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(kind)
    engine = load(name, path)
    for size in SIZES:
        infrared, visible = smooth_pair(*size)
        output = engine.fuse(infrared, visible)
        assert output.fused.shape == size
        # Whole levels hide what is below half a level, but at ties, of which a picture has some near ones.
        assert np.abs(output.fused - reference(path, infrared, visible)).max() < 0.501


@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_bfloat16_is_within_two_levels(name: str, small_model: Path) -> None:
    try:
        engine = load(name, small_model, "bfloat16")
    except ParameterError:
        pytest.skip("this CPU has no bfloat16")
    exact = load(name, small_model)
    for size in SIZES:
        pair = smooth_pair(*size)
        difference = engine.fuse(*pair).fused.astype(int) - exact.fuse(*pair).fused
        assert np.abs(difference).max() <= 2


def test_gain_of_the_paper(paper_engine: Engine) -> None:
    infrared, visible = smooth_pair(32, 40)
    automatic = paper_engine.fuse(infrared, visible)
    assert 0.5 <= automatic.gain <= 1.5
    constant = paper_engine.fuse(infrared, visible, gain=0.6)
    assert constant.gain == pytest.approx(0.6, abs=1e-6)
    between = paper_engine.fuse(infrared, visible, gain=0.6, hold=0.75)
    assert between.gain == pytest.approx(0.45 + 0.25 * automatic.gain, abs=1e-5)
    # Without a gain there is nothing to hold.
    assert paper_engine.fuse(infrared, visible, hold=0.3).gain == automatic.gain
    assert not np.array_equal(constant.fused, automatic.fused)
    assert paper_engine.fuse(infrared, visible, keep_amounts=True).amounts is None, "it has none"


def test_a_blending_network_has_no_gain(engine: Engine) -> None:
    pair = smooth_pair(32, 40)
    expected = engine.fuse(*pair)
    for gain, hold in ((0.0, 1.0), (0.6, 1.0), (2.0, 0.5)):
        output = engine.fuse(*pair, gain=gain, hold=hold)
        assert output.gain == 1
        assert np.array_equal(output.fused, expected.fused)


def test_gain_out_of_range(engine: Engine) -> None:
    for wrong in ({"gain": -1.0}, {"gain": float("nan")}, {"gain": float("inf")}, {"gain": 1.0, "hold": 1.5}):
        with pytest.raises(ParameterError):
            engine.fuse(*smooth_pair(32, 40), **wrong)


def test_amounts_make_the_picture(engine: Engine) -> None:
    for size in ((61, 83), (32, 48)):
        pair = smooth_pair(*size)
        assert engine.fuse(*pair).amounts is None
        output = engine.fuse(*pair, keep_amounts=True)
        assert output.amounts is not None
        assert len(output.amounts) == 5
        assert all(each.min() >= 0 and each.max() <= 1.5 for each in output.amounts)
        assert np.array_equal(Blender(*size, 5).blend(*pair, output.amounts), output.fused)


def test_amounts_are_multiplied_by_factors(engine: Engine) -> None:
    """Level by level, the last factors for all levels after them; what is given are the amounts that were used."""
    pair = smooth_pair(70, 90)
    plain = engine.fuse(*pair, keep_amounts=True)
    output = engine.fuse(*pair, keep_amounts=True, factors=[(0.5, 1.5), (0.8, 0)])
    assert plain.amounts is not None
    assert output.amounts is not None
    for level, (before, after) in enumerate(zip(plain.amounts, output.amounts, strict=True)):
        thermal, rgb = (0.5, 1.5) if level == 0 else (0.8, 0)
        np.testing.assert_allclose(after, np.stack([before[0] * thermal, before[1] * rgb]), rtol=1e-5)
    blended = Blender(70, 90, len(output.amounts)).blend(*pair, output.amounts)
    np.testing.assert_array_equal(output.fused, blended)
    assert (engine.fuse(*pair, factors=[(1, 1)]).fused == plain.fused).all()


def test_results_are_the_caller_s(engine: Engine) -> None:
    first, second = smooth_pair(30, 44, seed=1), smooth_pair(30, 44, seed=2)

    def arrays() -> list[np.ndarray[Any, Any]]:
        output = engine.fuse(*first, keep_amounts=True)
        return [*output[:3], *(output.amounts or ())]

    given = arrays()
    kept = [np.array(value) for value in given]
    engine.fuse(*second)
    for value, before in zip(given, kept, strict=True):
        assert np.array_equal(value, before)
        value[...] = 7  # may be written to
    for value, before in zip(arrays(), kept, strict=True):
        assert np.array_equal(value, before)
    weights = engine.channel_weights()
    expected = weights.copy()
    weights[:] = 0
    assert np.array_equal(engine.channel_weights(), expected)
    np.testing.assert_allclose(expected.mean(axis=1), 1, rtol=1e-5)


def test_any_memory_will_do(engine: Engine) -> None:
    infrared, visible = smooth_pair(32, 48)
    expected = engine.fuse(infrared, visible).fused
    frozen = np.frombuffer(infrared.tobytes(), np.uint8).reshape(infrared.shape)
    assert not frozen.flags.writeable
    wide = np.zeros((32, 96), np.uint8)
    wide[:, ::2] = visible
    assert np.array_equal(engine.fuse(frozen, wide[:, ::2]).fused, expected)
    assert np.array_equal(frozen, infrared)


@pytest.mark.parametrize(
    ("infrared", "visible"), [((8, 8), (8, 9)), ((8,), (8,)), ((0, 4), (0, 4)), ((8, 8, 1), (8, 8, 1))]
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
def test_options_that_cannot_be(name: str, small_model: Path, small_paper_model: Path, tmp_path: Path) -> None:
    model = find_model(str(small_model))
    for options in ({"device": "tpu"}, {"precision": "int3"}):
        with pytest.raises(ParameterError):
            open_engine(name, model, **options)
    if name == "openvino" and _has("FP16"):
        assert "float16" in load(name, small_model, "float16").description
    else:
        with pytest.raises(ParameterError, match="float16"):
            load(name, small_model, "float16")
    (tmp_path / "x.safetensors").write_bytes(small_model.read_bytes()[:-1])
    (tmp_path / "x.onnx").write_bytes(small_model.with_suffix(".onnx").read_bytes()[:-1])
    with pytest.raises(CheckpointError):
        load(name, tmp_path / "x.safetensors")
    # The paper's decoder hangs on every bit of its features.
    assert open_engine(name, find_model(str(small_paper_model)), device="cpu").description.endswith("float32")


def _has(capability: str) -> bool:
    import openvino  # noqa: PLC0415 (may be missing)

    return capability in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def test_options_of_onnxruntime_that_this_machine_has_not(small_model: Path) -> None:
    import onnxruntime  # noqa: PLC0415

    with pytest.raises(ParameterError, match="bfloat16"):
        load("onnxruntime", small_model, "bfloat16")
    for name, provider in (("onnxruntime", "CUDAExecutionProvider"), ("tensorrt", "TensorrtExecutionProvider")):
        if provider not in onnxruntime.get_available_providers():
            with pytest.raises(EngineError, match=f"ONNX Runtime has no {provider} here"):
                open_engine(name, find_model(str(small_model)), device="cuda:0")


def test_description_says_what_runs(engine: FusionEngine, small_model: Path) -> None:
    assert engine.description in {f"{name} cpu float32" for name in ENGINES}
    assert engine.model_name == "small"
    assert engine.model_hash == load_checkpoint(small_model).hash
    assert engine.warnings == ()
    assert device_memory(engine) is None


class FixedRuntime:
    """Gives the same outputs whatever comes in."""

    description = "fixed"

    def __init__(self, outputs: Arrays) -> None:
        self.outputs = outputs
        self.warnings: list[str] = []

    def run(self, inputs: Arrays) -> Arrays:
        return self.outputs

    def forget(self, height: int, width: int) -> None:
        pass

    def memory(self) -> DeviceMemory | None:
        return DeviceMemory(1, 2, 3)


def test_values_that_are_not_finite(small_model: Path) -> None:
    """Half precision can overflow; a picture of such amounts would look like any other."""
    info = find_model(str(small_model)).info()
    assert info.weights is not None
    sides = (8, 8, 4, 2, 1)
    good: Arrays = {f"amounts_{k}": np.ones((1, 2, side, side), np.float32) for k, side in enumerate(sides)}
    good["activation"] = np.ones((2, 18), np.float32)
    picture = np.full((16, 16), 9, np.uint8)
    engine = FusionEngine(info, info.weights, FixedRuntime(good))
    assert engine.fuse(picture, picture).fused[0, 0] == 18
    assert device_memory(engine) == (1, 2, 3)
    for name, value in good.items():
        broken = {**good, name: value.copy()}
        broken[name].flat[-1] = np.nan
        with pytest.raises(EngineError, match="not finite; use precision float32"):
            FusionEngine(info, info.weights, FixedRuntime(broken)).fuse(picture, picture)


@pytest.mark.parametrize("name", ENGINES)
def test_inspector(name: str, small_model: Path, small_paper_model: Path) -> None:
    import torch  # noqa: PLC0415

    inspector = open_inspector(find_model(str(small_model)), name=name)
    pair = smooth_pair(128, 112)
    amounts = inspector.amounts(*pair, inspector.channel_weights())
    expected = load(name, small_model).fuse(*pair, keep_amounts=True).amounts
    assert expected is not None
    for got, wanted in zip(amounts, expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5)
    weights = np.random.default_rng(1).random((2, 18), np.float32)
    module = BlendInspection(load_checkpoint(small_model).network)  # type: ignore[arg-type]
    *by_module, logits = module(*(torch.from_numpy(each)[None, None] for each in pair), torch.from_numpy(weights))
    for got, tensor in zip(inspector.amounts(*pair, weights), by_module, strict=True):
        np.testing.assert_allclose(got, tensor[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(inspector.logits(*pair), logits.numpy(), rtol=1e-4, atol=1e-4)
    assert inspector.amounts(*smooth_pair(30, 41), weights)[0].shape == (2, 16, 24)
    paper = open_inspector(find_model(str(small_paper_model)), name=name)
    assert paper.logits(*pair).shape == (2, 2)
    with pytest.raises(EngineError, match="does not blend"):
        paper.amounts(*pair, paper.channel_weights())


@pytest.mark.parametrize("name", ENGINES)
def test_engine_is_in_no_ring(name: str, small_model: Path) -> None:
    """It holds threads and memory that Python's garbage collector cannot see: once let go, it is gone."""
    pytest.importorskip(name)

    def used() -> weakref.ref[object]:
        engine = open_engine(name, find_model(str(small_model)), device="cpu", precision="float32", threads=1)
        for side in (32, 48, 56):
            engine.fuse(*np.zeros((2, side, side), np.uint8))
        return weakref.ref(engine)

    used()  # what a runtime keeps of its first use is not the engine's
    gc.collect()
    gc.disable()
    try:
        assert used()() is None
    finally:
        gc.enable()
