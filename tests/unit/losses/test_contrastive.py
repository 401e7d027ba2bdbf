"""Contrastive loss in both forms against loops over pairs, and side by side with pytorch-metric-learning."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from pytorch_metric_learning import losses as theirs
from pytorch_metric_learning.distances import CosineSimilarity, LpDistance
from torch import Tensor

from reproducible.losses.contrastive import Contrastive
from reproducible.resources import UserError

LABELS = torch.tensor([0, 0, 1, 1, 2, 2, 0])


def points(dtype: torch.dtype = torch.float64) -> Tensor:
    """Three directions with noise, of any length: some negative pairs cost something and some do not."""
    stream = torch.Generator().manual_seed(0)
    centres = torch.randn(3, 4, generator=stream, dtype=torch.float64)
    noise = torch.randn(len(LABELS), 4, generator=stream, dtype=torch.float64)
    lengths = 0.1 + torch.rand(len(LABELS), 1, generator=stream, dtype=torch.float64)
    return (lengths * (centres[LABELS] + 1.5 * noise)).to(dtype)


def cosines() -> dict[bool, list[float]]:
    found: dict[bool, list[float]] = {True: [], False: []}
    rows = points()
    for p in range(len(LABELS)):
        for q in range(p + 1, len(LABELS)):
            found[bool(LABELS[p] == LABELS[q])].append(F.cosine_similarity(rows[p], rows[q], dim=0).item())
    return found


def test_cosine_form_is_the_one_of_the_author() -> None:
    found = cosines()
    costs = [s - 0.5 for s in found[False] if s > 0.5]
    assert 0 < len(costs) < len(found[False])
    pull = sum((1 - s) ** 2 for s in found[True]) / len(found[True])
    expected = (pull + sum(costs) / len(costs)) / 2
    assert Contrastive()(points(), LABELS).item() == pytest.approx(expected, rel=1e-12)


def test_distance_form_is_that_of_abe() -> None:
    found = cosines()
    apart = {same: [2 - 2 * s for s in values] for same, values in found.items()}
    push = sum(max(0.0, 1 - d) for d in apart[False]) / len(apart[False])
    expected = (sum(apart[True]) / len(apart[True]) + push) / 2
    assert Contrastive("distance")(points(), LABELS).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("beta", [0.5, 0.0])
def test_negative_half_is_the_librarys(beta: float) -> None:
    """Its positive half is another; with positives that cost nothing only the negative one is left."""
    rows = points()
    rows[1], rows[3], rows[5], rows[6] = rows[0], 2 * rows[2], rows[4], 3 * rows[0]
    peer = theirs.ContrastiveLoss(pos_margin=1, neg_margin=beta, distance=CosineSimilarity())
    ours = Contrastive(beta=beta)(rows, LABELS)
    assert ours.item() == pytest.approx(peer(rows, LABELS).item() / 2, rel=1e-6) and ours > 0


def test_positive_half_on_distances_is_the_librarys() -> None:
    """Where no negative pair is near: a squared distance, halved; the library's mean leaves zeros out, and has none."""
    rows = torch.eye(3, dtype=torch.float64)[LABELS] + 0.2 * torch.rand(
        len(LABELS), 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    peer = theirs.ContrastiveLoss(pos_margin=0, neg_margin=0, distance=LpDistance(power=2))
    ours = Contrastive("distance", margin=1e-9)(rows, LABELS)
    assert ours.item() == pytest.approx(peer(rows, LABELS).item() / 2, rel=1e-5)


@pytest.mark.parametrize("form", ["cosine", "distance"])
def test_gradients_and_single_precision(form: str) -> None:
    rows = points().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: Contrastive(form)(x, LABELS), (rows,))
    assert Contrastive(form)(points(torch.float32), LABELS).item() == pytest.approx(
        Contrastive(form)(points(), LABELS).item(), rel=1e-5
    )


def test_pairs_that_are_given() -> None:
    """One positive and one negative pair."""
    chosen = tuple(torch.tensor([i]) for i in (0, 1, 0, 2))
    rows = F.normalize(points(), dim=1)
    s, other = (rows[0] @ rows[k] for k in (1, 2))
    expected = ((1 - s) ** 2 + max(0.0, (other - 0.5).item())) / 2
    assert Contrastive()(points(), LABELS, chosen).item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("form", ["cosine", "distance"])
def test_batches_without_what_is_compared(form: str) -> None:
    same = torch.zeros(4, dtype=torch.int64)
    assert torch.isfinite(Contrastive(form)(points()[:4], same))
    with pytest.raises(ValueError, match="no positive pair"):
        Contrastive(form)(points()[:3], torch.tensor([0, 1, 2]))


def test_unknown_form() -> None:
    with pytest.raises(UserError, match=r"Contrastive.form must be one of cosine, distance, got 'cosin'. Did you mean"):
        Contrastive("cosin")
