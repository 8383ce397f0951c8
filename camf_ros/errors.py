"""The errors that callers of this package can expect.

Each names the offending value, what was expected, and what to do about it. A node counts them by
:attr:`CamfError.reason`; every other exception is a bug.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_SHOWN = 120


def shown(value: object) -> str:
    """A value for a message: as Python writes it, cut, since a file can hold anything of any length."""
    try:
        text = repr(value)
    except ValueError:  # a whole number with more digits than Python likes to write
        return "far too large"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


class CamfError(Exception):
    """Base of every error that bad input, bad files or bad settings can cause."""

    #: Short, stable key under which the error is counted in diagnostics.
    reason = "error"
    #: Camera whose frame cannot be used, ``thermal`` or ``rgb``; empty where the error is not of a frame.
    camera = ""

    def __init__(self, what: str, *, expected: str = "", remedy: str = "") -> None:
        """Of the offending value with where it came from, what would have been accepted, and what the reader can do."""
        parts = [what.rstrip(".")]
        if expected:
            parts.append(f"expected {expected.rstrip('.')}")
        if remedy:
            parts.append(remedy.rstrip("."))
        # One line each, also where a library that is quoted speaks in several.
        super().__init__(" ".join("; ".join(parts).split()))


@contextmanager
def blamed(camera: str) -> Iterator[None]:
    """Errors that are raised inside and name no camera are of this camera's frame."""
    try:
        yield
    except CamfError as error:
        error.camera = error.camera or camera
        raise


class ImageError(CamfError):
    """An image or image message that cannot be used: wrong size, encoding, length or values."""

    reason = "image"


class EncodingError(ImageError):
    """An image encoding that is unknown or makes no sense on this topic."""

    reason = "encoding"


class CheckpointError(CamfError):
    """A model file that is missing, damaged or made by something else."""

    reason = "checkpoint"


class ParameterError(CamfError):
    """A setting outside its range or in contradiction to another one."""

    reason = "parameter"


class EngineError(CamfError):
    """An inference engine that is not installed, does not fit the machine, or failed."""

    reason = "engine"


class DataError(CamfError):
    """A data set or a folder of pictures that is incomplete or unreadable."""

    reason = "data"


class RegistrationError(CamfError):
    """Pictures that cannot be brought into one geometry: calibration that is missing, damaged or of another camera."""

    reason = "registration"
