"""camf info: print architecture, hash, training data and metrics of a model."""

from __future__ import annotations

import argparse
import json

from camf_ros.errors import CheckpointError
from camf_ros.models import Model, find_model
from camf_ros.network.architecture import to_dict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("model", help="name of a shipped model, or a .safetensors or .onnx file")
    parser.add_argument(
        "--markdown",
        action="store_true",
        help="print a model card (Markdown) instead of JSON; needs PyTorch",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the description."""
    model = find_model(arguments.model)
    if arguments.markdown:
        print(_card(model), end="")
        return 0
    info = model.info()
    description = {
        "name": info.name,
        "files": [str(path) for path in (model.checkpoint, model.graph, model.inspection) if path is not None],
        "hash": info.hash,
        "architecture": to_dict(info.architecture),
        "training": dict(info.training),
    }
    print(json.dumps(description, indent=2))
    return 0


def _card(model: Model) -> str:
    from camf_ros.network.checkpoint import load_checkpoint
    from camf_ros.training.card import card_facts

    if model.checkpoint is None:
        raise CheckpointError(f"model {model.name} has no .safetensors file, of which the card is made")
    return card_facts(load_checkpoint(model.checkpoint))
