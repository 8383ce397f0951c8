"""The decoder in numpy alone: what a picture looks like that is made of given features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from camf_ros.network.architecture import DECODER_JOINS, Architecture
from camf_ros.network.constants import GREY
from camf_ros.network.numpy_layers import Features, as_rows, convolved, enlarged

# Of the five layers, those before the first without a border of its own.
_BORDERED = 3


class NumpyDecoder:
    """Decoder of one checkpoint, float32. Holds no state between calls, so threads may share it."""

    def __init__(self, architecture: Architecture, tensors: Mapping[str, NDArray[np.float32]]) -> None:
        """Arrange the weights as matrices.

        Args:
            architecture: Of the network.
            tensors: Its weights by name; those of encoder and classifier are not used.
        """
        self._fused = architecture.fused
        self._layers = []
        for number in range(len(architecture.decoder)):
            weight, bias = (tensors[f"decoder.layers.{number}.{part}"] for part in ("weight", "bias"))
            self._layers.append((as_rows(weight), np.ascontiguousarray(bias[:, None])))
        self._head = tensors["decoder.head.weight"].reshape(-1)
        self._head_bias = tensors["decoder.head.bias"][0]

    def decode(self, features: Sequence[Features], size: tuple[int, int]) -> NDArray[np.uint8]:
        """The grey picture of fused features.

        Args:
            features: Of each fused encoder layer, finest first, as
                :meth:`~camf_ros.network.numpy_network.NumpyNetwork.encode` gives them, weighted and summed.
            size: (H', W') of the picture that was encoded, with its border of 2.

        Returns:
            (H' - 4, W' - 4), 0 to 255.
        """
        height, width = size
        sizes = {1: (height, width), 2: ((height + 1) // 2, (width + 1) // 2)}
        fine = dict(zip(self._fused, features, strict=True))
        x = features[-1]
        for number, (weight, bias) in enumerate(self._layers):
            joins = DECODER_JOINS.get(number)
            if joins is not None:
                x = enlarged(x, *sizes[joins])
                if joins in fine:
                    x = np.concatenate((x, fine[joins]))
            x = convolved(np.pad(x, ((0, 0), (1, 1), (1, 1))) if number < _BORDERED else x, weight, bias, 1)
        grey = np.tanh(np.tensordot(self._head, x, 1) + self._head_bias)
        return np.asarray(np.rint(np.clip(grey * GREY + GREY, 0, 255)), np.uint8)
