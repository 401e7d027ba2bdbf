"""Local response normalisation against torch's own, forward and backward."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from reproducible.backbones.lrn import LocalResponseNorm, local_response_norm
from tests.reference.caffe_googlenet import lrn as literal

SHAPES = [(2, 64, 5, 4), (1, 192, 3, 3), (3, 3, 2, 2), (1, 1, 4, 4), (2, 5, 1, 1)]


def draw(*shape: int, scale: float = 30.0, dtype: torch.dtype = torch.float64) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("size", "alpha", "k"), [(5, 1e-4, 1.0), (3, 0.5, 2.0)])
def test_equals_torch_forward_and_backward(shape: tuple[int, ...], size: int, alpha: float, k: float) -> None:
    ours, theirs = draw(*shape).requires_grad_(), draw(*shape).requires_grad_()
    upstream = torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = local_response_norm(ours, size, alpha, k)
    expected = F.local_response_norm(theirs, size, alpha, 0.75, k)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
    y.backward(upstream)
    expected.backward(upstream)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-12)


def test_equals_the_formula_channel_by_channel() -> None:
    x = draw(2, 9, 3, 2, scale=200.0)
    torch.testing.assert_close(local_response_norm(x), literal(x), rtol=1e-12, atol=1e-12)


def test_gradient() -> None:
    x = draw(2, 7, 2, 2, scale=1.0).requires_grad_()
    assert torch.autograd.gradcheck(lambda t: local_response_norm(t, alpha=0.7), (x,))


def test_fp32_is_as_close_as_rounding_allows() -> None:
    x = draw(2, 64, 5, 5, scale=300.0, dtype=torch.float32).requires_grad_()
    y = local_response_norm(x)
    y.sum().backward()
    exact = x.detach().double().requires_grad_()
    expected = F.local_response_norm(exact, 5)
    expected.sum().backward()
    torch.testing.assert_close(y.double(), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(x.grad.double(), exact.grad, rtol=1e-4, atol=1e-5)


def test_keeps_channels_last() -> None:
    x = draw(2, 64, 6, 6, dtype=torch.float32)
    last = x.to(memory_format=torch.channels_last).requires_grad_()
    y = local_response_norm(last)
    assert y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y, local_response_norm(x))
    y.square().sum().backward()
    assert last.grad.is_contiguous(memory_format=torch.channels_last)


def test_input_and_upstream_gradient_are_left_alone() -> None:
    x = draw(1, 8, 2, 2).requires_grad_()
    before, upstream = x.detach().clone(), torch.ones(1, 8, 2, 2, dtype=torch.float64)
    local_response_norm(x).backward(upstream)
    torch.testing.assert_close(x.detach(), before, rtol=0, atol=0)
    assert bool((upstream == 1).all())


def test_autocast_keeps_the_dtype_of_the_input() -> None:
    x = draw(1, 16, 3, 3, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        assert local_response_norm(x).dtype == torch.float32
        rounded = local_response_norm(x.bfloat16())
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), local_response_norm(x), rtol=2e-2, atol=2e-2)


def test_module_is_the_function() -> None:
    x = draw(1, 8, 2, 2)
    torch.testing.assert_close(LocalResponseNorm(3, 0.5, 2.0)(x), local_response_norm(x, 3, 0.5, 2.0), rtol=0, atol=0)


@pytest.mark.parametrize(("shape", "size"), [((1, 8, 2, 2), 4), ((8, 2, 2), 5), ((1, 8), 5)])
def test_wrong_window_or_shape(shape: tuple[int, ...], size: int) -> None:
    with pytest.raises(ValueError, match=r"odd size and \(N, C, H, W\) input, got"):
        local_response_norm(torch.zeros(shape), size)
