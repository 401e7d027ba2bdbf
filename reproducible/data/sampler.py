"""Batches of P classes with K images each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from reproducible.resources import UserError


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

    def indices(self, generator: torch.Generator) -> np.ndarray:
        """Indices of one batch into ``labels``: (p * k,) int64, the k images of a class side by side.

        The images of a class are distinct; only where it has fewer than k does each occur again, as evenly as possible.
        """
        chosen = torch.randperm(len(self._members), generator=generator)[: self.p]
        return torch.cat([self._draw(self._members[c], generator) for c in chosen.tolist()]).numpy()

    def _draw(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        rounds = -(-self.k // len(images))
        order = torch.cat([torch.randperm(len(images), generator=generator) for _ in range(rounds)])
        return images[order[: self.k]]
