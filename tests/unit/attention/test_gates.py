"""What is done with factors of any shape, and gates that look at nothing or through one convolution."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reproducible.attention.fixed import FixedGates
from reproducible.attention.gates import fold, means
from reproducible.attention.sigmoid import SigmoidGates

J, N, C, H, W = 3, 2, 5, 4, 6


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(C, 1, 1), (1, H, W), (C, H, W)])
def test_factors_of_every_shape_gate_the_map(shape: tuple[int, ...]) -> None:
    maps, factors = draw(N, C, H, W), draw(J, N, *shape, seed=1)
    folded, pooled = fold(maps, factors), means(maps, factors)
    assert folded.shape == (J * N, C, H, W) and pooled.shape == (J, N, C)
    assert folded.is_contiguous(memory_format=torch.channels_last)
    whole = factors.expand(J, N, C, H, W)
    for j in range(J):
        for n in range(N):
            wanted = torch.tensor(
                [[[maps[n, c, y, x] * whole[j, n, c, y, x] for x in range(W)] for y in range(H)] for c in range(C)]
            )
            torch.testing.assert_close(folded[j * N + n], wanted.double())
            torch.testing.assert_close(pooled[j, n], wanted.double().flatten(1).mean(1))


def test_means_keep_no_copies_of_the_maps_for_their_gradient() -> None:
    maps, factors = draw(N, C, H, W).requires_grad_(), draw(J, N, 1, H, W, seed=1).requires_grad_()
    kept: dict[int, int] = {}

    def pack(saved: Tensor) -> Tensor:
        kept[saved.untyped_storage().data_ptr()] = saved.untyped_storage().nbytes()
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        means(maps, factors).sum().backward()
    assert sum(kept.values()) == maps.untyped_storage().nbytes() + factors.untyped_storage().nbytes()


def test_sigmoid_gates_are_one_convolution_each() -> None:
    torch.manual_seed(0)
    module, maps = SigmoidGates(7, C, J).double(), draw(N, 7, H, W)
    found = module(maps)
    assert found.shape == (J, N, C, H, W)
    for j in range(J):
        weight, bias = module.excite.weight[j * C : (j + 1) * C, :, 0, 0], module.excite.bias[j * C : (j + 1) * C]
        logits = maps[1, :, 2, 3] @ weight.T + bias
        torch.testing.assert_close(found[j, 1, :, 2, 3], 1 / (1 + torch.exp(-logits)))


def test_fixed_gates_read_nothing() -> None:
    module = FixedGates(7, C, J)
    one, other = module(torch.zeros(N, 7, H, W)), module(torch.ones(N, 7, 1, 1))
    assert torch.equal(one, other) and one.shape == (J, N, C, 1, 1)
    assert not module.drawn.requires_grad
    module.requires_grad_(True)
    module(torch.zeros(N, 7, H, W)).sum().backward()
    assert (module.drawn.grad > 0).all()
