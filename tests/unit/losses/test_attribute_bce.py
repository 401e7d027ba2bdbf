"""Cross-entropy of attributes (SGML Eq. 2) written out, and what is said where there are none."""

from __future__ import annotations

import math

import pytest
import torch

from reproducible.losses.attribute_bce import AttributeBCE, attribute_bce
from reproducible.resources import UserError
from reproducible.types import Batch, Output, Scale

LOGITS = torch.tensor([[0.0, 2.0, -1.0], [3.0, -0.5, 0.0]], dtype=torch.float64)
TRUTH = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])


def of_image(row: int) -> float:
    """Eq. 2 in Python's own numbers."""
    probabilities = [1 / (1 + math.exp(-x)) for x in LOGITS[row].tolist()]
    return -sum(math.log(p) if a else math.log(1 - p) for p, a in zip(probabilities, TRUTH[row].tolist(), strict=True))


@pytest.fixture
def output_with():
    """``output_with(logits)``: an output with these attributes."""
    return lambda logits: Output(torch.ones(2, 1), (Scale((torch.ones(2, 1),)),), attributes=logits)


@pytest.mark.parametrize(("form", "divisor"), [("sum", 1), ("mean", 3)])
def test_equals_the_sum_written_out(form: str, divisor: int) -> None:
    expected = (of_image(0) + of_image(1)) / 2 / divisor
    assert attribute_bce(LOGITS, TRUTH, form).item() == pytest.approx(expected, rel=1e-12)


def test_gradient_is_what_is_predicted_less_what_is_there() -> None:
    logits = LOGITS.clone().requires_grad_()
    attribute_bce(logits, TRUTH, "sum").backward()
    torch.testing.assert_close(logits.grad, (LOGITS.sigmoid() - TRUTH) / 2)


def test_large_logits_do_not_overflow() -> None:
    found = attribute_bce(torch.tensor([[400.0, -400.0]]), torch.tensor([[0.0, 0.0]]), "sum")
    assert found.item() == 400.0


def test_reads_output_and_batch(output_with) -> None:
    batch = Batch(torch.empty(2, 3, 1, 1), torch.tensor([0, 1]), attributes=TRUTH)
    assert AttributeBCE("sum")(output_with(LOGITS), batch) == attribute_bce(LOGITS, TRUTH, "sum")


def test_what_is_not_there_is_named(output_with) -> None:
    batch = Batch(torch.empty(2, 3, 1, 1), torch.tensor([0, 1]), attributes=TRUTH)
    with pytest.raises(UserError, match="needs a model with an attribute branch"):
        AttributeBCE()(output_with(None), batch)
    with pytest.raises(UserError, match="needs a data set with attributes"):
        AttributeBCE()(output_with(LOGITS), Batch(batch.images, batch.labels))
    with pytest.raises(UserError, match="predicts 2 attributes, the data set has 3"):
        AttributeBCE()(output_with(LOGITS[:, :2]), batch)
    with pytest.raises(UserError, match="form must be one of mean, sum, got 'max'"):
        AttributeBCE("max")
