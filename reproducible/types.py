"""What passes between rooms: a batch of images, what a model makes of it, what a run leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

RunRecord = dict[str, Any]
"""What a run leaves behind: plain values, one JSON line; ``records.py`` documents its keys."""


@dataclass
class Batch:
    """Images with what is known about them.

    Attributes:
        images: RGB, 0 to 255, float, :math:`(N, 3, H, W)`.
        labels: class of each image, int64, :math:`(N,)`.
        attributes: binary attributes, float, :math:`(N, K)`, where the data set has them.
        boxes: squares about the objects, x0, y0, x1, y1 in fractions of the image, :math:`(N, 4)`, where asked for.
        pairs: the pairs a sampler fixes, int64, :math:`(M, 2)`; None: all pairs of the batch.
        view: the same windows of the same images at another size, for models that zoom into it, :math:`(N, 3, V, V)`.
    """

    images: Tensor
    labels: Tensor
    attributes: Tensor | None = None
    boxes: Tensor | None = None
    pairs: Tensor | None = None
    view: Tensor | None = None

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What a model is called with: the images and, where there are such, the view and the boxes."""
        known = (self.images, self.view, self.boxes)
        return known if self.boxes is not None else known[: 1 + (self.view is not None)]


@dataclass
class Output:
    """What a model makes of a batch.

    Attributes:
        embedding: what retrieval compares, L2-normalised, fp32, :math:`(N, d)`.
        learners: each learner's embedding before normalisation, fp32, :math:`(N, d_j)`; one for a unified model.
        weights: each learner's weight matrix, :math:`(d_j, C)`.
        inputs: what each learner's weight matrix was applied to, :math:`(N, C)`.
        features: further features by name (emb, fc, conv, or one a scale), :math:`(N, \\cdot)`.
        attention: attention maps by name.
        attributes: attribute logits, :math:`(N, K)`.
        penalties: scalars by name that the model itself computes, such as L_var.
    """

    embedding: Tensor
    learners: tuple[Tensor, ...]
    weights: tuple[Tensor, ...] = ()
    inputs: tuple[Tensor, ...] = ()
    features: Mapping[str, Tensor] = field(default_factory=dict)
    attention: Mapping[str, Tensor] = field(default_factory=dict)
    attributes: Tensor | None = None
    penalties: Mapping[str, Tensor] = field(default_factory=dict)
