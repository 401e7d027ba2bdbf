r"""Activation decay (DeML section 3.3, Eq. 6; page: the unified baseline).

.. math::

    L_{act} = \frac{\lambda_1}{2 I J N} \sum_{i,j,n} \|CA_{(i,j)}[x_n]\|_2^2 + L_{ntri}

Here is the first term; the other is a loss of its own, :mod:`reproducible.losses.unit_rows`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.types import Batch, Output, at_least_fp32


def squared_activation(learners: Sequence[Tensor]) -> Tensor:
    r"""Half the squared norm of the learners' outputs, averaged over images and learners.

    Args:
        learners: outputs before normalisation, each :math:`(N, d_j)`.

    Returns:
        Scalar :math:`\frac{1}{2 I J N} \sum \|x\|^2`, the first term of Eq. 6 without its weight.
    """
    return torch.stack([at_least_fp32(x).square().sum(dim=1).mean() for x in learners]).mean() / 2


class ActivationDecay(nn.Module):
    r"""The activation term of Eq. 6.

    Args:
        weight: :math:`\lambda_1` (0.014 in the document).
        released: as in the released code: of the first learner of each scale alone, divided by the number of channels,
            twice the document's factor (no 1/2), and with the gradient stopped before the trunk, so that only the
            learners' weights feel it. The released code sums over scales; the mean is taken here, as of the metric
            losses, so that the two weigh the same.
    """

    def __init__(self, weight: float = 0.014, released: bool = False) -> None:
        super().__init__()
        self.weight, self.released = weight, released

    def forward(self, output: Output, batch: Batch) -> Tensor:
        """Scalar loss; reads what the learners of ``output.scales`` have learnt, or, in the released form, what the
        first of each scale was given, and its weight."""
        if not self.released:
            return self.weight * squared_activation(output.learners)
        first = ((scale.given[0].detach(), scale.weights[0]) for scale in output.scales)
        learners = [F.linear(given, weight) / len(weight) ** 0.5 for given, weight in first]
        return 2 * self.weight * squared_activation(learners)
