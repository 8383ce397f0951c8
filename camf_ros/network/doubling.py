"""An enlargement by two, and the 3x3 convolution after it, as one convolution of the small features.

A bilinear enlargement to exactly twice the size makes each new pixel from its nearest ones with weights 3/4 and 1/4,
the border repeated. What a 3x3 convolution of the large features gives at one of the four places within a small pixel
is therefore a 3x3 convolution of the small features, with weights of its own for each of the four. All four are
computed as one convolution with four times as many channels, and the large features are never written. These are as
many multiplications, but in wider layers, which processors like better; and nothing is rounded between enlargement and
convolution.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Share of the small pixels -1, 0 and 1 from a place (rows) in each large pixel of the convolution's reach (columns):
# for the first and for the second place of a small pixel.
_SHARES = np.array(
    [
        [[0.75, 0.25, 0.0], [0.25, 0.75, 0.75], [0.0, 0.0, 0.25]],
        [[0.25, 0.0, 0.0], [0.75, 0.75, 0.25], [0.0, 0.25, 0.75]],
    ]
)


def combined_weight(weight: NDArray[np.floating]) -> NDArray[np.float64]:
    """Weight of the convolution of the small features.

    Args:
        weight: (O, C, 3, 3), of the convolution of the large ones.

    Returns:
        (4 O, C, 3, 3): all channels of the upper left place, of the upper right, the lower left, the lower right.
    """
    combined: NDArray[np.float64] = np.einsum("pay,qbx,ocyx->pqocab", _SHARES, _SHARES, weight.astype(np.float64))
    return combined.reshape(-1, *weight.shape[1:])
