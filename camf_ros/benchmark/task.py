"""What one child process is told to open: plain data, so that it can be sent as one line of JSON."""

from __future__ import annotations

from dataclasses import dataclass

#: Arithmetic that an engine may say it computes in.
PRECISIONS = ("float32", "bfloat16", "float16", "int8")


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
        engine: Name of an engine. Of a peer it is what runs it.
        model: As :func:`camf_ros.models.find_model` takes it; of a peer its ONNX file.
        width: Of both pictures, pixels.
        height: Of both pictures, pixels.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        precision: As wanted, which may be ``auto``.
        threads: CPU threads, at least 1.
        inputs: Of a peer, first infrared, then visible; empty for a CAMF model.
    """

    engine: str
    model: str
    width: int
    height: int
    device: str
    precision: str
    threads: int
    inputs: tuple[PeerInput, ...] = ()
