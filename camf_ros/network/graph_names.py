"""Names of the inputs and outputs of exported graphs; torch-free, because engines without PyTorch need them."""

from __future__ import annotations

INFRARED, VISIBLE, GAIN, HOLD, WEIGHTS = "infrared", "visible", "gain", "hold", "weights"
FUSED, ACTIVATION, USED_GAIN, LOGITS = "fused", "activation", "used_gain", "logits"


def amounts_name(level: int) -> str:
    """Output with the amounts of a level, (1, 2, h, w)."""
    return f"amounts_{level}"
