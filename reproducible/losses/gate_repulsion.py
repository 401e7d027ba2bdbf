"""Diversity asked of the gates themselves, which DeML advises against (section 3.2). Explained on page:
channel-attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.losses.branches import pairs_of_branches
from reproducible.resources import UserError
from reproducible.types import Batch, Output


def mean_cosine(factors: Tensor) -> Tensor:
    """Mean cosine of two gates on the same image, over pairs and images: :math:`(J, N, C)` to a scalar."""
    return F.cosine_similarity(*pairs_of_branches(factors), dim=2).mean()


class GateRepulsion(nn.Module):
    """The mean cosine of two gates of a scale on the same image, averaged over scales.

    Args:
        weight: its factor.
    """

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, output: Output, batch: Batch) -> Tensor:
        """Scalar loss; reads the factors of ``output.scales``, averaged over positions.

        Raises:
            UserError: if the model has no two gates a scale.
        """
        gates = [scale.mean_factors for scale in output.scales if scale.factors is not None]
        if not gates or len(gates[0]) < 2:
            raise UserError("GateRepulsion needs a model with two gates or more a scale (deml, branches above 1).")
        return self.weight * torch.stack([mean_cosine(of_scale) for of_scale in gates]).mean()
