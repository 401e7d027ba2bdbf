"""Distance-weighted sampling: its probabilities against loops and pytorch-metric-learning, its draws by chi-square."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from pytorch_metric_learning import miners
from pytorch_metric_learning.utils import loss_and_miner_utils as lmu
from scipy import stats
from torch import Tensor

from reproducible.losses.mining import DistanceWeighted, draw, sampling_probabilities
from tests.reference.distance_weighting import negatives

LABELS = torch.tensor([0, 0, 0, 1, 1, 2, 3, 3, 3, 3])


def points(n: int, dim: int, seed: int = 0, spread: float = 1.0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Vectors of various lengths around one direction; the smaller the spread, the smaller their angles."""
    stream = torch.Generator().manual_seed(seed)
    directions = torch.randn(n, dim, generator=stream, dtype=torch.float64) * spread + torch.eye(dim)[0] * dim**0.5
    return (directions * (0.1 + torch.rand(n, 1, generator=stream, dtype=torch.float64))).to(dtype)


def literal(embeddings: Tensor, labels: Tensor, **cutoffs: float) -> Tensor:
    rows = embeddings.tolist()
    found = [negatives(rows, labels.tolist(), anchor, **cutoffs) for anchor in range(len(rows))]
    return torch.tensor(found, dtype=torch.float64)


def p_value(drawn: Tensor, expected: Tensor) -> float:
    """Chi-square of drawn columns; those of probability 0 must not occur."""
    counts = drawn.bincount(minlength=len(expected)).double()
    assert counts[expected == 0].sum() == 0
    held = expected > 0
    return float(stats.chisquare(counts[held].numpy(), (expected[held] * counts.sum() / expected.sum()).numpy()).pvalue)


@pytest.mark.parametrize("dim", [2, 3, 8, 128, 512])
@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("cutoffs", [{}, {"lower": 0.2, "upper": 1.1}], ids=["usual", "others"])
def test_probabilities_are_those_written_out(dim: int, spread: float, cutoffs: dict[str, float]) -> None:
    given = points(10, dim, spread=spread)
    expected = literal(given, LABELS, **cutoffs)
    torch.testing.assert_close(sampling_probabilities(given, LABELS, **cutoffs), expected, rtol=1e-9, atol=1e-12)
    single = sampling_probabilities(given.float(), LABELS, **cutoffs).double()
    torch.testing.assert_close(single, expected, rtol=2e-3, atol=1e-4)


def test_both_cutoffs_by_hand() -> None:
    """Negatives at distances 0.3, 0.5, 1.2 and 1.5 in three dimensions, where 1/q is 1/D."""
    angles = [0.0, *(2 * torch.asin(torch.tensor(d / 2, dtype=torch.float64)) for d in (0.3, 0.5, 1.2, 1.5))]
    given = torch.stack([torch.tensor([torch.cos(a), torch.sin(a), 0.0]) for a in map(torch.as_tensor, angles)])
    found = sampling_probabilities(given.double(), torch.tensor([0, 1, 1, 1, 1]))[0]
    total = 2 + 2 + 1 / 1.2
    assert found.tolist() == pytest.approx([0.0, 2 / total, 2 / total, 1 / 1.2 / total, 0.0], rel=1e-6)


def test_anchor_with_far_negatives_alone_draws_uniformly() -> None:
    """One at a right angle to all others, at distance sqrt 2, and one opposite to another."""
    given = torch.eye(6, 8)
    given[5] = -given[0]
    labels = torch.tensor([0, 0, 1, 1, 1, 2])
    found = sampling_probabilities(given, labels)
    torch.testing.assert_close(found, (labels[:, None] != labels).float() / torch.tensor([4, 4, 3, 3, 3, 5])[:, None])
    near = sampling_probabilities(
        given, labels, upper=2.5
    )  # drawn from all, and what lies opposite weighs all there is
    assert near[0].tolist() == pytest.approx([0, 0, 0, 0, 0, 1], abs=1e-6)
    assert torch.isfinite(near).all()


def test_each_anchor_is_scaled_by_its_own_largest_weight() -> None:
    """In 512 dimensions and single precision; a scale for the whole batch would leave nothing of the first rows."""
    near = torch.randn(2, 512, generator=torch.Generator().manual_seed(0)) * 0.01 + torch.eye(512)[0]
    far = torch.eye(512)[1:4]
    given = torch.cat([near, far + 0.15 * torch.eye(512)[4] + 0.15 * torch.eye(512)[0]])
    labels = torch.tensor([0, 1, 2, 3, 3])
    found, expected = sampling_probabilities(given, labels), literal(given, labels)
    torch.testing.assert_close(found.double(), expected, rtol=1e-2, atol=1e-4)
    assert sorted(found[2].tolist()) != pytest.approx([0, 0.25, 0.25, 0.25, 0.25], abs=0.01)


@pytest.mark.parametrize("dim", [4, 16, 64])
def test_probabilities_are_those_of_pytorch_metric_learning(dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    given = points(10, dim, seed=1)
    theirs: list[Tensor] = []
    nothing = torch.empty(0, dtype=torch.int64)

    def keep(labels: Tensor, ref_labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        theirs.append(weights)
        return nothing, nothing, nothing

    monkeypatch.setattr(lmu, "get_random_triplet_indices", keep)
    miners.DistanceWeightedMiner(cutoff=0.5, nonzero_loss_cutoff=1.4)(given, LABELS)
    drawn = (F.normalize(given) @ F.normalize(given).T > 1 - 1.4**2 / 2) & (LABELS[:, None] != LABELS)
    assert drawn.any(dim=1).all()  # where all negatives are far, the definitions differ: they leave the anchor out
    torch.testing.assert_close(sampling_probabilities(given, LABELS), theirs[0], rtol=1e-6, atol=1e-9)


def test_a_million_draws_follow_their_rows() -> None:
    torch.manual_seed(0)
    rows = torch.rand(4, 64) ** 6
    rows[1, ::2] = 0
    rows[2, 5:] = 0
    rows[3] = 0
    rows[3, 63] = 1e-30
    drawn = draw(rows, 250_000)
    assert drawn.shape == (4, 250_000)
    assert drawn.dtype == torch.int64
    for row, columns in zip(rows[:3], drawn[:3], strict=True):
        assert p_value(columns, row.double()) > 1e-3
    assert (drawn[3] == 63).all()


def test_draws_of_a_row_are_independent() -> None:
    torch.manual_seed(1)
    first, second = draw(torch.ones(2, 4), 100_000)
    table = torch.zeros(4, 4).index_put_((first, second), torch.tensor(1.0), accumulate=True)
    assert stats.chi2_contingency(table.numpy()).pvalue > 1e-3
    table = torch.zeros(4, 4).index_put_((first[:-1], first[1:]), torch.tensor(1.0), accumulate=True)
    assert stats.chi2_contingency(table.numpy()).pvalue > 1e-3


def test_extreme_chance_never_leaves_the_columns_that_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.tensor([[0.0, 0.3, 0.0, 0.7, 0.0], [0.0, 0.0, 3.0, 0.1, 0.0]])
    for chance, columns in ((0.0, [1, 2]), (1.0, [3, 3])):
        monkeypatch.setattr(torch, "rand", lambda *shape, chance=chance, **kind: torch.full(shape, chance, **kind))
        assert draw(rows, 1).flatten().tolist() == columns


@pytest.mark.parametrize("dim", [8, 128])
def test_a_million_negatives_follow_the_closed_form(dim: int) -> None:
    """An anchor class of 220 copies of one image beside 20 others: 48,180 negatives a batch for one distribution."""
    torch.manual_seed(2)
    others = points(20, dim, seed=3, spread=1.0, dtype=torch.float32)
    given = torch.cat([torch.eye(dim)[:1].expand(220, dim), others])
    labels = torch.cat([torch.zeros(220, dtype=torch.int64), torch.arange(1, 21)])
    expected = literal(given[219:], labels[219:])[0]
    assert (expected > 0).sum() > 10
    drawn = []
    for _ in range(21):
        anchors, positives, found = DistanceWeighted()(given, labels)
        assert (labels[anchors] == 0).all()
        assert (labels[positives] == 0).all()
        drawn.append(found - 219)
    columns = torch.cat(drawn)
    assert len(columns) > 1_000_000
    assert p_value(columns, expected) > 1e-3


def test_distances_of_sampled_negatives_are_spread_evenly() -> None:
    """What the weights are for. Random points of the sphere gather around sqrt 2; drawn by 1/q, all distances between
    the cutoffs occur alike."""
    torch.manual_seed(3)
    given = F.normalize(torch.randn(600, 5), dim=1)
    apart = torch.cdist(given, given)
    drawn = apart.gather(1, draw(sampling_probabilities(given, torch.arange(600)), 10))
    even = stats.uniform(0.5, 0.9).cdf
    assert stats.kstest(drawn[drawn > 0.5].numpy(), even).statistic < 0.03
    assert stats.kstest(apart[(apart > 0.5) & (apart < 1.4)][::100].numpy(), even).statistic > 0.2


def test_one_negative_for_each_positive_pair() -> None:
    anchors, positives, found = DistanceWeighted()(points(10, 8), LABELS)
    pairs = [(a, p) for a in range(10) for p in range(10) if a != p and LABELS[a] == LABELS[p]]
    assert list(zip(anchors.tolist(), positives.tolist(), strict=True)) == pairs
    assert (LABELS[found] != LABELS[anchors]).all()


def test_draws_depend_on_the_generator_alone() -> None:
    miner, given = DistanceWeighted(), points(10, 8).requires_grad_()
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(miner(given, LABELS)[2].tolist())
    assert drawn[0] == drawn[1] != drawn[2]


def test_batches_that_cannot_be_mined() -> None:
    with pytest.raises(ValueError, match="no positive pair: 10 images of 10 classes"):
        DistanceWeighted()(points(10, 8), torch.arange(10))
    with pytest.raises(ValueError, match="no negative pair: 10 images of one class"):
        DistanceWeighted()(points(10, 8), torch.zeros(10, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"need \(N, d\) embeddings and \(N,\) labels"):
        DistanceWeighted()(points(10, 8), torch.zeros(9, dtype=torch.int64))
