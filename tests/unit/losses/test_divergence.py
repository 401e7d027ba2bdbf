"""ABE's divergence and its form in HORDE's port, against loops over learners and images."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from side_by_side import BATCH, D, N, learners, output

from reproducible.losses.divergence import Divergence, divergence, divergence_of_all
from reproducible.losses.push_apart import push_apart
from reproducible.resources import UserError

MARGINS = (1.0, 3.0)  # cosines of a half and of minus a half


def near(count: int) -> list[torch.Tensor]:
    """Learners some of whose outputs are alike, so that margins of 1 cost something."""
    common, *others = learners(count + 1)
    return [(common + 0.7 * other).detach().requires_grad_() for other in others]


@pytest.mark.parametrize("margin", MARGINS)
def test_divergence_of_the_document(margin: float) -> None:
    """Sum over pairs of learners, mean over images, mean over scales."""
    found, total, active = near(6), 0.0, 0
    for scale in (found[:3], found[3:]):
        for j in range(3):
            for other in range(j + 1, 3):
                for n in range(N):
                    a, b = (F.normalize(scale[k][n], dim=0) for k in (j, other))
                    short = margin - (a - b).square().sum().item()
                    total += max(0.0, short) / N / 2
                    active += short > 0
    assert active > 0 and (active < 6 * N or margin > 1)
    assert Divergence(margin)(output(found, branches=3), BATCH).item() == pytest.approx(total, rel=1e-12)


def test_recorded_form_is_half_of_it() -> None:
    """The arms that ran ABE's divergence asked the push-apart term for squares, at a weight of 2/8."""
    scales = [torch.stack(near(4)), torch.stack(near(4)).flip(1)]
    for margin in MARGINS:
        assert 2 * push_apart(scales, margin, squares=True).item() == pytest.approx(
            divergence(scales, margin).item(), rel=1e-12
        )


def test_divergence_of_all_images_is_the_one_of_the_port() -> None:
    """relu(s - 1/2) over k != l and every two images, of one class or of two, averaged over what is above 0; twice
    that, since a squared distance is 2 - 2 s."""
    found = near(3)
    total, active = 0.0, 0
    for k, one in enumerate(found):
        for l, other in enumerate(found):  # noqa: E741
            for a in one if k != l else ():
                for b in other:
                    short = F.cosine_similarity(a, b, dim=0).item() - 0.5
                    total, active = total + max(0.0, short), active + (short > 0)
    assert 0 < active < 6 * N * N
    expected = 2 * total / active
    assert Divergence(images="all")(output(found), BATCH).item() == pytest.approx(expected, rel=1e-12)
    two = output([*found, *learners(3, seed=1)], branches=3)
    other = Divergence(images="all")(output(learners(3, seed=1)), BATCH).item()
    assert Divergence(images="all")(two, BATCH).item() == pytest.approx((expected + other) / 2, rel=1e-12)


def test_gradients() -> None:
    points = torch.stack(near(3)).detach().requires_grad_()
    for term in (divergence, divergence_of_all):
        assert torch.autograd.gradcheck(lambda x, term=term: term([x], 3.0), (points,))


@pytest.mark.parametrize("images", ["same", "all"])
def test_learners_that_are_far_apart_cost_nothing_and_equal_ones_can_part(images: str) -> None:
    """Nothing is divided by nothing; at equal learners the same-image term has no slope, as in the document."""
    far = [torch.eye(2, D).double()[k].expand(N, D).clone().requires_grad_() for k in range(2)]
    loss = Divergence(images=images)(output(far), BATCH)
    assert loss.item() == 0
    (gradient,) = torch.autograd.grad(loss, far[:1])
    assert gradient.abs().sum() == 0
    x = learners(1)[0]
    (gradient,) = torch.autograd.grad(Divergence(images=images)(output([x, x]), BATCH), x)
    assert torch.isfinite(gradient).all()


def test_what_does_not_fit() -> None:
    with pytest.raises(UserError, match=r"Divergence.images must be one of same, all, got 'al'. Did you mean 'all'"):
        Divergence(images="al")
    with pytest.raises(UserError, match="Divergence needs a model with two learners or more a scale"):
        Divergence()(output(learners(1)), BATCH)
