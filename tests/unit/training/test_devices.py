"""Deterministic arithmetic and the compiled model change how a run computes, not what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import make_store, register, training, without_machine
from torch import nn

from reproducible.training.devices import arithmetic, hardware


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)


def test_deterministic_arithmetic_is_on_within_and_as_before_behind() -> None:
    for already in (False, True):
        torch.use_deterministic_algorithms(already)
        try:
            with arithmetic(False):
                assert torch.are_deterministic_algorithms_enabled() == already
            with pytest.raises(RuntimeError, match="inside"), arithmetic(True):
                assert torch.are_deterministic_algorithms_enabled()
                raise RuntimeError("inside")
            assert torch.are_deterministic_algorithms_enabled() == already
        finally:
            torch.use_deterministic_algorithms(False)


def test_a_deterministic_run_on_the_cpu_is_the_same_run(tmp_path: Path) -> None:
    plain = training(tmp_path / "a", make_store()).run()
    fixed = training(tmp_path / "b", make_store(), deterministic=True).run()
    assert without_machine(plain) == without_machine(fixed)


def test_a_compiled_run_trains_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compilation itself is torch's; here, that training goes through it and keeps the model's own names."""
    calls: list[int] = []

    def compile_(model: nn.Module) -> Callable[..., Any]:
        return lambda images: calls.append(len(images)) or model(images)

    plain = training(tmp_path / "a", make_store()).run()
    monkeypatch.setattr(torch, "compile", compile_)
    compiled = training(tmp_path / "b", make_store(), compiled=True)
    assert without_machine(compiled.run()) == without_machine(plain)
    assert calls == [8] * 12
    assert not [name for name in compiled.model.state_dict() if "_orig_mod" in name]


def test_hardware_in_words() -> None:
    found = hardware()
    assert set(found) == {"memory", "CUDA"}
    assert found["memory"].endswith("GiB") and float(found["memory"].split()[0]) > 0.1
