"""Threads that come and go share few pools of memory."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.ros,
    pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has pools of memory for threads"),
]

# Prints the number of pools after 16 threads have had memory at the same time.
SCRIPT = """
import ctypes, re, sys, tempfile, threading
if sys.argv[1] == "limited":
    from camf_ros.nodes.worker import limit_arenas
    limit_arenas()
together = threading.Barrier(16)

def take():
    together.wait()
    kept = [bytes(5000) for _ in range(1000)]  # too large for Python's own pools
    together.wait()

threads = [threading.Thread(target=take) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as file:
    stream = ctypes.c_void_p(libc.fopen(file.name.encode(), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(len(re.findall(b"<heap nr=", file.read())))
"""


def pools(tmp_path, how: str, **environment: str) -> int:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    around = {name: value for name, value in os.environ.items() if name not in {"MALLOC_ARENA_MAX", "GLIBC_TUNABLES"}}
    around |= environment
    done = subprocess.run(
        [sys.executable, str(script), how], env=around, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_few_pools(tmp_path):
    assert pools(tmp_path, "as they come") > 2
    assert pools(tmp_path, "limited") <= 2


GAPS = """
import pathlib, resource, sys
from camf_ros.nodes.worker import trim

def resident():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20

pieces = [bytes(60_000) for _ in range(2000)]  # too small to be mapped by themselves
del pieces[::2], pieces[:900]  # gaps, with something after them
before = resident()
trim()
print(before - resident())
"""


def test_what_lies_between_is_returned_too(tmp_path):
    script = tmp_path / "gaps.py"
    script.write_text(GAPS)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 40, "of the 110 MiB that are free"


@pytest.mark.parametrize("choice", [("MALLOC_ARENA_MAX", "5"), ("GLIBC_TUNABLES", "glibc.malloc.arena_max=5")])
def test_who_has_chosen_a_number_keeps_it(tmp_path, choice):
    assert pools(tmp_path, "limited", **dict([choice])) == 5
