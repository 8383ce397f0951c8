"""Do the fault tests pass every time, also on a machine that has too much to do?

    python3 benchmarks/fault_rounds.py --rounds 10 --output docs/figures/fault-rounds.json

Runs the tests that are marked ``fault``, nodes in processes of their own over DDS, so many times one after another,
while other processes keep every processor busy. Exit status 1 if a test failed; the log of its round is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

from node_benchmark.report import machine
from script import write_json

_ROOT = Path(__file__).resolve().parents[1]
# As scripts/test starts it: neither the checkout nor launch_testing's plugin may come first.
_PYTEST = (sys.executable, "-c", "import sys; sys.path.remove(''); import pytest; sys.exit(pytest.main())")
_OPTIONS = ("-p", "no:launch_testing", "-p", "no:launch_ros", "-p", "no:cacheprovider", "-m", "fault")
_SPIN = "while True: pass"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the rounds; exit status 0 if every test of every round passed."""
    arguments = _parse(argv)
    report: dict[str, Any] = {"machine": machine(), "busy_processes": arguments.busy, "rounds": []}
    with _busy(arguments.busy), TemporaryDirectory(prefix="fault-rounds-") as scratch:
        for number in range(1, arguments.rounds + 1):
            log = arguments.logs / f"fault-round-{number}.log"
            row = {"round": number, **_round(Path(scratch), log)}
            report["rounds"].append(row)
            print(json.dumps(row), flush=True)
            write_json(arguments.output, report)
    return int(any(row["failed"] or not row["passed"] for row in report["rounds"]))


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """So many processes that only compute."""
    processes = [subprocess.Popen([sys.executable, "-c", _SPIN]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _round(scratch: Path, log: Path) -> dict[str, Any]:
    """All fault tests once; the log is kept if one fails."""
    results = scratch / "results.xml"
    results.unlink(missing_ok=True)
    environment = {**os.environ, "ROS_LOG_DIR": str(scratch)}
    command = [*_PYTEST, *_OPTIONS, f"--junitxml={results}", f"--basetemp={scratch / 'tests'}"]
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    counts = _counts(results)
    if done.returncode:
        log.write_text(done.stdout, encoding="utf-8")
        counts["failed"] = counts["failed"] or [f"pytest ended with status {done.returncode}"]
    return {"seconds": round(time.monotonic() - began, 1), "load_average": os.getloadavg()[0], **counts}


def _counts(results: Path) -> dict[str, Any]:
    """What pytest wrote down; nothing passed where it could not."""
    if not results.is_file():
        return {"passed": 0, "skipped": 0, "failed": []}
    cases = list(ElementTree.parse(results).iter("testcase"))
    wrong = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    failed = [case.get("name", "?") for case in wrong]
    skipped = sum(case.find("skipped") is not None for case in cases)
    return {"passed": len(cases) - skipped - len(failed), "skipped": skipped, "failed": failed}


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument(
        "--busy",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes that compute beside the tests (default: one for each processor, %(default)s)",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write all rounds as JSON")
    parser.add_argument(
        "--logs", type=Path, default=Path(), metavar="DIR", help="for the logs of rounds that fail (default: here)"
    )
    arguments = parser.parse_args(argv)
    if arguments.rounds < 1 or arguments.busy < 0 or not arguments.logs.is_dir():
        parser.error("expected at least 1 round, no fewer than 0 busy processes, and a folder for the logs")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
