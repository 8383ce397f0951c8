"""Images that are lost on the way, which a camera that is merely slow does not show.

Two things tell: the middleware, where it counts what it loses, and camera_info, which is small and arrives also where
images exceed the middleware's shared memory. Drivers publish one with the stamp of each image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

#: What to do where the middleware cannot carry large images.
PROFILE = "start the camera driver with the same Fast DDS profile as this node (see the README, 'Frames do not arrive')"
# Lost images are compared with those that arrive once there were so many of both, or so many seconds have passed.
_ENOUGH, _LONG = 20, 5.0
# Of the images that camera_info announces at most this share arrives. Not the half: a topic may have been thinned out.
_FEW = 0.25


class _Count(NamedTuple):
    """What had been lost and had arrived at a moment, and what was found then."""

    since: float
    lost: int
    came: int
    text: str = ""


class Losses:
    """Called once a period while the node is active."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}

    def look(
        self,
        lost: Mapping[str, int],
        came: Mapping[str, int],
        images: Mapping[str, Iterable[int]],
        infos: Mapping[str, Iterable[int]],
        now: float,
    ) -> dict[str, str]:
        """The cameras of which most images are lost, and what to say.

        ``lost``: as the middleware counts; ``came``: images that arrived; ``images``, ``infos``: stamps of the last
        images and camera_info, in the order of their arrival.
        """
        for camera, total in lost.items():
            self._count(camera, total, came[camera], now)
        found = {camera: count.text for camera, count in self._counts.items() if count.text}
        for camera, stamps in infos.items():
            if camera not in found and (text := _announced(camera, images[camera], stamps)):
                found[camera] = text
        return found

    def _count(self, camera: str, total: int, arrived: int, now: float) -> None:
        began = self._counts.setdefault(camera, _Count(now, total, arrived))
        lost, came = total - began.lost, arrived - began.came
        if lost + came < _ENOUGH and now - began.since < _LONG:
            return
        text = f"{lost} of {lost + came} images of the {camera} camera were lost on the way: {PROFILE}"
        self._counts[camera] = _Count(now, total, arrived, text if lost > max(came, 2) else "")


def _announced(camera: str, images: Iterable[int], infos: Iterable[int]) -> str:
    """What to say if few of the images come that camera_info announces; empty otherwise.

    Only what lies between two images that came with their camera_info is counted: before and after it one of the two
    may not have been there yet.
    """
    known, stamps = set(images), list(infos)
    places = [place for place, stamp in enumerate(stamps) if stamp in known]
    if not places:
        return ""
    between = set(stamps[places[0] : places[-1]])
    announced, came = len(between), len(between & known)
    if announced < _ENOUGH or came > _FEW * announced:
        return ""
    return (
        f"{came} of {announced} images of the {camera} camera arrived, by the stamps of its camera_info: unless its "
        f"topic is throttled on purpose, the others were lost on the way: {PROFILE}"
    )
