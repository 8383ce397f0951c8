"""Prints those of the project's Python requirements that this Python cannot import, one to a line.

The requirements are setup.py's own list and those of the inference engine for CPUs, which is what the network runs in
wherever there is no GPU. On a machine with ROS most of them come from the system, and must not be
covered by a second copy: hence the look at what can be imported instead of at what pip has installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
from pathlib import Path

import setuptools  # noqa: F401 - brings distutils to Pythons that no longer have it

ROOT = Path(__file__).resolve().parents[1]
# The extra of setup.py that brings it.
ENGINE = "openvino"
# Where the module's name is not the distribution's.
MODULES = {"opencv-python-headless": "cv2", "PyYAML": "yaml"}


def main() -> int:
    """Reads setup.py, looks for each module, prints."""
    os.chdir(ROOT)
    run_setup = importlib.import_module("distutils.core").run_setup
    project = run_setup("setup.py", stop_after="init")
    for requirement in [*project.install_requires, *project.extras_require[ENGINE]]:
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        if importlib.util.find_spec(MODULES.get(name, name)) is None:
            print(requirement)
    return 0


if __name__ == "__main__":
    sys.exit(main())
