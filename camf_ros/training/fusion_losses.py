"""What a fused picture should keep of its two sources, as losses that need no fused ground truth.

Each one compares a batch (N, 1, H, W) of fused pictures, grey levels 0 to 255, with both sources. It returns the mean
over the batch and is 0 at best; only the information term can go below: it rewards contrast enhanced without noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from camf_ros.evaluation.metrics import EDGE_ORIENTATION, EDGE_STRENGTH, EYE_NOISE, SSIM_WINDOW, VIF_WINDOWS
from camf_ros.imaging.luminance import GreyImage
from camf_ros.training.config import FusionRecipe

# Steadies quotients of local variances, in squared grey levels: far below what can be seen.
_FAINT = 0.1
# Sides of the squares whose contrast to their surroundings is kept, pixels.
_CONTRAST_SIDES = (8, 16, 32)
# Share of the stronger source's contrast from which the weaker one's sign is as good.
_SIMILAR = 0.7
# Share of infrared's gradient from which an opposite one of visible is preferred: text and road paint are visible.
_READABLE = 0.5
# Sides of the places that may be bright and even, and of the squares whose mean is no detail, pixels.
_PLACE, _AROUND = 8, 25
# Grey level from which on a part is bright; variances, in squared grey levels, up to which one is even.
_BRIGHT, _EVEN_INFRARED, _EVEN_VISIBLE = 150.0, 400.0, 60.0
# A bright sky, grey levels: its brightness, how much darker infrared is there, how much darker a pixel of it may be,
# how much brighter in infrared something before it is, and the brightest one that is asked for.
_SKY_BRIGHT, _SKY_DARKER, _SKY_SPREAD, _STANDS_OUT, _WHITE_SKY = 185.0, 90.0, 25.0, 40.0, 235.0
# Variance in infrared up to which a place of a sky is even, squared grey levels: clouds count as sky.
_SKY_EVEN_INFRARED = 1600.0


def information_loss(infrared: Tensor, visible: Tensor, fused: Tensor) -> Tensor:
    """2 less the visual information fidelity to both sources (Sheikh and Bovik, IEEE TIP 15, 2006; pixel domain).

    Both sides are at least 41.
    """
    sources = torch.cat((infrared, visible)) - 128
    picture = fused - 128
    kept = available = torch.zeros(len(sources), device=fused.device)
    for scale, window in enumerate(VIF_WINDOWS):
        if scale > 0:
            sources, picture = _blur(sources, window, 2), _blur(picture, window, 2)
        mean_s, mean_p = _blur(sources, window), _blur(picture, window)
        var_s = (_blur(sources**2, window) - mean_s**2).clamp_min(0)
        var_p = _twice((_blur(picture**2, window) - mean_p**2).clamp_min(0))
        covariance = _blur(sources * _twice(picture), window) - mean_s * _twice(mean_p)
        gain = covariance.clamp_min(0) / (var_s + _FAINT)
        noise = (var_p - gain * covariance).clamp_min(0)
        kept = kept + torch.log1p(gain**2 * var_s / (noise + EYE_NOISE)).sum((1, 2, 3))
        available = available + torch.log1p(var_s / EYE_NOISE).sum((1, 2, 3))
    # A source of one level has no information that could be lost; 1 stands for next to nothing in the sum of a picture.
    return 2 * (1 - (kept / (available + 1)).mean())


def edge_loss(infrared: Tensor, visible: Tensor, fused: Tensor) -> Tensor:
    """Share of the sources' edges that is lost, 0.01 to 1 (after Xydeas and Petrovic, Electronics Letters 36, 2000).

    Every pixel of either source counts by its gradient. Orientations are compared as angles between lines, which unlike
    the metric has no jump between +90 and -90 degrees. Pictures are 3 x 3 or more.
    """
    across, down = _sobel(fused)
    strength = (across**2 + down**2 + _FAINT).sqrt()
    kept = available = torch.zeros(len(fused), device=fused.device)
    for source in (infrared, visible):
        x, y = _sobel(source)
        reference = (x**2 + y**2 + _FAINT).sqrt()
        ratio = torch.minimum(reference, strength) / torch.maximum(reference, strength)
        angle = torch.atan2((x * down - y * across).abs(), (x * across + y * down).abs() + _FAINT)
        preserved = _logistic(ratio, *EDGE_STRENGTH) * _logistic(1 - angle / (math.pi / 2), *EDGE_ORIENTATION)
        kept = kept + (reference * preserved).sum((1, 2, 3))
        available = available + reference.sum((1, 2, 3))
    return 1 - (kept / available).mean()


def difference_loss(infrared: Tensor, visible: Tensor, fused: Tensor) -> Tensor:
    """2 less the correlations of differences, 0 to 4 (Aslantas and Bendes, AEU 69, 2015): both sources' intensities.

    What the fused picture has beyond one source should look like the other.
    """
    return 2 - (_correlation(infrared, fused - visible) + _correlation(visible, fused - infrared)).mean()


def structure_loss(infrared: Tensor, visible: Tensor, fused: Tensor) -> Tensor:
    """2 less the structural similarity to both sources, 0 to 4 (Wang et al., IEEE TIP 13, 2004), uniform windows."""
    sources, picture = torch.cat((infrared, visible)), _twice(fused)
    mean_s, mean_p = _mean(sources), _twice(_mean(fused))
    var_s = (_mean(sources**2) - mean_s**2).clamp_min(0)
    var_p = _twice((_mean(fused**2) - _mean(fused) ** 2).clamp_min(0))
    covariance = _mean(sources * picture) - mean_s * mean_p
    luminance = (2 * mean_s * mean_p + _FAINT) / (mean_s**2 + mean_p**2 + _FAINT)
    structure = (2 * covariance + _FAINT) / (var_s + var_p + _FAINT)
    return 2 * (1 - (luminance * structure).mean())


def gradient_loss(infrared: Tensor, visible: Tensor, fused: Tensor, boost: float = 1.0) -> Tensor:
    """Mean difference of the fused picture's gradient from ``boost`` times one source's gradient.

    It is that of the source with the larger gradient, sign included: copying one source leaves what the other has more
    of. Where both are opposite, it is that of the visible picture if it is at least half as large as the other.
    Absolute differences across plus those down, grey levels a pixel.
    """
    (x1, y1), (x2, y2), (x, y) = (_slope(picture) for picture in (infrared, visible, fused))
    share = torch.where(x1 * x2 + y1 * y2 < 0, _READABLE, 1.0)
    first = share**2 * (x1**2 + y1**2) > x2**2 + y2**2
    across, down = boost * torch.where(first, x1, x2), boost * torch.where(first, y1, y2)
    return ((x - across).abs() + (y - down).abs()).mean()


def contrast_loss(infrared: Tensor, visible: Tensor, fused: Tensor, aim: float = 1.0) -> Tensor:
    """What stands out from its surroundings less than ``aim`` times as much as in the source where it stands out more.

    Contrast is the mean of a square less the mean of the square of three times its side around it, for sides of 8, 16
    and 32 pixels: the size of people and cars. Its sign is that of the source; where both sources stand out about as
    much, either sign will do. More contrast than asked for costs nothing. Grey levels; both sides of the pictures are
    at least 32.
    """
    losses = []
    for side in _CONTRAST_SIDES:
        one, other, own = (_contrast(x, side) for x in (infrared, visible, fused))
        first = one.abs() >= other.abs()
        stronger, weaker = torch.where(first, one, other), torch.where(first, other, one)
        lost, either = ((aim * stronger.abs() - sign * own).clamp_min(0) for sign in (stronger.sign(), weaker.sign()))
        similar = weaker.abs() >= _SIMILAR * stronger.abs()
        losses.append(torch.where(similar, torch.minimum(lost, either), lost).mean())
    return torch.stack(losses).mean()


def contrast_kept(infrared: GreyImage, visible: GreyImage, fused: GreyImage, least: float = 8.0) -> float:
    """Share of the contrast of what stands out that a fused picture has, with the sign of the stronger source.

    Squares as of :func:`contrast_loss` count whose contrast in the stronger source is at least ``least`` grey levels.
    Pictures are (H, W), 0 to 255, both sides at least 32. Mean over the squares, each cut to 0 to 1; 1 where nothing
    stands out.
    """
    kept = []
    for side in _CONTRAST_SIDES:
        one, other, own = (_contrast(torch.from_numpy(x)[None, None].float(), side) for x in (infrared, visible, fused))
        stronger = torch.where(one.abs() >= other.abs(), one, other)
        strong = stronger.abs() >= least
        kept.append((own[strong] / stronger[strong]).clamp(0, 1))
    every = torch.cat(kept)
    return float(every.mean()) if every.numel() else 1.0


def _contrast(x: Tensor, side: int) -> Tensor:
    around = F.avg_pool2d(x, 3 * side, stride=side // 2, padding=side, count_include_pad=False)
    contrast: Tensor = F.avg_pool2d(x, side, stride=side // 2) - around
    return contrast


def brightness_loss(infrared: Tensor, visible: Tensor, fused: Tensor) -> Tensor:
    """Difference from the visible picture in bright skies, where that is at most 235; grey levels.

    Without this term a sky that is black in infrared makes a bright sky grey. What is left up to white is for hot wires
    and poles before a saturated sky. Both sides are multiples of 8.
    """
    lost: Tensor = (_sky(infrared, visible) * (fused - visible.clamp_max(_WHITE_SKY)).abs()).mean()
    return lost


def sky_difference(infrared: GreyImage, visible: GreyImage, fused: GreyImage) -> float:
    """Mean difference from the visible picture in its bright even parts, grey levels; NaN where there are none.

    Pictures are (H, W), 0 to 255, both sides at least 8.
    """
    height, width = (side // _PLACE * _PLACE for side in visible.shape)
    one, other, own = (torch.from_numpy(x[:height, :width])[None, None].float() for x in (infrared, visible, fused))
    counts = _bright_and_even(one, other)
    if float(counts.max()) < 0.5:
        return math.nan
    return float((counts * F.avg_pool2d((own - other).abs(), _PLACE)).sum() / counts.sum())


def without_faint_detail(infrared: Tensor, visible: Tensor, faint: float) -> Tensor:
    """The infrared picture; in bright even parts of the visible one without detail below about ``faint`` grey levels.

    There, a thermal camera shows a cold sky: its own stripes and grain, which no loss should ask for. Detail is the
    difference from the mean of 25 x 25 pixels. Both sides are multiples of 8.
    """
    counts = (2 * _bright_and_even(infrared, visible)).clamp_max(1)
    counts = F.interpolate(counts, size=infrared.shape[-2:], mode="bilinear")
    smooth = _smooth(infrared)
    strong = (infrared - smooth) ** 2
    return smooth + (infrared - smooth) * strong / (strong + (faint * counts) ** 2 + _FAINT**2)


def _bright_and_even(infrared: Tensor, visible: Tensor) -> Tensor:
    """How far each place of 8 x 8 pixels is bright in the visible picture and even in both, 0 to 1.

    Half at 150 grey levels. Even means a small variance of 24 x 24 pixels around the place.
    """
    level, uneven = zip(*(_evenness(x) for x in (infrared, visible)), strict=True)
    even = torch.exp(-uneven[0] / _EVEN_INFRARED - uneven[1] / _EVEN_VISIBLE)
    return torch.sigmoid((level[1] - _BRIGHT) / 10) * even


def _sky(infrared: Tensor, visible: Tensor) -> Tensor:
    """How far each pixel is bright sky, 0 to 1.

    Within 36 pixels there is a place of 8 x 8 pixels that is bright (half at 185 grey levels) and even in the visible
    picture, and fairly even and much darker in infrared (half at 90 levels). In the visible picture the pixel is at
    most about 25 levels darker than this place. It counts less if it is brighter in infrared than the mean of 25 x 25
    pixels (half at 40 levels): a hot wire is not sky, a cold gap between branches is.
    """
    level, uneven = zip(*(_evenness(x) for x in (infrared, visible)), strict=True)
    place = torch.exp(-uneven[0] / _SKY_EVEN_INFRARED - uneven[1] / _EVEN_VISIBLE)
    for above in (level[1] - _SKY_BRIGHT, level[1] - level[0] - _SKY_DARKER):
        place = place * torch.sigmoid(above / 10)
    near, bright = (
        F.interpolate(F.max_pool2d(x, 9, stride=1, padding=4), size=visible.shape[-2:], mode="bilinear")
        for x in (place, place * level[1])
    )
    sky = (2 * near).clamp_max(1) * torch.sigmoid((visible - bright / near.clamp_min(1e-3) + _SKY_SPREAD) / 5)
    return sky * _STANDS_OUT**2 / (_STANDS_OUT**2 + (infrared - _smooth(infrared)).clamp_min(0) ** 2)


def _evenness(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of each 8 x 8 pixels, and the variance of 24 x 24 pixels around them."""
    level = F.avg_pool2d(x, _PLACE)
    around, squares = (
        F.avg_pool2d(y, 3, stride=1, padding=1, count_include_pad=False) for y in (level, F.avg_pool2d(x * x, _PLACE))
    )
    return level, (squares - around**2).clamp_min(0)


def _smooth(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, _AROUND, stride=1, padding=_AROUND // 2, count_include_pad=False)


def range_loss(fused: Tensor) -> Tensor:
    """Mean of what is below 0 or above 255, in grey levels."""
    return ((-fused).clamp_min(0) + (fused - 255).clamp_min(0)).mean()


def _slope(x: Tensor) -> tuple[Tensor, Tensor]:
    """Differences to the pixel at the left and to that above, without the first row and column."""
    here = x[..., 1:, 1:]
    return here - x[..., 1:, :-1], here - x[..., :-1, 1:]


def _twice(x: Tensor) -> Tensor:
    return torch.cat((x, x))


@lru_cache(maxsize=64)
def _window(length: int, size: int, step: int, gaussian: bool) -> Tensor:
    """Matrix that averages ``length`` values over windows of ``size``, every ``step``-th place.

    For pictures as small as training crops a product with a band matrix is much faster than a convolution with one
    channel.
    """
    if gaussian:
        place = torch.arange(size, dtype=torch.float32) - size // 2
        kernel = torch.exp(-0.5 * (place / (size / 5)) ** 2)
    else:
        kernel = torch.ones(size)
    places = range(0, length - size + 1, step)
    matrix = torch.zeros(len(places), length)
    for row, start in enumerate(places):
        matrix[row, start : start + size] = kernel / kernel.sum()
    return matrix


def _average(x: Tensor, size: int, step: int, gaussian: bool) -> Tensor:
    rows, columns = (_window(length, size, step, gaussian).to(x.device) for length in x.shape[-2:])
    return rows @ x @ columns.T


def _blur(x: Tensor, size: int, step: int = 1) -> Tensor:
    return _average(x, size, step, gaussian=True)


def _mean(x: Tensor) -> Tensor:
    return _average(x, SSIM_WINDOW, 1, gaussian=False)


def _sobel(x: Tensor) -> tuple[Tensor, Tensor]:
    across = x[..., 2:] - x[..., :-2]
    down = x[..., 2:, :] - x[..., :-2, :]
    return (
        across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :],
        down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:],
    )


def _logistic(value: Tensor, ceiling: float, slope: float, centre: float) -> Tensor:
    return ceiling * torch.sigmoid(slope * (value - centre))


def _correlation(one: Tensor, other: Tensor) -> Tensor:
    one, other = (x - x.mean((1, 2, 3), keepdim=True) for x in (one, other))
    norm = ((one**2).sum((1, 2, 3)) * (other**2).sum((1, 2, 3)) + 1).sqrt()
    return (one * other).sum((1, 2, 3)) / norm


def weighted_losses(infrared: Tensor, visible: Tensor, fused: Tensor, settings: FusionRecipe) -> Tensor:
    """Weighted sum of all terms; those of weight 0 are not computed.

    ``fused`` is not cut to 0 to 255. All terms but that of the range compare the cut picture: a person who stands out
    only above white does not stand out. Those of contrast, brightness and range see the infrared picture with its faint
    detail.
    """
    picture = fused.clamp(0, 255)
    sources = infrared, visible, picture
    goal = without_faint_detail(infrared, visible, settings.faint_detail) if settings.faint_detail else infrared
    detail = goal, visible, picture
    terms: tuple[tuple[float, Callable[[], Tensor]], ...] = (
        (settings.information_weight, lambda: information_loss(*detail)),
        (settings.edge_weight, lambda: edge_loss(*detail)),
        (settings.difference_weight, lambda: difference_loss(*detail)),
        (settings.structure_weight, lambda: structure_loss(*detail)),
        (settings.gradient_weight, lambda: gradient_loss(*detail, settings.gradient_boost)),
        (settings.contrast_weight, lambda: contrast_loss(*sources, settings.contrast_aim)),
        (settings.brightness_weight, lambda: brightness_loss(*sources)),
        (settings.range_weight, lambda: range_loss(fused)),
    )
    return torch.stack([weight * loss() for weight, loss in terms if weight]).sum()
