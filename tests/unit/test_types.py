"""What passes between rooms: scales of an output and what is read from all of them."""

from __future__ import annotations

import pytest
import torch

from reproducible.types import Output, Scale


def test_learners_are_those_of_all_scales_in_order() -> None:
    numbers = [torch.full((1, 1), float(number)) for number in range(9)]
    first, second = Scale((numbers[0],), (numbers[1],), (numbers[2],)), Scale(*(tuple(numbers[i::3]) for i in range(3)))
    output = Output(numbers[0], (first, second, Scale((numbers[8],))))
    assert [x.item() for x in output.learners] == [0, 0, 3, 6, 8]
    assert [x.item() for x in output.inputs] == [1, 1, 4, 7]
    assert [x.item() for x in output.weights] == [2, 2, 5, 8]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_mean_factors_are_as_exact_as_single_precision(dtype: torch.dtype) -> None:
    factors = torch.rand(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0)).to(dtype)
    found = Scale((), factors=factors).mean_factors
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(found.double(), factors.double().sum((3, 4)) / 30, rtol=1e-6, atol=0)
    assert Scale(()).mean_factors is None
