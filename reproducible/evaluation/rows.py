"""The door for embeddings: whatever they come as, checked, in fp32, without a gradient."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor


def embeddings_of(values: ArrayLike | Tensor, name: str) -> Tensor:
    """A matrix of embeddings, fp32, (N, D), on the device it was on.

    Args:
        values: of any floating type; a tensor may need a gradient.
        name: of the argument, for messages.

    Raises:
        ValueError: for another shape, for nothing, or for a row that is not finite, naming it.
    """
    rows = torch.as_tensor(values).detach().float()
    if rows.ndim != 2 or 0 in rows.shape:
        raise ValueError(
            f"{name}: expected a matrix of embeddings (rows, D) with something in it, got {tuple(rows.shape)}."
        )
    broken = ~torch.isfinite(rows).all(1)
    if broken.any():
        raise ValueError(f"{name}: row {int(broken.nonzero()[0])} of {len(rows)} holds NaN or infinity.")
    return rows
