"""Finds the files that come with the package: `models/...`, `config/...`, `package.xml`.

They lie in the source checkout, or below the prefix that the package is installed to, at `share/camf_ros`. The latter
is the same for colcon and pip, so neither ROS nor an environment variable is needed to find them.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from camf_ros.errors import DataError

#: Lies in every share folder, and says which package it belongs to.
MANIFEST = "package.xml"


class ResourceError(DataError, FileNotFoundError):
    """A file that should have come with the package and is not there."""


def share_file(name: str) -> Path:
    """Finds a file or folder that comes with the package.

    Args:
        name: Path relative to the share folder, such as `models/camf.safetensors` or `config`.

    Returns:
        Its absolute path.

    Raises:
        ResourceError: when there is no such file, or the path leads out of the share folder.
    """
    folder = share_folder()
    path = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ResourceError(
            f"'{name}' is no file of the package", expected=f"a path relative to {folder}", remedy="open it as it is"
        )
    if not path.exists():
        raise ResourceError(
            f"{path} does not exist",
            expected="a file that comes with camf_ros",
            remedy=_remedy(folder, Path(name)),
        )
    return path


def _remedy(folder: Path, name: Path) -> str:
    """Says what there is beside a missing file; the usual cause is a misspelt name."""
    beside = folder / name.parent
    if beside.is_dir():
        there = sorted(path.name for path in beside.iterdir() if not path.name.startswith("."))
        return f"in {name.parent} there is: {', '.join(there) or 'nothing'}"
    return "install the package again, its share folder is incomplete"


@cache
def share_folder() -> Path:
    """Finds the folder that holds `models`, `config` and `package.xml`.

    Raises:
        ResourceError: when the package was copied without it.
    """
    # Not resolved: after `colcon build --symlink-install` this file is a link whose target lies in the checkout.
    package = Path(__file__).absolute().parent
    candidates = list(_candidates(package, Path(sys.prefix)))
    for folder in candidates:
        if (folder / MANIFEST).is_file():
            return folder
    raise ResourceError(
        f"no share folder of camf_ros found for {package}",
        expected=f"{MANIFEST} in one of {', '.join(map(str, candidates))}",
        remedy="install the package with colcon or pip instead of copying its Python folder",
    )


def _candidates(package: Path, prefix: Path) -> Iterator[Path]:
    """Yields the places where the share folder may be, best first.

    Args:
        package: The folder of the Python package.
        prefix: Where this Python installs to.
    """
    if (package.parent / "setup.py").is_file():
        yield package.parent  # source checkout
    for parent in package.parents:
        yield parent / "share" / package.name
    yield prefix / "share" / package.name


@cache
def version() -> str:
    """Returns the package's version, which is package.xml's.

    Raises:
        ResourceError: when package.xml is missing or names no version.
    """
    path = share_file(MANIFEST)
    try:
        text = ET.parse(path).getroot().findtext("version")
    except ET.ParseError as error:
        raise ResourceError(f"{path} is not XML ({error})", remedy="install the package again") from error
    if not text:
        raise ResourceError(
            f"{path} names no version", expected="a <version> element", remedy="install the package again"
        )
    return text.strip()
