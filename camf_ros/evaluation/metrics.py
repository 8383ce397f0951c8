"""The nine metrics in the order in which papers print them. Higher is better in all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from camf_ros.errors import ImageError
from camf_ros.evaluation.correlation import correlations_of_differences
from camf_ros.evaluation.detail import average_gradient, spatial_frequency, standard_deviation
from camf_ros.evaluation.edges import edge_transfer
from camf_ros.evaluation.fidelity import SMALLEST, information_fidelity
from camf_ros.evaluation.information import entropy, mutual_information
from camf_ros.evaluation.similarity import structural_similarity
from camf_ros.imaging.luminance import GreyImage


class Metric(NamedTuple):
    """One metric.

    Attributes:
        value: Of an infrared, a visible and a fused picture.
        decimals: With which papers print it.
    """

    value: Callable[[GreyImage, GreyImage, GreyImage], float]
    decimals: int


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
    """Refuse pictures that cannot be scored together.

    Raises:
        ImageError: If they are not of one size, or too small for the coarsest scale of VIF.
    """
    sizes = {image.shape: f"{image.shape[1]} x {image.shape[0]}" for image in images}
    if len(sizes) > 1:
        raise ImageError(f"the sizes differ: {', '.join(sizes.values())}", expected="pictures of one size")
    height, width = images[0].shape
    if min(height, width) < SMALLEST:
        raise ImageError(
            f"the size is {width} x {height}", expected=f"{SMALLEST} x {SMALLEST} pixels or more, for VIF's four scales"
        )


def score(infrared: GreyImage, visible: GreyImage, fused: GreyImage) -> dict[str, float]:
    """All metrics of one fused picture.

    Args:
        infrared: (H, W), uint8 grey.
        visible: (H, W).
        fused: (H, W).

    Raises:
        ImageError: If the pictures are not grey uint8 of one size, or too small.
        CamfError: If scikit-image is not installed.
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
