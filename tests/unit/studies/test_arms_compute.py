"""An arm of every mechanism that profile smoke leaves out takes one step forwards and backwards."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from declared import untuned

from reproducible.config import Component, RunConfig
from reproducible.losses.objective import build_objective
from reproducible.models import build_model
from reproducible.studies import STUDIES
from reproducible.training.seeding import initialise
from reproducible.types import Batch


def step(found: RunConfig) -> None:
    """One pass forwards and backwards, on the compact network, whose stages have GoogLeNet's names."""
    run = replace(found, backbone=Component("compact_googlenet"))
    model, objective = build_model(run), build_objective(run.objective)
    initialise(model, 0)
    initialise(objective, 0)
    images = 255 * torch.rand(4, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    view = torch.nn.functional.interpolate(images, size=64) if run.data.view_size else None
    boxes = torch.tensor([[0.2, 0.3, 0.7, 0.8]]).expand(4, 4) if run.data.boxes else None
    attributes = torch.eye(4, run.model.options.get("attributes", 4))
    batch = Batch(images, torch.tensor([0, 0, 1, 1]), attributes=attributes, boxes=boxes, view=view)
    losses = objective(model(**batch.inputs), batch)
    total = torch.stack(list(losses.values())).sum()
    total.backward()
    assert torch.isfinite(total)


def mechanism(found: RunConfig) -> tuple[object, ...]:
    """What of a configuration decides which code runs: names and options, but for numbers (sizes and weights)."""
    parts = (found.model, *found.objective)
    return tuple((part.name, *((k, v) for k, v in part.options.items() if not is_number(v))) for part in parts)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def spared() -> dict[str, list[RunConfig]]:
    """By study, an arm of each mechanism that profile smoke leaves out and no study before it has."""
    seen: list[object] = []
    found: dict[str, list[RunConfig]] = {}
    for of in STUDIES.values():
        for arm in of.arms:
            run = untuned(of, arm)
            if not arm.smoke and mechanism(run) not in seen:
                seen.append(mechanism(run))
                found.setdefault(of.name, []).append(run)
    return found


@pytest.mark.parametrize("runs", [pytest.param(runs, id=name) for name, runs in spared().items()])
def test_every_mechanism_computes(runs: list[RunConfig]) -> None:
    for run in runs:
        step(run)
