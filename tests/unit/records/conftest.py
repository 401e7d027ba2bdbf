"""The record of a run that took a second, to be spoilt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tiny_runs import make_store, register, tiny_config

from reproducible.config import EvaluationConfig
from reproducible.training import runner

Record = dict[str, Any]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Record:
    with pytest.MonkeyPatch.context() as patch:
        register(patch)
        store = make_store()
        patch.setattr(runner, "open_store", lambda name: store)
        patch.setenv("REPRODUCIBLE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("REPRODUCIBLE_PROGRESS", "0")
        looks = {"every": 4, "test_every": 4, "seen_every": 8, "seen_images": 2, "measures": ("clusters",)}
        config = tiny_config(evaluation=EvaluationConfig(**looks, features=("conv",), protocols=("photo_to_photo",)))
        return runner.execute(config, profile="standard", criteria="c" * 64, device="cpu")


@pytest.fixture
def record(finished: Record) -> Record:
    """A copy to spoil."""
    return json.loads(json.dumps(finished))
