"""camf train: train a model from a recipe. To resume after an interruption, run the same command again."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from camf_ros.cli.options import add_output
from camf_ros.errors import ParameterError
from camf_ros.resources import share_file

_logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = (
        "On several GPUs: torchrun --nproc-per-node N --no-python -- camf train ... With --device cpu: N processes on "
        "the CPU. Each batch is divided among the N processes."
    )
    parser.add_argument("recipe", help="YAML file, or the name of one in config/training (such as camf)")
    text = "folder with the data folders of the recipe"
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help=text)
    parser.add_argument("--run", type=Path, metavar="DIR", help="folder of state and log (default: runs/NAME)")
    add_output(
        parser,
        "FILE",
        "checkpoint (default: RUN/NAME.safetensors); NAME.onnx and NAME.inspect.onnx are written beside it",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads of a process (default: PyTorch chooses)")
    parser.add_argument("--quiet", action="store_true", help="show no progress bars")


def _given(arguments: argparse.Namespace) -> list[str]:
    """The arguments that decide what is trained, for the model's provenance.

    Where data and results are stored does not: the data are named by their hash.
    """
    device = [] if arguments.device == "auto" else ["--device", arguments.device]
    return [Path(arguments.recipe).name, "--data", "DIR", *device]


def run(arguments: argparse.Namespace) -> int:
    """Train."""
    # PyTorch takes seconds to import: only the subcommands that need it do.
    import torch

    from camf_ros.training.config import load_recipe
    from camf_ros.training.distributed import is_first, joined
    from camf_ros.training.recipe_run import train

    path = Path(arguments.recipe)
    if path.suffix not in {".yaml", ".yml"}:
        path = share_file(f"config/training/{arguments.recipe}.yaml")
    recipe = load_recipe(path)
    if arguments.threads is not None:
        if arguments.threads < 1:
            raise ParameterError(f"--threads is {arguments.threads}", expected="a whole number, 1 or more")
        torch.set_num_threads(arguments.threads)
    folder = arguments.run or Path("runs") / recipe.name
    output = arguments.output or folder / f"{recipe.name}.safetensors"
    with joined(arguments.device) as device:
        if not is_first():  # whose messages would be those of the first one again
            logging.getLogger("camf_ros").setLevel(logging.WARNING)
        digest = train(
            recipe,
            data=arguments.data,
            run=folder,
            output=output,
            device=device,
            command=["camf", "train", *_given(arguments)],
            quiet=arguments.quiet,
        )
        _logger.info("%s written, weights %s", output, digest[:12])
    return 0
