"""What `camf adapt` brings on rigs made from open pictures, and what it costs elsewhere.

    python3 benchmarks/adapt.py --data DIR --run RUN --json docs/figures/adapt.json [--rigs NAME ...]

DIR has roadscene/train, roadscene/test, tno/train and tno/test, each with infrared and visible. A rig is a change of
these pictures, as a camera would make it. The recording is made from the training pairs, the frames kept apart from the
test pairs; these are never trained on, and nothing is chosen by them. Fused pictures of the changed frames are compared
with the unchanged ones:

* low: thermal of 160x120 pixels with noise and column stripes
* black-hot: raw counts of 16 bit in which hot is small, with noise, and thermal.polarity set
* haze: RGB under a haze that is thicker above than below
* intensified: the grey pictures of TNO. Starts from a model that was trained on RoadScene alone (--alone FILE; without
  it that model is trained first, which takes half an hour on two free cores)

A rig that is finished is not adapted again; one that was killed goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from camf_ros.cli.main import main as camf
from camf_ros.engines.choose import open_engine
from camf_ros.evaluation.metrics import METRICS
from camf_ros.evaluation.samples import by_model
from camf_ros.imaging.luminance import RgbPicture
from camf_ros.imaging.pairs import find_pairs
from camf_ros.imaging.picture_files import read_picture, rgb_of
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.models import find_model
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings, SourceCheckSettings
from camf_ros.settings.table import build
from camf_ros.source_check.source_model import read_source_model
from camf_ros.training.adapt_frames import Frame
from camf_ros.training.adapt_sources import tried
from camf_ros.training.adapt_targets import noise_of, stripes_of
from camf_ros.training.config import load_recipe, recipe_of
from camf_ros.training.recipe_run import train

ROOT = Path(__file__).resolve().parents[1]
_Picture = NDArray[Any]
_METRICS = ("VIF", "Qabf", "SCD", "SSIM")


class Pair(NamedTuple):
    """Thermal grey or counts, and RGB."""

    thermal: _Picture
    rgb: _Picture


Change = Callable[[Pair, np.random.Generator], Pair]


def low(pair: Pair, rng: np.random.Generator) -> Pair:
    """160x120 thermal pixels, noise of 5 grey levels, stripes of 3 that belong to the sensor."""
    small = cv2.resize(pair.thermal, (160, 120), interpolation=cv2.INTER_AREA).astype(np.float32)
    stripes = np.random.default_rng(7).normal(0, 3, (1, 160))
    noisy = small + rng.normal(0, 5, small.shape) + stripes
    return Pair(noisy.round().clip(0, 255).astype(np.uint8), pair.rgb)


def black_hot(pair: Pair, rng: np.random.Generator) -> Pair:
    """Ten counts a grey level, hot has few, noise of 25 counts."""
    counts = 8000 - 10 * pair.thermal.astype(np.float32) + rng.normal(0, 25, pair.thermal.shape)
    return Pair(counts.round().astype(np.uint16), pair.rgb)


def haze(pair: Pair, rng: np.random.Generator) -> Pair:
    """A quarter of the light comes through above, 55 % below; the rest is of an even bright grey."""
    shape = (pair.rgb.shape[0], *[1] * (pair.rgb.ndim - 1))
    through = np.linspace(0.25, 0.55, pair.rgb.shape[0]).reshape(shape)
    hazy = through * pair.rgb + (1 - through) * 225 + rng.normal(0, 1.5, pair.rgb.shape)
    return Pair(pair.thermal, hazy.round().clip(0, 255).astype(np.uint8))


@dataclass(frozen=True)
class MadeRig:
    """A rig.

    Attributes:
        folder: Whose pictures it sees.
        change: What its cameras make of them.
        settings: Of the node.
    """

    folder: str
    change: Change
    settings: Mapping[str, Any]


RIGS = {
    "low": MadeRig("roadscene", low, {}),
    "black-hot": MadeRig("roadscene", black_hot, {"thermal.polarity": "black_hot"}),
    "haze": MadeRig("roadscene", haze, {}),
    "intensified": MadeRig("tno", lambda pair, _: pair, {}),
}


def read_pairs(folder: Path, most: int = 0) -> dict[str, Pair]:
    """Pairs by name; so many evenly out of all, if a number is given."""
    found = find_pairs(folder)
    if most and most < len(found):
        found = [found[number * len(found) // most] for number in range(most)]
    return {
        infrared.stem: Pair(
            RgbPicture(rgb_of(read_picture(infrared), infrared.name)).luminance,
            rgb_of(read_picture(visible), visible.name),
        )
        for infrared, visible in found
    }


def record(rig: MadeRig, data: Path, output: Path) -> Path:
    """The recording: a folder of pairs."""
    for row, (name, pair) in enumerate(read_pairs(data / rig.folder / "train").items()):
        seen = rig.change(pair, np.random.default_rng([1, row]))
        for source, picture in (
            ("infrared", seen.thermal),
            ("visible", seen.rgb[..., ::-1] if seen.rgb.ndim == 3 else seen.rgb),
        ):
            path = output / source / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture)
    return output


def measured(model: str, check: str, rig: MadeRig, data: Path, most: int) -> dict[str, Any]:
    """A model on the frames that were kept apart.

    Args:
        model: Name or file.
        check: Model whose classifier the source check asks.
        rig: Whose frames.
        data: Folder of all pairs.
        most: Of them that are looked at; 0: all.
    """
    settings = build(FusionSettings, dict(rig.settings))
    engine = open_engine("torch", find_model(model), device="cpu", precision="float32", threads=1)
    scores, grain, frames = [], [], []
    pairs = read_pairs(data / rig.folder / "test", most)
    for row, (name, pair) in enumerate(tqdm(pairs.items(), desc=model, leave=False)):
        seen = rig.change(pair, np.random.default_rng([2, row]))
        fused = RgbPicture(FusionPipeline(engine, settings).fuse(seen.thermal, seen.rgb, stamp=0.0).image).luminance
        clean = pair.thermal, RgbPicture(pair.rgb).luminance
        scores.append([METRICS[metric].value(*clean, fused) for metric in _METRICS])
        grain.append((noise_of(fused), stripes_of(fused)))
        thermal = ThermalFrontEnd(settings.thermal).apply(seen.thermal, 0.0)
        frames.append(Frame(name, thermal, RgbPicture(seen.rgb).luminance, None))
    values, (noise, stripes) = np.array(scores), np.mean(grain, axis=0)
    found = tried(read_source_model(check), frames)
    return {
        "pairs": len(frames),
        "VIF + Qabf": [float(value) for value in values[:, :2].sum(axis=1)],
        **{metric: float(value) for metric, value in zip(_METRICS, values.mean(axis=0), strict=True)},
        "grain": float(noise),
        "stripes": float(stripes),
        "swapped found, %": 100 * found.swapped,
        "false alarms, %": 100 * found.alarms,
    }


@cache
def elsewhere(model: str, data: Path, most: int) -> dict[str, dict[str, float]]:
    """VIF and Qabf of a model on the unchanged test pairs."""
    engine = open_engine("torch", find_model(model), device="cpu", precision="float32", threads=1)
    fuse = by_model(engine, FusionSettings())
    result = {}
    for folder in ("roadscene", "tno"):
        scores = []
        for pair in tqdm(read_pairs(data / folder / "test", most).values(), desc=f"{model}, {folder}", leave=False):
            clean = pair.thermal, RgbPicture(pair.rgb).luminance
            picture = fuse(*clean)
            scores.append([METRICS[metric].value(*clean, picture) for metric in _METRICS[:2]])
        result[folder] = dict(zip(_METRICS[:2], np.mean(scores, axis=0).tolist(), strict=True))
    return result


def alone(data: Path, run: Path) -> str:
    """A model like camf that was trained on RoadScene alone."""
    output = run / "alone" / "alone.safetensors"
    if not output.exists():
        recipe = load_recipe(ROOT / "config" / "training" / "camf.yaml").to_dict()
        names = {path.stem for path, _ in find_pairs(data / "roadscene" / "train")}
        held = [name for name in recipe["held_out"] if name in names]
        recipe |= {"name": "alone", "pairs": ["roadscene/train"], "held_out": held}
        train(
            recipe_of(recipe),
            data=data,
            run=run / "alone",
            output=output,
            device=torch.device("cpu"),
            command=["benchmarks/adapt.py"],
        )
    return str(output)


def adapted(name: str, start: str, arguments: argparse.Namespace) -> Path | None:
    """The adapted model; None where there was no gain."""
    rig, folder = RIGS[name], arguments.run / name
    output = folder / f"{name}.safetensors"
    if not output.exists():
        recording = record(rig, arguments.data, folder / "recording")
        options = ["--output", str(output), "--run", str(folder / "run"), "--model", start, "--threads", "1"]
        options += ["--engine", "torch", "--precision", "float32"]
        if arguments.steps:
            options += ["--steps", str(arguments.steps)]
        for key, value in rig.settings.items():
            options += ["--set", f"{key}={value}"]
        if camf(["adapt", str(recording), *options]):
            return None
    return output


def main() -> None:
    """Make, adapt, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--run", type=Path, required=True, metavar="DIR", help="recordings, states and models")
    parser.add_argument("--rigs", nargs="+", choices=RIGS, default=list(RIGS), metavar="NAME")
    parser.add_argument("--model", default="camf", help="that all rigs but intensified start from")
    parser.add_argument("--alone", metavar="FILE", help="that intensified starts from")
    parser.add_argument("--steps", type=int, help="of camf adapt")
    parser.add_argument(
        "--most", type=int, default=0, metavar="N", help="so many test pairs of each set (default: all)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="written after each rig; others in it stay")
    arguments = parser.parse_args()
    usual, most = SourceCheckSettings().model, arguments.most
    report: dict[str, Any] = {}
    if arguments.json and arguments.json.exists():
        report = json.loads(arguments.json.read_text(encoding="utf-8"))
    for name in arguments.rigs:
        start = arguments.model
        if name == "intensified":
            start = arguments.alone or alone(arguments.data, arguments.run)
        rig, output = RIGS[name], adapted(name, start, arguments)
        entry: dict[str, Any] = {
            "start": find_model(start).info().name,
            "before": measured(start, usual, rig, arguments.data, most),
        }
        if output is not None:
            model = str(output)
            info = find_model(model).info()
            check = model if info.training["source_check"] else usual
            after = measured(model, check, rig, arguments.data, most)
            ratio = np.mean(after["VIF + Qabf"]) / np.mean(entry["before"]["VIF + Qabf"])
            before_elsewhere, after_elsewhere = (elsewhere(each, arguments.data, most) for each in (start, model))
            entry |= {
                "rise, %": 100 * (float(ratio) - 1),
                "after": after,
                "elsewhere, %": {
                    folder: {
                        metric: 100 * (value / before_elsewhere[folder][metric] - 1) for metric, value in row.items()
                    }
                    for folder, row in after_elsewhere.items()
                },
                "hash": info.hash,
                "training": info.training,
            }
        report[name] = entry
        print(name, json.dumps({key: value for key, value in entry.items() if key != "training"}), flush=True)
        if arguments.json:
            arguments.json.parent.mkdir(parents=True, exist_ok=True)
            arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
