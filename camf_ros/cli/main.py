"""Entry point of the ``camf`` command: picks the subcommand, reports errors in one line, sets the exit status."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from camf_ros.cli import adapt, bag, benchmark, calibrate, evaluate, explain, export, fuse, info, train
from camf_ros.errors import CamfError, DataError, plain, to_install
from camf_ros.resources import version

# One module a subcommand; each has ``add_arguments(parser)`` and ``run(arguments) -> exit status``.
_COMMANDS = {
    module.__name__.rpartition(".")[2]: module
    for module in (info, train, adapt, fuse, bag, explain, evaluate, calibrate, benchmark, export)
}


class _Parser(argparse.ArgumentParser):
    """Repeats what was typed only as far as a terminal can take it."""

    def error(self, message: str) -> NoReturn:
        super().error(plain(message))


def build_parser() -> argparse.ArgumentParser:
    """The parser with all subcommands."""
    parser = _Parser(prog="camf", description="Fuse thermal and RGB images with CAMF.")
    parser.add_argument("--version", action="version", version=f"camf_ros {version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in _COMMANDS.items():
        summary = (module.__doc__ or "").splitlines()[0].split(": ", 1)[-1]
        module.add_arguments(commands.add_parser(name, help=summary, description=summary))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Returns:
        Exit status: 0 on success, 1 after an error that was reported, 2 for wrong usage, 130 after Ctrl-C.
    """
    name = "camf"
    try:
        arguments = _parse(argv)
        name = f"camf {arguments.command}"
        status = int(_COMMANDS[arguments.command].run(arguments))
        sys.stdout.flush()
    except CamfError as error:
        return _failed(name, str(error))
    except ModuleNotFoundError as error:
        return _failed(name, f"{error.name} is not installed; {to_install(error)}")
    except BrokenPipeError:  # who reads has seen enough, as with | head
        _close_output()
        return 1
    except OSError as error:
        # A name that is too long, a folder that may not be read, an output that takes no more.
        if error.filename is None:
            _close_output()
        where = error.filename if error.filename is not None else "the output"
        return _failed(name, str(DataError(f"{where} cannot be used ({error.strerror or error})")))
    except KeyboardInterrupt:
        return _failed(name, "interrupted", 130)
    return status


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = build_parser()
    with suppress(ModuleNotFoundError):  # all that is lost is the shell's completion
        import argcomplete

        argcomplete.autocomplete(parser)
    try:
        arguments = parser.parse_args(argv)
    except SystemExit:  # after --help and --version
        sys.stdout.flush()
        raise
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return arguments


def _failed(name: str, text: str, status: int = 1) -> int:
    print(f"{name}: {text}", file=sys.stderr)
    return status


def _close_output() -> None:
    """What could not be written is dropped; Python would try again at its end, and complain."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
