"""What infrared and visible pictures have in common: where edges are, and which way they run.

Brightness and contrast of the two sources have little to do with each other, the sign of an edge neither. What is
compared is the structure tensor's direction: gradients (dx, dy) as complex numbers, squared, which doubles their angle
and so forgets their sign, and then smoothed. Edges that run one way add up, noise cancels (Bigün and Granlund,
ICCV 1987).
Products of two such numbers are what normalised gradient fields compare (Haber and Modersitzki, MICCAI 2006).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

# Pixels of the level: width of the smoothing before gradients, and of their squares.
_BEFORE, _AFTER = 0.8, 1.2
# Share of the picture's typical edge strength below which edges fade.
_FAINT = 1.0


def gradients(grey: F32) -> tuple[F32, F32]:
    """Horizontal and vertical gradient of a smoothed (H, W) picture."""
    smooth = cv2.GaussianBlur(grey, (0, 0), _BEFORE)
    return (
        np.asarray(cv2.Scharr(smooth, cv2.CV_32F, 1, 0, scale=1 / 32), np.float32),
        np.asarray(cv2.Scharr(smooth, cv2.CV_32F, 0, 1, scale=1 / 32), np.float32),
    )


def edge_directions(grey: F32, seen: F32) -> F32:
    """Edge features of a picture.

    Args:
        grey: (H, W), any range.
        seen: (H, W), 1 where the picture shows something and 0 where it is a border.

    Returns:
        (2, H, W): cosine and sine of twice the angle of the edges, times a strength from 0, where there are none, to
        1, where they are much stronger than is typical of the picture.
    """
    dx, dy = gradients(grey)
    dx, dy = dx * seen, dy * seen
    cosine = cv2.GaussianBlur(dx * dx - dy * dy, (0, 0), _AFTER)
    sine = cv2.GaussianBlur(2 * dx * dy, (0, 0), _AFTER)
    # Squares of gradients have been added; their root is a gradient again.
    energy = cv2.magnitude(cosine, sine)
    faint = _FAINT**2 * float(energy.sum()) / max(float(seen.sum()), 1.0)
    factor = 1 / np.sqrt(energy * (energy + np.float32(faint)) + np.float32(1e-12))
    return np.stack([cosine * factor, sine * factor]).astype(np.float32)
