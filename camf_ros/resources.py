"""Finds the files that come with the package: ``models/...``, ``config/...``, ``package.xml``.

They lie in the source checkout, or below the prefix that the package is installed to, at ``share/camf_ros``.
importlib.resources knows only files inside the Python package, and ament_index_python only prefixes in
``AMENT_PREFIX_PATH``: neither finds both. This needs neither ROS nor an environment variable.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path

from camf_ros.errors import DataError

#: Lies in every share folder, and says which package it belongs to.
MANIFEST = "package.xml"


class ResourceError(DataError, FileNotFoundError):
    """A file that should have come with the package and is not there."""


def share_file(name: str) -> Path:
    """The absolute path of a file or folder that comes with the package; raises ResourceError if there is none."""
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
    """What there is beside a missing file; the usual cause is a misspelt name."""
    beside = folder / name.parent
    if beside.is_dir():
        there = sorted(path.name for path in beside.iterdir() if not path.name.startswith("."))
        return f"in {name.parent} there is: {', '.join(there) or 'nothing'}"
    return "install the package again, its share folder is incomplete"


@cache
def share_folder() -> Path:
    """The folder that holds ``models``, ``config`` and ``package.xml``; raises ResourceError if there is none."""
    # Not resolved: after `colcon build --symlink-install` this file is a link whose target lies in the checkout.
    package = Path(__file__).absolute().parent
    candidates = [parent / "share" / package.name for parent in (*package.parents, Path(sys.prefix))]
    if (package.parent / "setup.py").is_file():
        candidates.insert(0, package.parent)  # source checkout
    for folder in candidates:
        if (folder / MANIFEST).is_file():
            return folder
    raise ResourceError(
        f"no share folder of camf_ros found for {package}",
        expected=f"{MANIFEST} in one of {', '.join(map(str, candidates))}",
        remedy="install the package with colcon or pip instead of copying its Python folder",
    )


@cache
def version() -> str:
    """The package's version, which is package.xml's; raises ResourceError if that is missing or names none."""
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
