"""Activation decay and its parts against DeML Eq. 6 written out literally."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from tiny_runs import TinyTrunk
from torch import Tensor

from reproducible import registry
from reproducible.losses.activation_decay import ActivationDecay, squared_activation
from reproducible.losses.orthogonality import Orthogonality, orthogonality
from reproducible.losses.unit_rows import UnitRows, unit_rows
from reproducible.models.deml import deml
from reproducible.types import Batch, Output, Scale

N, C, D = 5, 7, 4
BATCH = Batch(torch.empty(N, 3, 1, 1), torch.zeros(N, dtype=torch.int64))


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def output(learners: int = 1, dtype: torch.dtype = torch.float64) -> Output:
    """Learners with their weights and inputs, all of which take gradients."""
    inputs = tuple(draw(N, C, seed=10 + j, dtype=dtype).requires_grad_() for j in range(learners))
    weights = tuple(draw(D, C, seed=20 + j, dtype=dtype).requires_grad_() for j in range(learners))
    made = tuple(x @ w.T for x, w in zip(inputs, weights, strict=True))
    return Output(torch.nn.functional.normalize(made[0]), (Scale(made, inputs, weights),))


def literal_activation(learners: tuple[Tensor, ...]) -> float:
    """1 / (2 I J N) times the sum over learners and images of the squared norm."""
    total = sum(float(value) ** 2 for x in learners for row in x.detach() for value in row)
    return total / (2 * len(learners) * N)


def literal_trace(weight: Tensor, product: str) -> float:
    """tr[(w w^T - I) (x) (w w^T - I)] with the Hadamard or the matrix product, element by element."""
    weight, rows = weight.detach(), len(weight)
    gap = [
        [sum(float(a) * float(b) for a, b in zip(weight[r], weight[s], strict=True)) - (r == s) for s in range(rows)]
        for r in range(rows)
    ]
    if product == "hadamard":
        return sum(gap[r][r] * gap[r][r] for r in range(rows))
    return sum(gap[r][s] * gap[s][r] for r in range(rows) for s in range(rows))


@pytest.mark.parametrize("learners", [1, 3])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_activation_term_is_the_first_of_eq_6(learners: int, dtype: torch.dtype, tolerance: float) -> None:
    made = output(learners, dtype)
    expected = literal_activation(made.learners)
    assert squared_activation(made.learners).item() == pytest.approx(expected, rel=tolerance)
    assert ActivationDecay()(made, BATCH).item() == pytest.approx(0.014 * expected, rel=tolerance)


@pytest.mark.parametrize(("function", "product"), [(unit_rows, "hadamard"), (orthogonality, "matrix")])
@pytest.mark.parametrize("learners", [1, 2])
def test_traces_are_those_of_eq_6(
    function: Callable[[tuple[Tensor, ...]], Tensor], product: str, learners: int
) -> None:
    weights = output(learners).weights
    expected = sum(literal_trace(w.detach(), product) for w in weights)
    assert function(weights).item() == pytest.approx(expected, rel=1e-12)


def test_matrix_that_learners_share_counts_for_each_of_them() -> None:
    """Eq. 6 sums over learners: eight of one matrix weigh it by eight times lambda_2."""
    model = deml(TinyTrunk(), 1, 8, dim=32, at="low", hidden=4)
    found = model(torch.rand(2, 3, 32, 32))
    (matrix,) = {id(w): w for w in found.weights}.values()
    expected = 8 * 0.25 * literal_trace(matrix, "hadamard")
    assert UnitRows()(found, BATCH).item() == pytest.approx(expected, rel=1e-5)


def test_weights_of_the_document_are_the_defaults() -> None:
    made = output()
    assert UnitRows()(made, BATCH).item() == pytest.approx(0.25 * literal_trace(made.weights[0], "hadamard"), rel=1e-12)
    assert Orthogonality()(made, BATCH).item() == pytest.approx(
        0.25 * literal_trace(made.weights[0], "matrix"), rel=1e-12
    )
    assert ActivationDecay(weight=1.0)(made, BATCH).item() == pytest.approx(
        literal_activation(made.learners), rel=1e-12
    )


def test_gradients() -> None:
    weight = draw(D, C).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: squared_activation([x]), (weight,))
    assert torch.autograd.gradcheck(lambda w: unit_rows([w, 2 * w]), (weight,))
    assert torch.autograd.gradcheck(lambda w: orthogonality([w, 2 * w]), (weight,))


def test_gradient_of_unit_rows_is_the_released_codes() -> None:
    """4 (|w_r|^2 - 1) w_r for each row, as the released layer writes it."""
    weight = draw(D, C).requires_grad_()
    unit_rows([weight]).backward()
    with torch.no_grad():
        torch.testing.assert_close(weight.grad, 4 * (weight.square().sum(dim=1, keepdim=True) - 1) * weight)


def test_collinear_unit_rows_cost_nothing_but_are_not_orthogonal() -> None:
    """L_ntri constrains norms alone; the matrix product would ask for orthogonality."""
    row = torch.nn.functional.normalize(draw(1, C), dim=1)
    weight = row.repeat(D, 1).requires_grad_()
    loss = unit_rows([weight])
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-28)
    assert weight.grad.abs().max().item() == pytest.approx(0.0, abs=1e-14)
    assert orthogonality([weight]).item() == pytest.approx(D * (D - 1), rel=1e-12)


def test_orthonormal_rows_cost_nothing_in_either() -> None:
    weight = torch.linalg.qr(draw(C, D)).Q.T
    assert unit_rows([weight]).item() == pytest.approx(0.0, abs=1e-25)
    assert orthogonality([weight]).item() == pytest.approx(0.0, abs=1e-25)


def test_document_form_reaches_the_trunk_and_released_form_does_not() -> None:
    for released in (False, True):
        made = output()
        ActivationDecay(released=released)(made, BATCH).backward()
        assert all((x.grad is None) == released for x in made.inputs)
        assert all(w.grad is not None and w.grad.abs().sum() > 0 for w in made.weights)


@pytest.mark.parametrize("dim", [4, 512])
def test_released_form_weighs_the_squared_norm_by_its_weight_over_the_channels(dim: int) -> None:
    """0.014 / d times the mean over images of |x|^2: for d = 512, 256 times less than the document's 0.014 / 2."""
    given, weight = draw(N, C), draw(dim, C)
    made = Output(given, (Scale((given @ weight.T,), (given,), (weight,)),))
    mean = sum(float(row @ row) for row in made.learners[0]) / N
    assert ActivationDecay(released=True)(made, BATCH).item() == pytest.approx(0.014 / dim * mean, rel=1e-12)
    ratio = ActivationDecay()(made, BATCH) / ActivationDecay(released=True)(made, BATCH)
    assert ratio.item() == pytest.approx(dim / 2, rel=1e-12)


def test_released_form_takes_the_first_learner_of_each_scale() -> None:
    """Of two scales with two branches each: the second learners feel nothing."""
    four = output(4)
    (all_of,) = four.scales
    halves = (Scale(*(part[i : i + 2] for part in (all_of.learnt, all_of.given, all_of.weights))) for i in (0, 2))
    made = replace(four, scales=tuple(halves))
    loss = ActivationDecay(released=True)(made, BATCH)
    expected = [0.014 / D * made.learners[i].square().sum() / N for i in (0, 2)]
    torch.testing.assert_close(loss, sum(expected) / 2)
    loss.backward()
    assert [w.grad is None for w in made.weights] == [False, True, False, True]


def test_tuned_arms_can_reach_the_released_strength() -> None:
    """The smallest candidate of the tuning is the released strength in the document's form."""
    from reproducible.studies.baseline import LACT_RELEASED

    given, weight = draw(N, C), draw(512, C)
    made = Output(given, (Scale((given @ weight.T,), (given,), (weight,)),))
    ours = registry.build("loss", "activation_decay", weight=LACT_RELEASED)(made, BATCH)
    assert ours.item() == pytest.approx(ActivationDecay(released=True)(made, BATCH).item(), rel=1e-12)
