"""How many files a reader has to open to follow one pair through the node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.ros

# Never more than these, of which 11 decide, fuse and publish; the rest is imaging, engine and settings.
MOST, OWN = 26, 11
SCRIPT = Path(__file__).with_name("one_pair.py")


def test_one_pair_passes_few_files(model):
    command = [sys.executable, str(SCRIPT), "--ros-args", "-p", f"model:={model}", "-p", "device:=cpu"]
    command += ["-p", "precision:=float32", "-p", "threads:=1", "-p", "source_check.enabled:=false"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout.splitlines()[-1])
    assert {"nodes/inputs.py", "pairing/synchronizer.py", "nodes/states.py", "fusion.py", "pipeline.py"} <= set(files)
    assert "nodes/publishers.py" in files, "all the way to what is published"
    assert len(files) <= MOST, "\n".join(files)
    own = [name for name in files if name.startswith(("nodes/", "pairing/")) or name in ("fusion.py", "pipeline.py")]
    assert len(own) <= OWN, own
