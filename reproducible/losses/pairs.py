"""The pairs of a batch, which every pair-based loss starts from."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reproducible.types import at_least_fp32

Pairs = tuple[Tensor, Tensor, Tensor, Tensor]
"""Anchors, positives, anchors, negatives: indices into the batch, as pytorch-metric-learning's miners give them."""
Triplets = tuple[Tensor, Tensor, Tensor]
"""Anchors, positives, negatives."""


def check_batch(embeddings: Tensor, labels: Tensor) -> Tensor:
    """The door of every loss of embeddings and labels: they belong together, and half types are lifted.

    Squared norms leave the range of half precision, and the gradient of what is infinite is zero.

    Returns:
        The embeddings, in fp32 at least.

    Raises:
        ValueError: if the shapes do not fit.
    """
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        raise ValueError(
            f"need (N, d) embeddings and (N,) labels, got {tuple(embeddings.shape)}, {tuple(labels.shape)}"
        )
    return at_least_fp32(embeddings)


def positive_pairs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Anchors and positives of all pairs of one class, each pair in both orders.

    Raises:
        ValueError: if there is none (every class occurs once).
    """
    anchors, positives = (labels[:, None] == labels).fill_diagonal_(False).nonzero(as_tuple=True)
    if len(anchors) == 0:
        raise no_positive_pair(labels)
    return anchors, positives


def no_positive_pair(labels: Tensor) -> ValueError:
    """The error of a batch in which every class occurs once."""
    return ValueError(f"the batch has no positive pair: {len(labels)} images of {len(labels.unique())} classes")


def as_pairs(indices_tuple: Triplets | Pairs) -> Pairs:
    """Triplets as the pairs they consist of; pairs as they are."""
    if len(indices_tuple) == 4:
        return indices_tuple
    anchors, positives, negatives = indices_tuple
    return anchors, positives, anchors, negatives


def pair_similarities(
    embeddings: Tensor, labels: Tensor, indices_tuple: Triplets | Pairs | None = None
) -> tuple[Tensor, Tensor]:
    """Cosine similarities of the positive and of the negative pairs.

    Args:
        embeddings: any scale, :math:`(N, d)`.
        labels: int64, :math:`(N,)`.
        indices_tuple: which triplets or pairs; None: all unordered pairs.

    Returns:
        Similarities of the pairs of one class, :math:`(P,)`, and of the pairs of two classes, :math:`(M,)`.

    Raises:
        ValueError: if the shapes do not fit or there is no positive pair.
    """
    unit = F.normalize(check_batch(embeddings, labels), dim=1)
    similarity = unit @ unit.T
    if indices_tuple is None:
        row, column = torch.triu_indices(len(labels), len(labels), offset=1, device=labels.device)
        same = labels[row] == labels[column]
        flat = similarity[row, column]
        positive, negative = flat[same], flat[~same]
    else:
        anchor, other, anchor_negative, other_negative = as_pairs(indices_tuple)
        positive, negative = similarity[anchor, other], similarity[anchor_negative, other_negative]
    if len(positive) == 0:
        raise no_positive_pair(labels)
    return positive, negative
