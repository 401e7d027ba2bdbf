r"""Variance estimation (VEM section III, Eq. 3 and 5): a vector of predicted variances that also gates the features.

.. math::

    L_{var} = \frac{1}{m} \sum_{i=1}^m (a_i - \bar a_i)^2, \qquad \vec s_n = \sigma(\bar A) \odot \vec v_n

:math:`a_i` is the variance of feature :math:`i` over the batch, :math:`\bar a_i` its prediction: a parameter, the same
for all images. The gate :math:`\sigma(\bar A)` therefore folds into the linear layer that follows (:func:`fold`), and
what is left of the module in a trained network is a linear layer. Explained on page: vem.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


def batch_variance(values: Tensor) -> Tensor:
    """Variance of each feature over everything else in the batch, as batch normalisation takes it.

    Args:
        values: features on axis 1: :math:`(N, m)`, or :math:`(N, m, \\ldots)`, whose further axes count as samples.

    Returns:
        :math:`(m,)`.
    """
    return values.movedim(1, -1).flatten(0, -2).var(dim=0, correction=0)


def fold(linear: nn.Linear, gate: Tensor, behind: bool = False) -> nn.Linear:
    """A gate made part of the linear layer beside it.

    Args:
        linear: the layer, C features to d.
        gate: :math:`(C,)`, or :math:`(d,)` where it stands behind the layer; the same for all images.
        behind: the gate acts on what the layer puts out instead of on what it takes.

    Returns:
        A new layer: its output for v is that of ``linear`` for ``gate * v``, or ``gate`` times that of ``linear``.
    """
    folded = copy.deepcopy(linear)
    with torch.no_grad():
        folded.weight.mul_(gate[:, None] if behind else gate)
        if behind and folded.bias is not None:
            folded.bias.mul_(gate)
    return folded


class VarianceEstimation(nn.Module):
    """The vector of predicted variances, its gate and its loss.

    Args:
        size: m, number of features.
        std: spread of the initial values around 0, where the gate is 1/2. The document says "randomly initialised".
        detach_variance: L_var moves the prediction alone; otherwise also the features, towards the prediction. The
            document shows the former (Fig. 2) and writes the latter (Eq. 6).
        detach_gate: the metric loss does not move the prediction, which is then nothing but a mean of variances.
        scale: the prediction is so many times the parameter, which Adam moves by its rate however large the error is:
            the factor by which it goes faster.
    """

    def __init__(
        self,
        size: int,
        std: float = 0.01,
        detach_variance: bool = True,
        detach_gate: bool = False,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.std = std
        self.detach_variance, self.detach_gate = detach_variance, detach_gate
        self.predicted = nn.Parameter(torch.empty(size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.predicted, std=self.std)

    def forward(self, values: Tensor) -> Tensor:
        """The gate, :math:`(m,)`, from 0 to 1, whatever the features."""
        prediction = self.prediction()
        return torch.sigmoid(prediction.detach() if self.detach_gate else prediction)

    def loss(self, values: Tensor) -> Tensor:
        """L_var of Eq. 3: mean squared difference of predicted and actual variance; ``values`` as the variance's."""
        actual = batch_variance(values.detach() if self.detach_variance else values)
        return (actual - self.prediction()).square().mean()

    def prediction(self) -> Tensor:
        """The predicted variances, :math:`(m,)`."""
        return self.predicted if self.scale == 1 else self.scale * self.predicted
