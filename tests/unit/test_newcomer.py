"""The walk of CONTRIBUTING.md: where things go, and a gate that nobody has seen before on its way to a table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from reproducible import registry
from reproducible.backbones.base import Backbone
from reproducible.config import Component, RunConfig
from reproducible.models.branches import Branches, Place
from reproducible.models.ensemble import Ensemble
from reproducible.report.tables import arm_table
from reproducible.studies import baseline
from reproducible.studies.arms import Arm, first, planned
from reproducible.studies.base import Study
from reproducible.studies.benchmarks import GLYPHS, Params, run
from reproducible.studies.running import carry_out
from reproducible.types import Asked

ROOT = Path(__file__).parents[2]


class Stripes(nn.Module):
    """Gate j lets every J-th channel through, from the j-th on: a toy without weights."""

    def __init__(self, read: int, channels: int, branches: int) -> None:
        super().__init__()
        stripes = torch.arange(channels) % branches == torch.arange(branches)[:, None]
        self.register_buffer("stripes", stripes.float())

    def forward(self, maps: Tensor) -> Tensor:
        return self.stripes[:, None, :, None, None].expand(-1, len(maps), -1, -1, -1)


def striped(backbone: Backbone, dim: int = 128, branches: int = 4) -> Ensemble:
    return Ensemble([Branches(backbone, branches, dim // branches, Stripes, Place("pool3", "pool3"))])


def build(params: Params) -> RunConfig:
    if not params["branches"]:
        return baseline.build(params)
    options = {"dim": params["dim"] // params["divisor"], "branches": params["branches"]}
    return run(params, Component("striped", options), baseline.objective(params))


ARMS = (Arm("u512", "U512"), Arm("striped", "four striped branches", {"branches": 4}))
STUDY = Study(
    name="toy",
    title="A toy gate on glyphs",
    build=build,
    defaults={**baseline.DEFAULTS, "branches": 0},
    arms=planned(GLYPHS, ARMS, first("u512 striped", minutes=1, draws=1)),
    tunings=(),
    live=(),
)


def test_a_new_gate_gets_a_row_in_a_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its few lines above, one line in the registry, one run: nothing else knows of it."""
    monkeypatch.setitem(registry.REGISTRY["model"], "striped", registry.Entry(f"{__name__}:striped"))
    found = list(carry_out(STUDY, "smoke", standing=lambda _: Asked("0" * 64, frozenset()), device="cpu"))
    table = arm_table(STUDY.arms, found)
    assert table["arm"].tolist() == ["U512", "four striped branches"]
    assert table["draws"].tolist() == ["1 of 1", "1 of 1"]
    for record, shown in zip(found, table["R@1 %"], strict=True):
        assert shown == f"{record['selected']['test']['recall_at_1']:.1f}"
    assert found[1]["config"]["model"] == {"name": "striped", "options": {"dim": 128, "branches": 4}}
    assert found[1]["versions"]["model/striped"] == 1


def test_every_place_that_the_walk_names_is_there() -> None:
    walk = (ROOT / "CONTRIBUTING.md").read_text().split("## Where do I put")[1].split("\n## ")[0]
    places = re.findall(r"`((?:reproducible|notebooks|tests)/[^` ]*)`", walk)
    assert len(places) >= 8
    assert [place for place in places if not (ROOT / place).exists()] == []
