"""Which images a batch is made of, and which of its pairs count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from reproducible import registry
from reproducible.config import DataConfig
from reproducible.losses.pairs import Pairs
from reproducible.resources import UserError


class Sampler(Protocol):
    """Draws batches. Built with the labels of the images, the classes to draw from, P and K."""

    def draw(self, generator: torch.Generator) -> tuple[np.ndarray, Pairs | None]:
        """One batch.

        Args:
            generator: the only source of randomness, on the CPU: the same state gives the same batch.

        Returns:
            Indices into the labels, int64, :math:`(N,)`; and the pairs that losses look at, indices into the batch,
            int64 on the CPU, or None: all of them.
        """


def build_sampler(data: DataConfig, labels: np.ndarray, classes: Sequence[int]) -> Sampler:
    """The sampler that a configuration names.

    Args:
        data: names it, and has P and K.
        labels: class id of every image, :math:`(N,)`.
        classes: the class ids to draw from.

    Raises:
        UserError: if there is none of that name, with the nearest one; for what it cannot draw.
    """
    chosen = data.sampler
    sizes = data.classes_per_batch, data.images_per_class
    return registry.build("sampler", chosen.name, labels, classes, *sizes, **chosen.options)


class PKSampler:
    """Draws P distinct classes and K images of each, so that a batch has P K (K - 1) / 2 positive pairs.

    Everything random comes from the generator that is passed, on the CPU: the same state gives the same batch.
    Explained on page: protocol.

    Args:
        labels: (N,) class id of every image of a store. Only images whose label is in ``classes`` are drawn; give an
            image that must not be drawn (an iconic one) the label -1.
        classes: the class ids to draw from.
        p: classes in a batch.
        k: images of a class in a batch.
        pairs: so many positive and as many negative pairs of the batch count, drawn from all that it has; 0: all.

    Raises:
        UserError: k below 2; p below 1 or above the number of classes; a class named twice; a class with fewer than
            two images, which has no positive pair; more pairs than a batch has.
    """

    def __init__(self, labels: np.ndarray, classes: Sequence[int], p: int, k: int, pairs: int = 0) -> None:
        if k < 2:
            raise UserError(f"P x K sampling: k = {k}, but a positive pair needs k of at least 2.")
        if not 1 <= p <= len(classes):
            there = f"there are {len(classes)} to draw from; lower data.classes_per_batch"
            raise UserError(f"P x K sampling: p = {p} classes a batch, but {there}.")
        self.p = p
        self.k = k
        self.pairs = pairs
        self._members = _members(labels, classes, "P x K sampling")
        self._all = _all_pairs(p, k)
        positive, negative = len(self._all[0]), len(self._all[2])
        if not 0 <= pairs <= min(positive, negative):
            has = f"{p} x {k} images have {positive} positive and {negative} negative ones"
            raise UserError(f"P x K sampling: pairs = {pairs} of either kind, but {has}.")

    def draw(self, generator: torch.Generator) -> tuple[np.ndarray, Pairs | None]:
        """Indices of one batch into ``labels``: (p * k,) int64, the k images of a class side by side; and the pairs
        that count, or None where all of the batch do.

        The images of a class are distinct; only where it has fewer than k does each occur again, as evenly as possible,
        and two windows of one image are a positive pair like any other.
        """
        chosen = torch.randperm(len(self._members), generator=generator)[: self.p]
        images = torch.cat([self._of_class(self._members[c], generator) for c in chosen.tolist()]).numpy()
        if not self.pairs:
            return images, None
        some, others = (torch.randperm(len(self._all[i]), generator=generator)[: self.pairs] for i in (0, 2))
        return images, (self._all[0][some], self._all[1][some], self._all[2][others], self._all[3][others])

    def _of_class(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        rounds = -(-self.k // len(images))
        order = torch.cat([torch.randperm(len(images), generator=generator) for _ in range(rounds)])
        return images[order[: self.k]]


class ImageWise:
    """Draws anchors, for each a positive and a negative image, and fixes their pairs (SGML section IV, Fig. 6a).

    Anchors are distinct images, drawn uniformly from all of them, not from classes first: where classes differ in size,
    a large one has more anchors. A positive is another image of the anchor's class, a negative one of all images of
    other classes; the same image may come in more than once, as the positive of one anchor and the negative of another.
    Everything random comes from the generator that is passed, on the CPU. Explained on page: sampling-and-layers.

    Args:
        labels: (N,) class id of every image of a store, as of :class:`PKSampler`.
        classes: the class ids to draw from, two at least.
        p, k: a batch has P K / 3 anchors, rounded down, so that it has no more images than one of P classes with K
            images each (60 in the document, which are 60 x 3).

    Raises:
        UserError: no anchor, or more than there are images; a class named twice; a class with fewer than two images,
            which has no positive pair; fewer than two classes.
    """

    def __init__(self, labels: np.ndarray, classes: Sequence[int], p: int, k: int) -> None:
        members = _members(labels, classes, "Image-wise sampling")
        if len(members) < 2:
            raise UserError(f"Image-wise sampling: a negative pair needs 2 classes, there are {len(members)}.")
        self.anchors = p * k // 3
        self._images = torch.cat(members)  # class by class
        sizes = torch.tensor([len(images) for images in members])
        self._size = sizes.repeat_interleave(sizes)  # of each image's class
        self._first = (sizes.cumsum(0) - sizes).repeat_interleave(sizes)  # where that class begins
        if not 1 <= self.anchors <= len(self._images):
            asked = f"{p} x {k} images are {self.anchors} anchors with two others each"
            raise UserError(f"Image-wise sampling: {asked}, but there are {len(self._images)} images.")

    def draw(self, generator: torch.Generator) -> tuple[np.ndarray, Pairs]:
        """Indices of one batch into ``labels``, int64: the anchors, then their positives, then their negatives; and as
        many positive and negative pairs as there are anchors, of each with its own."""
        anchors = torch.randperm(len(self._images), generator=generator)[: self.anchors]
        size, first, count = self._size[anchors], self._first[anchors], len(self._images)
        chance = torch.rand(2, self.anchors, generator=generator, dtype=torch.float64)
        further, beyond = (chance[0] * (size - 1)).long(), (chance[1] * (count - size)).long()
        positives = first + (anchors - first + 1 + further) % size
        negatives = (first + size + beyond) % count
        places = torch.arange(self.anchors)
        pairs = places, places + self.anchors, places, places + 2 * self.anchors
        return self._images[torch.cat([anchors, positives, negatives])].numpy(), pairs


def _members(labels: np.ndarray, classes: Sequence[int], what: str) -> list[torch.Tensor]:
    """Images of each class.

    Raises:
        UserError: a class named twice, or with fewer than two images.
    """
    if len(set(classes)) != len(classes):
        raise UserError(f"{what}: classes are named twice: {sorted(classes)}.")
    members = [torch.from_numpy(np.flatnonzero(np.asarray(labels) == c)) for c in classes]
    for c, images in zip(classes, members, strict=True):
        if len(images) < 2:
            raise UserError(f"{what}: class {c} has {len(images)} image(s); a positive pair needs 2.")
    return members


def _all_pairs(p: int, k: int) -> Pairs:
    """All pairs of a batch of P x K images, each once."""
    row, column = torch.triu_indices(p * k, p * k, offset=1)
    same = row // k == column // k
    return row[same], column[same], row[~same], column[~same]
