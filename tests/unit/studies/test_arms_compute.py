"""Every arm that profile smoke leaves out takes one step forwards and backwards."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from declared import untuned

from reproducible.config import Component, RunConfig
from reproducible.losses.objective import build_objective
from reproducible.models import build_model
from reproducible.studies import STUDIES, Study
from reproducible.training.seeding import initialise
from reproducible.types import Batch

SPARING = [of for of in STUDIES.values() if any(not arm.smoke for arm in of.arms)]


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


@pytest.mark.parametrize("of", SPARING, ids=lambda of: of.name)
def test_every_arm_computes(of: Study) -> None:
    seen = []
    for arm in of.arms:
        found = untuned(of, arm)
        if (what := (found.model, found.objective)) not in seen and not arm.smoke:
            seen.append(what)
            step(found)
    assert seen
