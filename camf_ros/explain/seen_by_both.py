"""Where a fused picture is fused."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.registration import Aligned


def seen_by_both(aligned: Aligned) -> NDArray[np.uint8] | None:
    """Where the fused picture is fused.

    Returns:
        (H, W), 255 where it is, 0 where it shows one camera as it is or nothing, between them in the transition; None:
        everywhere.
    """
    if aligned.coverage is None:
        return None
    # What the coverage makes of white in the place of the fused picture and black in the place of both others.
    size = aligned.rgb.shape[:2]
    black = np.zeros(size, np.uint8)
    return aligned.coverage.fill(np.full(size, 255, np.uint8), black, black)
