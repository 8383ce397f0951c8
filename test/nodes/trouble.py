"""What the fault tests have in common: the node's process as the system sees it, and an engine that fails on demand."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import NamedTuple

import psutil
from harness import PATIENCE, scene, start_fusion

SHARED_MEMORY = Path("/dev/shm")
_MIB = 2**20
# Read by every Python that starts with this folder on PYTHONPATH. The engine does what the file says at the moment:
# nothing, sleep for so many seconds, or raise this exception.
_SITECUSTOMIZE = """
import atexit, builtins, faulthandler, os, pathlib, signal, time
faulthandler.register(signal.SIGUSR1)
import camf_ros.engines.engine
import camf_ros.nodes.running
import camf_ros.nodes.worker

# Long enough for a sleep that ends, and no longer.
camf_ros.nodes.worker._JOIN_TIMEOUT = 3.0
hang = os.environ.get("CAMF_TEST_HANG")
if hang:
    camf_ros.nodes.running._PATIENCE = 6
if hang == "exit":
    atexit.register(time.sleep, 600)
if hang == "executor":
    import camf_ros.nodes.reporter
    camf_ros.nodes.reporter.Reporter.report = lambda *arguments, **options: time.sleep(600)
order = pathlib.Path(os.environ["CAMF_TEST_TROUBLE"])
guarded = camf_ros.engines.engine.guarded

class Troubled:
    def __init__(self, runtime):
        self.runtime, self.description, self.forget = runtime, runtime.description, runtime.forget
        self.failures = runtime.failures

    def run(self, inputs):
        text = order.read_text()
        if text and text[0].isdigit():
            time.sleep(float(text))
        elif text:
            raise getattr(builtins, text)("as ordered")
        return self.runtime.run(inputs)

camf_ros.engines.engine.guarded = lambda runtime, inputs: guarded(Troubled(runtime), inputs)
"""


def start_watched(processes, probe, model, **parameters):
    """A fusion node that reports often and does nothing that a count of its doings would have to allow for."""
    quiet = {"diagnostics_period": 0.1, "on_missing": "wait", "source_check__enabled": False}
    return start_fusion(processes, probe, model, **{**quiet, **parameters})


class Trouble:
    """Tells the engines of processes that are started from now on what to do."""

    def __init__(self, folder: Path, monkeypatch) -> None:
        self._order = folder / "order"
        self.order("")
        (folder / "sitecustomize.py").write_text(_SITECUSTOMIZE)
        monkeypatch.setenv("CAMF_TEST_TROUBLE", str(self._order))
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")

    def order(self, what: object) -> None:
        """An exception by name, seconds to sleep, or nothing."""
        # In one step: the engine reads it at any moment.
        new = self._order.with_suffix(".new")
        new.write_text(str(what))
        new.replace(self._order)


class Footprint(NamedTuple):
    """What a process holds."""

    files: int
    threads: int
    private: float

    @classmethod
    def of(cls, pid: int) -> Footprint:
        process = psutil.Process(pid)
        memory = process.memory_info()
        # Fast DDS's shared memory counts as resident once it was used, and is used in turns.
        return cls(process.num_fds(), process.num_threads(), (memory.rss - memory.shared) / _MIB)


def settled(probe, pid: int) -> Footprint:
    """What the node's process holds once it has fused a few ordinary pairs."""
    for seed in range(10):
        probe.fuse(*scene(seed))
    return Footprint.of(pid)


def assert_nothing_leaked(probe, pid: int, before: Footprint, *, memory: float = 32.0, threads: int = 3) -> None:
    """The next good pairs are fused, and the process is as it was; the middleware may take a moment to let go."""
    for seed in range(3):
        probe.fuse(*scene(seed))

    def leaked() -> bool:
        now = Footprint.of(pid)
        return (
            now.files > before.files + 3
            or now.threads > before.threads + threads
            or now.private > before.private + memory
        )

    assert probe.spin_until(lambda: not leaked(), PATIENCE), f"{before} before, {Footprint.of(pid)} after"


def segments(pid: int) -> list[Path]:
    """Shared memory that a running process has made: it holds the lock file of each open. Ports are everybody's."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            target = descriptor.readlink()
            if target.parent == SHARED_MEMORY and target.name.endswith("_el") and "port" not in target.name:
                found += [target, target.with_name(target.name.removesuffix("_el"))]
    return found


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL, and away with the shared memory that stays then."""
    left = segments(process.pid)
    process.kill()
    process.wait()
    for path in left:
        path.unlink(missing_ok=True)


def counted(probe, key: str) -> int:
    """A number of /diagnostics; 0 where it is not there yet."""
    return int(probe.diagnostics.get(key, 0))
