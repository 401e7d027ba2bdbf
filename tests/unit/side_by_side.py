"""Learners side by side, for tests of what makes them differ."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reproducible.types import Batch, Output, Scale

N, D = 6, 5
BATCH = Batch(torch.empty(N, 3, 1, 1), torch.zeros(N, dtype=torch.int64))


def learners(count: int, seed: int = 0) -> list[Tensor]:
    """What each learner puts out for N images, in double precision, taking gradients."""
    stream = torch.Generator().manual_seed(seed)
    return [torch.randn(N, D, generator=stream, dtype=torch.float64).requires_grad_() for _ in range(count)]


def output(found: list[Tensor], branches: int = 0) -> Output:
    """One scale of all of them, or scales of so many branches."""
    size = branches or len(found)
    scales = (Scale(tuple(found[i : i + size])) for i in range(0, len(found), size))
    return Output(F.normalize(found[0]), tuple(scales))
