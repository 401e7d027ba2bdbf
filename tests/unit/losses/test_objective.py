"""Several losses as one objective: what a term reads, what it weighs and what it is called."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from pytorch_metric_learning import losses as pml_losses
from torch import Tensor, nn

from reproducible import registry
from reproducible.config import RunConfig, Term, from_dict, to_dict
from reproducible.losses.binomial_deviance import BinomialDeviance
from reproducible.losses.objective import Objective, build_objective
from reproducible.losses.soft_binomial import SoftBinomialDeviance
from reproducible.losses.unit_rows import unit_rows
from reproducible.resources import UserError
from reproducible.training.seeding import initialise
from reproducible.training.selfcheck import OPTIONS
from reproducible.types import Batch, Output, Scale

LABELS = torch.tensor([0, 0, 1, 1, 2, 2])
PAIRS = tuple(torch.tensor(part) for part in ([0, 2], [1, 3], [0, 1, 4], [2, 5, 3]))


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def output() -> Output:
    """Two learners and the embedding that they make together."""
    given = draw(6, 7, seed=0)
    weights = tuple(draw(4, 7, seed=1 + j) for j in range(2))
    learnt = tuple(given @ weight.T for weight in weights)
    embedding = torch.cat([F.normalize(x, dim=1) for x in learnt], dim=1) / 2**0.5
    return Output(embedding, (Scale(learnt, (given, given), weights),), penalties={"L_var": given.var()})


def batch(pairs: tuple[Tensor, ...] | None = None) -> Batch:
    return Batch(torch.empty(6, 3, 1, 1), LABELS, pairs=pairs)


def test_what_a_term_reads() -> None:
    """The mean over learners, the embedding, or the whole output; and its weight beside the loss's own."""
    found = output()
    terms = (
        Term("binomial_deviance", {"gamma": 5.0}),
        Term("binomial_deviance", {"gamma": 5.0}, on="embedding", label="together"),
        Term("unit_rows", {"weight": 0.25}, weight=0.5),
        Term("unit_rows", {"weight": 0.25}, on="output", label="again"),
    )
    values = build_objective(terms)(found, batch())
    loss = BinomialDeviance(gamma=5.0)
    rows = 0.25 * unit_rows(found.weights)
    expected = {
        "binomial_deviance": (loss(found.learners[0], LABELS) + loss(found.learners[1], LABELS)) / 2,
        "together": loss(found.embedding, LABELS),
        "unit_rows": 0.5 * rows,
        "again": rows,
    }
    assert list(values) == list(expected)
    for label, value in expected.items():
        torch.testing.assert_close(values[label], value, rtol=1e-12, atol=0)
    assert values["together"] != values["binomial_deviance"]


@pytest.mark.parametrize("name", ["binomial_deviance", "margin", "pml"])
@pytest.mark.parametrize("on", ["learners", "embedding"])
def test_pairs_of_the_batch_reach_every_pair_loss(name: str, on: str) -> None:
    """A loss of two pairs of one class and three of two classes, not of all that the labels make."""
    found = output()
    options = {"name": "ContrastiveLoss"} if name == "pml" else {}
    (value,) = build_objective([Term(name, options, on)])(found, batch(PAIRS)).values()
    loss = {
        "binomial_deviance": BinomialDeviance(),
        "margin": build_objective([Term("margin")]).terms["margin"],
        "pml": pml_losses.ContrastiveLoss(),
    }[name]
    points = found.learners if on == "learners" else (found.embedding,)
    torch.testing.assert_close(value, torch.stack([loss(x, LABELS, PAIRS) for x in points]).mean())
    (of_all,) = build_objective([Term(name, options, on)])(found, batch()).values()
    assert value != of_all


def test_losses_of_pytorch_metric_learning_run_beside_ours() -> None:
    """Its contrastive loss, applied to each learner and averaged."""
    found, contrastive = output(), pml_losses.ContrastiveLoss()
    objective = Objective({"contrastive": contrastive, "deviance": BinomialDeviance()})
    values = objective(found, batch())
    for label, loss in (("contrastive", contrastive), ("deviance", BinomialDeviance())):
        torch.testing.assert_close(values[label], torch.stack([loss(x, LABELS) for x in found.learners]).mean())


def test_parameters_of_a_loss_belong_to_the_objective() -> None:
    proxies = pml_losses.ProxyNCALoss(num_classes=3, embedding_size=4)
    objective = Objective({"proxy": proxies})
    assert [p.shape for p in objective.parameters()] == [(3, 4)]
    learnt = tuple(x.float() for x in output().learners)
    objective(Output(learnt[0], (Scale(learnt),)), batch())["proxy"].backward()
    assert proxies.proxies.grad.abs().sum() > 0


@pytest.mark.parametrize("name", [n for n in registry.REGISTRY["loss"] if n not in ("penalty", "attribute_bce")])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_losses_of_half_precision_are_those_of_its_values_in_single(name: str, dtype: torch.dtype) -> None:
    """With lengths whose squares leave the range of half precision; a penalty is the model's own."""

    def rounded(parts: tuple[Tensor, ...], to: torch.dtype) -> tuple[Tensor, ...]:
        return tuple((300 * part).to(dtype).to(to) for part in parts)

    found = []
    for to in (dtype, torch.float32):
        (plain,) = output().scales
        learnt = rounded(plain.learnt, to)
        gates = torch.sigmoid(torch.stack(learnt) / 300)[..., None, None]
        scale = Scale(learnt, rounded(plain.given, to), rounded(plain.weights, to), gates)
        given = Output(output().embedding.to(dtype).to(to), (scale,), attributes=torch.ones(6, 3).to(to))
        objective = build_objective([Term(name, OPTIONS.get(name, {}) | ({"dim": 4} if name == "adversary" else {}))])
        torch.manual_seed(0)
        initialise(objective, 0)
        (value,) = objective(given, batch()).values()
        assert value.dtype == torch.float32 and torch.isfinite(value)
        found.append(value.item())
    assert found[0] == pytest.approx(found[1], rel=1e-2)  # sigmoids of gates are rounded


def test_terms_go_by_label_name_or_loss() -> None:
    """Curves of recorded runs are keyed by these."""
    terms = (Term("penalty", {"name": "L_var"}), Term("margin"), Term("margin", {"beta": 1.0}, label="wide"))
    assert [term.known_as for term in terms] == ["L_var", "margin", "wide"]
    assert list(build_objective(terms)(output(), batch())) == ["L_var", "margin", "wide"]


def test_what_a_term_has_beside_its_loss_is_left_out_where_it_is_the_default() -> None:
    """Recorded configurations hold names and options alone."""
    plain = RunConfig(objective=(Term("margin"), Term("unit_rows", {"weight": 0.1})))
    assert to_dict(plain, sparse=True) == {
        "objective": [{"name": "margin"}, {"name": "unit_rows", "options": {"weight": 0.1}}]
    }
    full = RunConfig(objective=(Term("margin", {}, "embedding", 0.5, "once"),))
    sparse = to_dict(full, sparse=True)
    assert sparse == {"objective": [{"name": "margin", "on": "embedding", "weight": 0.5, "label": "once"}]}
    assert from_dict(RunConfig, sparse) == full


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ([{"name": "margin", "on": "scale"}], "Term.on must be one of learners, embedding, output, got 'scale'"),
        ([{"name": "margin", "weight": 0}], "Term.weight must be above 0 and finite, got 0.0"),
        ([{"name": "margin", "weight": float("inf")}], "Term.weight must be above 0 and finite, got inf"),
        ([{"name": "margin", "label": "a.b"}], "Term.label must be of letters, digits, _ and -, got 'a.b'"),
        ([{"name": "margin"}] * 2, "two terms called 'margin'; give one of them another label"),
        (
            [{"name": "margin", "label": "unit_rows"}, {"name": "unit_rows"}],
            "two terms called 'unit_rows'; give one of them another label",
        ),
    ],
)
def test_terms_that_no_configuration_can_have(terms: list[dict[str, object]], words: str) -> None:
    with pytest.raises(UserError) as error:
        from_dict(RunConfig, {"objective": terms})
    assert words in str(error.value)


def test_two_terms_that_are_called_the_same_are_not_one() -> None:
    with pytest.raises(UserError, match="two terms called 'margin'; give one of them another label"):
        build_objective([Term("margin"), Term("margin", {"beta": 1.0})])


@pytest.mark.parametrize(
    ("term", "words"),
    [
        (Term("unit_row"), "There is no loss named 'unit_row'. Did you mean 'unit_rows'?"),
        (Term("unit_rows", on="learners"), "Loss 'unit_rows' can be on output, not on 'learners'"),
        (Term("margin", on="output"), "Loss 'margin' can be on learners or embedding, not on 'output'"),
        (Term("penalty"), "loss 'penalty' needs the option 'name'"),
        (Term("margin", label="keys"), "A term of the objective cannot be called 'keys'; give it another label"),
        (Term("penalty", {"name": "L.var"}), "cannot be called 'L.var'; give it another label"),
    ],
)
def test_terms_that_cannot_be_built(term: Term, words: str) -> None:
    with pytest.raises(UserError) as error:
        build_objective([term])
    assert words in str(error.value)


class _Judge(nn.Module):
    by_attributes = True

    def forward(self, embeddings: Tensor, labels: Tensor, pairs: object, logits: Tensor, truth: Tensor) -> Tensor:
        return embeddings.sum() + logits.sum() + 100 * truth.sum()


@pytest.mark.parametrize("on", ["learners", "embedding"])
def test_a_loss_that_judges_by_attributes_gets_them(on: str) -> None:
    found, images = output(), batch()
    found.attributes, images.attributes = draw(6, 3, seed=9), torch.ones(6, 3)
    read = found.embedding.sum() if on == "embedding" else sum(x.sum() for x in found.learners) / 2
    value = Objective({"judge": _Judge()}, {"judge": on})(found, images)["judge"]
    torch.testing.assert_close(value, read + found.attributes.sum() + 1800)


@pytest.mark.parametrize("pairs", [None, PAIRS])
def test_soft_binomial_deviance_is_judged_by_the_attributes_of_model_and_batch(
    pairs: tuple[Tensor, ...] | None,
) -> None:
    found, images = output(), batch(pairs)
    found.attributes, images.attributes = draw(6, 3, seed=9), (draw(6, 3, seed=8) > 0).float()
    for options in ({"alpha": 3.0}, {"similarity": "true"}):
        loss = SoftBinomialDeviance(**options)
        expected = [loss(x, LABELS, pairs, logits=found.attributes, truth=images.attributes) for x in found.learners]
        value = build_objective([Term("soft_binomial", options)])(found, images)["soft_binomial"]
        torch.testing.assert_close(value, sum(expected) / 2, rtol=1e-12, atol=0)
