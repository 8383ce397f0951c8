"""Finding model files: a shipped model by its name, any other by its path."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from camf_ros.errors import CheckpointError
from camf_ros.network.model_info import Graph, ModelInfo, read_checkpoint_info, read_graph
from camf_ros.resources import share_file
from camf_ros.settings.fusion_settings import AUTO

# What "auto" stands for where nothing chooses.
_DEFAULT = "camf"
CHECKPOINT, GRAPH, INSPECTION = ".safetensors", ".onnx", ".inspect.onnx"


@dataclass(frozen=True)
class Model:
    """Files of one model; those that are not there are None.

    Attributes:
        name: As it was asked for.
        graph: Fuses; what OpenVINO and ONNX Runtime run.
        inspection: Explains, and tells cameras apart.
        checkpoint: What PyTorch runs.
    """

    name: str
    graph: Path | None
    inspection: Path | None
    checkpoint: Path | None

    def info(self) -> ModelInfo:
        """What the model is; raises CheckpointError if a file cannot be used."""
        if self.checkpoint is None or self.graph is not None:
            return self._read(self.graph or self.inspection).info
        return read_checkpoint_info(self.checkpoint)

    def read_graph(self) -> Graph:
        """The graph that fuses; raises CheckpointError if there is none, or it is not that of the checkpoint."""
        return self._read(self.graph)

    def read_inspection(self) -> Graph:
        """The graph for explanation and source check; raises as :meth:`read_graph`."""
        return self._read(self.inspection)

    def _read(self, path: Path | None) -> Graph:
        if path is None:
            present = self.checkpoint or self.graph or self.inspection
            raise CheckpointError(
                f"there is no exported graph for this beside {present}",
                remedy=f"camf export {self.checkpoint or 'of its checkpoint'}, on a machine with PyTorch",
            )
        graph = read_graph(path)
        if self.checkpoint is not None and (wanted := read_checkpoint_info(self.checkpoint).hash) != graph.info.hash:
            raise CheckpointError(
                f"{path} was exported from weights {graph.info.hash[:12]}, {self.checkpoint.name} has {wanted[:12]}",
                remedy=f"camf export {self.checkpoint}",
            )
        return graph


def shipped_models() -> list[str]:
    """Names of the models that come with this package."""
    try:
        folder = share_file("models")
    except FileNotFoundError:
        return []
    return sorted(path.name.removesuffix(CHECKPOINT) for path in folder.glob(f"*{CHECKPOINT}"))


def find_model(name: str) -> Model:
    """A shipped model by its name (``camf``), any by its .safetensors or .onnx path; ``auto``: the best pictures.

    Raises CheckpointError if there is no such model.
    """
    if name.endswith((CHECKPOINT, GRAPH)):
        try:
            path = Path(name).expanduser()
            there = path.is_file()
        except (OSError, RuntimeError, ValueError) as error:  # too long, no such user, a zero byte
            reason = getattr(error, "strerror", None) or error
            raise CheckpointError(f"model {name} cannot be looked up ({reason})", remedy="name a file") from error
        if not there:
            raise CheckpointError(f"there is no model file {path}", remedy="check the path")
        stem = path.name.removesuffix(CHECKPOINT).removesuffix(INSPECTION).removesuffix(GRAPH)
        return _files(name, path.parent, stem)
    name = _DEFAULT if name == AUTO else name
    if name in shipped_models():
        return _files(name, share_file("models"), name)
    near = difflib.get_close_matches(name.lower(), [*shipped_models(), AUTO], n=1, cutoff=0.5)
    raise CheckpointError(
        f"model {name!r} is unknown",
        expected=f"one of {shipped_models()}, or the path of a {CHECKPOINT} or {GRAPH} file",
        remedy=f"did you mean {near[0]}?" if near else "train one with 'camf train'",
    )


def _files(name: str, folder: Path, stem: str) -> Model:
    paths = [folder / f"{stem}{suffix}" for suffix in (GRAPH, INSPECTION, CHECKPOINT)]
    return Model(name, *(path if path.is_file() else None for path in paths))
