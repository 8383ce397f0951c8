"""Fusion networks of others, as ONNX files that are timed in the same run, and the file that lists them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from camf_ros.errors import DataError, EngineError, shown
from camf_ros.settings.yaml_file import read_yaml

#: For people; part of the help of benchmarks/engines.py.
FORMAT = """\
--peers FILE names fusion networks of others, as ONNX, to be timed in the same run. They run with ONNX Runtime on the
CPU in float32, on random pictures. What they need before and after (scaling, colour) is not counted, which is in their
favour. FILE is a YAML list:

  - name: FusionNet            # in table and plot
    file: fusion_net.onnx      # path from the folder of this list
    parameters: 12345          # optional, for the JSON
    inputs:                    # both (1, channels, height, width), float32
      infrared: {name: ir, channels: 1, range: [0, 1]}
      visible: {name: vis, channels: 3, range: [-1, 1]}

channels is 1 (grey) or 3 (colour); range is what black and white are given as: [0, 1], [-1, 1] or [0, 255].
"""

_SOURCES = ("infrared", "visible")
_CHANNELS = (1, 3)
_RANGES = ((0, 1), (-1, 1), (0, 255))
_REMEDY = "see benchmarks/engines.py --help for the format"


@dataclass(frozen=True)
class PeerInput:
    """How a network takes one of the two pictures."""

    name: str  #: Of the ONNX input
    channels: int  #: 1 for grey, 3 for colour
    low: float  #: Value of black
    high: float  #: Value of white


@dataclass(frozen=True)
class Peer:
    """One network of the list."""

    name: str  #: For people
    file: Path  #: ONNX file, which is there
    parameters: int | None  #: How many it has, if the list says so
    inputs: tuple[PeerInput, PeerInput]  #: First infrared, then visible


def read_peers(path: Path) -> list[Peer]:
    """Read and check a YAML list in the format of :data:`FORMAT`; a DataError names entry and value."""
    content = read_yaml(path, "list of networks", remedy=_REMEDY)
    if not isinstance(content, list) or not content:
        raise DataError(f"{path} holds {shown(content)}", expected="a list of networks", remedy=_REMEDY)
    peers = [_peer(f"{path}, entry {number}", entry, path.parent) for number, entry in enumerate(content, start=1)]
    names = [peer.name for peer in peers]
    for number, name in enumerate(names, start=1):
        if name in names[: number - 1]:
            raise DataError(f"{path}, entry {number}: name is {name!r} again", expected="a name of its own")
    return peers


def _peer(where: str, entry: Any, folder: Path) -> Peer:
    _check_entries(where, entry, {"name", "file", "inputs"}, {"parameters"})
    name, file, parameters = entry["name"], entry["file"], entry.get("parameters")
    if not isinstance(name, str) or not name.strip():
        raise _wrong(where, "name", name, "a text")
    where = f"{where} ({name})"
    if not isinstance(file, str) or not (folder / file).is_file():
        raise _wrong(where, "file", file, f"an ONNX file that is there, as a path from {folder}")
    if parameters is not None and (type(parameters) is not int or parameters < 0):
        raise _wrong(where, "parameters", parameters, "a whole number of at least 0")
    inputs = entry["inputs"]
    _check_entries(f"{where}, inputs", inputs, set(_SOURCES), set())
    infrared, visible = (_input(f"{where}, inputs, {source}", inputs[source]) for source in _SOURCES)
    if infrared.name == visible.name:
        raise _wrong(f"{where}, inputs, visible", "name", visible.name, "another input than that of infrared")
    return Peer(name, folder / file, parameters, (infrared, visible))


def _input(where: str, entry: Any) -> PeerInput:
    _check_entries(where, entry, {"name", "channels", "range"}, set())
    name, channels, limits = entry["name"], entry["channels"], entry["range"]
    if not isinstance(name, str) or not name:
        raise _wrong(where, "name", name, "the name of an input of the ONNX file")
    # True is equal to 1, but no number of channels.
    if type(channels) is not int or channels not in _CHANNELS:
        raise _wrong(where, "channels", channels, " or ".join(map(str, _CHANNELS)))
    if not isinstance(limits, list) or tuple(limits) not in _RANGES or any(type(one) is bool for one in limits):
        raise _wrong(where, "range", limits, ", ".join(str(list(one)) for one in _RANGES))
    return PeerInput(name, channels, float(limits[0]), float(limits[1]))


def _check_entries(where: str, entry: Any, needed: set[str], optional: set[str]) -> None:
    if not isinstance(entry, Mapping):
        raise DataError(f"{where} is {shown(entry)}", expected=f"the entries {sorted(needed)}", remedy=_REMEDY)
    missing, unknown = needed - entry.keys(), entry.keys() - needed - optional
    if missing or unknown:
        parts = [f"{word} {sorted(map(str, names))}" for word, names in (("lacks", missing), ("has", unknown)) if names]
        raise DataError(
            f"{where} {' and '.join(parts)}",
            expected=f"{sorted(needed)}" + (f" and at most {sorted(optional)} besides" if optional else ""),
            remedy=_REMEDY,
        )


def _wrong(where: str, key: str, value: Any, expected: str) -> DataError:
    return DataError(f"{where}: {key} is {shown(value)}", expected=expected, remedy=_REMEDY)


class PeerNetwork:
    """One of them in ONNX Runtime, on random pictures, infrared before visible in ``inputs``; see :data:`FORMAT`.

    Raises EngineError if ONNX Runtime is not installed, cannot load the file, or finds other inputs in it.
    """

    def __init__(self, file: str, inputs: Sequence[PeerInput], *, width: int, height: int, threads: int) -> None:
        try:
            onnxruntime: Any = importlib.import_module("onnxruntime")  # only where there are peers
        except ImportError as error:
            raise EngineError(f"onnxruntime cannot be imported ({error})", remedy="pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no common type of their own
            raise EngineError(f"{file} cannot be loaded ({error})", expected="an ONNX network") from error
        found = sorted(entry.name for entry in self._session.get_inputs())
        if found != sorted(entry.name for entry in inputs):
            raise EngineError(
                f"{file} has the inputs {found}", expected=f"{[entry.name for entry in inputs]} as the list says"
            )
        random = np.random.default_rng(0)
        self._feed: dict[str, Any] = {
            entry.name: random.uniform(entry.low, entry.high, (1, entry.channels, height, width)).astype(np.float32)
            for entry in inputs
        }
        self.description = "onnxruntime cpu float32"

    def run(self) -> None:
        """Fuse once; raises EngineError if it fails, for example for a size that it does not take."""
        try:
            self._session.run(None, self._feed)
        except Exception as error:  # likewise
            shapes = ", ".join(f"{name} {value.shape}" for name, value in self._feed.items())
            raise EngineError(f"the network failed on {shapes} ({error})") from error
