"""Scripts and benchmarks as modules: they belong to no package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any


def load(path: str) -> Any:
    """The module in a file of the checkout, such as ``scripts/relocate_wheels.py``; loaded once."""
    file = Path(__file__).resolve().parents[1] / path
    name = file.stem
    if name not in sys.modules:
        if str(file.parent) not in sys.path:  # as where it is run: scripts use what lies beside them
            sys.path.append(str(file.parent))
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
