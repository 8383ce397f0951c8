"""How far every engine is from the plain network in float64: one table, in all the arithmetic that this CPU has.

    python3 benchmarks/equality.py --data DIR --json docs/figures/equality-cpu.json

Pairs: noise, the embedded street, and those of DIR/infrared and DIR/visible, each also cut to odd sizes. Two figures,
the worst of all pairs: the relative error ``||out - ref|| / ||ref||`` of the grey levels before they are rounded, and
the PSNR of the rounded picture, of which rounding alone leaves 58.9 dB. benchmarks/gpu.py does the like on a GPU.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import torch
from comparison import Picture, psnr, reference
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from camf_ros.engines.create import open_engine
from camf_ros.engines.graph_frame import graph_for, graph_inputs
from camf_ros.errors import CamfError
from camf_ros.evaluation.samples import find_samples
from camf_ros.imaging.luminance import Visible
from camf_ros.models import find_model, shipped_models
from camf_ros.network.checkpoint_file import read_checkpoint_file
from camf_ros.scene import NightStreet

Levels = NDArray[np.float64]
Pair = tuple[Picture, Picture]
ENGINES = ("torch", "openvino", "onnxruntime")
PRECISIONS = ("float32", "bfloat16")
HINTS = {"float32": "f32", "bfloat16": "bf16"}


def pairs(data: Path | None) -> dict[str, list[Pair]]:
    """Pairs by their kind."""
    rng = np.random.default_rng(0)
    found = {"noise": [tuple(rng.integers(0, 256, (2, *size)).astype(np.uint8)) for size in ((48, 64), (61, 83))]}
    street = []
    for moment in (4.0, 8.0):
        grey = NightStreet().thermal(moment).astype(np.float64)
        low, high = np.percentile(grey, (0.5, 99.5))
        infrared = np.clip((grey - low) / (high - low) * 255, 0, 255).astype(np.uint8)
        visible = Visible(NightStreet().rgb(moment)).luminance
        height, width = (min(a, b) for a, b in zip(infrared.shape, visible.shape, strict=True))
        street += [(infrared[:h, :w], visible[:h, :w]) for h, w in ((height, width), (height - 1, width - 1))]
    found["street"] = street
    if data is not None:
        samples = find_samples(data, None).samples
        real = [sample.read()[:2] for sample in samples[:: max(1, len(samples) // 8)]]
        found["recorded"] = real + [(a[:-1, :-3], b[:-1, :-3]) for a, b in real[:3]]
    return found


def unrounded(name: str, model: Path, precision: str) -> Callable[[Pair], Levels]:
    """A function that gives an engine's grey levels before it rounds them."""
    if name == "torch":
        return unrounded_torch(model, precision)
    checkpoint = read_checkpoint_file(model)

    def run(pair: Pair) -> Levels:
        height, width = pair[0].shape
        graph = with_levels(onnx.load_from_string(graph_for(checkpoint, height, width)))
        inputs = graph_inputs(*pair, gain=0.0, hold=0.0)
        if name == "onnxruntime":
            session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
            return np.asarray(session.run(["levels"], inputs)[0][0, 0], np.float64)
        core = openvino.Core()
        network = core.read_model(graph.SerializeToString())
        network.reshape({key: [1, 1, height, width] for key in ("infrared", "visible")})
        compiled = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": HINTS[precision]})
        return np.asarray(compiled(inputs)["levels"][0, 0], np.float64)

    return run


def with_levels(graph: ModelProto) -> ModelProto:
    """The graph with what goes into its rounding as another output."""
    rounding = next(node for node in graph.graph.node if node.op_type == "Round")
    graph.graph.node.append(helper.make_node("Identity", [rounding.input[0]], ["levels"]))
    graph.graph.output.append(helper.make_tensor_value_info("levels", TensorProto.FLOAT, [1, 1, None, None]))
    return graph


def unrounded_torch(model: Path, precision: str) -> Callable[[Pair], Levels]:
    """Likewise for PyTorch: what its last layer gives is looked at on the way."""
    engine = open_engine("torch", model, device="cpu", precision=precision)
    frame = engine._frame
    decode, seen = frame._decode, []

    def looking(*arguments: object) -> torch.Tensor:
        unbounded = decode(*arguments)
        seen[:] = [unbounded.double()]
        return unbounded

    frame._decode = looking

    def run(pair: Pair) -> Levels:
        engine.fuse(*pair)
        levels: Levels = (seen[0][0, 0].tanh().numpy() + 1) * 127.5
        return levels

    return run


def main() -> None:
    """Print a Markdown table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    kinds = pairs(arguments.data)
    rows = []
    print("| model | engine | precision | pairs | relative error | PSNR, dB |\n|---|---|---|---|---|---|")
    for model in shipped_models():
        path = find_model(model)
        exact = {kind: [reference(path, *pair)[0] for pair in found] for kind, found in kinds.items()}
        for name in ENGINES:
            for precision in PRECISIONS:
                try:
                    engine = open_engine(name, path, device="cpu", precision=precision)
                except CamfError:
                    continue
                before = unrounded(name, path, precision)
                for kind, found in kinds.items():
                    errors, ratios = [], []
                    for pair, wanted in zip(found, exact[kind], strict=True):
                        errors.append(float(np.linalg.norm(before(pair) - wanted) / np.linalg.norm(wanted)))
                        ratios.append(psnr(engine.fuse(*pair).fused, wanted))
                    row = {"model": model, "engine": name, "precision": precision, "pairs": kind, "count": len(found)}
                    rows.append({**row, "relative_error": max(errors), "psnr_db": min(ratios)})
                    print(
                        f"| {model} | {name} | {precision} | {kind} | {max(errors):.1e} | {min(ratios):.1f} |",
                        flush=True,
                    )
    if arguments.json:
        arguments.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
