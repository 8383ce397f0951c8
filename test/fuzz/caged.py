"""Reads files in a child process that may take only so much memory and processor time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

#: Beside what the interpreter and the libraries take.
MEMORY = 256 * 2**20
#: Seconds of the processor for all files together.
PROCESSOR = 60

_CHILD = f"""
import importlib, pathlib, resource, sys
from camf_ros.errors import CamfError
module, function, *arguments = sys.argv[1].split()
read = getattr(importlib.import_module(module), function)
pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
most = pages * resource.getpagesize() + {MEMORY}
resource.setrlimit(resource.RLIMIT_AS, (most, most))
resource.setrlimit(resource.RLIMIT_CPU, ({PROCESSOR}, {PROCESSOR}))
for name in sys.stdin.read().splitlines():
    try:
        read(pathlib.Path(name), *arguments)
        print("read", flush=True)
    except CamfError as error:
        assert pathlib.Path(name).name in str(error), error
        assert len(str(error)) < 2000, "nobody reads that"
        print("refused", flush=True)
"""


def read_in_cage(reader: str, files: Sequence[Path]) -> list[str]:
    """What became of each file: ``read`` or ``refused``.

    Args:
        reader: Module and function, and further arguments, separated by spaces.
        files: Their paths.
    """
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, reader],
        input="\n".join(map(str, files)),
        capture_output=True,
        text=True,
        check=False,
    )
    results = done.stdout.split()
    assert len(results) == len(files), f"{files[len(results)].name}: {done.returncode}, {done.stderr[-2000:]}"
    return results
