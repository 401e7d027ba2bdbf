"""Soft binomial deviance (SGML Eq. 5 to 8) against numbers worked out by hand, and in pytorch-metric-learning."""

from __future__ import annotations

import doctest
import math
import sys

import numpy as np
import pytest
import torch
from pytorch_metric_learning import miners
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.trainers import MetricLossOnly
from torch import Tensor, nn

from reproducible.losses.binomial_deviance import BinomialDeviance
from reproducible.losses.soft_binomial import SoftBinomialDeviance, soft_binomial_deviance
from reproducible.resources import UserError
from tests.reference import soft_binomial as reference

LABELS = torch.tensor([0, 0, 0, 1, 1, 2])
POSITIVES = [(0, 1), (0, 2), (1, 2), (3, 4)]
NEGATIVES = [(i, j) for i in range(6) for j in range(i + 1, 6) if (i, j) not in POSITIVES]
CHOSEN = ([(2, 0), (4, 3)], [(1, 3), (5, 0), (2, 4)])  # pairs in an order of their own, as a sampler gives them


def rows(columns: int, seed: int) -> Tensor:
    return torch.randn(6, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def as_indices(positives: list[tuple[int, int]], negatives: list[tuple[int, int]]) -> tuple[Tensor, ...]:
    return *torch.tensor(positives).unbind(1), *torch.tensor(negatives).unbind(1)


def test_two_pairs_that_anyone_can_check() -> None:
    """Embeddings at 60 and at 90 degrees, probabilities (1/2, 1/4) and (1/4, 1/2) with a cosine of 4/5."""
    points = torch.tensor([[2.0, 0.0], [0.5, math.sqrt(0.75)], [0.0, 3.0]], dtype=torch.float64)
    half, quarter = 0.0, -math.log(3)  # logits of 1/2 and 1/4
    logits = torch.tensor([[half, quarter], [quarter, half], [quarter, half]], dtype=torch.float64)
    chosen = as_indices([(0, 1)], [(0, 2)])
    found = SoftBinomialDeviance(alpha=3.0, beta=0.1)(points, torch.tensor([4, 4, 9]), chosen, logits=logits)
    pull, push = math.log1p(math.exp(-3 * (0.5 + 0.8 - 0.1))), math.log1p(math.exp(3 * (0.0 - 0.8 - 0.1)))
    assert found.item() == pytest.approx(pull + push, rel=1e-12)


@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize(("alpha", "beta"), [(2.0, 0.5), (3.0, 0.1)])
@pytest.mark.parametrize("pairs", [None, CHOSEN])
def test_value_and_gradient_equal_those_on_paper(
    attached: bool, flipped: bool, alpha: float, beta: float, pairs: tuple | None
) -> None:
    points, logits = rows(3, 0).requires_grad_(), rows(5, 1).requires_grad_()
    loss = SoftBinomialDeviance(alpha, beta, attached=attached, flipped=flipped)
    found = loss(points, LABELS, None if pairs is None else as_indices(*pairs), logits=logits)
    found.backward()
    positives, negatives = pairs or (POSITIVES, NEGATIVES)
    arrays = points.detach().numpy(), logits.detach().numpy()
    value, by_point, by_logit = reference.soft_binomial(
        *arrays, positives, negatives, alpha, beta, sign=1 if flipped else -1
    )
    assert found.item() == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(points.grad, by_point, rtol=1e-12, atol=1e-15)
    if attached:
        np.testing.assert_allclose(logits.grad, by_logit, rtol=1e-12, atol=1e-15)
    else:
        assert logits.grad is None


def test_single_precision_agrees() -> None:
    loss = SoftBinomialDeviance()
    found = loss(rows(3, 0).float(), LABELS, None, logits=rows(5, 1).float())
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(loss(rows(3, 0), LABELS, None, logits=rows(5, 1)).item(), rel=1e-5)


@pytest.mark.parametrize("pairs", [None, CHOSEN])
def test_is_binomial_deviance_without_a_factor_where_g_is_zero(pairs: tuple | None) -> None:
    """Eq. 3 with C = 1."""
    indices = None if pairs is None else as_indices(*pairs)
    found = SoftBinomialDeviance(3.0, 0.1, similarity="constant")(rows(3, 0), LABELS, indices)
    assert found == BinomialDeviance(3.0, 0.1, gamma=1.0)(rows(3, 0), LABELS, indices)
    far = torch.full((6, 6), -80.0, dtype=torch.float64).fill_diagonal_(0.0)  # no two images share an attribute
    predicted = SoftBinomialDeviance(3.0, 0.1)(rows(3, 0), LABELS, indices, logits=far)
    assert predicted.item() == pytest.approx(found.item(), rel=1e-12)


def grid() -> tuple[Tensor, Tensor]:
    """Every cosine with every g."""
    s, g = torch.meshgrid(
        torch.linspace(-1, 1, 21, dtype=torch.float64), torch.linspace(0, 1, 11, dtype=torch.float64), indexing="ij"
    )
    return s.flatten(), g.flatten().requires_grad_()


@pytest.mark.parametrize(("alpha", "beta"), [(2.0, 0.5), (3.0, 0.1)])
def test_positive_loss_falls_with_attribute_similarity(alpha: float, beta: float) -> None:
    """d L_pos / d g = -alpha sigmoid(-alpha (s + g - beta)), below zero for every s and g."""
    s, g = grid()
    none = s[:0]
    soft_binomial_deviance(s, none, g, none, alpha, beta).backward()
    slope = len(s) * g.grad
    torch.testing.assert_close(slope, -alpha * torch.sigmoid(-alpha * (s + g.detach() - beta)), rtol=1e-12, atol=0)
    assert (slope < 0).all()


@pytest.mark.parametrize(("alpha", "beta"), [(2.0, 0.5), (3.0, 0.1)])
def test_both_terms_fall_with_attribute_similarity(alpha: float, beta: float) -> None:
    """d L_neg / d g = -alpha sigmoid(alpha (s - g - beta)): where g passes a gradient on, no pair pushes its attribute
    vectors apart; a step down the attached gradient makes g larger for positive and negative pairs alike."""
    s, g = grid()
    positive = torch.zeros(1, dtype=torch.float64)
    soft_binomial_deviance(positive, s, positive, g, alpha, beta).backward()
    slope = len(s) * g.grad
    torch.testing.assert_close(slope, -alpha * torch.sigmoid(alpha * (s - g.detach() - beta)), rtol=1e-12, atol=0)
    assert (slope < 0).all()
    test_positive_loss_falls_with_attribute_similarity(alpha, beta)


def test_flipped_negatives_cost_more_the_more_they_share() -> None:
    """The reading of the introduction, against Eq. 8."""
    points, alike, apart = rows(3, 0), torch.zeros(6, 4, dtype=torch.float64), 9 * rows(4, 1)
    for flipped, dearer in ((False, apart), (True, alike)):
        loss = SoftBinomialDeviance(flipped=flipped)
        costs = {logits: negative_part(loss, points, logits) for logits in (alike, apart)}
        assert costs[dearer] == max(costs.values()) and costs[alike] != costs[apart]


def negative_part(loss: SoftBinomialDeviance, points: Tensor, logits: Tensor) -> float:
    """The loss with a positive pair that costs the same whatever the attributes are: an image with itself, g = 1."""
    negatives = as_indices(*CHOSEN)[2:]
    return loss(points, LABELS, (torch.tensor([0]), torch.tensor([0]), *negatives), logits=logits).item()


def test_constant_moves_the_thresholds() -> None:
    """A constant g is two thresholds, beta - g and beta + g, and needs no attributes."""
    points, g = rows(3, 0), 0.3
    found = SoftBinomialDeviance(3.0, 0.1, similarity="constant", constant=g)(points, LABELS)
    nothing = torch.tensor([], dtype=torch.float64)
    unit = nn.functional.normalize(points)
    cosines = (unit @ unit.T)[tuple(torch.tensor(POSITIVES).T)], (unit @ unit.T)[tuple(torch.tensor(NEGATIVES).T)]
    pull = soft_binomial_deviance(cosines[0], nothing, torch.zeros(4), nothing, 3.0, 0.1 - g)
    push = nn.functional.softplus(3.0 * (cosines[1] - (0.1 + g))).mean()
    torch.testing.assert_close(found, pull + push, rtol=1e-12, atol=0)


@pytest.mark.parametrize("pairs", [CHOSEN, (CHOSEN[0], [])])
def test_mean_is_one_constant_a_batch(pairs: tuple[list, list]) -> None:
    """Each kind counts alike, however many pairs it has; without negative pairs it is the mean of the positive ones."""
    points, logits = rows(3, 0), rows(5, 1).requires_grad_()
    probabilities = torch.sigmoid(logits).detach().numpy()
    means = [np.mean([reference.cosine(probabilities[i], probabilities[j]) for i, j in kind]) for kind in pairs if kind]
    indices = (*as_indices(pairs[0], [(0, 0)])[:2], *torch.tensor(pairs[1], dtype=torch.int64).reshape(-1, 2).unbind(1))
    found = SoftBinomialDeviance(3.0, 0.1, similarity="mean")(points, LABELS, indices, logits=logits)
    constant = SoftBinomialDeviance(3.0, 0.1, similarity="constant", constant=float(np.mean(means)))
    torch.testing.assert_close(found, constant(points, LABELS, indices), rtol=1e-12, atol=0)
    assert not found.requires_grad


@pytest.mark.parametrize("gamma", [1.0, 25.0])
def test_factor_of_negative_pairs_stands_in_the_exponent(gamma: float) -> None:
    """Eq. 3: C of the negative pairs multiplies alpha and leaves their threshold, beta + g, where it is."""
    pull, push = math.log1p(math.exp(-2 * (0.2 + 0.3 - 0.5))), math.log1p(math.exp(2 * gamma * (0.7 - 0.1 - 0.5)))
    s, g = torch.tensor([0.2, 0.7], dtype=torch.float64), torch.tensor([0.3, 0.1], dtype=torch.float64)
    found = soft_binomial_deviance(s[:1], s[1:], g[:1], g[1:], gamma=gamma)
    assert found.item() == pytest.approx(pull + push, rel=1e-12)
    loss = SoftBinomialDeviance(similarity="constant", gamma=gamma)
    plain = BinomialDeviance(2.0, 0.5, gamma=gamma)
    assert loss(rows(3, 0), LABELS) == plain(rows(3, 0), LABELS)


def test_true_attributes_take_the_place_of_predicted_ones() -> None:
    truth = torch.tensor([[1, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [0, 0, 1], [0, 0, 0]], dtype=torch.float32)
    expected_g = {(0, 1): 0.5, (0, 2): 1.0, (1, 2): 0.5, (3, 4): 1 / math.sqrt(2)}
    points = rows(3, 0)
    loss = SoftBinomialDeviance(similarity="true")
    found = loss(points, LABELS, as_indices([(0, 1), (3, 4)], [(0, 5)]), truth=truth)
    s = [reference.cosine(points[i].numpy(), points[j].numpy()) for i, j in ((0, 1), (3, 4), (0, 5))]
    pulls = [math.log1p(math.exp(-2 * (x + expected_g[p] - 0.5))) for x, p in zip(s, ((0, 1), (3, 4)), strict=False)]
    push = math.log1p(math.exp(2 * (s[2] - 0.5)))  # an image without any attribute shares none
    assert found.item() == pytest.approx(sum(pulls) / 2 + push, rel=1e-12)


def test_shuffled_keeps_the_values_of_each_kind_and_takes_them_from_their_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points, logits = rows(3, 0), rows(5, 1)
    seen = {}
    for similarity in ("predicted", "shuffled"):
        monkeypatch.setattr(
            "reproducible.losses.soft_binomial.soft_binomial_deviance",
            lambda p, n, positive_g, negative_g, *_, name=similarity: seen.setdefault(name, (positive_g, negative_g)),
        )
        torch.manual_seed(1)
        SoftBinomialDeviance(similarity=similarity)(points, LABELS, None, logits=logits)
    for before, after in zip(seen["predicted"], seen["shuffled"], strict=True):
        assert not torch.equal(before, after)
        torch.testing.assert_close(before.sort().values, after.sort().values, rtol=0, atol=0)


def test_shuffling_draws_from_the_generator_of_torch() -> None:
    loss, arguments = SoftBinomialDeviance(similarity="shuffled"), (rows(3, 0), LABELS, None, None, None, rows(5, 1))
    torch.manual_seed(1)
    first, second = loss(*arguments), loss(*arguments)
    torch.manual_seed(1)
    assert loss(*arguments) == first != second


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"similarity": "predict"}, "similarity must be one of .* got 'predict'.*'predicted'"),
        ({"similarity": "constant", "constant": 1.2}, "constant must be 0 to 1, got 1.2"),
    ],
)
def test_options_that_cannot_be(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        SoftBinomialDeviance(**options)


def test_what_g_comes_from_must_be_there() -> None:
    with pytest.raises(UserError, match="similarity 'predicted' needs a model with an attribute branch"):
        SoftBinomialDeviance()(rows(3, 0), LABELS)
    with pytest.raises(UserError, match="similarity 'true' needs a data set with attributes"):
        SoftBinomialDeviance(similarity="true")(rows(3, 0), LABELS, None, logits=rows(5, 1))


def test_runs_unchanged_in_a_trainer_of_pytorch_metric_learning(capsys: pytest.CaptureFixture[str]) -> None:
    """Embeddings and logits in one matrix; one epoch over one batch equals one step of our own making."""
    images = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    trunk, ours = nn.Linear(5, 3 + 4), nn.Linear(5, 3 + 4)
    ours.load_state_dict(trunk.state_dict())
    before = trunk.weight.detach().clone()
    miner = miners.PairMarginMiner(0.99, -0.99, distance=CosineSimilarity())
    MetricLossOnly(
        models={"trunk": trunk},
        optimizers={"trunk_optimizer": torch.optim.SGD(trunk.parameters(), lr=0.1)},
        batch_size=6,
        loss_funcs={"metric_loss": SoftBinomialDeviance(attached=True, logits=4)},
        mining_funcs={"tuple_miner": miner},
        dataset=[(image, label) for image, label in zip(images, LABELS.tolist(), strict=True)],
        dataloader_num_workers=0,
        data_device=torch.device("cpu"),
    ).train()
    capsys.readouterr()  # its progress bar
    step = torch.optim.SGD(ours.parameters(), lr=0.1)
    out = ours(images)
    SoftBinomialDeviance(attached=True)(out[:, :3], LABELS, miner(out, LABELS), logits=out[:, 3:]).backward()
    step.step()
    torch.testing.assert_close(trunk.weight, ours.weight)
    assert not torch.equal(trunk.weight[3:], before[3:])  # the attributes moved, too


def test_docstring_example() -> None:
    result = doctest.testmod(sys.modules[SoftBinomialDeviance.__module__])
    assert result.attempted > 0
    assert result.failed == 0
