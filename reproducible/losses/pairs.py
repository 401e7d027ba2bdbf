"""The pairs of a batch, which every pair-based loss starts from."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from reproducible.types import at_least_fp32

Pairs = tuple[Tensor, Tensor, Tensor, Tensor]
"""Anchors, positives, anchors, negatives: indices into the batch, as pytorch-metric-learning's miners give them."""
Triplets = tuple[Tensor, Tensor, Tensor]
"""Anchors, positives, negatives."""


def check_batch(embeddings: Tensor, labels: Tensor) -> Tensor:
    """The door of every loss and miner of embeddings and labels: they belong together, and half types are lifted.

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


class Sides(NamedTuple):
    """The two sides of the pairs of a batch: its own images twice, or its images and those that a wrapper such as
    pytorch-metric-learning's ``CrossBatchMemory`` kept of earlier batches.

    Attributes:
        anchors: embeddings of unit length, :math:`(N, d)`; their ``labels``, :math:`(N,)`.
        others: what they are compared with, :math:`(M, d)`; their ``classes``, :math:`(M,)`.
    """

    anchors: Tensor
    labels: Tensor
    others: Tensor
    classes: Tensor

    @property
    def own(self) -> bool:
        """Whether the batch is compared with itself."""
        return self.others is self.anchors


def sides(embeddings: Tensor, labels: Tensor, ref_emb: Tensor | None = None, ref_labels: Tensor | None = None) -> Sides:
    """The sides of a batch, as every loss of pairs starts with.

    Args:
        embeddings, labels: of the batch, any scale, :math:`(N, d)` and :math:`(N,)`.
        ref_emb, ref_labels: what it is compared with, :math:`(M, d)` and :math:`(M,)`; None: with itself.

    Raises:
        ValueError: if the shapes do not fit, or one of the last two comes without the other.
    """
    anchors = F.normalize(check_batch(embeddings, labels), dim=1)
    if ref_emb is None and ref_labels is None:
        return Sides(anchors, labels, anchors, labels)
    if ref_emb is None or ref_labels is None:
        raise ValueError("ref_emb and ref_labels belong together: give both or neither")
    others = F.normalize(check_batch(ref_emb, ref_labels), dim=1)
    if others.shape[1] != anchors.shape[1]:
        raise ValueError(f"embeddings have {anchors.shape[1]} dimensions, ref_emb has {others.shape[1]}")
    return Sides(anchors, labels, others.to(anchors.dtype), ref_labels)


def products(rows: Tensor, others: Tensor) -> Tensor:
    """Inner products of rows, (N, d) and (M, d) to (N, M), in their own precision within autocast as well."""
    with torch.autocast(rows.device.type, enabled=False):
        return rows @ others.T


def positive_pairs(labels: Tensor, classes: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Anchors and positives of all pairs of one class, each pair in both orders.

    Args:
        labels: of the batch, :math:`(N,)`.
        classes: of what it is compared with, :math:`(M,)`; None: the batch itself, no image with itself.

    Raises:
        ValueError: if there is none (every class occurs once).
    """
    same = labels[:, None] == labels if classes is None else labels[:, None] == classes
    anchors, positives = (same.fill_diagonal_(False) if classes is None else same).nonzero(as_tuple=True)
    if len(anchors) == 0:
        raise no_positive_pair(labels)
    return anchors, positives


def no_positive_pair(labels: Tensor) -> ValueError:
    """The error of a batch in which every class occurs once."""
    return ValueError(f"the batch has no positive pair: {len(labels)} images of {len(labels.unique())} classes")


def within_table(labels: Tensor, size: int, words: str) -> None:
    """See that each label has an entry in a table with one for each class id from 0.

    Args:
        labels: int64, :math:`(N,)`.
        size: number of entries.
        words: of the message, with ``{}`` twice: for the classes that have an entry, and for the size that is needed.

    Raises:
        ValueError: for the first label that has none.
    """
    outside = (labels < 0) | (labels >= size)
    if outside.any():
        found = int(labels[outside][0])
        needed = f"{int(labels.max()) + 1} or more" if found >= 0 else "0 (one for all), or number the classes from 0"
        raise ValueError(f"label {found}: {words.format(f'the classes 0 to {size - 1}', needed)}")


def mean_of(costs: Tensor) -> Tensor:
    """Their mean; of none 0, with a gradient (of nothing), so that a miner that finds no pair stops no training."""
    return costs.mean() if len(costs) else costs.sum()


def as_pairs(indices_tuple: Triplets | Pairs) -> Pairs:
    """Triplets as the pairs they consist of; pairs as they are."""
    if len(indices_tuple) == 4:
        return indices_tuple
    anchors, positives, negatives = indices_tuple
    return anchors, positives, anchors, negatives


def pair_similarities(
    embeddings: Tensor,
    labels: Tensor,
    indices_tuple: Triplets | Pairs | None = None,
    ref_emb: Tensor | None = None,
    ref_labels: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Cosine similarities of the positive and of the negative pairs.

    Args:
        embeddings: any scale, :math:`(N, d)`.
        labels: int64, :math:`(N,)`.
        indices_tuple: which triplets or pairs, none of them perhaps; None: all pairs, unordered within a batch.
        ref_emb, ref_labels: as of :func:`sides`.

    Returns:
        Similarities of the pairs of one class, :math:`(P,)`, and of the pairs of two classes, :math:`(M,)`.

    Raises:
        ValueError: if the shapes do not fit, or no pairs are given and the batch has no positive one.
    """
    both = sides(embeddings, labels, ref_emb, ref_labels)
    similarity = products(both.anchors, both.others)
    if indices_tuple is not None:
        anchor, other, anchor_negative, other_negative = as_pairs(indices_tuple)
        return similarity[anchor, other], similarity[anchor_negative, other_negative]
    if both.own:
        row, column = torch.triu_indices(len(labels), len(labels), offset=1, device=labels.device)
        same, flat = labels[row] == labels[column], similarity[row, column]
    else:
        same, flat = (labels[:, None] == both.classes).flatten(), similarity.flatten()
    positive, negative = flat[same], flat[~same]
    if len(positive) == 0:
        raise no_positive_pair(labels)
    return positive, negative
