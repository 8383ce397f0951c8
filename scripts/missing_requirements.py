"""Prints those of the project's Python requirements that this Python cannot import, one to a line.

The requirements are setup.py's own list, those of the inference engine for CPUs, which is what the network runs in
wherever there is no GPU, and those of training and export but for PyTorch, which scripts/setup chooses by the machine.
On a machine with ROS most of them come from the system, and must not be covered by a second copy: hence the look at
what can be imported instead of at what pip has installed.
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
# The extras of setup.py that bring them.
EXTRAS = ("openvino", "export")
# Where the module's name is not the distribution's.
MODULES = {"opencv-python-headless": "cv2", "Pillow": "PIL", "PyYAML": "yaml"}


def main() -> int:
    """Reads setup.py, looks for each module, prints."""
    os.chdir(ROOT)
    run_setup = importlib.import_module("distutils.core").run_setup
    project = run_setup("setup.py", stop_after="init")
    extras = [requirement for extra in EXTRAS for requirement in project.extras_require[extra]]
    for requirement in [*project.install_requires, *extras]:
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        if name != "torch" and importlib.util.find_spec(MODULES.get(name, name)) is None:
            print(requirement)
    return 0


if __name__ == "__main__":
    sys.exit(main())
