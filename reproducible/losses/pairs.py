"""The pairs of a batch, which every pair-based loss starts from."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pair_similarities(
    embeddings: Tensor, labels: Tensor, indices_tuple: tuple[Tensor, Tensor, Tensor, Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Cosine similarities of the positive and of the negative pairs.

    Args:
        embeddings: any scale, :math:`(N, d)`.
        labels: int64, :math:`(N,)`.
        indices_tuple: anchors, positives, anchors, negatives as pytorch-metric-learning's miners give them; None: all
            unordered pairs.

    Returns:
        Similarities of the pairs of one class, :math:`(P,)`, and of the pairs of two classes, :math:`(M,)`.

    Raises:
        ValueError: if the shapes do not fit or there is no positive pair (every class occurs once).
    """
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        raise ValueError(
            f"need (N, d) embeddings and (N,) labels, got {tuple(embeddings.shape)}, {tuple(labels.shape)}"
        )
    unit = F.normalize(embeddings, dim=1)
    similarity = unit @ unit.T
    if indices_tuple is None:
        row, column = torch.triu_indices(len(labels), len(labels), offset=1, device=labels.device)
        same = labels[row] == labels[column]
        flat = similarity[row, column]
        positive, negative = flat[same], flat[~same]
    else:
        anchor, other, anchor_negative, other_negative = indices_tuple
        positive, negative = similarity[anchor, other], similarity[anchor_negative, other_negative]
    if len(positive) == 0:
        raise ValueError(f"the batch has no positive pair: {len(labels)} images of {len(labels.unique())} classes")
    return positive, negative
