"""Entry point of the ``camf`` command: picks the subcommand, reports errors in one line, sets the exit status."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import suppress

from camf_ros.cli import bag, benchmark, calibrate, evaluate, explain, export, fuse, info, train
from camf_ros.errors import CamfError
from camf_ros.resources import version

# One module a subcommand; each has ``add_arguments(parser)`` and ``run(arguments) -> exit status``.
_COMMANDS = {
    "info": info,
    "train": train,
    "fuse": fuse,
    "bag": bag,
    "explain": explain,
    "evaluate": evaluate,
    "calibrate": calibrate,
    "benchmark": benchmark,
    "export": export,
}


def build_parser() -> argparse.ArgumentParser:
    """The parser with all subcommands."""
    parser = argparse.ArgumentParser(prog="camf", description="Fuse infrared and visible images with CAMF.")
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
    parser = build_parser()
    with suppress(ModuleNotFoundError):  # all that is lost is the shell's completion
        import argcomplete

        argcomplete.autocomplete(parser)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        return int(_COMMANDS[arguments.command].run(arguments))
    except CamfError as error:
        print(f"camf {arguments.command}: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        # PyTorch is no dependency of the installation: which build of it fits, the machine's owner knows.
        remedy = "install PyTorch: pip install torch" if error.name == "torch" else f"pip install {error.name}"
        print(f"camf {arguments.command}: {error.name} is not installed; {remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"camf {arguments.command}: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
