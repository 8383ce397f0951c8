"""How the layers of a network begin."""

from __future__ import annotations

from torch import nn


def initialise(module: nn.Module, method: str = "he") -> None:
    """Draw new weights for all convolutions of a module; their biases become 0.

    Args:
        module: Changed in place.
        method: ``he`` (He et al., 2015) keeps the variance through layers of ReLU; ``glorot`` (Glorot and Bengio, 2010;
            uniform) is the default of the framework that the paper's authors used.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            if method == "he":
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            else:
                nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
