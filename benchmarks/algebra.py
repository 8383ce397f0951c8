"""What each rearrangement of the network's arithmetic brings: the graph with one step undone, against the graph.

    python3 benchmarks/algebra.py camf --json docs/figures/algebra-camf.json

All variants are the same function. They run in OpenVINO on the CPU, in turns, so that a machine that drifts does so for
all of them; the figures are medians over the turns, and ratios taken within each turn.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino

from camf_ros.models import find_model
from camf_ros.network.checkpoint_file import CheckpointFile, read_checkpoint_file
from camf_ros.network.constants import GREY
from camf_ros.network.folded_weights import fold
from camf_ros.network.onnx_graph import CamfGraph, finish


class EnlargedInMemory(CamfGraph):
    """The last enlargement is written out, and convolved afterwards."""

    def __init__(self, checkpoint, kind, *, even=False):  # noqa: ARG002
        super().__init__(checkpoint, kind, even=False)


class JoinedInMemory(EnlargedInMemory):
    """That, and both kinds of features are copied into one tensor before the convolution."""

    def layer(self, x, joined, layer, pads):  # noqa: D102
        if joined is None:
            return super().layer(x, joined, layer, pads)
        both = self.build.node("Concat", x, joined, axis=1)
        return self.convolution(both, np.concatenate([layer.weight, layer.fine], axis=1), layer.bias, pads=pads)


class PlainMeans(CamfGraph):
    """Means of large features by one operator, which has them written out in float32."""

    def mean_of_large(self, x, channels):  # noqa: ARG002, D102
        return self.mean(x)


class GainOfOneDimension(CamfGraph):
    """The gain as it is, with one dimension, broadcast against features of four."""

    def gain_factor(self, gain):  # noqa: D102
        return self.build.cast(gain, self._kind)


class WeightsApart(CamfGraph):
    """Class activation weights multiplied with the features of each source, not with the encoder's weights."""

    def __init__(self, checkpoint, kind, *, even=False):
        super().__init__(checkpoint, kind, even=even)
        ones = np.ones_like(checkpoint.class_activation_weights())
        self._plain = fold(checkpoint.architecture, checkpoint.tensors, ones)

    def encoder_layers(self, row):  # noqa: D102
        return self._plain.encoders[row]

    def _encoder(self, source, row):
        features, sizes = super()._encoder(source, row)
        return self.weighted(features, row), sizes

    def weighted(self, features, row):
        """Features times the weights of a source."""
        factors = (self.build.constant(part[None, :, None, None]) for part in self._folded.factors(row))
        return [self.build.node("Mul", x, part) for x, part in zip(features, factors, strict=True)]


class OneBatch(WeightsApart):
    """Both sources through one encoder as a batch of two, which has to be split and weighted afterwards."""

    def _encoder(self, source, row):  # noqa: ARG002
        if row == 0:
            both = self.build.cast(self.build.node("Concat", "infrared", "visible", axis=0), self._kind)
            self.build.cast(both, np.float32, output="both")
            self._both, self._sizes = CamfGraph._encoder(self, "both", row)
        place = self.build.integers([row], [row + 1], [0])
        return self.weighted([self.build.node("Slice", x, *place) for x in self._both], row), self._sizes


class AllUndone(JoinedInMemory, OneBatch, PlainMeans, GainOfOneDimension):
    """As the formulas are written."""


VARIANTS = {
    "as built": CamfGraph,
    "plain means of large features": PlainMeans,
    "last enlargement written out": EnlargedInMemory,
    "last enlargement written out, features joined in memory": JoinedInMemory,
    "gain of one dimension": GainOfOneDimension,
    "class activation weights apart": WeightsApart,
    "both sources as one batch": OneBatch,
    "all of these but the weights apart": AllUndone,
}


def request(checkpoint: CheckpointFile, variant: type[CamfGraph], size: tuple[int, int], options: dict) -> object:
    """A compiled variant."""
    core = openvino.Core()
    model = finish(variant(checkpoint, np.dtype(np.float32), even=True), checkpoint)
    network = core.read_model(model.SerializeToString())
    network.reshape({name: [1, 1, *size] for name in ("infrared", "visible")})
    return core.compile_model(network, "CPU", options).create_infer_request()


def measure(requests: dict[str, object], inputs: dict[str, np.ndarray], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each variant in each round."""
    times: dict[str, list[float]] = {name: [] for name in requests}
    for number in range(-2, rounds):  # the first ones warm up
        for name, runner in requests.items():
            started = time.perf_counter()
            runner.infer(inputs, share_inputs=True)
            if number >= 0:
                times[name].append(1e3 * (time.perf_counter() - started))
    return times


def check_equal(checkpoint: CheckpointFile) -> None:
    """In float32 no variant may differ but in how ties are rounded: they would not be the same function."""
    inputs = make_inputs(96, 128)
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    pictures = {}
    for name, variant in VARIANTS.items():
        runner = request(checkpoint, variant, (96, 128), options)
        runner.infer(inputs)
        pictures[name] = np.array(runner.get_tensor("fused").data, int)
        assert np.abs(pictures[name] - pictures["as built"]).max() <= 1, f"{name} is another function"


def make_inputs(height: int, width: int) -> dict[str, np.ndarray]:
    """A pair with structure of all sizes, and no gain of its own."""
    noise = np.random.default_rng(0).normal(0, 5, (2, 1, 1, height, width))
    pair = np.clip(noise.cumsum(-1) + GREY, 0, 255).astype(np.uint8)
    figures = {"gain": np.zeros(1, np.float32), "hold": np.zeros(1, np.float32)}
    return {"infrared": pair[0], "visible": pair[1], **figures}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="camf")
    parser.add_argument("--size", default="640x480", metavar="WxH")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--precision", default="bf16", choices=("bf16", "f32"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    width, height = map(int, options.size.split("x"))
    checkpoint = read_checkpoint_file(find_model(options.model))
    hints = {"INFERENCE_PRECISION_HINT": options.precision, "PERFORMANCE_HINT": "LATENCY"}
    check_equal(checkpoint)
    requests = {name: request(checkpoint, variant, (height, width), hints) for name, variant in VARIANTS.items()}
    inputs = make_inputs(height, width)
    times = measure(requests, inputs, options.rounds)
    base = np.array(times["as built"])
    rows = [
        {
            "variant": name,
            "median_ms": float(np.median(values)),
            "ratio_to_as_built": float(np.median(np.array(values) / base)),
        }
        for name, values in times.items()
    ]
    print(f"{options.model}, {options.size}, OpenVINO {options.precision}\n\n| variant | ms | ratio |\n|---|---|---|")
    for row in rows:
        print(f"| {row['variant']} | {row['median_ms']:.1f} | {row['ratio_to_as_built']:.2f} |")
    if options.json:
        content = {"model": options.model, "size": options.size, "precision": options.precision}
        options.json.write_text(json.dumps({**content, "rounds": options.rounds, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
