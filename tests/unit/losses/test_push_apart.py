"""The released substitute of the adversary, written out pair by pair."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from side_by_side import BATCH, N, learners, output

from reproducible.losses.push_apart import PushApart, push_apart
from reproducible.resources import UserError


def test_push_apart_is_the_released_formula() -> None:
    found = learners(6)
    total = 0.0
    for scale in range(2):
        for j in range(3):
            for other in range(j + 1, 3):
                for n in range(N):
                    a, b = (F.normalize(found[3 * scale + k][n], dim=0) for k in (j, other))
                    total += max(0.0, 2 - (a - b).norm().item()) ** 2 / (2 * N) / 2  # mean over scales
    assert push_apart([torch.stack(found[:3]), torch.stack(found[3:])]).item() == pytest.approx(total)
    assert PushApart(3)(output(found, branches=3), BATCH).item() == pytest.approx(0.2 * total)


@pytest.mark.parametrize("margin", [1.0, 4.0])
def test_push_apart_of_squares(margin: float) -> None:
    """At a margin of 1 half of ABE's divergence; at 4 the sum of 1 + cosine over pairs, in the mean over images."""
    found = learners(3)
    total, cosines = 0.0, 0.0
    for j in range(3):
        for other in range(j + 1, 3):
            for n in range(N):
                a, b = (F.normalize(found[k][n], dim=0) for k in (j, other))
                total += max(0.0, margin - (a - b).square().sum().item()) / (2 * N)
                cosines += (1 + (a @ b).item()) / N
    assert PushApart(3, 1.0, margin, squares=True)(output(found), BATCH).item() == pytest.approx(total)
    assert (total == pytest.approx(cosines)) == (margin == 4.0)


def test_push_apart_leads_three_learners_to_a_mutual_cosine_of_minus_a_half() -> None:
    x = torch.stack(learners(3)).detach().requires_grad_()
    descent = torch.optim.Adam([x], lr=0.05)
    for _ in range(300):
        descent.zero_grad()
        push_apart([x]).backward()
        descent.step()
    unit = F.normalize(x.detach(), dim=2)
    assert (unit[0] * unit[1]).sum(1).tolist() == pytest.approx([-0.5] * N, abs=0.01)


def test_equal_learners_give_finite_gradients() -> None:
    x = learners(1)[0]
    (gradient,) = torch.autograd.grad(PushApart(2)(output([x, x]), BATCH), x)
    assert torch.isfinite(gradient).all()


def test_number_of_branches_that_does_not_fit() -> None:
    with pytest.raises(UserError, match=r"PushApart.branches must be at least 2"):
        PushApart(branches=1)
    with pytest.raises(UserError, match=r"PushApart.branches is 2, but a scale of the model has 3"):
        PushApart(branches=2)(output(learners(3)), BATCH)
