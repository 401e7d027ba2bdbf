"""Golden numbers of every recorded model: a variant that computes something else needs another behaviour version."""

from __future__ import annotations

import json

import golden_models
import pytest
from golden_models import complaint, compute

from reproducible.attention import channel

GOLDEN = json.loads(golden_models.FILE.read_text())
GIVEN = ("model", "options", "trunk", "view", "boxes")


def about(case: golden_models.Case) -> str:
    return json.dumps({name: case[name] for name in GIVEN}, sort_keys=True)


def test_every_recorded_model_is_here() -> None:
    missing = [case for name, case in golden_models.recorded().items() if name not in {about(g) for g in GOLDEN}]
    assert not missing, "write their numbers with: python tests/unit/golden_models.py"


@pytest.mark.parametrize("golden", GOLDEN, ids=[f"{g['model']}-{number}" for number, g in enumerate(GOLDEN)])
def test_recorded_model_computes_what_its_version_says(golden: golden_models.Case) -> None:
    found = complaint(compute(golden), golden)
    assert not found, found


def test_gate_that_changed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    golden = next(g for g in GOLDEN if g["options"].get("gate") == "pooled")
    gates, original = channel.ChannelGates, channel.ChannelGates.forward
    monkeypatch.setattr(gates, "forward", lambda self, maps: original(self, maps).mul(1.01))
    assert "raise its version" in complaint(compute(golden), golden)
