"""Choosing where to compute, on machines with and without a GPU alike."""

from __future__ import annotations

import pytest
import torch

from camf_ros.errors import ParameterError
from camf_ros.network.inference import choose_device, has_fast_bfloat16


@pytest.mark.parametrize("name", ["", "gpu", "cuda:x", "cuda:-1", "meta", "mps", "auto "])
def test_unknown_device(name: str) -> None:
    with pytest.raises(ParameterError, match=r"device is .*expected auto, cpu, cuda or cuda:N"):
        choose_device(name)


def test_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    for name in ("cuda", "cuda:1"):
        with pytest.raises(ParameterError, match="no GPU"):
            choose_device(name)


def test_with_one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda")
    assert choose_device("cuda:0") == torch.device("cuda:0")
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ParameterError, match="cuda:7"):
        choose_device("cuda:7")


def test_bfloat16_question_has_an_answer() -> None:
    assert has_fast_bfloat16(torch.device("cpu")) in (True, False)
