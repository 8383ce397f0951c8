"""The errors that callers of this package can expect.

Each one is raised with a message that names the offending value, what was expected, and what to do about it.
A node counts them by :attr:`CamfError.reason`; everything that is not a :class:`CamfError` is a bug.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import contextmanager

_SHOWN = 120
# Characters of one part of a message. Our own lists of names are longer than any value that is worth reading.
_GAP = " [...] "
_LONGEST = {"what": 400, "expected": 1200, "remedy": 400}
# Where the name to install is not the name to import.
_DISTRIBUTIONS = {
    "PIL": "Pillow",
    "cv2": "opencv-python-headless",
    "google": "protobuf",
    "skimage": "scikit-image",
    "yaml": "PyYAML",
}


def shown(value: object) -> str:
    """A value for a message: as Python writes it, cut, since a file can hold anything of any length."""
    try:
        text = repr(value)
    except ValueError:  # a whole number with more digits than Python likes to write
        return "far too large"
    return _cut(text, _SHOWN)


def plain(text: str, longest: int = _LONGEST["what"]) -> str:
    """One line of text that a terminal and a log can take: escaped where it does not print, cut where it is long."""
    if len(text) > 16 * longest:
        text = text[: 8 * longest] + text[-8 * longest :]
    line = " ".join(text.split())
    return _cut("".join(one if one.isprintable() else ascii(one)[1:-1] for one in line), longest)


def _cut(text: str, longest: int) -> str:
    """Without its middle: a message begins with what it is about, and ends with what is wrong with it."""
    if len(text) <= longest:
        return text
    end = longest // 4
    return f"{text[: longest - end - len(_GAP)]}{_GAP}{text[-end:]}"


def to_install(error: ImportError, otherwise: str = "", own: Container[str] = ()) -> str:
    """The pip command for the module that an import lacks, which may be a dependency of the one that was asked for.

    ``otherwise`` where that is one of the library's ``own`` modules, or where the library is there and does not load.
    """
    module = (error.name or "").partition(".")[0]
    if not module or module in own or not isinstance(error, ModuleNotFoundError):
        return otherwise
    return f"pip install {_DISTRIBUTIONS.get(module, module)}"


class CamfError(Exception):
    """Base of every error that bad input, bad files or bad settings can cause."""

    #: Short, stable key under which the error is counted in diagnostics.
    reason = "error"
    #: Camera whose frame cannot be used, ``thermal`` or ``rgb``; empty where the error is not of a frame.
    camera = ""

    def __init__(self, what: str, *, expected: str = "", remedy: str = "") -> None:
        """Compose the message: one line, without control characters, each part cut where it is very long.

        Args:
            what: The offending value and where it came from.
            expected: What would have been accepted.
            remedy: What the reader can do about it.
        """
        parts = {"what": what, "expected": expected, "remedy": remedy}
        lines = {name: plain(text, _LONGEST[name]).rstrip(".") for name, text in parts.items() if text}
        if expected:
            lines["expected"] = f"expected {lines['expected']}"
        super().__init__("; ".join(lines.values()))


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
