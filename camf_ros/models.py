"""Finding model files: a shipped model by its name, any other by its path."""

from __future__ import annotations

from pathlib import Path

from camf_ros.errors import CheckpointError
from camf_ros.resources import share_file

SUFFIX = ".safetensors"
#: In place of a name: the fusion node chooses among the shipped models, see :mod:`camf_ros.adaptation`.
AUTO = "auto"
#: What it stands for everywhere else.
_DEFAULT = "camf"


def shipped_models() -> list[str]:
    """Names of the models that come with this package."""
    try:
        folder = share_file("models")
    except FileNotFoundError:
        return []
    return sorted(path.stem for path in folder.glob(f"*{SUFFIX}"))


def find_model(name: str) -> Path:
    """Path of a model.

    Args:
        name: Name of a shipped model (``camf-paper``), path of a .safetensors file, or ``auto`` for the model with the
            best pictures.

    Raises:
        CheckpointError: If there is no such model.
    """
    if name.endswith(SUFFIX):
        path = Path(name).expanduser()
        if path.is_file():
            return path
        raise CheckpointError(f"there is no model file {path}", remedy="check the path")
    name = _DEFAULT if name == AUTO else name
    if name in shipped_models():
        return share_file(f"models/{name}{SUFFIX}")
    raise CheckpointError(
        f"model {name!r} is unknown",
        expected=f"one of {shipped_models()} or the path of a {SUFFIX} file",
        remedy="train one with 'camf train'",
    )
