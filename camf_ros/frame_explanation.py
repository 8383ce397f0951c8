"""The explanation of a frame that the pipeline has fused."""

from __future__ import annotations

from collections.abc import Sequence

from camf_ros.errors import ImageError
from camf_ros.explain.explainer import Explainer
from camf_ros.explain.explanation import Explanation
from camf_ros.explain.seen_by_both import seen_by_both
from camf_ros.pipeline import FusedFrame


def explain_frame(
    explainer: Explainer, frame: FusedFrame, *, automatic: bool, channels: Sequence[int] | None = None
) -> Explanation:
    """Explain a fused frame.

    Args:
        explainer: Of the model that fused it.
        frame: As the pipeline gave it.
        automatic: Whether its gain came from the frames.
        channels: Which to show; the strongest when left out.

    Raises:
        ImageError: If the pictures are too small for the classifier.
        ParameterError: If there is no such channel.
    """
    aligned = frame.aligned
    if aligned is None:
        raise ImageError("the frame does not say what it was fused from")
    return explainer.explain(
        aligned.thermal,
        aligned.rgb,
        frame.image,
        frame.gain,
        automatic=automatic,
        both=seen_by_both(aligned),
        channels=channels,
    )
