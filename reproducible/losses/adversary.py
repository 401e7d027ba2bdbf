r"""DeML's adversary between the learners of a scale (section 3.2, Eq. 4).

.. math::

    \max_{f, g, CAMs} \min_F \; \lambda_0 \sum_{j,j'} \|F[CA_j[x_n]] - F[CA_{j'}[x_n]]\|_2^2

F makes the learners' outputs alike, the network makes them differ in spite of it; a layer that reverses gradients
plays both sides in one step. The document says nothing of F. Without normalisation F = 0 is an optimum, and learners
can answer by growing, so F is ours to declare: L2-normalised input, linear, batch normalisation, ReLU, linear, batch
normalisation, L2-normalised output, which is the form the same author uses in later code. (It has an optimum of that
kind left: the shift of the last batch normalisation can send everything to one point.) The released code has no
adversary in its networks (:mod:`reproducible.losses.push_apart`). Explained on page: channel-attention.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.losses.branches import branches_of, distances
from reproducible.resources import UserError
from reproducible.types import Batch, Output


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, coefficient: Tensor) -> Tensor:
        ctx.save_for_backward(coefficient)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (coefficient,) = ctx.saved_tensors
        return -coefficient * gradient, None


def reverse_gradient(x: Tensor, coefficient: Tensor) -> Tensor:
    """The input as it is; its gradient is multiplied by minus the coefficient, a scalar on the same device."""
    return _Reverse.apply(x, coefficient)


def ramp(progress: Tensor) -> Tensor:
    r"""Coefficient of the reversal, :math:`2 / (1 + e^{-10 p}) - 1`: from 0 at :math:`p = 0` to nearly 1 at 1."""
    return 2 * torch.sigmoid(10 * progress) - 1


class Discriminator(nn.Module):
    """F of one scale: what it puts out lies on the unit sphere, whatever its weights are.

    Args:
        dim: size of a learner.
        width: of the layer between and of the output.
        plain: two linear layers on the learners' outputs as they are, so that F = 0 is in reach, and so is another
            length for the learners: Eq. 4 as written. Otherwise outputs, and with them inputs, have unit length.
        shifted: the last normalisation has a scale and a shift, with which F can still send all learners to one point;
            False: it has not, and F has no such optimum.
    """

    def __init__(self, dim: int, width: int = 128, plain: bool = False, shifted: bool = True) -> None:
        super().__init__()
        self.plain = plain
        first, last = nn.Linear(dim, width, bias=False), nn.Linear(width, width)
        if plain:
            self.layers = nn.Sequential(first, nn.ReLU(), last)
        else:
            self.layers = nn.Sequential(
                first, nn.BatchNorm1d(width), nn.ReLU(), last, nn.BatchNorm1d(width, affine=shifted)
            )

    def forward(self, x: Tensor) -> Tensor:
        """:math:`(M, d)` to :math:`(M, width)`, of unit length unless plain."""
        return self.layers(x) if self.plain else F.normalize(self.layers(F.normalize(x, dim=1)), dim=1)


class Adversary(nn.Module):
    r"""Eq. 4 as a loss to minimise: F descends on it, everything before the learners' outputs ascends.

    The mean over scales, pairs and images of the (squared) distance of the two learners behind F. Eq. 4 prints the sum
    over all j and j', which is J (J - 1) times as much.

    The document does not say how F is trained. Here its parameters are the objective's, which the run's optimiser
    counts as new layers: one step of the same Adam in each step of the network, at the rate of the heads (the trunk's
    times ``head_multiplier``) and on its schedule, with the weight decay of the heads, none on biases and on batch
    normalisation. The reversal's coefficient scales what passes from F to the learners alone: F learns from the first
    step on.

    Args:
        dim: size of a learner, :math:`\lfloor d / (I J) \rfloor`.
        scales: I; each has an F of its own.
        branches: J, at least 2.
        weight: :math:`\lambda_0` (1 in the document).
        width: of F.
        rise: training steps over which the reversal's coefficient goes from 0 to 1, by :func:`ramp` (10,000 in the
            released layer); 0: the coefficient is 1 throughout.
        squared: as in Eq. 4; False: the distance itself.
        plain, shifted: as of :class:`Discriminator`.
    """

    def __init__(
        self,
        dim: int = 64,
        scales: int = 1,
        branches: int = 8,
        weight: float = 1.0,
        width: int = 128,
        rise: int = 10_000,
        squared: bool = True,
        plain: bool = False,
        shifted: bool = True,
    ) -> None:
        super().__init__()
        if branches < 2:
            raise UserError(f"Adversary.branches must be at least 2 (one learner has no rival), got {branches}.")
        if rise < 0:
            raise UserError(f"Adversary.rise must be 0 (whole from the start) or more steps, got {rise}.")
        self.dim, self.branches, self.weight, self.rise, self.squared = dim, branches, weight, rise, squared
        self.rivals = nn.ModuleList(Discriminator(dim, width, plain, shifted) for _ in range(scales))
        self.register_buffer("step", torch.zeros(()))

    def forward(self, output: Output, batch: Batch) -> Tensor:
        """Scalar loss; reads what the learners of ``output.scales`` have learnt. Each call in training counts as a step
        of the rise.

        Raises:
            UserError: if number or size of the learners is not what the options say.
        """
        scales = branches_of(output)
        wanted = (self.branches, self.dim)
        found = [(len(points), points.shape[2]) for points in scales]
        if found != [wanted] * len(self.rivals):
            count, of = len(found), " and ".join(f"{j} of size {size}" for j, size in dict.fromkeys(found))
            raise UserError(
                f"Adversary expects {len(self.rivals)} scales of {self.branches} learners of size {self.dim} (scales, "
                f"branches, dim), the model has {count} of {of}."
            )
        coefficient = ramp((self.step / self.rise).clamp(max=1)) if self.rise else torch.ones_like(self.step)
        if self.training:
            self.step = self.step + 1
        apart = []
        for rival, learners in zip(self.rivals, scales, strict=True):
            judged = rival(reverse_gradient(learners.flatten(0, 1), coefficient)).unflatten(0, learners.shape[:2])
            distance = distances(judged)
            apart.append((distance.square() if self.squared else distance).mean())
        return self.weight * torch.stack(apart).mean()
