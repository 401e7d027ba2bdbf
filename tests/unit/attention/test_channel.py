"""Channel gates against the formula of DeML section 3.2, gate by gate."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from reproducible.attention.channel import ChannelGates

N, C, OUT, J, HIDDEN = 3, 10, 7, 4, 5


@pytest.fixture(scope="module")
def maps() -> Tensor:
    return torch.randn(N, C, 6, 5, generator=torch.Generator().manual_seed(0))


def gates(pooled: bool) -> ChannelGates:
    torch.manual_seed(0)
    made = ChannelGates(C, OUT, J, HIDDEN, pooled)
    for bias in (made.squeeze_bias, made.excite_bias):
        if bias is not None:
            nn.init.normal_(bias)
    return made


@pytest.mark.parametrize("pooled", [True, False])
def test_each_gate_is_two_layers_of_its_own(maps: Tensor, pooled: bool) -> None:
    module = gates(pooled)
    found = module(maps)
    assert found.shape == ((J, N, OUT, 1, 1) if pooled else (J, N, OUT, 6, 5))
    for j in range(J):
        first, second = module.squeeze.view(J, HIDDEN, C)[j], module.excite.view(J, OUT, HIDDEN)[j]
        a = b = torch.zeros(1)
        if not pooled:
            a, b = module.squeeze_bias.view(J, HIDDEN)[j], module.excite_bias.view(J, OUT)[j]
        for n in range(N):
            columns = maps[n].flatten(1).T
            given = columns.mean(0, keepdim=True) if pooled else columns
            wanted = torch.sigmoid((given @ first.T + a).relu() @ second.T + b)
            torch.testing.assert_close(found[j, n].flatten(1).T, wanted)


def test_pooled_gate_has_the_document_s_parameters() -> None:
    assert sum(p.numel() for p in ChannelGates(480, 480, 1).parameters()) == 2 * 480 * 64
    assert sum(p.numel() for p in ChannelGates(512, 512, 1, pooled=False).parameters()) == 2 * 512 * 64 + 512 + 64


def test_gates_start_different_and_by_xavier() -> None:
    module = ChannelGates(200, 200, 2, 64)
    assert not torch.equal(*module.squeeze.chunk(2))
    bound = (6 / 264) ** 0.5
    assert 0.98 * bound < module.squeeze.abs().max() <= bound
    assert 0.98 * bound < module.excite.abs().max() <= bound
