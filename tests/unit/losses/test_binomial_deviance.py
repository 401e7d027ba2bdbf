"""Binomial deviance (DeML Eq. 5) against pairs written out by hand, and side by side with pytorch-metric-learning."""

from __future__ import annotations

import doctest
import math
import sys

import pytest
import torch
from pytorch_metric_learning import miners
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.trainers import MetricLossOnly
from pytorch_metric_learning.utils.loss_and_miner_utils import get_all_pairs_indices
from torch import Tensor, nn

from reproducible.losses.binomial_deviance import BinomialDeviance, binomial_deviance
from reproducible.losses.pairs import pair_similarities

DEGREES = (0, 20, 95, 130, 250, 260)  # on the unit circle, so that a cosine is the cosine of a difference
RADII = (1.0, 3.0, 0.2, 7.0, 1.0, 0.5)  # the loss must not see them
LABELS = (0, 0, 1, 1, 2, 0)


def embeddings(dtype: torch.dtype = torch.float64) -> Tensor:
    points = [
        (r * math.cos(math.radians(d)), r * math.sin(math.radians(d))) for d, r in zip(DEGREES, RADII, strict=True)
    ]
    return torch.tensor(points, dtype=dtype)


def labels() -> Tensor:
    return torch.tensor(LABELS)


def by_hand(alpha: float, beta: float, gamma: float) -> float:
    """Eq. 5 pair by pair in Python's own numbers."""
    costs: dict[bool, list[float]] = {True: [], False: []}
    for p in range(len(DEGREES)):
        for q in range(p + 1, len(DEGREES)):
            same = LABELS[p] == LABELS[q]
            cosine = math.cos(math.radians(DEGREES[p] - DEGREES[q]))
            exponent = -(2 * same - 1) * alpha * (cosine - beta) * (1 if same else gamma)
            costs[same].append(math.log1p(math.exp(exponent)))
    return sum(costs[True]) / len(costs[True]) + sum(costs[False]) / len(costs[False])


@pytest.mark.parametrize(
    ("alpha", "beta", "gamma"), [(2.0, 0.5, 25.0), (2.0, 0.5, 35.0), (2.0, 0.5, 1.0), (3.0, 0.2, 5.0)]
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_equals_pairs_written_out(
    alpha: float, beta: float, gamma: float, dtype: torch.dtype, tolerance: float
) -> None:
    loss = BinomialDeviance(alpha, beta, gamma)(embeddings(dtype), labels())
    assert loss.dtype == dtype
    assert loss.item() == pytest.approx(by_hand(alpha, beta, gamma), rel=tolerance)


def test_two_pairs_that_anyone_can_check() -> None:
    """Two images of a class at 60 degrees (cosine beta) cost log 2, a third at right angles to both nearly nothing."""
    points = torch.tensor([[1.0, 0.0, 0.0], [0.5, math.sqrt(0.75), 0.0], [0.0, 0.0, 1.0]])
    loss = BinomialDeviance()(points, torch.tensor([4, 4, 9]))
    assert loss.item() == pytest.approx(math.log(2) + math.log1p(math.exp(-25.0)), rel=1e-6)


def test_gamma_acts_inside_the_exponent_of_negative_pairs_only() -> None:
    positive, negative = torch.tensor([0.3, 0.9]), torch.tensor([0.6])
    pull = sum(math.log1p(math.exp(-2 * (c - 0.5))) for c in (0.3, 0.9)) / 2
    for gamma in (1.0, 25.0, 35.0):
        push = math.log1p(math.exp(2 * gamma * 0.1))
        assert binomial_deviance(positive, negative, gamma=gamma).item() == pytest.approx(pull + push, rel=1e-6)


def test_no_overflow_at_the_steepest_pairs() -> None:
    loss = binomial_deviance(torch.tensor([-1.0]), torch.tensor([1.0]), alpha=2.0, gamma=1e4)
    assert loss.item() == pytest.approx(math.log1p(math.exp(3.0)) + 1e4, rel=1e-6)


def test_docstring_example() -> None:
    result = doctest.testmod(sys.modules[BinomialDeviance.__module__])
    assert result.attempted > 0
    assert result.failed == 0


def test_gradient() -> None:
    points = embeddings().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: BinomialDeviance(gamma=5.0)(x, labels()), (points,))


def test_gradient_is_at_right_angles_to_the_embedding() -> None:
    """The loss sees directions alone."""
    points = embeddings().requires_grad_()
    BinomialDeviance()(points, labels()).backward()
    torch.testing.assert_close((points.grad * points).sum(dim=1), torch.zeros(6, dtype=torch.float64))


def test_batch_without_a_positive_pair() -> None:
    with pytest.raises(ValueError, match="no positive pair: 6 images of 6 classes"):
        BinomialDeviance()(embeddings(), torch.arange(6))


def test_batch_without_a_negative_pair_is_the_positive_mean() -> None:
    points = embeddings()[:2].requires_grad_()
    loss = BinomialDeviance()(points, torch.tensor([1, 1]))
    assert loss.item() == pytest.approx(math.log1p(math.exp(-2 * (math.cos(math.radians(20)) - 0.5))), rel=1e-12)
    loss.backward()
    assert torch.isfinite(points.grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_lifted(dtype: torch.dtype) -> None:
    """Embeddings whose squared norm leaves the range of half precision have the loss and the slope of their values."""
    points = (5000 * torch.randn(6, 512, generator=torch.Generator().manual_seed(0))).to(dtype)
    single, half = points.float().requires_grad_(), points.clone().requires_grad_()
    loss, expected = (BinomialDeviance()(x, labels()) for x in (half, single))
    assert loss.dtype == torch.float32 and loss.item() == expected.item()
    (2e4 * loss).backward()  # the embeddings are as large as that, and slopes as small: half precision holds neither
    (2e4 * expected).backward()
    assert half.grad.abs().sum() > 0
    torch.testing.assert_close(half.grad.float(), single.grad, rtol=0.01, atol=1e-6)


@pytest.mark.parametrize("shapes", [((6,), (6,)), ((6, 2), (5,)), ((6, 2), (6, 1))])
def test_shapes_that_do_not_fit(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match=r"need \(N, d\) embeddings and \(N,\) labels"):
        pair_similarities(torch.ones(shapes[0]), torch.ones(shapes[1], dtype=torch.int64))


def test_pairs_are_counted_once() -> None:
    positive, negative = pair_similarities(embeddings(), labels())
    assert (len(positive), len(negative)) == (4, 11)  # three pairs of class 0, one of class 1, 15 in all


def test_given_pairs_decide_which_pairs_count() -> None:
    every = get_all_pairs_indices(labels())  # each pair in both orders: the means are the same
    loss = BinomialDeviance()
    torch.testing.assert_close(loss(embeddings(), labels(), every), loss(embeddings(), labels()))
    chosen = tuple(torch.tensor(t) for t in ([0], [1], [2, 3], [4, 5]))
    pull = math.log1p(math.exp(-2 * (math.cos(math.radians(20)) - 0.5)))
    push = [math.log1p(math.exp(50 * (math.cos(math.radians(d)) - 0.5))) for d in (155, 130)]
    assert loss(embeddings(), labels(), chosen).item() == pytest.approx(pull + sum(push) / 2, rel=1e-12)


def test_runs_behind_a_miner_of_pytorch_metric_learning() -> None:
    miner = miners.PairMarginMiner(pos_margin=0.9, neg_margin=0.0, distance=CosineSimilarity())
    mined = miner(embeddings(), labels())
    loss = BinomialDeviance()(embeddings(), labels(), mined)
    cosine = torch.cos(torch.deg2rad(torch.tensor(DEGREES, dtype=torch.float64)[:, None] - torch.tensor(DEGREES)))
    same = labels()[:, None] == labels()
    positive = cosine[same & (cosine < 0.9) & ~torch.eye(6, dtype=torch.bool)]
    negative = cosine[~same & (cosine > 0.0)]
    assert 0 < len(negative) < 22
    torch.testing.assert_close(loss, binomial_deviance(positive, negative))


def test_runs_unchanged_in_a_trainer_of_pytorch_metric_learning(capsys: pytest.CaptureFixture[str]) -> None:
    """One epoch over one batch equals one step of our own making."""
    stream = torch.Generator().manual_seed(0)
    images = torch.randn(6, 5, generator=stream)
    trunk, ours = nn.Linear(5, 3), nn.Linear(5, 3)
    ours.load_state_dict(trunk.state_dict())
    MetricLossOnly(
        models={"trunk": trunk},
        optimizers={"trunk_optimizer": torch.optim.SGD(trunk.parameters(), lr=0.1)},
        batch_size=6,
        loss_funcs={"metric_loss": BinomialDeviance()},
        mining_funcs={"tuple_miner": miners.PairMarginMiner(0.99, -0.99, distance=CosineSimilarity())},
        dataset=[(image, label) for image, label in zip(images, LABELS, strict=True)],
        dataloader_num_workers=0,
        data_device=torch.device("cpu"),
    ).train()
    capsys.readouterr()  # its progress bar
    step = torch.optim.SGD(ours.parameters(), lr=0.1)
    out = ours(images)
    pairs = miners.PairMarginMiner(0.99, -0.99, distance=CosineSimilarity())(out, labels())
    BinomialDeviance()(out, labels(), pairs).backward()
    step.step()
    torch.testing.assert_close(trunk.weight, ours.weight)


def test_mined_takes_one_negative_for_each_positive_pair() -> None:
    from reproducible.losses.mining import DistanceWeighted

    x, y = embeddings().repeat(2, 1), labels().repeat(2)
    torch.manual_seed(3)
    found = BinomialDeviance(mined=True)(x, y)
    torch.manual_seed(3)
    chosen = DistanceWeighted()(x, y)
    assert len(chosen[2]) == len(chosen[0]) < (y[:, None] != y).sum()
    torch.testing.assert_close(found, BinomialDeviance()(x, y, chosen))
    pairs = get_all_pairs_indices(y)
    assert BinomialDeviance(mined=True)(x, y, pairs) == BinomialDeviance()(x, y, pairs)  # given pairs win
