"""How the cameras stand to each other, from /tf and /tf_static of a recording, without tf2."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import RegistrationError
from camf_ros.imaging.camera_model import Extrinsics, alike, check_frames, rotation_matrix

# A chain of frames that is longer than this goes round in a circle.
_LONGEST = 1000


class _Link(NamedTuple):
    """A frame in its parent's: ``X_parent = matrix X``."""

    parent: str
    matrix: NDArray[np.float64]
    static: bool


class RecordedTransforms:
    """The tree of frames as it was last seen.

    tf2 takes all parts of a moving chain at one time and interpolates. Here a chain may have one moving part, whose
    last pose is then tf2's answer too; with more it is refused.
    """

    def __init__(self) -> None:
        self._links: dict[str, _Link] = {}
        self._last: Extrinsics | None = None

    def take(self, message: Any, *, static: bool, known: bool = True) -> None:
        """Take a tf2_msgs/TFMessage.

        Args:
            message: The message.
            static: Whether it came on /tf_static.
            known: False to take only frames of which nothing is known yet.
        """
        for each in message.transforms:
            child = each.child_frame_id.lstrip("/")
            if known or child not in self._links:
                self._links[child] = _Link(each.header.frame_id.lstrip("/"), _matrix(each.transform), static)

    def extrinsics(self, thermal_frame: str, rgb_frame: str) -> Extrinsics | None:
        """The newest pose of the thermal camera in the RGB camera's frame; None as long as there is none.

        Raises:
            RegistrationError: If both cameras name the same frame, or none, or if more than one part of the chain
                between them moves.
        """
        check_frames(thermal_frame, rgb_frame)
        thermal, rgb = self._chain(thermal_frame.lstrip("/")), self._chain(rgb_frame.lstrip("/"))
        shared = next((frame for frame in thermal if frame in rgb), None)
        if shared is None:
            return None
        up, down = thermal[: thermal.index(shared)], rgb[: rgb.index(shared)]
        moving = [frame for frame in (*up, *down) if not self._links[frame].static]
        if len(moving) > 1:
            raise RegistrationError(
                f"between {thermal_frame!r} and {rgb_frame!r} several frames move: {', '.join(moving)}",
                expected="at most one that is not on /tf_static",
                remedy="set registration.extrinsics to file",
            )
        matrix = np.linalg.inv(self._product(down)) @ self._product(up)
        found = Extrinsics(tuple(map(float, matrix[:3, :3].ravel())), tuple(map(float, matrix[:3, 3])))
        # The same object again where nothing moved: what was computed from it stays.
        if self._last is None or not alike(self._last, found):
            self._last = found
        return self._last

    def _chain(self, frame: str) -> list[str]:
        """The frame and those above it."""
        chain = [frame]
        while chain[-1] in self._links and len(chain) < _LONGEST:
            chain.append(self._links[chain[-1]].parent)
        return chain

    def _product(self, frames: list[str]) -> NDArray[np.float64]:
        """From the first frame to the parent of the last."""
        result: NDArray[np.float64] = np.eye(4)
        for frame in frames:
            result = self._links[frame].matrix @ result
        return result


def _matrix(transform: Any) -> NDArray[np.float64]:
    q, t = transform.rotation, transform.translation
    result: NDArray[np.float64] = np.eye(4)
    result[:3, :3] = np.reshape(rotation_matrix(q.w, q.x, q.y, q.z), (3, 3))
    result[:3, 3] = t.x, t.y, t.z
    return result
