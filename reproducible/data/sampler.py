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

    Raises:
        UserError: k below 2; p below 1 or above the number of classes; a class named twice; a class with fewer than
            two images, which has no positive pair.
    """

    def __init__(self, labels: np.ndarray, classes: Sequence[int], p: int, k: int) -> None:
        if k < 2:
            raise UserError(f"P x K sampling: k = {k}, but a positive pair needs k of at least 2.")
        if len(set(classes)) != len(classes):
            raise UserError(f"P x K sampling: classes are named twice: {sorted(classes)}.")
        if not 1 <= p <= len(classes):
            raise UserError(f"P x K sampling: p = {p} classes a batch, but there are {len(classes)} to draw from.")
        self.p = p
        self.k = k
        self._members = [torch.from_numpy(np.flatnonzero(np.asarray(labels) == c)) for c in classes]
        for c, images in zip(classes, self._members, strict=True):
            if len(images) < 2:
                raise UserError(f"P x K sampling: class {c} has {len(images)} image(s); a positive pair needs 2.")

    def draw(self, generator: torch.Generator) -> tuple[np.ndarray, None]:
        """Indices of one batch into ``labels``: (p * k,) int64, the k images of a class side by side; and no pairs, so
        that losses take all of the batch.

        The images of a class are distinct; only where it has fewer than k does each occur again, as evenly as possible.
        """
        chosen = torch.randperm(len(self._members), generator=generator)[: self.p]
        return torch.cat([self._of_class(self._members[c], generator) for c in chosen.tolist()]).numpy(), None

    def _of_class(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        rounds = -(-self.k // len(images))
        order = torch.cat([torch.randperm(len(images), generator=generator) for _ in range(rounds)])
        return images[order[: self.k]]
