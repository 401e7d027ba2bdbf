"""Margin loss (VEM Eq. 2) against pairs written out and pytorch-metric-learning; penalties in the objective."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from pytorch_metric_learning import losses as pml_losses
from pytorch_metric_learning import miners
from pytorch_metric_learning.trainers import MetricLossOnly
from torch import Tensor, nn

from reproducible import registry
from reproducible.config import Term
from reproducible.losses.binomial_deviance import BinomialDeviance
from reproducible.losses.margin import MarginLoss
from reproducible.losses.mining import DistanceWeighted
from reproducible.losses.objective import build_objective
from reproducible.losses.penalty import Penalty
from reproducible.resources import UserError
from reproducible.types import Batch, Output, Scale
from tests.reference.distance_weighting import margin

LABELS = torch.tensor([0, 0, 0, 1, 1, 2, 3, 3, 3, 3])
PAIRS = [(i, j) for i in range(10) for j in range(10) if i != j]


def embeddings(dtype: torch.dtype = torch.float64, dim: int = 6) -> Tensor:
    stream = torch.Generator().manual_seed(0)
    return (torch.randn(10, dim, generator=stream, dtype=torch.float64) + 0.7).to(dtype)


def betas(loss: MarginLoss) -> list[float]:
    return (loss.beta[LABELS] if loss.beta.ndim else loss.beta.expand(10)).tolist()


def per_class(**options: float) -> MarginLoss:
    loss = MarginLoss(learn_beta=True, classes=4, **options)
    with torch.no_grad():
        loss.beta += torch.tensor([-0.3, 0.1, 0.2, -0.5])
    return loss


@pytest.mark.parametrize("make", [MarginLoss, per_class], ids=["one beta", "one a class"])
@pytest.mark.parametrize("alpha", [0.2, 0.5])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
def test_all_pairs_are_those_written_out(make: type[MarginLoss], alpha: float, dtype: torch.dtype, tolerance: float):
    loss, given = make(alpha=alpha, sampling="all"), embeddings(dtype)
    positives = [(i, j) for i, j in PAIRS if LABELS[i] == LABELS[j]]
    negatives = [(i, j) for i, j in PAIRS if LABELS[i] != LABELS[j]]
    expected = margin(given.tolist(), positives, negatives, alpha, betas(loss))
    assert loss(given, LABELS).item() == pytest.approx(expected, rel=tolerance)


def test_three_points_that_anyone_can_check() -> None:
    """Two of a class at right angles, sqrt 2 apart, and a third in between, 0.765 from both."""
    given = torch.tensor([[2.0, 0.0], [0.0, 0.5], [1.0, 1.0]])
    side = 2 * math.sin(math.pi / 8)
    pull, push = 0.2 + math.sqrt(2) - 1.2, 0.2 + 1.2 - side
    found = MarginLoss(sampling="all")(given, torch.tensor([0, 0, 1]))
    assert found.item() == pytest.approx((2 * pull + 4 * push) / 6, rel=1e-6)
    tight = MarginLoss(alpha=0.01, beta=1.5, sampling="all")(given, torch.tensor([0, 0, 1]))  # the pull costs nothing
    assert tight.item() == pytest.approx(1.51 - side, rel=1e-6)


@pytest.mark.parametrize("make", [MarginLoss, per_class], ids=["one beta", "one a class"])
def test_triplets_cost_what_pytorch_metric_learning_says(make: type[MarginLoss]) -> None:
    """Value and gradients, of embeddings and of a learnt beta, on triplets of either miner."""
    loss = make()
    theirs = pml_losses.MarginLoss(
        margin=0.2, beta=1.2, learn_beta=bool(loss.beta.ndim), num_classes=loss.beta.ndim * 4
    )
    if loss.beta.ndim:
        theirs.beta.data.copy_(loss.beta.data)
    torch.manual_seed(0)
    for miner in (miners.DistanceWeightedMiner(), DistanceWeighted()):
        ours_in, theirs_in = embeddings().requires_grad_(), embeddings().requires_grad_()
        mined = miner(ours_in, LABELS)
        assert len(mined[0]) > 10
        ours, other = loss(ours_in, LABELS, mined), theirs(theirs_in, LABELS, mined)
        torch.testing.assert_close(ours, other)
        wanted = [p for p in (loss.beta,) if p.requires_grad], [p for p in (theirs.beta,) if p.requires_grad]
        found = torch.autograd.grad(ours, [ours_in, *wanted[0]])
        expected = torch.autograd.grad(other, [theirs_in, *wanted[1]])
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


def test_sampled_loss_is_that_of_the_miners_triplets() -> None:
    loss = MarginLoss()
    torch.manual_seed(3)
    found = loss(embeddings(), LABELS)
    torch.manual_seed(3)
    anchors, positives, negatives = DistanceWeighted(lower=0.5, upper=1.4)(embeddings(), LABELS)
    pairs = [list(zip(anchors.tolist(), others.tolist(), strict=True)) for others in (positives, negatives)]
    assert found.item() == pytest.approx(margin(embeddings().tolist(), *pairs, 0.2, betas(loss)), rel=1e-6)


@pytest.mark.parametrize("given", [embeddings(), torch.ones(10, 3, dtype=torch.float64)], ids=["spread", "one point"])
def test_gradients_are_finite_and_right(given: Tensor) -> None:
    """Also where two images of a class have one embedding and the distance has a corner."""
    points = given.clone().requires_grad_()
    MarginLoss(sampling="all")(points, LABELS).backward()
    assert torch.isfinite(points.grad).all()
    if given.std() > 0:
        assert torch.autograd.gradcheck(lambda x: MarginLoss(sampling="all")(x, LABELS), (points,))


def test_learnt_boundary_settles_between_the_kinds() -> None:
    """Its gradient is the number of costly negatives less that of costly positives, over both."""
    loss = MarginLoss(learn_beta=True, sampling="all")
    unit = F.normalize(embeddings())
    apart = torch.cdist(unit, unit)
    same = LABELS[:, None] == LABELS
    pulls = int(((apart > 1.0) & same).sum())
    pushes = int(((apart < 1.4) & ~same).sum())
    assert pulls
    assert pushes
    loss(embeddings(), LABELS).backward()
    assert loss.beta.grad.item() == pytest.approx((pushes - pulls) / (pushes + pulls), rel=1e-5)


def test_batch_without_costly_pairs_costs_nothing() -> None:
    points = torch.eye(4)[[0, 0, 1, 1]].requires_grad_()
    loss = MarginLoss(alpha=0.1, beta=1.2)(points, torch.tensor([0, 0, 1, 1]))
    loss.backward()
    assert loss.item() == 0
    assert points.grad.abs().max() == 0


def test_options_that_make_no_sense() -> None:
    with pytest.raises(UserError, match=r"no sampling named 'distance_weigthed'. Did you mean 'distance_weighted'\?"):
        registry.build("loss", "margin", sampling="distance_weigthed")
    with pytest.raises(UserError, match=r"option 'classes' of loss 'margin' must be 0 \(one beta\) or more, got -1"):
        registry.build("loss", "margin", classes=-1)
    with pytest.raises(ValueError, match="no positive pair: 10 images of 10 classes"):
        MarginLoss(sampling="all")(embeddings(), torch.arange(10))


def test_loss_and_miner_run_in_a_trainer_of_pytorch_metric_learning(capsys: pytest.CaptureFixture[str]) -> None:
    """One epoch over one batch equals one step of our own making. With a single image of another class, there is but
    one negative to draw."""
    images, labels = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 0, 1])
    trunk, ours = nn.Linear(5, 3), nn.Linear(5, 3)
    ours.load_state_dict(trunk.state_dict())
    theirs, loss = MarginLoss(alpha=1.0, learn_beta=True), MarginLoss(alpha=1.0, learn_beta=True)
    MetricLossOnly(
        models={"trunk": trunk},
        optimizers={
            "trunk_optimizer": torch.optim.SGD(trunk.parameters(), lr=0.1),
            "metric_loss_optimizer": torch.optim.SGD(theirs.parameters(), lr=0.1),
        },
        batch_size=3,
        loss_funcs={"metric_loss": theirs},
        mining_funcs={"tuple_miner": DistanceWeighted()},
        dataset=list(zip(images, labels.tolist(), strict=True)),
        dataloader_num_workers=0,
        data_device=torch.device("cpu"),
    ).train()
    capsys.readouterr()  # its progress bar
    step = torch.optim.SGD([*ours.parameters(), *loss.parameters()], lr=0.1)
    loss(ours(images), labels).backward()
    step.step()
    torch.testing.assert_close(trunk.weight, ours.weight)
    torch.testing.assert_close(theirs.beta, loss.beta)


def test_miner_serves_other_losses() -> None:
    mined = DistanceWeighted()(embeddings(), LABELS)
    anchors, positives, negatives = mined
    as_pairs = BinomialDeviance()(embeddings(), LABELS, (anchors, positives, anchors, negatives))
    assert BinomialDeviance()(embeddings(), LABELS, mined).item() == as_pairs.item() > 0


def test_penalty_is_a_term_under_its_own_name() -> None:
    objective = build_objective([Term("margin"), Term("penalty", {"name": "L_var", "weight": 0.5})])
    value = torch.tensor(3.0, requires_grad=True)
    output = Output(embeddings(), (Scale((embeddings(),)),), penalties={"L_var": value, "other": value})
    found = objective(output, Batch(torch.empty(10, 3, 1, 1), LABELS))
    assert list(found) == ["margin", "L_var"]
    assert found["L_var"].item() == 1.5
    found["L_var"].backward()
    assert value.grad.item() == 0.5


def test_penalty_that_the_model_does_not_compute() -> None:
    output = Output(embeddings(), (Scale((embeddings(),)),), penalties={"L_var": torch.tensor(1.0)})
    with pytest.raises(UserError, match=r"no penalty 'L_vr'. Did you mean 'L_var'\? Known: L_var."):
        Penalty("L_vr")(output, Batch(torch.empty(10, 3, 1, 1), LABELS))
