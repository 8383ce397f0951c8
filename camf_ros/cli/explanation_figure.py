"""An explanation in print quality: the whole of it, or one channel in large."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camf_ros.benchmark.plot import matplotlib_pyplot
from camf_ros.errors import DataError
from camf_ros.explain.colours import DIVERGING, INFRARED_COLOUR, VISIBLE_COLOUR, coloured
from camf_ros.explain.explanation import INFRARED, VISIBLE, Channel, Explanation
from camf_ros.explain.placement import FULL_SHARE, evidence_scale
from camf_ros.explain.views import channel_views, evidence_view, share_view, without_view
from camf_ros.explain.wording import WITHOUT, channel_title, gain_line, percent, share_title, verdict

_WIDTH = 7.16  # inches, two columns of a journal page
_DOTS_PER_INCH = 200
_FONT = 7.5
_SHOWN = 5
# Text as text in the files that can hold it.
_STYLE = {"font.size": _FONT, "axes.titlesize": _FONT, "pdf.fonttype": 42, "svg.fonttype": "none"}


def write_figure(path: Path, explanation: Explanation) -> None:
    """Draw the whole explanation.

    Args:
        path: Ends in .png, .pdf or .svg.
        explanation: What to show.

    Raises:
        EngineError: If matplotlib is not installed.
        DataError: If the file cannot be written.
    """
    pyplot = matplotlib_pyplot()
    height, width = explanation.fused.shape[:2]
    proportion = height / width
    picture = _WIDTH / 3 * proportion
    # Rows: pictures; maps with their scales; without one source, and weights; channels from thermal and from RGB.
    heights = (picture, picture + 0.3, max(picture, 1.5), 2 * (_WIDTH / _SHOWN * proportion + 0.3))
    with pyplot.rc_context(_STYLE):
        figure = pyplot.figure(figsize=(_WIDTH, sum(heights) + 0.5), layout="constrained")
        pictures, maps, without, channels = figure.subfigures(4, 1, height_ratios=heights)
        titled = (("Thermal", explanation.thermal), ("RGB", explanation.rgb), ("Fused", explanation.fused))
        for axes, (title, image) in zip(pictures.subplots(1, 3), titled, strict=True):
            _show(axes, image, title)
        _maps(maps, explanation)
        *places, last = without.subplots(1, 3)
        for source, axes in enumerate(places):
            _show(axes, without_view(explanation, source), WITHOUT[source])
        _weights(last, explanation, explanation.strongest[:_SHOWN])
        _channels(channels, explanation)
        _save(pyplot, figure, path)


def write_channel_figure(path: Path, explanation: Explanation, channel: Channel) -> None:
    """Draw one channel: what it adds from each source, beside the pictures that it sees.

    Args:
        path: As for :func:`write_figure`.
        explanation: What it is part of.
        channel: Which.

    Raises:
        EngineError: If matplotlib is not installed.
        DataError: If the file cannot be written.
    """
    pyplot = matplotlib_pyplot()
    height, width = explanation.fused.shape[:2]
    with pyplot.rc_context(_STYLE):
        figure = pyplot.figure(figsize=(_WIDTH, _WIDTH * height / width + 0.9), layout="constrained")
        axes = figure.subplots(2, 2)
        views = channel_views(channel, explanation.work)
        rows = zip(("thermal", "RGB"), (explanation.thermal, explanation.rgb), views, strict=True)
        for row, (name, picture, view) in enumerate(rows):
            _show(axes[row, 0], picture, "Thermal" if row == INFRARED else "RGB")
            words = f"{name}: weight {channel.weights[row]:.2f}, mean activation {channel.activation[row]:.3g}"
            _show(axes[row, 1], view, f"{words}, {percent(channel.contribution[row])} of all features")
        figure.suptitle(
            f"{explanation.model}, {channel_title(channel)} of all features, encoder layer {channel.layer}; "
            "both maps on one scale",
            fontsize=_FONT + 0.5,
        )
        _save(pyplot, figure, path)


def _maps(figure: Any, explanation: Explanation) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    colours = ListedColormap(DIVERGING / 255)
    strong = evidence_scale(explanation)
    views = (
        (verdict(explanation, INFRARED), evidence_view(explanation, INFRARED), strong),
        (verdict(explanation, VISIBLE), evidence_view(explanation, VISIBLE), strong),
        (share_title(explanation), share_view(explanation), None),
    )
    for axes, (title, view, scale) in zip(figure.subplots(1, 3), views, strict=True):
        _show(axes, view, title)
        norm = Normalize(1 - FULL_SHARE, FULL_SHARE) if scale is None else Normalize(-scale, scale)
        bar = figure.colorbar(
            ScalarMappable(norm, colours), ax=axes, orientation="horizontal", fraction=0.06, pad=0.03, extend="both"
        )
        if scale is None:
            strong_share = percent(FULL_SHARE)
            labels = [f"{strong_share} RGB", "both alike", f"{strong_share} thermal"]
            bar.set_ticks([1 - FULL_SHARE, 0.5, FULL_SHARE], labels=labels)
        else:
            bar.set_ticks([-scale, 0, scale], labels=[f"visible {-scale:.1f}", "log-odds 0", f"{scale:+.1f} infrared"])
        bar.ax.tick_params(labelsize=_FONT - 1, length=2)
        bar.outline.set_visible(False)


def _channels(figure: Any, explanation: Explanation) -> None:
    shown = explanation.strongest[:_SHOWN]
    grid = figure.subplots(2, len(shown), squeeze=False)
    for column, channel in enumerate(shown):
        for row, (view, name) in enumerate(
            zip(channel_views(channel, explanation.work), ("thermal", "RGB"), strict=True)
        ):
            axes = grid[row, column]
            _show(axes, view, channel_title(channel) if row == 0 else "")
            axes.set_xlabel(f"{name} x {channel.weights[row]:.2f}", labelpad=2, color=_hue((INFRARED, VISIBLE)[row]))


def _weights(axes: Any, explanation: Explanation, ringed: tuple[Channel, ...]) -> None:
    infrared, visible = explanation.weights
    hues = coloured(0.5 + (infrared - visible) / 2) / 255
    low, high = min(1.0, float(explanation.weights.min())), max(1.0, float(explanation.weights.max()))
    margin = 0.06 * high
    limits = (max(0.0, low - margin), high + margin)
    axes.plot(limits, limits, color="0.7", linewidth=0.7, zorder=0)
    axes.scatter(visible, infrared, s=9, c=hues, edgecolors="0.45", linewidths=0.3)
    for channel in ringed:
        axes.plot(channel.weights[1], channel.weights[0], "o", mfc="none", mec="black", markersize=6, mew=0.8)
    axes.set(xlim=limits, ylim=limits, xlabel="weight of RGB", ylabel="weight of thermal", aspect="equal")
    how = "automatic" if explanation.automatic else "constant"
    axes.set_title(f"{explanation.model}, {gain_line(explanation)} ({how})")
    axes.tick_params(labelsize=_FONT - 1, length=2)


def _hue(source: int) -> tuple[float, ...]:
    return tuple(part / 255 for part in (INFRARED_COLOUR, VISIBLE_COLOUR)[source])


def _show(axes: Any, picture: NDArray[np.uint8], title: str) -> None:
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
    axes.set_title(title, pad=3)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _save(pyplot: Any, figure: Any, path: Path) -> None:
    try:
        # Without the time of writing: equal runs write equal files.
        date = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}[path.suffix.lower()]
        figure.savefig(path, dpi=_DOTS_PER_INCH, metadata=date)
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error})", remedy="name another file") from error
    finally:
        pyplot.close(figure)
