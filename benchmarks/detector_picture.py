"""Which picture of a pair is best for a detector: variants on labelled pairs, and a cross-validated choice of them.

    python3 benchmarks/detector_picture.py --data DIR --labels LABELS.json --detector MODEL.onnx [--size 640] \
        [--classes person car=car,bus,truck] [--model camf] [--only WORD ...] [--json FILE]

Options are those of `camf evaluate --detector`. The table has the AP50 of every variant, and how far the mean of all
pictures is above that of `inverted`, the network fed with inverted thermal, with the 95 % interval over the same
resampled pairs. Last comes the choice: of five folds, four choose the variant with the highest mean and the fifth is
scored with it. Everything runs on one thread in float32.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from script import write_json
from tqdm import tqdm

from camf_ros.engines.choose import open_engine
from camf_ros.engines.engine import Engine, Factors
from camf_ros.evaluation.detection_labels import read_labels, scored_classes
from camf_ros.evaluation.detection_pictures import rgb_picture, thermal_picture
from camf_ros.evaluation.detection_score import Matched, Row, compare
from camf_ros.evaluation.onnx_detector import Detections, OnnxDetector, joined
from camf_ros.evaluation.samples import average, find_samples
from camf_ros.imaging.blending import Blender
from camf_ros.imaging.detector_recipe import BY_DAY, DAZZLING, LEFT, UNLIKE, factors, trust_in_rgb, undazzled
from camf_ros.imaging.luminance import RgbPicture
from camf_ros.models import find_model

FOLDS, REFERENCE = 5, "inverted"
Grey = NDArray[np.uint8]
Map = NDArray[np.float32]


class Pair(NamedTuple):
    """What a variant is made of: thermal with hot as white, (H, W); RGB, (H, W, 3); the network and what it made."""

    thermal: Grey
    rgb: Grey
    engine: Engine
    kept: dict[tuple[Any, ...], Grey]

    @property
    def inverted(self) -> Grey:
        """Thermal with hot as black."""
        return np.invert(self.thermal)

    @property
    def luminance(self) -> Grey:
        """Of RGB."""
        return RgbPicture(self.rgb).luminance

    def colour(self, luminance: Grey, strength: float = 1.0) -> Grey:
        """A luminance with RGB's colour."""
        return RgbPicture(self.rgb).with_luminance(luminance, strength)

    def fused(self, used: Factors = (), thermal: Grey | None = None, luminance: Grey | None = None) -> Grey:
        """Luminance by the network, of inverted thermal and RGB unless others are given."""
        first = self.inverted if thermal is None else thermal
        second = self.luminance if luminance is None else luminance
        key = tuple(used), first.tobytes(), second.tobytes()
        if key not in self.kept:
            self.kept[key] = self.engine.fuse(first, second, factors=used).fused
        return self.kept[key]


Variant = Callable[[Pair], tuple[Grey, ...]]

# Factors by day and by night that steered variants use, and numbers for which nothing dazzles.
DAY, HALF_DAY = (BY_DAY,), ((0.9, 1.05),)
NIGHT = ((1.0, 0.2), (1.0, 0.2), (1.0, 0.5), (1.0, 0.8), (1.0, 1.0))
NOT_DAZZLING = (255, 1)


def one(make: Callable[[Pair], Grey]) -> Variant:
    """One pass of the detector."""
    return lambda pair: (make(pair),)


def scaled(used: Factors, strength: float = 1.0) -> Variant:
    """The network's amounts multiplied, and RGB's colour weakened."""
    return one(lambda pair: pair.colour(pair.fused(used), strength))


def levels(first: Sequence[float], second: Sequence[float]) -> Factors:
    """Factors of thermal and of RGB by level."""
    return list(zip(first, second, strict=True))


def hot_white_amounts(pair: Pair) -> Grey:
    """Amounts that the network gives for hot as white, applied to inverted thermal."""
    amounts = pair.engine.fuse(pair.thermal, pair.luminance, keep_amounts=True).amounts
    if amounts is None:
        raise SystemExit("the model has no amounts: use camf or camf-lite")
    return pair.colour(Blender(*pair.thermal.shape, len(amounts)).blend(pair.inverted, pair.luminance, amounts))


def larger_coefficient(pair: Pair, steps: int = 4) -> Grey:
    """Laplacian pyramids: of each coefficient the larger one, the mean of the low-pass rests."""
    first, second = (image.astype(np.float32) for image in (pair.inverted, pair.luminance))
    kept = []
    for _ in range(steps):
        smaller = [cv2.pyrDown(image) for image in (first, second)]
        size = (first.shape[1], first.shape[0])
        detail = [image - cv2.pyrUp(low, dstsize=size) for image, low in zip((first, second), smaller, strict=True)]
        kept.append(np.where(np.abs(detail[0]) > np.abs(detail[1]), detail[0], detail[1]))
        first, second = smaller
    result = (first + second) / 2
    for detail_level in reversed(kept):
        result = cv2.pyrUp(result, dstsize=detail_level.shape[::-1]) + detail_level
    return pair.colour(np.clip(np.rint(result), 0, 255).astype(np.uint8))


def smooth(image: Map, sigma: float) -> Map:
    """Gaussian of a large sigma, on a smaller picture."""
    height, width = image.shape[:2]
    step = max(1, int(sigma // 4))
    small = cv2.resize(image, (max(1, width // step), max(1, height // step)), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), sigma / step)
    return np.asarray(cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def polarity_by_place(pair: Pair, sigma: float = 16.0) -> Grey:
    """Thermal's coarse contrast as RGB's where that has any, inverted elsewhere; finer detail is always inverted."""
    thermal, luminance = pair.thermal.astype(np.float32), pair.luminance.astype(np.float32)
    coarse, bright = smooth(thermal, sigma), smooth(luminance, sigma)
    around, mean = smooth(coarse, 4 * sigma), smooth(bright, 4 * sigma)
    both = smooth((coarse - around) * (bright - mean), 4 * sigma)
    warm, signal = smooth((coarse - around) ** 2, 4 * sigma), smooth((bright - mean) ** 2, 4 * sigma)
    same = signal / (signal + 64) * (1 + np.tanh(4 * both / np.sqrt(warm * signal + 1e-3))) / 2
    base = (1 - same) * (255 - around) + same * around + (2 * same - 1) * (coarse - around)
    return np.clip(np.rint(base - (thermal - coarse)), 0, 255).astype(np.uint8)


def chroma_scaled(pair: Pair, luminance: Grey, gain: Map | float, less: Map | float = 0.0) -> Grey:
    """A luminance with RGB's colour, of which something is taken away and the rest multiplied."""
    ycrcb = cv2.cvtColor(pair.rgb, cv2.COLOR_RGB2YCrCb)
    chroma = ((ycrcb[:, :, 1:].astype(np.float32) - 128) - less) * gain + 128
    planes = np.dstack([luminance, np.clip(np.rint(chroma), 0, 255).astype(np.uint8)])
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(planes), cv2.COLOR_YCrCb2RGB), np.uint8)


def chroma_of(pair: Pair) -> Map:
    """(H, W, 2)."""
    return cv2.cvtColor(pair.rgb, cv2.COLOR_RGB2YCrCb)[:, :, 1:].astype(np.float32) - 128


def calm(pair: Pair, sigma: float = 8.0, strong: float = 8.0) -> Grey:
    """Colour weakened where it is strong around."""
    strength = smooth(np.linalg.norm(chroma_of(pair), axis=2), sigma)
    return chroma_scaled(pair, pair.fused(), 1 / (1 + (strength / strong) ** 2)[:, :, None])


def by_share(pair: Pair) -> Grey:
    """Colour by RGB's share of the amounts."""
    output = pair.engine.fuse(pair.inverted, pair.luminance, keep_amounts=True)
    thermal, rgb = output.amounts[3] if output.amounts is not None else (np.ones((1, 1)), np.ones((1, 1)))
    share = np.clip(3 * rgb / (thermal + rgb), 0, 1).astype(np.float32)
    return chroma_scaled(pair, output.fused, cv2.resize(share, pair.thermal.shape[::-1])[:, :, None])


def equalised(image: Grey) -> Grey:
    """Local contrast (CLAHE)."""
    return np.asarray(cv2.createCLAHE(2.0, (8, 8)).apply(image), np.uint8)


def denoised(pair: Pair) -> Grey:
    """With RGB smoothed by a bilateral filter first."""
    quiet = pair._replace(rgb=np.asarray(cv2.bilateralFilter(pair.rgb, 5, 25, 3), np.uint8))
    return quiet.colour(quiet.fused())


def recipe(pair: Pair) -> Grey:
    """The one that the package uses."""
    trust = trust_in_rgb(pair.thermal, pair.luminance)
    return pair.colour(pair.fused([factors(trust)], luminance=undazzled(pair.luminance, trust)), trust)


def steered(
    by_day: Factors = ((1, 1),),
    by_night: Factors = NIGHT,
    colour: tuple[float, float] = (1, 0),
    dazzling: tuple[float, float] = (DAZZLING, LEFT),
    unlike: float = UNLIKE,
    *,
    denoise: bool = False,
) -> Variant:
    """As the recipe, with factors and other numbers.

    Args:
        by_day: Factors by day, finest level first, the last for all coarser ones.
        by_night: The same by night.
        colour: Strength of RGB's colour by day and by night.
        dazzling: Grey level from which RGB dazzles by night, and what is left of a level above it.
        unlike: Correlation at which RGB is not trusted.
        denoise: Smooth RGB by night.
    """

    def make(pair: Pair) -> tuple[Grey, ...]:
        trust = trust_in_rgb(pair.thermal, pair.luminance, unlike=unlike)
        day, night = (np.array([*used, *[used[-1]] * (7 - len(used))]) for used in (by_day, by_night))
        used = [(float(thermal), float(rgb)) for thermal, rgb in trust * day + (1 - trust) * night]
        luminance = undazzled(pair.luminance, trust, *dazzling)
        if denoise:
            quiet = cv2.bilateralFilter(luminance, 5, 25, 3)
            luminance = np.asarray(cv2.addWeighted(luminance, trust, quiet, 1 - trust, 0), np.uint8)
        fused, strength = pair.fused(used, luminance=luminance), trust * colour[0] + (1 - trust) * colour[1]
        return (pair.colour(fused, strength) if strength <= 1 else chroma_scaled(pair, fused, strength),)

    return make


ONES = (1.0,) * 7
#: By name; the first ones are references.
VARIANTS: Mapping[str, Variant] = {
    REFERENCE: scaled(()),
    "rgb": one(lambda pair: pair.rgb),
    "thermal": one(lambda pair: pair.thermal),
    "thermal inverted": one(lambda pair: pair.inverted),
    "average": one(lambda pair: pair.colour(average(pair.thermal, pair.luminance))),
    "fused, hot is white": one(lambda pair: pair.colour(pair.fused(thermal=pair.thermal))),
    "average, inverted": one(lambda pair: pair.colour(average(pair.inverted, pair.luminance))),
    "larger coefficient, inverted": one(larger_coefficient),
    "two passes": lambda pair: (pair.rgb, pair.inverted),
    "hot-white amounts": one(hot_white_amounts),
    "polarity by place": one(lambda pair: pair.colour(pair.fused(thermal=polarity_by_place(pair)))),
    "polarity by place, coarser": one(lambda pair: pair.colour(pair.fused(thermal=polarity_by_place(pair, 32)))),
    "thermal x 0.8": scaled([(0.8, 1)]),
    "thermal x 1.2": scaled([(1.2, 1)]),
    "RGB x 0.8": scaled([(1, 0.8)]),
    "RGB x 1.2": scaled([(1, 1.2)]),
    "both x 0.8": scaled([(0.8, 0.8)]),
    "both x 1.2": scaled([(1.2, 1.2)]),
    "thermal x 1.3, RGB x 0.7": scaled([(1.3, 0.7)]),
    "finest level x 0.6": scaled([(0.6, 0.6), (1, 1)]),
    "thermal's coarse levels x 0.7": scaled(levels([1, 1, 1, 0.7, 0.7, 0.7, 0.7], [*ONES[:6], 1.3])),
    "RGB's detail x 0.5": scaled([(1, 0.5)] * 5 + [(1, 1)]),
    "grey": scaled((), 0),
    "grey, RGB's detail x 0.5": scaled([(1, 0.5)] * 5 + [(1, 1)], 0),
    "colour x 0.25": scaled((), 0.25),
    "colour x 0.5": scaled((), 0.5),
    "colour x 1.5": one(lambda pair: chroma_scaled(pair, pair.fused(), 1.5)),
    "colour x 2": one(lambda pair: chroma_scaled(pair, pair.fused(), 2)),
    "colour without its cast": one(lambda pair: chroma_scaled(pair, pair.fused(), 1, smooth(chroma_of(pair), 100))),
    "colour weaker where strong": one(calm),
    "colour by RGB's share": one(by_share),
    "RGB denoised": one(denoised),
    "RGB equalised": one(lambda pair: pair.colour(pair.fused(luminance=equalised(pair.luminance)))),
    "thermal equalised": one(lambda pair: pair.colour(pair.fused(thermal=np.invert(equalised(pair.thermal))))),
    "fused equalised": one(lambda pair: pair.colour(equalised(pair.fused()))),
    "steered, colour alone": steered(by_night=[(1, 1)], dazzling=NOT_DAZZLING),
    "steered, amounts alone": steered(DAY, colour=(1, 1), dazzling=NOT_DAZZLING),
    "steered, all but colour": steered(DAY, colour=(1, 1)),
    "steered, a quarter of the colour": steered(DAY, colour=(1, 0.25)),
    "steered, what dazzles left in": steered(DAY, dazzling=NOT_DAZZLING),
    "steered, amounts by day alone": steered(DAY, [(1, 1)]),
    "steered, amounts by day and night": steered(DAY),
    "steered, all of RGB's detail x 0.5": steered(DAY, [(1, 0.5)] * 5 + [(1, 1)]),
    "steered, RGB x 1 by day": steered([(0.8, 1)]),
    "steered, amounts by night alone": steered(),
    "night, no amounts": steered(by_night=[(1, 1)]),
    "night, weaker amounts": steered(by_night=levels([1] * 5, [0.6, 0.6, 0.75, 0.9, 1])),
    "night, stronger amounts": steered(by_night=levels([1] * 5, [0.1, 0.1, 0.3, 0.5, 0.7])),
    "night, RGB denoised": steered(denoise=True),
    "night, no amounts, RGB denoised": steered(by_night=[(1, 1)], denoise=True),
    "night, a quarter of the colour": steered(colour=(1, 0.25)),
    "night, colour x 0.8 by day": steered(colour=(0.8, 0)),
    "night, colour x 1.2 by day": steered(colour=(1.2, 0)),
    "night, more counts as dazzling": steered(dazzling=(120, 0.2)),
    "night, RGB trusted until -0.3": steered(unlike=-0.3),
    "day, RGB denoised by night": steered(DAY, [(1, 1)], denoise=True),
    "day, half as strong": steered(HALF_DAY, [(1, 1)]),
    "day, half as strong, RGB denoised by night": steered(HALF_DAY, [(1, 1)], denoise=True),
    "recipe": one(recipe),
}


def chosen(found: Mapping[str, Sequence[Detections]], score: Callable[[Sequence[Detections]], Matched]) -> Any:
    """Detections of each picture with the variant that the other folds choose, and these variants."""
    names = [name for name, each in found.items() if name != "two passes"]
    count = len(found[names[0]])
    matched = {name: score(found[name]) for name in names}
    best = []
    for fold in range(FOLDS):
        others = [picture for picture in range(count) if picture % FOLDS != fold]
        means = {name: float(np.nanmean(each.figures(others)[:, 0])) for name, each in matched.items()}
        best.append(max(means, key=lambda name: means[name]))
    return [found[best[picture % FOLDS]][picture] for picture in range(count)], best


def line(name: str, groups: Mapping[str, Mapping[str, Row]]) -> str:
    """A row of the table."""
    figures = "".join(
        f"{value:7.1f}" for rows in groups.values() for value in (*rows[name].classes[:, 0], rows[name].mean[0])
    )
    minus = groups["all"][REFERENCE].minus.get(name)
    apart = "" if minus is None else f"  {-minus[0, 0]:+.1f} [{-minus[2, 0]:+.1f}, {-minus[1, 0]:+.1f}]"
    return f"{name:36}{figures}{apart}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--data", "--labels", "--detector"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--size", type=int)
    parser.add_argument("--classes", nargs="+", default=[])
    parser.add_argument("--model", default="camf")
    parser.add_argument("--only", nargs="+", default=[], help="variants whose names have one of these in them")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    labels = read_labels(arguments.labels)
    size = None if arguments.size is None else (arguments.size, arguments.size)
    detector = OnnxDetector(arguments.detector, threads=1, size=size)
    classes = scored_classes(arguments.classes, labels, detector.names, detector.classes)
    wanted = [each.detector for each in classes]
    engine = open_engine("openvino", find_model(arguments.model), precision="float32", threads=1)
    samples = {sample.name: sample for sample in find_samples(arguments.data).samples}
    variants = {
        name: make
        for name, make in VARIANTS.items()
        if not arguments.only or name == REFERENCE or any(word in name for word in arguments.only)
    }
    found: dict[str, list[Detections]] = {name: [] for name in variants}
    # Pictures of one size after each other: the engine prepares for each size.
    order = sorted(
        range(len(labels.images)), key=lambda index: (labels.images[index].height, labels.images[index].width)
    )
    for index in tqdm(order, unit="pair"):
        sample = samples[labels.images[index].name]
        pair = Pair(thermal_picture(sample), rgb_picture(sample), engine, {})
        # Many variants make the same picture by day.
        seen: dict[bytes, Detections] = {}
        for name, make in variants.items():
            pictures = {picture.tobytes(): picture for picture in make(pair)}
            seen.update({key: detector.detect(pictures[key], wanted) for key in pictures.keys() - seen.keys()})
            passes = [seen[key] for key in pictures]
            found[name].append(joined(passes) if len(passes) > 1 else passes[0])
    back = np.argsort(order)
    found = {name: [each[place] for place in back] for name, each in found.items()}

    def score(each: Sequence[Detections]) -> Matched:
        return Matched(labels, classes, each, 1.0, overlaps=(0.5,))

    mixed, best = chosen(found, score)
    matched = {name: score(each) for name, each in {**found, "chosen by the other folds": mixed}.items()}
    parts = {"all": list(range(len(labels.images)))}
    for group in sorted({image.group for image in labels.images} - {""}):
        parts[group] = [number for number, image in enumerate(labels.images) if image.group == group]
    groups = {
        part: compare(matched, pictures, arguments.draws if part == "all" else 0) for part, pictures in parts.items()
    }
    heads = [*(each.name for each in classes), "mean"]
    print(f"{detector.description}; {engine.model_name} in {engine.description}")
    print(f"{'':36}" + "".join(f"{part:>{7 * len(heads)}}" for part in parts))
    print(f"{'AP50, per cent':36}" + "".join(f"{head:>7}" for head in heads * len(parts)) + f"  all less {REFERENCE}")
    for name in matched:
        print(line(name, groups))
    print(f"chosen by the other folds: {', '.join(best)}")
    if arguments.json:
        content = {
            name: {
                **{
                    part: dict(zip(heads, [*rows[name].classes[:, 0], rows[name].mean[0]], strict=True))
                    for part, rows in groups.items()
                },
                "all_minus_reference": [float(-groups["all"][REFERENCE].minus[name][row, 0]) for row in (0, 2, 1)]
                if name != REFERENCE
                else [0.0, 0.0, 0.0],
            }
            for name in matched
        }
        text = {"detector": detector.description, "model": engine.model_hash, "chosen": best, "variants": content}
        write_json(arguments.json, text)


if __name__ == "__main__":
    main()
