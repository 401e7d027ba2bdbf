"""Losses of pytorch-metric-learning by name."""

from __future__ import annotations

import sys

import pytest
import torch
from pytorch_metric_learning import losses as theirs

from reproducible import registry
from reproducible.config import Term
from reproducible.losses.objective import build_objective
from reproducible.resources import UserError
from reproducible.training.seeding import initialise

LABELS = torch.tensor([0, 0, 1, 1, 2, 2])
POINTS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("MultiSimilarityLoss", {"alpha": 3.0, "base": 0.4}),
        ("ContrastiveLoss", {"neg_margin": 0.7}),
    ],
)
def test_computes_what_the_class_computes(name: str, options: dict[str, float]) -> None:
    ours, plain = registry.build("loss", "pml", name=name, options=options), getattr(theirs, name)(**options)
    assert ours(POINTS, LABELS).item() == plain(POINTS, LABELS).item() != getattr(theirs, name)()(POINTS, LABELS).item()


def test_proxies_start_from_the_named_stream() -> None:
    """Not from what something else has drawn before."""
    options = {"num_classes": 3, "embedding_size": 4}
    found = []
    for drawn in (1, 2):
        torch.rand(drawn)
        objective = build_objective([Term("pml", {"name": "ProxyNCALoss", "options": options})])
        initialise(objective, seed=3)
        found.append(objective.terms["ProxyNCALoss"].loss.proxies.detach())
    assert torch.equal(*found)
    assert found[0].norm(dim=1).min() > 0
    initialise(objective, seed=4)
    assert not torch.equal(objective.terms["ProxyNCALoss"].loss.proxies, found[0])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "MultiSimilarity"}, r"has no loss named 'MultiSimilarity'\. Did you mean 'MultiSimilarityLoss'"),
        ({"name": "ContrastiveLoss", "options": {"margin": 1.0}}, "ContrastiveLoss refuses its options: .*'margin'"),
        ({"name": "ProxyNCALoss"}, "ProxyNCALoss refuses its options: .*'num_classes'"),
        ({}, "loss 'pml' needs the option 'name'"),
    ],
)
def test_what_the_library_does_not_have(options: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        registry.build("loss", "pml", **options)


def test_a_machine_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_metric_learning", None)
    with pytest.raises(UserError, match=r"needs pytorch-metric-learning, .* pip install pytorch-metric-learning"):
        registry.build("loss", "pml", name="ContrastiveLoss")
