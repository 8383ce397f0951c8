"""scikit-image, which is installed only where pictures are scored."""

from __future__ import annotations

import importlib
from typing import Any

from camf_ros.errors import CamfError


def scikit_image(module: str) -> Any:
    """A module of scikit-image.

    Args:
        module: Its name below ``skimage``.

    Raises:
        CamfError: If it is not installed, or does not fit this Python.
    """
    try:
        return importlib.import_module(f"skimage.{module}")
    except ImportError as error:
        raise CamfError(
            f"scikit-image cannot be imported ({error})",
            remedy="install it: pip install 'scikit-image>=0.18', or on Ubuntu: apt install python3-skimage",
        ) from error
