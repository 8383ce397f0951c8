"""Makes the CMake files of the ROS wheels fit the virtual environment this Python belongs to.

They name the include folders of Python and NumPy as absolute paths on the machine that built the wheels; CMake refuses
targets with include folders that are not there. Paths that exist are left alone, so a second run changes nothing.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path

import numpy as np

# Absolute paths that end like Python's or NumPy's include folder, inside a CMake list.
PATTERNS = {
    re.compile(r'/[^";\s]*/include/python3\.\d+(?=["; ])'): sysconfig.get_path("include"),
    re.compile(r'/[^";\s]*/numpy/(?:_core|core)/include(?=["; ])'): np.get_include(),
}


def relocated(text: str) -> str:
    """Returns a CMake file's text with the include folders that are missing here replaced by those of this Python."""
    for pattern, here in PATTERNS.items():
        for folder in set(pattern.findall(text)):
            if not Path(folder).is_dir():
                text = text.replace(folder, here)
    return text


def main() -> int:
    """Rewrites every CMake file that needs it; says how many those were."""
    changed = 0
    for path in (Path(sys.prefix) / "share").glob("*/cmake/*.cmake"):
        text = path.read_text(encoding="utf-8")
        new = relocated(text)
        if new != text:
            path.write_text(new, encoding="utf-8")
            changed += 1
    print(f"{changed} CMake files relocated")
    return 0


if __name__ == "__main__":
    sys.exit(main())
