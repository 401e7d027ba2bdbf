"""What comes to losses and miners from elsewhere: half precision, pairs that a miner did not find, memories of earlier
batches, labels without an entry in a table. Each against the same in single precision, or written out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning import losses as theirs
from pytorch_metric_learning import miners
from torch import Tensor, nn

from reproducible.config import Term
from reproducible.losses.attribute_bce import attribute_bce
from reproducible.losses.binomial_deviance import BinomialDeviance
from reproducible.losses.contrastive import Contrastive
from reproducible.losses.margin import MarginLoss
from reproducible.losses.mining import DistanceWeighted, draw, sampling_probabilities
from reproducible.losses.objective import build_objective
from reproducible.losses.orthogonality import orthogonality
from reproducible.losses.pml import PML
from reproducible.losses.soft_binomial import SoftBinomialDeviance
from reproducible.losses.triplet import TripletLoss
from reproducible.resources import UserError

LABELS = torch.tensor([0, 0, 1, 1, 2, 2, 2])
NONE = torch.empty(0, dtype=torch.int64)
LOSSES: dict[str, Callable[[], nn.Module]] = {
    "binomial": BinomialDeviance,
    "mined binomial": partial(BinomialDeviance, mined=True),
    "cosine contrastive": Contrastive,
    "distance contrastive": partial(Contrastive, form="distance"),
    "triplet": TripletLoss,
    "margin": partial(MarginLoss, sampling="all"),
    "mined margin": MarginLoss,
    "soft binomial": partial(SoftBinomialDeviance, similarity="constant", constant=0.3),
    "soft binomial of columns": partial(SoftBinomialDeviance, logits=4),
    "mean soft binomial of columns": partial(SoftBinomialDeviance, similarity="mean", logits=4),
    "pml": partial(PML, "ContrastiveLoss"),
}
every_loss = pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)


def points(n: int = len(LABELS), dim: int = 12, seed: int = 0) -> Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)) + 0.4


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_costs_what_its_values_cost_in_single(make: Callable[[], nn.Module], dtype: torch.dtype) -> None:
    """Also where squared norms leave its range, and the gradient of what is infinite would be zero."""
    half = (5000 * points(dim=512)).to(dtype).requires_grad_()
    single = half.detach().float().requires_grad_()
    found = []
    for x in (half, single):
        torch.manual_seed(0)
        found.append(make()(x, LABELS))
        (2e4 * found[-1]).backward()
    assert found[0].dtype == torch.float32 and found[0].item() == found[1].item() > 0
    torch.testing.assert_close(half.grad.float(), single.grad, rtol=0.01, atol=1e-6)
    assert half.grad.abs().sum() > 0


@every_loss
def test_autocast_changes_nothing(make: Callable[[], nn.Module]) -> None:
    found = []
    for on in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=on):
            found.append(make()(points(), LABELS).item())
    assert found[0] == found[1]


def test_probabilities_of_the_miner_are_computed_in_single_precision() -> None:
    half = points(40, 512).bfloat16()
    labels = torch.arange(40) // 2
    found = sampling_probabilities(half, labels)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, sampling_probabilities(half.float(), labels), rtol=0, atol=0)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(found, sampling_probabilities(half, labels), rtol=0, atol=0)


def test_what_reads_no_pairs_is_lifted_too() -> None:
    logits, truth = (10_000 * points()).half(), (points() > 0).half()
    assert attribute_bce(logits, truth).item() == attribute_bce(logits.float(), truth).item() > 0
    weight = points(3, 200).half() * 100
    with torch.autocast("cpu", torch.bfloat16):
        assert orthogonality([weight]).item() == orthogonality([weight.float()]).item() > 65_504


@every_loss
@pytest.mark.parametrize("count", [3, 4])
def test_pairs_that_a_miner_did_not_find_cost_nothing(make: Callable[[], nn.Module], count: int) -> None:
    x = points().requires_grad_()
    loss = make()(x, LABELS, (NONE,) * count)
    loss.backward()
    assert loss.item() == 0 and not x.grad.any()


@every_loss
def test_of_pairs_one_kind_may_be_missing(make: Callable[[], nn.Module]) -> None:
    """The loss of both kinds of pairs is the sum of what either costs alone, or lies between them."""
    some = torch.tensor([0, 2]), torch.tensor([1, 3]), torch.tensor([0, 1]), torch.tensor([2, 4])
    both, pull, push = (
        make()(points(), LABELS, pairs).item() for pairs in (some, (*some[:2], NONE, NONE), (NONE, NONE, *some[2:]))
    )
    if isinstance(make(), SoftBinomialDeviance) and make().similarity == "mean":
        return  # its g is a mean over both kinds
    joint = isinstance(make(), (MarginLoss, TripletLoss))
    assert both == pytest.approx(pull + push, rel=1e-6) or (joint and min(pull, push) <= both)


def test_miner_that_finds_nothing_stops_no_training() -> None:
    x = torch.eye(3)[LABELS].requires_grad_()  # a point a class
    mined = miners.TripletMarginMiner(margin=0.1)(x, LABELS)
    assert len(mined[0]) == 0
    assert BinomialDeviance()(x, LABELS, mined).item() == 0
    with pytest.raises(ValueError, match="no positive pair: 7 images of 7 classes"):
        BinomialDeviance()(x, torch.arange(7))


PAIRWISE = {name: make for name, make in LOSSES.items() if "soft" not in name}


@pytest.mark.parametrize("make", PAIRWISE.values(), ids=PAIRWISE)
def test_memory_of_earlier_batches_is_compared_with(make: Callable[[], nn.Module]) -> None:
    """Without gradients there, a batch and a memory cost what one batch of both costs over the same pairs."""
    memory, classes = points(5, seed=1), torch.tensor([0, 1, 2, 0, 3])
    same = LABELS[:, None] == classes
    pairs = *same.nonzero(as_tuple=True), *(~same).nonzero(as_tuple=True)
    ours = points().requires_grad_()
    found = make()(ours, LABELS, pairs, memory, classes)
    whole = torch.cat([points(), memory]).requires_grad_()
    shifted = pairs[0], pairs[1] + len(LABELS), pairs[2], pairs[3] + len(LABELS)
    expected = make()(whole, torch.cat([LABELS, classes]), shifted)
    torch.testing.assert_close(found, expected)
    for loss in (found, expected):
        loss.backward()
    reached = whole.detach().clone().requires_grad_()
    make()(torch.cat([reached[:7], reached[7:].detach()]), torch.cat([LABELS, classes]), shifted).backward()
    torch.testing.assert_close(ours.grad, reached.grad[:7])


class Memory(theirs.CrossBatchMemory):
    """The wrapper knows losses by the names of their classes, and refuses all others."""

    @classmethod
    def check_loss_support(cls, loss_name: str) -> None:
        pass


@pytest.mark.parametrize("make", PAIRWISE.values(), ids=PAIRWISE)
@pytest.mark.parametrize("miner", [None, DistanceWeighted()], ids=["all", "ours"])
def test_runs_in_cross_batch_memory(make: Callable[[], nn.Module], miner: nn.Module | None) -> None:
    """The second batch is compared with both; of the pairs, none joins an image with itself."""
    torch.manual_seed(0)
    wrapped = Memory(make(), 12, memory_size=64, miner=miner)
    for seed in (0, 1):
        x = points(seed=seed).requires_grad_()
        loss = wrapped(x, LABELS)
        loss.backward()
        assert torch.isfinite(loss) and torch.isfinite(x.grad).all() and x.grad.any()
    if miner is None and "mined" not in str(make):
        memory = torch.cat([points(seed=0), points(seed=1)])
        pairs = torch.cat([LABELS, LABELS])[:, None] == LABELS
        own = torch.arange(14)[:, None] == torch.arange(7) + 7
        kinds = (pairs & ~own).T.nonzero(as_tuple=True), (~pairs).T.nonzero(as_tuple=True)
        expected = make()(points(seed=1), LABELS, (*kinds[0], *kinds[1]), memory, torch.cat([LABELS, LABELS]))
        torch.testing.assert_close(loss, expected)


def test_runs_beside_other_losses() -> None:
    both = theirs.MultipleLosses([BinomialDeviance(), theirs.ContrastiveLoss()])
    expected = BinomialDeviance()(points(), LABELS) + theirs.ContrastiveLoss()(points(), LABELS)
    torch.testing.assert_close(both(points(), LABELS), expected)


def test_wrappers_that_know_names_take_ours_of_the_same_name() -> None:
    theirs.CrossBatchMemory(MarginLoss(), 12)
    with pytest.raises(Exception, match="not supported for BinomialDeviance"):
        theirs.CrossBatchMemory(BinomialDeviance(), 12)


class Alike(theirs.SelfSupervisedLoss):
    """The same, of two pictures of each image."""

    @classmethod
    def check_loss_support(cls, loss_name: str) -> None:
        pass


@pytest.mark.parametrize("make", PAIRWISE.values(), ids=PAIRWISE)
def test_runs_on_two_pictures_of_each_image(make: Callable[[], nn.Module]) -> None:
    found = []
    for loss in (Alike(make()), Alike(make(), symmetric=False)):
        torch.manual_seed(0)
        found.append(loss(points(), points(seed=1)))
    torch.manual_seed(0)
    torch.testing.assert_close(found[0], make()(torch.cat([points(), points(seed=1)]), torch.arange(7).repeat(2)))
    assert torch.isfinite(found[1])


def test_all_pairs_with_a_memory_are_those_of_the_wrapper() -> None:
    memory, classes = points(5, seed=1), torch.tensor([0, 1, 2, 0, 3])
    same = LABELS[:, None] == classes
    pairs = *same.nonzero(as_tuple=True), *(~same).nonzero(as_tuple=True)
    for make in (BinomialDeviance, Contrastive, partial(MarginLoss, sampling="all")):
        given = make()(points(), LABELS, pairs, memory, classes)
        torch.testing.assert_close(make()(points(), LABELS, None, memory, classes), given)
    triplets = [(a, p, n) for a in range(7) for p in range(5) for n in range(5) if same[a, p] and not same[a, n]]
    given = TripletLoss()(points(), LABELS, tuple(torch.tensor(triplets).T), memory, classes)
    torch.testing.assert_close(TripletLoss()(points(), LABELS, None, memory, classes), given)


def test_attributes_of_a_memory_are_its_last_columns_or_unknown() -> None:
    loss, memory = SoftBinomialDeviance(logits=4), points(seed=1)
    with_memory = loss(points(), LABELS, None, memory, LABELS)
    together = torch.cat([points(), memory])
    same = LABELS[:, None] == LABELS
    pairs = [side + 7 * (i % 2) for kind in (same, ~same) for i, side in enumerate(kind.nonzero(as_tuple=True))]
    torch.testing.assert_close(with_memory, loss(together, torch.cat([LABELS, LABELS]), tuple(pairs)))
    with pytest.raises(UserError, match=r"knows no attributes of images of earlier batches \(ref_emb\)"):
        SoftBinomialDeviance()(points(), LABELS, None, memory, LABELS, logits=points())


def test_a_memory_that_does_not_fit_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="ref_emb and ref_labels belong together"):
        TripletLoss()(points(), LABELS, None, points())
    with pytest.raises(ValueError, match="embeddings have 12 dimensions, ref_emb has 3"):
        TripletLoss()(points(), LABELS, None, points(dim=3), LABELS)
    with pytest.raises(ValueError, match=r"need \(N, d\) embeddings"):
        TripletLoss()(points(), LABELS, None, points(3), LABELS)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (4, r"label 4: .* for each of the classes 0 to 3; set its option '{}' to 5 or more"),
        (-1, r"label -1: .* number the classes from 0"),
        (-4, r"label -4: .* number the classes from 0"),
    ],
)
@pytest.mark.parametrize("sampling", ["all", "distance_weighted"])
def test_label_without_an_entry_is_named(label: int, said: str, sampling: str) -> None:
    """A negative one would use the beta of the last classes, and one too large end the process on a GPU."""
    labels = LABELS.clone()
    labels[labels == 1] = label
    proxies = PML("ProxyNCALoss", {"num_classes": 4, "embedding_size": 12})
    for loss, option in ((MarginLoss(classes=4, sampling=sampling), "classes"), (proxies, "num_classes")):
        with pytest.raises(ValueError, match=said.format(option)):
            loss(points(), labels)
        assert torch.isfinite(loss(points(), LABELS))
    assert torch.isfinite(MarginLoss(sampling=sampling)(points(), labels))


def test_labels_of_the_data_are_compared_before_a_run() -> None:
    objective = build_objective([Term("unit_rows"), Term("margin", {"classes": 4})])
    objective.check_labels(torch.arange(4))
    with pytest.raises(UserError, match=r"label 4: loss 'margin' .* set its option 'classes' to 7 or more\."):
        objective.check_labels(torch.arange(7))


def test_duplicate_across_classes_is_drawn_where_no_distance_is_too_small() -> None:
    x = points(4)[[0, 1, 2, 3, 0]]  # the last is a duplicate of the first, of another class
    labels = torch.tensor([0, 0, 1, 1, 2])
    found = sampling_probabilities(x, labels, lower=0.0)
    assert torch.isfinite(found).all()
    assert found[0].tolist() == pytest.approx([0, 0, 0, 0, 1], abs=1e-3)


def embeddings_of(data: st.DataObject) -> tuple[Tensor, Tensor]:
    """Random rows, of which some are duplicates, zero, tiny or huge, of any type."""
    n, dim = data.draw(st.integers(3, 12)), data.draw(st.sampled_from([1, 2, 3, 16, 600]))
    stream = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    rows = torch.randn(n, dim, generator=stream)
    scales = data.draw(st.lists(st.sampled_from([0.0, 1e-6, 1.0, 1.0, 2e4]), min_size=n, max_size=n))
    rows = rows[torch.randint(0, n, (n,), generator=stream)] * torch.tensor(scales)[:, None]
    labels = torch.tensor([0, 0, 1, *data.draw(st.lists(st.integers(-3, 4), min_size=n - 3, max_size=n - 3))])
    dtype = data.draw(st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]))
    return rows.clamp(-6e4, 6e4).to(dtype), labels


def mine(data: st.DataObject) -> None:
    rows, labels = embeddings_of(data)
    lower, upper = data.draw(st.sampled_from([0.0, 1e-30, 0.5, 1.9])), data.draw(st.sampled_from([0.0, 0.1, 1.4, 9.0]))
    anchors, positives, negatives = DistanceWeighted(lower, upper)(rows, labels)
    assert (labels[anchors] == labels[positives]).all() and (anchors != positives).all()
    assert negatives.min() >= 0 and negatives.max() < len(labels)
    assert (labels[negatives] != labels[anchors]).all()


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_negatives_are_rows_of_another_class(data: st.DataObject) -> None:
    mine(data)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(st.data())
def test_negatives_are_rows_of_another_class_many(data: st.DataObject) -> None:
    mine(data)


def costs(data: st.DataObject) -> None:
    rows, labels = embeddings_of(data)
    make = data.draw(st.sampled_from([make for name, make in LOSSES.items() if "columns" not in name]))
    x = rows.clone().requires_grad_()
    loss = make()(x, labels)
    loss.backward()
    assert loss.dtype == (torch.float64 if rows.dtype == torch.float64 else torch.float32)
    assert torch.isfinite(loss) and loss > -1e-5  # a cosine may be above 1 by rounding
    if (F.normalize(rows.double()).norm(dim=1) > 0.5).all() and rows.dtype.itemsize >= 4:
        assert torch.isfinite(x.grad).all()


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_every_loss_of_any_rows_is_finite(data: st.DataObject) -> None:
    costs(data)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(st.data())
def test_every_loss_of_any_rows_is_finite_many(data: st.DataObject) -> None:
    costs(data)


def test_draws_of_what_is_no_distribution_stay_among_the_columns() -> None:
    rows = torch.tensor([[torch.nan, 1.0], [0.0, 0.0], [torch.inf, 1.0]])
    drawn = draw(rows, 50)
    assert drawn.min() >= 0 and drawn.max() <= 1
