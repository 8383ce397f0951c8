"""The nine metrics of image fusion. Higher is better in all of them.

A is the infrared picture, B the visible one, F the fused one: (H, W) uint8 grey, 0 to 255.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros import files
from camf_ros.errors import CamfError, ImageError, to_install
from camf_ros.imaging.luminance import GreyImage

_Array = NDArray[np.float64]
#: Scores by picture, then by metric.
Scores = Mapping[str, Mapping[str, float]]

_LEVELS = 256
#: Shortest side of a picture whose four scales all have pixels.
SMALLEST = 41
#: VIF: windows of the four scales, finest first, and the variance of the noise in the eye.
VIF_WINDOWS, EYE_NOISE = (17, 9, 5, 3), 2.0
# Variances of whole grey values that are smaller are rounding errors of the filter.
_NOTHING = 1e-8
_RIGHT = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
_UP = np.array([[1.0, 2.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -2.0, -1.0]])
#: Qabf: logistic curves (ceiling, slope, centre) from relative strength and orientation of an edge to what is kept.
EDGE_STRENGTH, EDGE_ORIENTATION = (0.9994, 15.0, 0.5), (0.9879, 22.0, 0.8)
#: Side of SSIM's uniform window.
SSIM_WINDOW = 7
# Grey values go to 255, but the field's programs kept scikit-image's range for floats, -1 to 1. The constants that
# steady the quotient in even areas nearly vanish. With 255 all figures would be higher and compare with nobody's.
_SSIM_RANGE = 2.0


def entropy(fused: GreyImage) -> float:
    """EN: entropy of the histogram, bits, 0 to 8."""
    return float(scikit_image("measure").shannon_entropy(fused, base=2))


def mutual_information(infrared: GreyImage, visible: GreyImage, fused: GreyImage) -> float:
    """MI: information that F shares with A, plus that with B, from histograms of 256 grey levels; nats."""
    return _shared(fused, infrared) + _shared(fused, visible)


def _shared(one: GreyImage, other: GreyImage) -> float:
    pairs = one.astype(np.intp).ravel() * _LEVELS + other.ravel()
    joint = np.bincount(pairs, minlength=_LEVELS * _LEVELS).reshape(_LEVELS, _LEVELS) / one.size
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float(np.sum(joint[seen] * np.log(joint[seen] / independent[seen])))


def standard_deviation(fused: GreyImage) -> float:
    """SD: standard deviation of all pixels, grey levels. Like SF and AG it rises with noise as well as with detail."""
    return float(np.std(fused, dtype=np.float64))


def spatial_frequency(fused: GreyImage) -> float:
    """SF: root of the summed mean squares of horizontal and vertical first differences, grey levels."""
    grey = fused.astype(np.float64)
    return math.sqrt(np.mean(np.diff(grey, axis=1) ** 2) + np.mean(np.diff(grey, axis=0) ** 2))


def average_gradient(fused: GreyImage) -> float:
    """AG: mean of sqrt((gx² + gy²) / 2), central differences inside and one-sided ones at the border; grey levels."""
    rows, columns = np.gradient(fused.astype(np.float64))
    return float(np.mean(np.sqrt((rows**2 + columns**2) / 2)))


def correlations_of_differences(infrared: GreyImage, visible: GreyImage, fused: GreyImage) -> float:
    """SCD: corr(A, F - B) + corr(B, F - A), -2 to 2 (Aslantas and Bendes, AEU 69, 2015).

    What is not from one source should look like the other.
    """
    a, b, f = (image.astype(np.float64) for image in (infrared, visible, fused))
    return _correlation(a, f - b) + _correlation(b, f - a)


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    one, other = one - one.mean(), other - other.mean()
    norm = np.sqrt(np.sum(one**2) * np.sum(other**2))
    # Nothing goes along with a picture of one level.
    return float(np.sum(one * other) / norm) if norm > 0 else 0.0


def information_fidelity(infrared: GreyImage, visible: GreyImage, fused: GreyImage) -> float:
    """VIF: visual information fidelity of F to A plus that to B, each 1 for a copy.

    Sheikh and Bovik, IEEE TIP 15, 2006, their version in the pixel domain; both sides are at least :data:`SMALLEST`.
    More than 1 is possible: contrast that is enhanced without noise counts as information gained.
    """
    return _fidelity(infrared, fused) + _fidelity(visible, fused)


def _fidelity(source: GreyImage, fused: GreyImage) -> float:
    # Grey levels about zero keep the rounding errors of the squares small; variances do not depend on it.
    reference, image = (picture.astype(np.float64) - 128 for picture in (source, fused))
    kept = available = 0.0
    for scale, size in enumerate(VIF_WINDOWS):
        if scale > 0:
            reference, image = _filter(reference, size)[::2, ::2], _filter(image, size)[::2, ::2]
        mean_r, mean_i = _filter(reference, size), _filter(image, size)
        var_r = np.maximum(_filter(reference**2, size) - mean_r**2, 0)
        var_i = np.maximum(_filter(image**2, size) - mean_i**2, 0)
        covariance = _filter(reference * image, size) - mean_r * mean_i
        # The image as the reference times a gain plus noise. A gain below zero carries no information.
        gain = np.where(var_r > _NOTHING, np.maximum(covariance, 0) / np.maximum(var_r, _NOTHING), 0)
        noise = np.maximum(var_i - gain * covariance, 0)
        kept += float(np.sum(np.log10(1 + gain**2 * var_r / (noise + EYE_NOISE))))
        available += float(np.sum(np.log10(1 + np.where(var_r > _NOTHING, var_r, 0) / EYE_NOISE)))
    # A source of one level has no information that could be lost.
    return kept / available if available > 0 else 1.0


def _filter(image: _Array, size: int) -> _Array:
    """Gaussian window with sigma size / 5, where it lies inside the picture as a whole."""
    kernel = cv2.getGaussianKernel(size, size / 5)
    half = size // 2
    filtered = cv2.sepFilter2D(np.ascontiguousarray(image), cv2.CV_64F, kernel, kernel)
    return np.asarray(filtered[half:-half, half:-half], np.float64)


def edge_transfer(infrared: GreyImage, visible: GreyImage, fused: GreyImage) -> float:
    """Qabf: preserved edges, each pixel of A and B weighted with its gradient; 0 to 0.987.

    Xydeas and Petrovic, Electronics Letters 36, 2000. The paper leaves three things open. They are as in the program
    that the field compares itself with, so that figures compare: the picture is surrounded by zeros; a gradient without
    horizontal part has an orientation of +90 degrees whatever its sign; and where both gradients are equally strong,
    that strength in grey levels stands for their ratio, which raises the edge value by at most 0.06 %.
    """
    target = _gradient(fused)
    kept = available = 0.0
    for source in (infrared, visible):
        gradient = _gradient(source)
        kept += float(np.sum(gradient[0] * _preserved(gradient, target)))
        available += float(np.sum(gradient[0]))
    # Two black sources have no edges, not even against the zeros around them.
    return kept / available if available > 0 else 0.0


def _gradient(image: GreyImage) -> tuple[_Array, _Array]:
    """Strength, and orientation from -pi/2 to pi/2, of Sobel's gradient."""
    grey = image.astype(np.float64)
    right = cv2.filter2D(grey, cv2.CV_64F, _RIGHT, borderType=cv2.BORDER_CONSTANT)
    up = cv2.filter2D(grey, cv2.CV_64F, _UP, borderType=cv2.BORDER_CONSTANT)
    upright = right == 0
    orientation = np.where(upright, np.pi / 2, np.arctan(up / np.where(upright, 1, right)))
    return np.sqrt(right**2 + up**2), orientation


def _preserved(source: tuple[_Array, _Array], fused: tuple[_Array, _Array]) -> _Array:
    (strength_s, orientation_s), (strength_f, orientation_f) = source, fused
    larger = np.maximum(strength_s, strength_f)
    ratio = np.minimum(strength_s, strength_f) / np.where(larger > 0, larger, 1)
    strength = np.where(strength_s == strength_f, strength_f, ratio)
    orientation = 1 - np.abs(orientation_s - orientation_f) / (np.pi / 2)
    return _logistic(strength, *EDGE_STRENGTH) * _logistic(orientation, *EDGE_ORIENTATION)


def _logistic(value: _Array, ceiling: float, slope: float, centre: float) -> _Array:
    return ceiling / (1 + np.exp(-slope * (value - centre)))


def structural_similarity(infrared: GreyImage, visible: GreyImage, fused: GreyImage) -> float:
    """SSIM(F, A) + SSIM(F, B), -2 to 2; 7 x 7 uniform window (Wang et al., IEEE TIP 13, 2004)."""
    ssim = scikit_image("metrics").structural_similarity
    f, *sources = (image.astype(np.float64) for image in (fused, infrared, visible))
    return sum(float(ssim(f, source, win_size=SSIM_WINDOW, data_range=_SSIM_RANGE)) for source in sources)


def scikit_image(module: str) -> Any:
    """A module below ``skimage``; raises CamfError if it is not installed, or does not fit this Python."""
    try:
        return importlib.import_module(f"skimage.{module}")
    except ImportError as error:
        raise CamfError(
            f"scikit-image cannot be imported ({error})",
            remedy=to_install(
                error,
                "install it: pip install 'scikit-image>=0.18', or on Ubuntu: apt install python3-skimage",
                own={"skimage"},
            ),
        ) from error


class Metric(NamedTuple):
    """One metric."""

    value: Callable[[GreyImage, GreyImage, GreyImage], float]  #: Of an infrared, a visible and a fused picture
    decimals: int  #: With which papers print it


def _alone(value: Callable[[GreyImage], float]) -> Callable[[GreyImage, GreyImage, GreyImage], float]:
    return lambda _infrared, _visible, fused: value(fused)


#: By the name that papers use.
METRICS: Mapping[str, Metric] = {
    "EN": Metric(_alone(entropy), 2),
    "SD": Metric(_alone(standard_deviation), 1),
    "SF": Metric(_alone(spatial_frequency), 1),
    "AG": Metric(_alone(average_gradient), 3),
    "MI": Metric(mutual_information, 3),
    "SCD": Metric(correlations_of_differences, 3),
    "VIF": Metric(information_fidelity, 3),
    "Qabf": Metric(edge_transfer, 3),
    "SSIM": Metric(structural_similarity, 3),
}


def check_size(*images: GreyImage) -> None:
    """Raise an ImageError unless all are of one size, and large enough for the coarsest scale of VIF."""
    sizes = {image.shape: f"{image.shape[1]} x {image.shape[0]}" for image in images}
    if len(sizes) > 1:
        raise ImageError(f"the sizes differ: {', '.join(sizes.values())}", expected="pictures of one size")
    height, width = images[0].shape
    if min(height, width) < SMALLEST:
        raise ImageError(
            f"the size is {width} x {height}", expected=f"{SMALLEST} x {SMALLEST} pixels or more, for VIF's four scales"
        )


def score(infrared: GreyImage, visible: GreyImage, fused: GreyImage) -> dict[str, float]:
    """All metrics of one fused picture; the three are (H, W) uint8 grey.

    Raises ImageError if they are not, differ in size or are too small, and CamfError without scikit-image.
    """
    for name, image in (("infrared", infrared), ("visible", visible), ("fused", fused)):
        if image.ndim != 2 or image.dtype != np.uint8:
            raise ImageError(
                f"the {name} picture is {image.dtype} of shape {image.shape}", expected="(H, W) uint8 grey"
            )
    check_size(infrared, visible, fused)
    return {name: metric.value(infrared, visible, fused) for name, metric in METRICS.items()}


def mean(scores: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each metric over pictures, of which there is at least one; every picture counts alike."""
    rows = list(scores)
    return {name: sum(row[name] for row in rows) / len(rows) for name in METRICS}


def table(scores: Scores) -> str:
    """Rows of pictures (at least one) and their mean, with as many decimals as papers print."""
    width = max(len(name) for name in (*scores, "picture"))
    lines = [f"{'picture':{width}}" + "".join(f"{name:>8}" for name in METRICS)]
    for name, row in (*scores.items(), ("mean", mean(scores.values()))):
        figures = (f"{row[key]:8.{metric.decimals}f}" for key, metric in METRICS.items())
        lines.append(f"{name:{width}}" + "".join(figures))
    return "\n".join(lines)


def write_json(path: Path, method: str, scores: Scores) -> None:
    """Write method, means and the scores of every picture, unrounded; raises DataError if that fails."""
    content = {"method": method, "mean": mean(scores.values()), "images": scores}
    files.make_folder(path.parent)
    files.write_json(path, content)
