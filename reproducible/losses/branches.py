"""The learners of a scale side by side, which every loss about their diversity starts from."""

from __future__ import annotations

import torch
from torch import Tensor

from reproducible.types import Output, at_least_fp32


def branches_of(output: Output) -> list[Tensor]:
    """The outputs of each scale's learners before normalisation, :math:`(J, N, d)` each, in fp32 at least."""
    return [at_least_fp32(torch.stack(scale.learnt)) for scale in output.scales]


def pairs_of_branches(points: Tensor) -> tuple[Tensor, Tensor]:
    """The two sides of each pair of branches, :math:`(J, N, d)` to (J (J - 1) / 2, N, d) twice."""
    one, other = torch.triu_indices(len(points), len(points), offset=1, device=points.device)
    return points[one], points[other]


def distances(points: Tensor) -> Tensor:
    """Euclidean distance of each pair of branches on the same image: :math:`(J, N, d)` to (pairs, N)."""
    one, other = pairs_of_branches(points)
    return torch.linalg.vector_norm(one - other, dim=2)
