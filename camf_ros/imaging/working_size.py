"""The size at which the network works where that of the fused image costs too much, and what a pair needs in memory."""

from __future__ import annotations

import math
from dataclasses import replace

from camf_ros.imaging.camera_maps import Size
from camf_ros.imaging.memory_budget import OUTPUT_PIXEL, RGB_PIXEL, THERMAL_PIXEL, MemoryBudget
from camf_ros.imaging.registration import sizes_of
from camf_ros.settings.registration import RegistrationSettings

# Pixels of a fused image from which on the network works at a smaller size if thermal is smaller, and the pixels that
# it works at then, or more if thermal has more.
_LARGE, _ENOUGH = 2**22, 2**20


def within_budget(
    thermal: Size, rgb: Size, reference: str, settings: RegistrationSettings, *, budget: MemoryBudget, pixel: int
) -> tuple[RegistrationSettings, str]:
    """The settings with a processing size for a pair that needs one and has none.

    A network that works at the size of a large RGB picture takes much memory and time, and finds nothing in a small
    thermal picture that it would not find at a smaller size.

    Args:
        thermal: Size of the thermal picture.
        rgb: Size of the RGB picture.
        reference: ``rgb`` or ``thermal``.
        settings: How they are registered.
        budget: Memory that the pair may need.
        pixel: What the network needs, bytes a pixel.

    Returns:
        The settings, and a sentence that says what was changed; empty if nothing was.

    Raises:
        ImageError: If the pair needs more memory than it may at any size in which thermal loses nothing.
    """
    output, wanted = sizes_of(thermal, rgb, reference, settings)
    rest = THERMAL_PIXEL * area(thermal) + RGB_PIXEL * area(rgb) + OUTPUT_PIXEL * area(output)
    choices = [wanted]
    least = _covering(output, thermal)
    if not settings.names_processing_size and area(least) < area(output):
        if area(output) > _LARGE:
            choices = [max(least, _scaled(output, math.sqrt(_ENOUGH / area(output))), key=area)]
        choices.append(least)
    fitting = next((size for size in choices if budget.fits(rest + pixel * area(size))), None)
    if fitting is None:
        budget.check(
            rest + pixel * area(choices[-1]),
            f"fusing {_text(thermal)} thermal with {_text(rgb)} RGB to {_text(output)}, the network at "
            f"{_text(choices[-1])},",
            _remedy(settings, output, max(area(thermal), area(rgb))),
        )
        return settings, ""
    if fitting == wanted:
        return settings, ""
    note = (
        f"the network works at {_text(fitting)} for fused images of {_text(output)}: thermal has {_text(thermal)}, and "
        "more would cost memory and time only (registration.processing_width sets another size)"
    )
    return replace(settings, processing_height=fitting[0], processing_width=fitting[1]), note


def check_alone(
    camera: str, own: Size, other: Size | None, reference: str, settings: RegistrationSettings, *, budget: MemoryBudget
) -> None:
    """Refuse to pass a picture through that needs more memory than it may.

    Args:
        camera: Whose picture it is.
        own: Its size.
        other: Size of the other camera's last picture, if there was one.
        reference: As in :func:`within_budget`.
        settings: Likewise.
        budget: Likewise.

    Raises:
        ImageError: See above.
    """
    own_is_reference = other is None or camera == reference
    base = own if own_is_reference or other is None else other
    output, _ = sizes_of(base, base, reference, settings)
    budget.check(
        max(THERMAL_PIXEL, RGB_PIXEL) * area(own) + OUTPUT_PIXEL * area(output),
        f"passing a {camera} picture of {_text(own)} through at {_text(output)}",
        _remedy(settings, output, area(own)),
    )


def area(size: Size) -> int:
    """Pixels of a (height, width)."""
    return size[0] * size[1]


def _remedy(settings: RegistrationSettings, output: Size, largest: int) -> str:
    if area(output) > largest:
        return "set a smaller registration.output_width and output_height"
    if settings.names_processing_size:
        return "set a smaller registration.processing_width and processing_height"
    return "set registration.processing_width, or have the cameras send smaller pictures"


def _text(size: Size) -> str:
    return f"{size[1]}x{size[0]}"


def _scaled(size: Size, scale: float) -> Size:
    height, width = (max(1, min(side, round(scale * side))) for side in size)
    return height, width


def _covering(size: Size, other: Size) -> Size:
    """The smallest size of one shape with ``size``, and no larger, in which another picture loses no detail."""
    return _scaled(size, max(other[0] / size[0], other[1] / size[1]))
