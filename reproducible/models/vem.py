"""VEM: a gate of predicted variances before the learner of U_d, and its controls (VEM section III).

Explained on page: vem.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.attention.squeeze_excitation import SqueezeExcitation
from reproducible.attention.variance import VarianceEstimation, fold
from reproducible.backbones.base import Backbone
from reproducible.models.unified import Learner, Unified
from reproducible.resources import UserError, nearest_name
from reproducible.types import Output, Scale, at_least_fp32

GATES = ("variance", "inverse_variance", "none", "fixed", "squeeze_excitation")
PREDICTING = GATES[:3]  # these have the penalty
PLACES = ("pooled", "maps", "positions", "embedding")
REDUCTION = 16  # of squeeze and excitation, as in SENet; 64 at 1024 channels


class VEM(nn.Module):
    """Trunk, global average pooling, gate, one linear learner.

    The document leaves open what its vector of length "m = W H" stands for; ``place`` says it:

    - ``pooled``: one entry a channel, variance of the pooled features over the batch;
    - ``maps``: one entry a channel, variance over the batch and all positions, as in batch normalisation;
    - ``positions``: one entry a position (the literal reading), variance over the batch and all channels; the gate
      weighs positions before they are pooled;
    - ``embedding``: one entry a dimension of the learner's output, behind which the gate stands.

    The loss :math:`L_{var}` is the penalty ``L_var``, in training only. Without it in the objective, a gate of
    ``variance`` is one that the metric loss alone moves.

    Args:
        backbone: the trunk.
        dim: d, size of the embedding.
        gate: ``variance``; ``inverse_variance``: one minus it, so that channels of high variance weigh less; ``none``:
            predicts and has the penalty, but gates nothing, and while ``detach_variance`` holds is the plain model to
            the bit; ``fixed``: stays at its initial values (``std`` 0: at 1/2), no penalty;
            ``squeeze_excitation``: depends on the image, no penalty.
        place: as above.
        positions: H W of the last map, for the place ``positions``.
        std, detach_variance, detach_gate, scale: as in
            :class:`~reproducible.attention.variance.VarianceEstimation`.

    Raises:
        UserError: for an unknown gate or place, with the nearest known one.
    """

    def __init__(
        self,
        backbone: Backbone,
        dim: int = 128,
        gate: str = "variance",
        place: str = "pooled",
        positions: int = 0,
        std: float = 0.01,
        detach_variance: bool = True,
        detach_gate: bool = False,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        for option, value, known in (("gate", gate, GATES), ("place", place, PLACES)):
            if value not in known:
                raise UserError(f"option {option!r} of model 'vem' cannot be {value!r}.{nearest_name(value, known)}")
        channels = backbone.channels[backbone.last]
        self.gate, self.place, self.dim = gate, place, dim
        self.backbone = backbone
        self.learner = Learner(channels, dim)
        self.size = {"positions": positions, "embedding": dim}.get(place, channels)
        if gate == "squeeze_excitation":
            self.attention = SqueezeExcitation(self.size, max(1, self.size // REDUCTION))
        else:
            self.attention = VarianceEstimation(self.size, std, detach_variance, detach_gate, scale)
            self.attention.predicted.requires_grad_(gate != "fixed")

    def forward(self, images: Tensor) -> Output:
        """Embed images, RGB, 0 to 255, float, :math:`(N, 3, H, W)`.

        Raises:
            UserError: if the last map has another number of positions than the option says.
        """
        maps = self.backbone(images)[self.backbone.last]
        with torch.autocast(images.device.type, enabled=False):
            maps = at_least_fp32(maps)
            pooled = maps.mean(dim=(2, 3))  # (N, C)
            given = pooled
            if self.place == "embedding":
                values = self.learner(pooled)  # (N, d)
                gate = self._gate(values)
                learned = gate * values
            else:
                values = self._values(maps, pooled)  # (N, m), or (N, m, ...) with more samples of each feature
                gate = self._gate(values)  # (m,) or (N, m)
                given = self._gated(maps, pooled, gate)
                learned = self.learner(given)  # (N, d)
            penalised = self.training and self.gate in PREDICTING
            penalties = {"L_var": self.attention.loss(values)} if penalised else {}
            embedding = F.normalize(learned, dim=1)
        return Output(
            embedding=embedding,
            scales=(Scale((learned,), (given,), (self.learner.weight,)),),
            features={"emb": learned, "conv": pooled},
            attention={"gate": gate},
            penalties=penalties,
        )

    def _gate(self, values: Tensor) -> Tensor:
        if self.gate == "none":
            return values.new_ones(self.size)
        gate = self.attention(values)
        return 1 - gate if self.gate == "inverse_variance" else gate

    def predicted_variance(self) -> Tensor | None:
        """The predicted variances of the pooled features, :math:`(C,)`; None where nothing predicts them."""
        predicts = self.gate in PREDICTING and self.place == "pooled"
        return self.attention.prediction().detach() if predicts else None

    def _values(self, maps: Tensor, pooled: Tensor) -> Tensor:
        """What the gate and its loss look at in front of the learner, the gated axis second."""
        if self.place == "pooled":
            return pooled
        if self.place == "maps":
            return maps
        height, width = maps.shape[2:]
        if height * width != self.size:
            raise UserError(
                f"option 'positions' of model 'vem' is {self.size}, but the last map has {height} x {width} = "
                f"{height * width}."
            )
        return maps.flatten(2).transpose(1, 2)

    def _gated(self, maps: Tensor, pooled: Tensor, gate: Tensor) -> Tensor:
        if self.place == "positions":
            return (maps * gate.unflatten(-1, maps.shape[2:]).unsqueeze(-3)).mean(dim=(2, 3))
        return gate * pooled  # also for maps: the gate of a channel is a factor of its mean

    def fold(self) -> Unified:
        """The plain model, on the same trunk, that computes the same embedding.

        Raises:
            UserError: where there is none: for a gate of positions, which weighs the pooling, and for squeeze and
                excitation, which depends on the image.
        """
        if self.place == "positions" or self.gate == "squeeze_excitation":
            raise UserError(f"gate {self.gate!r} at {self.place!r} of model 'vem' does not fold into the learner.")
        plain = Unified(self.backbone, self.dim)
        gate = self._gate(self.learner.weight).detach()
        plain.learner = fold(self.learner, gate, behind=self.place == "embedding")
        return plain.train(self.training)
