"""How well an explanation predicts what happens to the fused picture when something is taken away.

    python3 benchmarks/explanation.py --data DIR --output FILE.json --panel FILE.png

On the embedded night street and the validation pairs of the train folders, for each shipped model:

- places: all features of one source are removed (set to 0) or flattened (set to their mean over the picture), once for
  each source, and the changed pictures are compared with the whole one. At each 4 x 4 pixels the change without
  infrared, divided by the sum of both changes, is the share of infrared in the *pixels*. It is correlated with the
  share map, which is the share in the *features*.
- channels: each channel is removed alone. The change of the picture is correlated, over the channels, with their
  contributions, and that of the strongest ones is divided by that of an average channel.
- people of the night street: level of the fused picture within their boxes, whole, without infrared features, and
  without visible ones; and some single pixels, as the panel shows them.
- size: how the shares change when they are computed at the full size of the pictures, and the time of an explanation.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from camf_ros.engines.torch_engine import TorchEngine
from camf_ros.explain.explainer import DEFAULT_CHANNELS, DEFAULT_LIMIT, Explainer
from camf_ros.explain.place import Place, look_at, verdict_on
from camf_ros.explain.placement import share_over_picture
from camf_ros.explain.working_size import shrunk_to, working_size
from camf_ros.frame_explanation import explain_frame
from camf_ros.network.constants import BORDER, CONTRAST, GREY
from camf_ros.network.numpy_network import STEP
from numpy.typing import NDArray

from camf_ros.explain.explanation import INFRARED, VISIBLE
from camf_ros.explain.panel import render
from camf_ros.imaging.luminance import Visible
from camf_ros.imaging.pairs import find_pairs
from camf_ros.models import find_model, shipped_models
from camf_ros.network import load_checkpoint
from camf_ros.pipeline import FusionPipeline
from camf_ros.scene import NightStreet
from camf_ros.settings.fusion import FusionSettings
from camf_ros.training.images import is_validation, load_grey

SHARE = 0.25
FOLDERS = ("roadscene/train", "tno/train")
MOMENTS = (4.0, 8.0, 12.0)
#: Moment of the worked example, and size of its panel: as wide as a page.
EXAMPLE, PANEL_SIZE = 12.0, (960, 540)
#: Who walks the dog, as the scene calls him.
MAN = "crossing left"
#: Pixels that the worked example asks about.
ASKED = {
    "the man with the dog": Place(1099, 409),
    "a person in the smoke": Place(803, 373),
    "a person before headlights": Place(267, 397),
    "a street lamp": Place(258, 124),
    "the sky": Place(620, 60),
}
# Pairs of each folder, by name; of these for the full size, and for the channels, each of which costs a decoding.
PAIRS, LARGE_PAIRS, CHANNEL_PAIRS = 24, 6, 2
# No share is measured where neither source matters, grey levels.
LEAST_CHANGE = 1.0
LARGE = 10**6
REPEATS = 5

Picture = NDArray[np.uint8]
Plane = NDArray[np.float64]


class Pair(NamedTuple):
    """Two grey pictures at the working size."""

    thermal: Picture
    visible: Picture


class Network:
    """The whole network on one pair, with ways to take features away."""

    def __init__(self, model: str, pair: Pair) -> None:
        self._network = load_checkpoint(find_model(model)).network
        self.weights = self._network.class_activation_weights()
        x = (torch.from_numpy(np.stack(pair)).float()[:, None] - GREY) / GREY
        x = torch.nn.functional.pad(x, (BORDER,) * 4, mode="replicate")
        self._features = self._network.encoder(x)
        self._size = (x.shape[-2], x.shape[-1])
        self.gain = self._network.own_gain(self._features, self.weights, CONTRAST)

    def whole(self) -> Plane:
        """Fused picture, grey levels."""
        return self._decoded(self._features, self.weights)

    def without_source(self, row: int) -> Plane:
        """Without all features of a source."""
        weights = self.weights.clone()
        weights[row] = 0
        return self._decoded(self._features, weights)

    def with_flat_source(self, row: int) -> Plane:
        """With the features of a source at their means over the picture."""
        features = [layer.clone() for layer in self._features]
        for layer in features:
            layer[row] = layer[row].mean((-2, -1), keepdim=True)
        return self._decoded(features, self.weights)

    def without_channels(self, channels: Sequence[int]) -> Plane:
        """Without both sources' features of some channels."""
        weights = self.weights.clone()
        weights[:, list(channels)] = 0
        return self._decoded(self._features, weights)

    def _decoded(self, features: Sequence[torch.Tensor], weights: torch.Tensor) -> Plane:
        fused = self._network.fuse_encoded(features, self._size, weights, self.gain)
        return np.asarray(fused[0, 0].double().numpy() * GREY + GREY)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--panel", type=Path, help="write the panel of the worked example")
    parser.add_argument("--models", nargs="+", default=shipped_models())
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_grad_enabled(False)
    street = NightStreet(1)
    sets = {"night street": [street_pair(street, moment) for moment in MOMENTS]}
    for folder in FOLDERS:
        files = [pair for pair in find_pairs(arguments.data / folder) if is_validation(pair[0], SHARE)][:PAIRS]
        sets[folder] = [Pair(load_grey(one), load_grey(other)) for one, other in files]
    report: dict[str, Any] = {"limit": DEFAULT_LIMIT, "models": {}}
    for model in arguments.models:
        explainer = Explainer(find_model(model))
        rows = {name: figures(model, explainer, pairs) for name, pairs in sets.items()}
        report["models"][model] = {"hash": explainer.model_hash, "sets": rows, "example": example(model, street)}
        print(model, json.dumps(report["models"][model], indent=1), flush=True)
        write(arguments.output, report)
    report["time"] = times(street)
    print(report["time"])
    write(arguments.output, report)
    if arguments.panel:
        panel = render(street_explanation(FusionSettings().model, street), PANEL_SIZE, ASKED["the man with the dog"])
        options = (cv2.IMWRITE_PNG_COMPRESSION, 9)
        cv2.imwrite(str(arguments.panel), cv2.cvtColor(panel, cv2.COLOR_RGB2BGR), options)


def write(path: Path, report: dict[str, Any]) -> None:
    """Write what there is: the rest takes minutes."""
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def figures(model: str, explainer: Explainer, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Medians over the pairs of one set, and the least for the correlations."""
    tables: dict[str, list[float]] = {}
    full = Explainer(find_model(model), limit=LARGE)
    for number, (thermal, visible) in enumerate(pairs):
        explanation = explainer.explain(thermal, visible, visible, 1.0)
        small = Pair(shrunk_to(thermal, explanation.work), shrunk_to(visible, explanation.work))
        network = Network(model, small)
        measured = places(network, cells(share_over_picture(explanation)))
        if number < CHANNEL_PAIRS:
            measured |= channels(network, explanation.contribution.sum(axis=0))
        if number < LARGE_PAIRS:
            large = full.explain(thermal, visible, visible, 1.0)
            resized = cv2.resize(share_over_picture(large), explanation.work[::-1], interpolation=cv2.INTER_AREA)
            measured["full size: share map, Pearson"] = pearson(cells(share_over_picture(explanation)), cells(resized))
            measured["full size: mean share, change"] = abs(large.mean_share - explanation.mean_share)
            for row, name in ((INFRARED, "thermal"), (VISIBLE, "RGB")):
                right = (large.log_odds[row] > 0) == (row == INFRARED)
                measured[f"full size: classifier right on {name}"] = float(right)
        measured["mean share"] = explanation.mean_share
        measured["classifier right on thermal"] = float(explanation.log_odds[INFRARED] > 0)
        measured["classifier right on RGB"] = float(explanation.log_odds[VISIBLE] < 0)
        for name, value in measured.items():
            tables.setdefault(name, []).append(value)
    return {
        name: {
            "pairs": len(values),
            "mean": float(np.mean(values)),
            "median": float(np.median(values)),
            "least": min(values),
            "greatest": max(values),
        }
        for name, values in tables.items()
    }


def places(network: Network, share: Plane) -> dict[str, float]:
    """Share in the features against share in the pixels, over all places of a pair."""
    whole = network.whole()
    measured = {}
    for way, change in (("removed", network.without_source), ("flattened", network.with_flat_source)):
        infrared, visible = (cells(np.abs(change(row) - whole)) for row in (INFRARED, VISIBLE))
        total = infrared + visible
        there = total > LEAST_CHANGE
        pixels = infrared[there] / total[there]
        measured[f"{way}: Pearson"] = pearson(share[there], pixels)
        measured[f"{way}: Spearman"] = pearson(ranks(share[there]), ranks(pixels))
        measured[f"{way}: same side"] = float(((share[there] > 0.5) == (pixels > 0.5)).mean())
        measured[f"{way}: share of infrared in the pixels"] = float(pixels.mean())
    return measured


def channels(network: Network, contribution: NDArray[np.float32]) -> dict[str, float]:
    """Contributions of the channels against what the picture loses without them."""
    whole = network.whole()
    change = np.array([np.abs(network.without_channels([k]) - whole).mean() for k in range(len(contribution))])
    strongest = np.argsort(-contribution)[:DEFAULT_CHANNELS]
    return {
        "channels: Spearman": pearson(ranks(contribution), ranks(change)),
        "channels: strongest, times the average": float(change[strongest].mean() / change.mean()),
        "channels: strongest together, grey levels": float(np.abs(network.without_channels(strongest) - whole).mean()),
    }


def example(model: str, street: NightStreet) -> dict[str, Any]:
    """The worked example: what makes people and pixels bright, grey levels."""
    explanation = street_explanation(model, street)
    pair = street_pair(street, EXAMPLE)
    small = Pair(*(shrunk_to(picture, explanation.work) for picture in pair))
    network = Network(model, small)
    share = share_over_picture(explanation)
    whole, no_infrared, no_visible = network.whole(), network.without_source(INFRARED), network.without_source(VISIBLE)
    flat_infrared, flat_visible = network.with_flat_source(INFRARED), network.with_flat_source(VISIBLE)
    planes = {
        "thermal": small.thermal,
        "RGB": small.visible,
        "fused": whole,
        "fused, infrared removed": no_infrared,
        "fused, visible removed": no_visible,
        "fused, infrared flattened": flat_infrared,
        "fused, visible flattened": flat_visible,
        "share": share,
    }
    figures_of: dict[str, Any] = {"gain": explanation.gain, "mean share": explanation.mean_share}
    figures_of["pixels"] = {
        name: {**place._asdict(), **numbers._asdict(), "verdict": verdict_on(numbers)}
        for name, place in ASKED.items()
        for numbers in (look_at(explanation, place),)
    }
    inside = people(street, explanation.work)
    everyone = np.any(list(inside.values()), axis=0)
    parts = {"man with the dog": inside[MAN], "people": everyone, "elsewhere": ~everyone}
    for name, plane in planes.items():
        for place, part in parts.items():
            figures_of[f"{name}, {place}"] = float(plane[part].mean())
    return figures_of


def people(street: NightStreet, work: tuple[int, int]) -> dict[str, NDArray[np.bool_]]:
    """Pixels within the box of each person at the moment of the example."""
    height, width = street.rgb(EXAMPLE).shape[:2]
    masks = {}
    for box in street.people(EXAMPLE):
        left, right = (round(x * work[1] / width) for x in (box.left, box.right))
        top, bottom = (round(y * work[0] / height) for y in (box.top, box.bottom))
        masks[box.name] = np.zeros(work, bool)
        masks[box.name][max(top, 0) : bottom, max(left, 0) : right] = True
    return masks


def street_pair(street: NightStreet, moment: float) -> Pair:
    """The night street's pair as the network is given it."""
    # Only the registered pictures are wanted: any model will do.
    pipeline = FusionPipeline(TorchEngine(find_model("camf-lite")))
    aligned = pipeline.fuse(street.thermal(moment), street.rgb(moment), moment).aligned
    assert aligned is not None
    return Pair(aligned.thermal, Visible(aligned.rgb).luminance)


def street_explanation(model: str, street: NightStreet) -> Any:
    """The worked example."""
    pipeline = FusionPipeline(TorchEngine(find_model(model), precision="float32"))
    frame = pipeline.fuse(street.thermal(EXAMPLE), street.rgb(EXAMPLE), EXAMPLE)
    return explain_frame(Explainer(find_model(model)), frame, automatic=True)


def times(street: NightStreet) -> dict[str, Any]:
    """Best of some repetitions on one thread, seconds: of a 640 x 480 pair."""
    pair = street_pair(street, EXAMPLE)
    thermal, visible = (shrunk_to(picture, (480, 640)) for picture in pair)
    result: dict[str, Any] = {"threads": torch.get_num_threads(), "work": working_size((480, 640), DEFAULT_LIMIT)}
    for model in shipped_models():
        explainer, best = Explainer(find_model(model)), [np.inf, np.inf]
        for _ in range(REPEATS):
            marks = [time.perf_counter()]
            explanation = explainer.explain(thermal, visible, visible, 1.0)
            marks.append(time.perf_counter())
            render(explanation)
            marks.append(time.perf_counter())
            best = [min(old, new) for old, new in zip(best, np.diff(marks), strict=True)]
        result[model] = {"explain": float(best[0]), "render": float(best[1])}
    return result


def cells(plane: NDArray[np.floating]) -> Plane:
    """Means over cells of the deepest features."""
    height, width = (side // STEP for side in plane.shape)
    return np.asarray(plane.reshape(height, STEP, width, STEP).mean(axis=(1, 3)), np.float64)


def ranks(values: NDArray[np.floating]) -> Plane:
    """Place of each value among all, from 0."""
    return np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(np.float64)


def pearson(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Linear correlation, -1 to 1."""
    return float(np.corrcoef(np.ravel(one), np.ravel(other))[0, 1])


if __name__ == "__main__":
    main()
