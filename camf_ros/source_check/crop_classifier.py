"""The auxiliary classifier on a few small crops.

The check must not depend on which engine fuses, nor hold its arithmetic up: so it asks the network in NumPy, of which
no engine knows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import ImageError
from camf_ros.network.architecture import CLASSIFIER_STRIDES, Architecture
from camf_ros.network.numpy_network import NumpyNetwork

#: The encoder ends at this part of a crop's side, which is a multiple of it: so finer features average evenly.
STEP = 4


def _smallest_crop() -> int:
    size = 1
    for stride in reversed(CLASSIFIER_STRIDES):
        size = (size - 1) * stride + 3
    return STEP * size


#: Smallest side of a crop, pixels: the classifier's layers have no border, and something must be left of it.
SMALLEST_CROP = _smallest_crop()


class CropClassifier:
    """Encoder and classifier of one checkpoint. Holds no state between calls, so threads may share it."""

    def __init__(self, architecture: Architecture, tensors: Mapping[str, NDArray[np.float32]]) -> None:
        """Prepare.

        Args:
            architecture: Of the network.
            tensors: Its weights by name; those of the decoder are not used.
        """
        self._network = NumpyNetwork(architecture, tensors)

    def logits(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Class scores of one crop.

        Args:
            crop: (h, w) grey, 0 to 255; sides are multiples of :data:`STEP` and at least :data:`SMALLEST_CROP`.

        Returns:
            (2,), in the order of :data:`~camf_ros.network.architecture.CLASSES`.

        Raises:
            ImageError: If the sides do not fit.
        """
        if crop.ndim != 2 or min(crop.shape) < SMALLEST_CROP or any(side % STEP for side in crop.shape):
            raise ImageError(
                f"a crop has shape {crop.shape}",
                expected=f"(h, w), multiples of {STEP} of at least {SMALLEST_CROP}",
            )
        return self._network.classify(self._network.encode(crop, border=0)).logits
