"""What passes between rooms: a batch of images, what a model makes of it, what a run leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

RunRecord = dict[str, Any]
"""What a run leaves behind: plain values, one JSON line; :mod:`reproducible.records` documents its keys."""


def at_least_fp32(values: Tensor) -> Tensor:
    """What may be in half precision, in single precision; double precision stays."""
    return values if values.dtype.itemsize >= 4 else values.float()


class Asked(NamedTuple):
    """What the claims ask of a study: hash of the criteria that read its records, and the arms whose runs they read."""

    criteria: str
    arms: frozenset[str]


@dataclass
class Batch:
    """Images with what is known about them.

    Attributes:
        images: RGB, 0 to 255, float, :math:`(N, 3, H, W)`; or in their place, where the trunk is frozen below a stage,
            its maps of them, :math:`(N, C, H', W')`.
        labels: class of each image, int64, :math:`(N,)`.
        attributes: binary attributes, float, :math:`(N, K)`, where the data set has them.
        boxes: squares about the objects, x0, y0, x1, y1 in fractions of the image, :math:`(N, 4)`, where asked for.
        pairs: the pairs a sampler fixes, as pytorch-metric-learning's miners give them: anchors, positives, anchors,
            negatives, indices into the batch, int64; None: all pairs of the batch.
        view: the same windows of the same images at another size, for models that zoom into it, :math:`(N, 3, V, V)`.
        maps: those of the frozen stage, beside the images, for models that cut windows out of these.
    """

    images: Tensor
    labels: Tensor
    attributes: Tensor | None = None
    boxes: Tensor | None = None
    pairs: tuple[Tensor, Tensor, Tensor, Tensor] | None = None
    view: Tensor | None = None
    maps: Tensor | None = None

    @property
    def inputs(self) -> dict[str, Tensor]:
        """What a model is called with: the images and, where there are such, the view, the boxes and the maps."""
        known = {name: getattr(self, name) for name in ("images", "view", "boxes", "maps")}
        return {name: value for name, value in known.items() if value is not None}


@dataclass
class Scale:
    """The J learners of one look at the images, and what they have in common.

    Attributes:
        learnt: each learner's embedding before normalisation, fp32, :math:`(N, d_j)`.
        given: what each learner's weight matrix was applied to, :math:`(N, C)`.
        weights: each learner's weight matrix, :math:`(d_j, C)`; one that they share is there J times.
        factors: of the gates, :math:`(J, N, C, H, W)`, where C, H and W may each be 1; None: nothing is gated.
    """

    learnt: tuple[Tensor, ...]
    given: tuple[Tensor, ...] = ()
    weights: tuple[Tensor, ...] = ()
    factors: Tensor | None = None

    @property
    def mean_factors(self) -> Tensor | None:
        """Factors averaged over positions, :math:`(J, N, C)`, in fp32 at least."""
        return None if self.factors is None else at_least_fp32(self.factors).mean(dim=(3, 4))


@dataclass
class Output:
    """What a model makes of a batch.

    Attributes:
        embedding: what retrieval compares, L2-normalised, fp32, :math:`(N, d)`.
        scales: the looks that it is made of; one, with one learner, for a unified model.
        features: further features by name (emb, fc, conv, or one a scale), :math:`(N, \\cdot)`.
        attention: attention maps by name.
        attributes: attribute logits, :math:`(N, K)`.
        penalties: scalars by name that the model itself computes, such as L_var.
    """

    embedding: Tensor
    scales: tuple[Scale, ...]
    features: Mapping[str, Tensor] = field(default_factory=dict)
    attention: Mapping[str, Tensor] = field(default_factory=dict)
    attributes: Tensor | None = None
    penalties: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def learners(self) -> tuple[Tensor, ...]:
        """Each learner's embedding before normalisation, scale by scale, :math:`(N, d_j)` each."""
        return tuple(learnt for scale in self.scales for learnt in scale.learnt)

    @property
    def weights(self) -> tuple[Tensor, ...]:
        """Each learner's weight matrix, scale by scale, :math:`(d_j, C)` each."""
        return tuple(weight for scale in self.scales for weight in scale.weights)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What each learner's weight matrix was applied to, scale by scale, :math:`(N, C)` each."""
        return tuple(given for scale in self.scales for given in scale.given)
