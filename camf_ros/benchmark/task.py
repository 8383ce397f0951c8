"""What one child process is told to open: plain data, so that it can be sent as one line of JSON."""

from __future__ import annotations

from dataclasses import dataclass

#: Bytes of one number of each arithmetic that an engine may compute in.
NUMBER_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}
#: Name, among the engines, of the plain network that all others are compared to.
EAGER = "eager"


@dataclass(frozen=True)
class PeerInput:
    """How a foreign network takes one of the two pictures.

    Attributes:
        name: Of the ONNX input.
        channels: 1 for grey, 3 for colour.
        low: Value of black.
        high: Value of white.
    """

    name: str
    channels: int
    low: float
    high: float


@dataclass(frozen=True)
class Task:
    """One case to measure.

    Attributes:
        engine: Name of an engine, or :data:`EAGER`. Of a peer it is what runs it.
        file: Checkpoint; of a peer its ONNX file.
        width: Of both pictures, pixels.
        height: Of both pictures, pixels.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        precision: As wanted, which may be ``auto``.
        threads: CPU threads, at least 1.
        inputs: Of a peer, first infrared, then visible; empty for a CAMF model.
    """

    engine: str
    file: str
    width: int
    height: int
    device: str
    precision: str
    threads: int
    inputs: tuple[PeerInput, ...] = ()
