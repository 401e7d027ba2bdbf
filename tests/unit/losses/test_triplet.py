"""Triplet loss on cosines against loops over triplets, and side by side with pytorch-metric-learning."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from pytorch_metric_learning import losses as theirs
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.utils.loss_and_miner_utils import convert_to_triplets
from torch import Tensor

from reproducible.losses.triplet import TripletLoss, joined

LABELS = torch.tensor([0, 0, 1, 1, 2, 2, 0])


def points(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(len(LABELS), 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def loop(margin: float) -> float:
    costs, rows = [], points()

    def cosine(i: int, j: int) -> float:
        return F.cosine_similarity(rows[i], rows[j], dim=0).item()

    for a in range(len(LABELS)):
        for p in range(len(LABELS)):
            for n in range(len(LABELS)):
                if a != p and LABELS[a] == LABELS[p] and LABELS[a] != LABELS[n]:
                    costs.append(max(0.0, cosine(a, n) - cosine(a, p) + margin))
    active = [cost for cost in costs if cost > 0]
    assert 0 < len(active) < len(costs)
    return sum(active) / len(active)


@pytest.mark.parametrize("margin", [0.1, 0.5])
def test_equals_triplets_written_out_and_the_library(margin: float) -> None:
    found = TripletLoss(margin)(points(), LABELS).item()
    assert found == pytest.approx(loop(margin), rel=1e-12)
    peer = theirs.TripletMarginLoss(margin=margin, distance=CosineSimilarity())
    assert found == pytest.approx(peer(points(), LABELS).item(), rel=1e-9)


def test_pairs_are_joined_at_their_anchor_as_in_the_library() -> None:
    pairs = tuple(torch.tensor(values) for values in ([0, 0, 2], [1, 6, 3], [0, 2, 2, 4], [2, 0, 5, 0]))
    ours, peers = (
        set(zip(*(part.tolist() for part in found), strict=True))
        for found in (joined(pairs), convert_to_triplets(pairs, LABELS))
    )
    assert ours == peers == {(0, 1, 2), (0, 6, 2), (2, 3, 0), (2, 3, 5)}
    given = TripletLoss()(points(), LABELS, pairs)
    assert given.item() == TripletLoss()(points(), LABELS, joined(pairs)).item()


def test_gradients_and_single_precision() -> None:
    assert torch.autograd.gradcheck(lambda x: TripletLoss(0.5)(x, LABELS), (points().requires_grad_(),))
    assert TripletLoss()(points(torch.float32), LABELS).item() == pytest.approx(
        TripletLoss()(points(), LABELS).item(), rel=1e-5
    )


def test_nothing_to_pay_and_nothing_to_compare() -> None:
    apart = torch.eye(3, dtype=torch.float64)[LABELS].requires_grad_()
    loss = TripletLoss()(apart, LABELS)
    assert loss.item() == 0
    (gradient,) = torch.autograd.grad(loss, apart)
    assert gradient.abs().sum() == 0
    with pytest.raises(ValueError, match="no positive pair"):
        TripletLoss()(points()[:3], torch.tensor([0, 1, 2]))
