"""SSIM, structural similarity (Wang et al., IEEE TIP 13, 2004), as fusion papers compute it."""

from __future__ import annotations

import numpy as np

from camf_ros.evaluation.library import scikit_image
from camf_ros.imaging.luminance import GreyImage

_WINDOW = 7
# Grey values go to 255, but the field's programs left scikit-image's range for floats, -1 to 1, in place: the constants
# that steady the quotient in even areas nearly vanish. With 255 all figures would be higher and compare with nobody's.
_RANGE = 2.0


def structural_similarity(infrared: GreyImage, visible: GreyImage, fused: GreyImage) -> float:
    """SSIM(F, A) + SSIM(F, B), -2 to 2; 7 x 7 uniform window.

    Args:
        infrared: (H, W), 7 x 7 or more.
        visible: (H, W).
        fused: (H, W).

    Raises:
        CamfError: If scikit-image is not installed.
    """
    ssim = scikit_image("metrics").structural_similarity
    f, *sources = (image.astype(np.float64) for image in (fused, infrared, visible))
    return sum(float(ssim(f, source, win_size=_WINDOW, data_range=_RANGE)) for source in sources)
