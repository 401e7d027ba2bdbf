"""The repulsion of gates, written out pair by pair."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from side_by_side import BATCH, N

from reproducible.losses.gate_repulsion import GateRepulsion
from reproducible.resources import UserError
from reproducible.types import Output, Scale


def test_gate_repulsion_is_the_mean_cosine_of_pairs_of_gates() -> None:
    """Of gates of channels, and of those of channels and positions in their mean over positions."""
    gates = [torch.rand(3, N, 7, 1, 1, dtype=torch.float64), torch.rand(3, N, 7, 2, 4, dtype=torch.float64)]
    pairs = [
        F.cosine_similarity(of[j, n].mean((1, 2)), of[other, n].mean((1, 2)), dim=0).item()
        for of in gates
        for n in range(N)
        for j, other in ((0, 1), (0, 2), (1, 2))
    ]
    found = Output(torch.empty(0), (*(Scale((), factors=of) for of in gates), Scale(())))
    assert GateRepulsion(0.5)(found, BATCH).item() == pytest.approx(0.5 * sum(pairs) / len(pairs))
    for scale in (Scale(()), Scale((), factors=gates[0][:1])):
        with pytest.raises(UserError, match="GateRepulsion needs a model with two gates or more a scale"):
            GateRepulsion()(Output(torch.empty(0), (scale,)), BATCH)
