"""camf info: say what a checkpoint is: architecture, hash, training data and metrics."""

from __future__ import annotations

import argparse
import json

from camf_ros.models import find_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("model", help="name of a shipped model, or a .safetensors file")
    parser.add_argument("--markdown", action="store_true", help="the facts of a model card instead of JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the description."""
    from camf_ros.network import load_checkpoint

    path = find_model(arguments.model)
    checkpoint = load_checkpoint(path)
    if arguments.markdown:
        from camf_ros.training.card import card_facts

        print(card_facts(checkpoint), end="")
        return 0
    description = {
        "name": checkpoint.name,
        "file": str(path),
        "hash": checkpoint.hash,
        "architecture": checkpoint.network.architecture.to_dict(),
        "training": dict(checkpoint.training),
    }
    print(json.dumps(description, indent=2))
    return 0
