"""A small store and a small trunk for every test of training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import make_store, register, training

from reproducible.data.store import Store
from reproducible.training import runner
from reproducible.training.loop import Training


@pytest.fixture(scope="session")
def store() -> Store:
    return make_store()


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Store) -> None:
    """The trunk is registered, the store is the one that runs open, and the cache is a folder of the test."""
    register(monkeypatch)
    monkeypatch.setattr(runner, "open_store", lambda name: store)
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("REPRODUCIBLE_PROGRESS", "0")


@pytest.fixture
def make(tmp_path: Path, store: Store) -> Callable[..., Training]:
    """``make("name", field=value, ...)``: a run in a folder of that name."""

    def made(name: str = "run", save_every: float = 120.0, **changes: Any) -> Training:
        return training(tmp_path / name, store, save_every, **changes)

    return made
