r"""Object attention: a random walk over the dissimilarities of a feature map (DeML section 3.1, Eq. 2 and 3).

The positions :math:`a` of a map :math:`U` are nodes of a complete graph with edges
:math:`W_{ab} = \|u_a - u_b\|_2` (Eq. 2), the walk starts from equal mass everywhere, and its mass after T steps is the
map :math:`M`. Three forms of the walk are here, because the document's prose, its formula and its released code differ:

- ``rows``: Eq. 3 as printed. The rows of :math:`\bar W` sum to one and the start is uniform, so
  :math:`M \leftarrow \bar W M` never leaves it: the map is constant for every T.
- ``columns``: mass is conserved, :math:`M \leftarrow \bar W^T M`. The prose describes this one, and the released code
  computes it, on edges that it first multiplies by a Gaussian of the distance on the grid (``locality``).
- ``degree``: where ``columns`` converges to, :math:`M_a = \sum_b W_{ab} / \sum_{ab} W_{ab}`. At T = 10 it need not be
  there: two tight clusters make the graph nearly bipartite, which :func:`smallest_eigenvalue` shows.

All of it is differentiable. No gradient is meant to pass (the released code has none), and callers detach.
Explained on page: object-attention.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reproducible.resources import UserError, nearest_name

FORMS = ("rows", "columns", "degree")
LOCALITY = 0.15  # standard deviation of the released code's Gaussian, in sides of the map
UNIFORM = 1e-5  # a map that spreads by less, relative to its mean, is constant up to rounding


def dissimilarity(maps: Tensor, locality: float = 0.0) -> Tensor:
    r"""Edges of the graph (Eq. 2).

    Args:
        maps: feature maps, :math:`(B, C, H, W)`, fp32 or fp64.
        locality: standard deviation, in sides of the map, of the Gaussian of the distance on the grid that the edges
            are multiplied by (0.15 in the released code); 0: none, as in the document.

    Returns:
        :math:`(B, n, n)` with :math:`n = H W`: symmetric; exactly zero, and with no gradient, on the diagonal and
        between equal features.
    """
    height, width = maps.shape[2:]
    points = maps.flatten(2).transpose(1, 2)  # (B, n, C)
    resolution = 16 * torch.finfo(maps.dtype).eps * points.norm(dim=2).amax(dim=1)  # of a distance, by rounding
    points = points - points.mean(dim=1, keepdim=True)  # the same distances, with less cancellation
    gram = points @ points.transpose(1, 2)
    square = gram.diagonal(dim1=1, dim2=2)
    square = (square[:, :, None] + square[:, None, :] - 2 * gram).clamp(min=0)
    equal = square.detach() <= resolution.square()[:, None, None]
    edges = square.masked_fill(equal, 1).sqrt().masked_fill(equal, 0)
    return edges * _nearness(height, width, locality, edges) if locality else edges


def _nearness(height: int, width: int, locality: float, like: Tensor) -> Tensor:
    """(n, n): the Gaussian of the distance of two cells of the grid, whose sides count alike, however many cells."""
    down, across = (torch.arange(n, dtype=like.dtype, device=like.device) for n in (height, width))
    rows, columns = (down * (width / height)).repeat_interleave(width), across.repeat(height)
    square = (rows[:, None] - rows).square() + (columns[:, None] - columns).square()
    return torch.exp(-square / (2 * (locality * width) ** 2))


def walk(edges: Tensor, steps: int = 10, form: str = "columns") -> Tensor:
    """Mass of each node after a walk from equal mass (Eq. 3).

    Args:
        edges: symmetric, not negative, :math:`(B, n, n)`.
        steps: T (10 in the document); without effect on the form ``degree``.
        form: ``rows``, ``columns`` or ``degree``, as in the head of this file.

    Returns:
        :math:`(B, n)`; it sums to one. Equal mass where all edges are zero.

    Raises:
        UserError: if there is no such form.
    """
    if form not in FORMS:
        raise UserError(f"There is no form {form!r} of the walk.{nearest_name(form, FORMS)}")
    degree = edges.sum(dim=2, keepdim=True)
    empty = degree == 0
    start = torch.full_like(degree, 1 / edges.shape[1])
    if form == "degree":
        total = degree.sum(dim=1, keepdim=True)
        mass = degree / total.masked_fill(total == 0, 1)
    else:
        mass, share = start, degree.masked_fill(empty, 1).reciprocal()
        for _ in range(steps):
            mass = share * (edges @ mass) if form == "rows" else edges @ (share * mass)
    return torch.where(empty.all(dim=1, keepdim=True), start, mass).squeeze(2)


def smallest_eigenvalue(edges: Tensor) -> Tensor:
    """Smallest eigenvalue of the walk's transition matrix, :math:`(B,)`.

    Near -1 the graph is nearly bipartite: the mass swings between two sides and T = 10 and T = 11 show opposite maps.
    The matrix is similar to the symmetric one that is computed here; 0 where all edges are zero.
    """
    degree = edges.sum(dim=2)
    root = degree.masked_fill(degree == 0, 1).rsqrt()
    return torch.linalg.eigvalsh(root[:, :, None] * edges * root[:, None, :])[:, 0]


def object_map(maps: Tensor, form: str = "columns", steps: int = 10, locality: float = 0.0) -> Tensor:
    """Object-attention proposal of one layer: the mass of each position, :math:`(B, H, W)`, which sums to one.

    Args:
        maps: feature maps, :math:`(B, C, H, W)`.
        form, steps: as in :func:`walk`.
        locality: as in :func:`dissimilarity`.
    """
    with torch.autocast(maps.device.type, enabled=False):
        values = maps if maps.dtype == torch.float64 else maps.float()
        return walk(dissimilarity(values, locality), steps, form).unflatten(1, maps.shape[2:])


def uniform(mass: Tensor) -> Tensor:
    """Which maps are constant up to rounding, bool, :math:`(B,)`: min-max scaling would make a picture of noise.

    Args:
        mass: maps, :math:`(B, H, W)`.
    """
    flat = mass.flatten(1)
    return flat.amax(dim=1) - flat.amin(dim=1) <= UNIFORM * flat.mean(dim=1)


def grey_levels(mass: Tensor) -> Tensor:
    """Maps scaled to 0 to 255 each and cut to whole levels, as the released code stores them.

    Args:
        mass: maps, :math:`(B, H, W)`.

    Returns:
        int32, :math:`(B, H, W)`; 0 everywhere where :func:`uniform`.
    """
    low, high = mass.amin(dim=(1, 2), keepdim=True), mass.amax(dim=(1, 2), keepdim=True)
    constant = uniform(mass)[:, None, None]
    scaled = 255 * (mass - low) / (high - low).masked_fill(constant, 1)
    return scaled.masked_fill(constant, 0).int()
