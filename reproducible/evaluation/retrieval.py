"""Retrieval: nearest neighbours, and the metrics computed from their ids alone.

Sources: Recall@K as in Song et al. 2016 and all five documents; R-precision and MAP@R in Musgrave, Belongie and Lim
2020 ("A Metric Learning Reality Check"), section 3.2. Explained on page: protocol.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reproducible.resources import UserError

if TYPE_CHECKING:
    from torch import Tensor

ENGINES = ("auto", "torch", "faiss")

_AT_ONCE = 2**21
"""Neighbours that are looked at at once, some fifty bytes each."""


def nearest(
    queries: Tensor,
    gallery: Tensor,
    k: int,
    *,
    own: ArrayLike | None = None,
    engine: str = "auto",
    chunk: int = 1024,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k gallery rows of highest cosine for each query, best first. Explained on page: protocol.

    Cosines are exact to 2**-30 and equal ones (duplicate rows, zero rows, which have cosine 0 with everything) rank by
    the lower gallery index. Both engines, every device and every chunk size give the same ranking. Memory is bounded
    by the chunk: about 8 * chunk**2 scores at once, besides the embeddings and the result.

    Args:
        queries: (Q, D) embeddings of any floating type and device; they need not have length one.
        gallery: (G, D) embeddings on the same device.
        k: number of neighbours. Recall@K needs K, R-precision and MAP@R need `needed_k`.
        own: (Q,) integers, the index of each query in the gallery, or -1 where it is not there. That row is left out
            by its index, so that a duplicate of the query still counts. None means no query is in the gallery.
        engine: "torch" (on the device of the embeddings), "faiss" (on the CPU), or "auto": faiss, the faster one, for
            embeddings on the CPU where it is installed, else torch.
        chunk: number of queries handled at once.

    Returns:
        ids int64 (Q, k), which fit uint16 for galleries of up to 65,536 rows, and cosines float32 (Q, k): NumPy arrays.

    Raises:
        ValueError: on shapes that do not fit, an empty gallery, too large a k, `own` out of range, an unknown engine,
            or an embedding that is not finite (naming its row).
        UserError: if faiss is asked for and not installed.
    """
    import torch

    from reproducible.evaluation.engines import faiss_if_installed, fastest, search
    from reproducible.evaluation.rows import embeddings_of

    queries, gallery = embeddings_of(queries, "queries"), embeddings_of(gallery, "gallery")
    if queries.shape[1] != gallery.shape[1]:
        raise ValueError(f"queries have {queries.shape[1]} dimensions and the gallery {gallery.shape[1]}.")
    if engine not in ENGINES:
        raise ValueError(f"engine: {engine!r} is not one of {', '.join(ENGINES)}.")
    if engine == "faiss" and faiss_if_installed() is None:
        raise UserError("engine: faiss is asked for and not installed; 'pip install faiss-cpu', or ask for 'auto'.")
    if chunk < 1:
        raise ValueError(f"chunk: {chunk} must be at least 1.")
    left_out = torch.as_tensor([-1] * len(queries) if own is None else own).to(queries.device).long()
    if left_out.shape != (len(queries),) or int(left_out.min()) < -1 or int(left_out.max()) >= len(gallery):
        raise ValueError(f"own: expected {len(queries)} gallery indices from -1 (not there) to {len(gallery) - 1}.")
    available = len(gallery) - int(bool((left_out >= 0).any()))
    if not 1 <= k <= available:
        raise ValueError(
            f"k: {k} neighbours asked for; a query can have 1 to {available} in a gallery of {len(gallery)}."
        )
    chosen = fastest(queries.device) if engine == "auto" else engine
    ids, cosines = search(queries, gallery, k, left_out, chosen, chunk)
    return ids.cpu().numpy(), cosines.cpu().numpy()


@dataclass(frozen=True, eq=False)
class RetrievalResult:
    """Retrieval metrics as fractions of one. Explained on page: protocol.

    Means are over the answerable queries, those that have a relevant gallery item.

    Attributes:
        recall: Recall@K by K: the part of queries with a relevant item among the first K neighbours.
        matches: bool (Q, k), whether each neighbour is relevant; False beyond the larger of R and the largest K.
        relevant: int64 (Q,), R: the number of relevant gallery items, the query itself not counted.
        labels: (Q,), the class of each query.
    """

    recall: dict[int, float]
    matches: NDArray[np.bool_]
    relevant: NDArray[np.int64]
    labels: NDArray[np.int64]

    @property
    def answerable(self) -> NDArray[np.bool_]:
        """(Q,) whether each query has a relevant gallery item."""
        return self.relevant > 0

    @property
    def unanswerable(self) -> int:
        """Number of queries without a relevant gallery item; no metric counts them."""
        return int((self.relevant == 0).sum())

    @property
    def hit_at_1(self) -> NDArray[np.bool_]:
        """(Q,) whether the first neighbour is relevant; False for unanswerable queries."""
        return self.matches[:, 0]

    @property
    def precision_at_1(self) -> float:
        """Part of queries whose first neighbour is relevant; the same number as Recall@1."""
        return float(self.hit_at_1[self.answerable].mean())

    @property
    def macro_recall_at_1(self) -> float:
        """Mean over the query classes of their Recall@1, so that large classes do not dominate."""
        _, index, counts = np.unique(self.labels[self.answerable], return_inverse=True, return_counts=True)
        return float((np.bincount(index, self.hit_at_1[self.answerable]) / counts).mean())

    @property
    def ap(self) -> NDArray[np.float64]:
        """(Q,) average precision at R: the sum over relevant ranks i <= R of the precision at i, over R.

        NaN for unanswerable queries.

        Raises:
            ValueError: where some R exceeds the number of neighbours, which it states.
        """
        return self._over_r(lambda found: (found.cumsum(1) / np.arange(1, found.shape[1] + 1) * found).sum(1))

    @property
    def r_precision(self) -> float:
        """Mean over queries of the part of the first R neighbours that is relevant; raises as `ap` does."""
        return float(np.nanmean(self._over_r(lambda found: found.sum(1))))

    @property
    def map_at_r(self) -> float:
        """Mean of `ap` over queries; raises as `ap` does."""
        return float(np.nanmean(self.ap))

    def _over_r(self, summed: Callable[[NDArray[np.bool_]], NDArray[Any]]) -> NDArray[np.float64]:
        """(Q,) what ``summed`` makes of the relevant neighbours within the first R ranks, (rows, largest R), over R."""
        given, needed = self.matches.shape[1], int(self.relevant.max())
        if needed > given:
            raise ValueError(
                f"R-precision and MAP@R need {needed} neighbours of each query (the largest R), {given} are given: "
                "search with k = needed_k(query_labels, gallery_labels)."
            )
        sums = np.empty(len(self.matches))
        for rows in _chunks(len(sums), needed):
            within = np.arange(needed) < self.relevant[rows, None]
            sums[rows] = summed(self.matches[rows, :needed] & within)
        return np.divide(sums, self.relevant, out=np.full(len(sums), np.nan), where=self.answerable)


def retrieval_metrics(
    ids: ArrayLike,
    query_labels: ArrayLike,
    gallery_labels: ArrayLike,
    ks: Sequence[int] = (1, 2, 4, 8),
    own_in_gallery: bool = False,
) -> RetrievalResult:
    """Recall@K, P@1, R-precision and MAP@R from neighbour ids; no embeddings are needed. Explained on page: protocol.

    Args:
        ids: (Q, k) gallery indices of each query's neighbours, best first, without the query itself; any integer type.
            Places beyond the larger of R and the largest K are never read, and may hold anything.
        query_labels: (Q,) class ids.
        gallery_labels: (G,) class ids.
        ks: the K of Recall@K, each at most k.
        own_in_gallery: whether every query is itself in the gallery; R then counts one less.

    Returns:
        The metrics. Queries without a relevant gallery item are left out and counted. Where some R exceeds k, asking
        the result for R-precision or MAP@R raises ValueError; Recall@K is still there.

    Raises:
        ValueError: on shapes that do not fit, ids out of range or repeated in a row, K out of range, or when no query
            has a relevant gallery item.
    """
    ids, query_labels, gallery_labels = np.asarray(ids), np.asarray(query_labels), np.asarray(gallery_labels)
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"ids: expected integers (queries, neighbours), got {ids.dtype} {ids.shape}.")
    if query_labels.shape != ids.shape[:1]:
        raise ValueError(f"query_labels: expected one for each of {len(ids)} queries, got shape {query_labels.shape}.")
    unfit = [k for k in ks if not 1 <= k <= ids.shape[1]]
    if unfit:
        raise ValueError(f"ks: Recall@{unfit[0]} cannot be had from {ids.shape[1]} neighbours a query.")
    relevant = _relevant(query_labels, gallery_labels, own_in_gallery)
    matching = _Matching(query_labels, gallery_labels, relevant, ks, ids.shape[1])
    for rows in _chunks(*ids.shape):
        matching.look(rows, ids[rows])
    return matching.result()


def retrieve(
    queries: Tensor,
    gallery: Tensor,
    query_labels: ArrayLike,
    gallery_labels: ArrayLike,
    ks: Sequence[int] = (1, 2, 4, 8),
    own_in_gallery: bool = False,
    with_ids: bool = True,
) -> tuple[RetrievalResult, NDArray[np.unsignedinteger] | None]:
    """Search, and metrics of what is found, in turns, so that of a pair of query and neighbour no more stays than
    whether it matches (a byte) and, where asked for, the id (two bytes, or four). Explained on page: protocol.

    Args:
        queries, gallery: (Q, D) and (G, D) embeddings, as of :func:`nearest`.
        query_labels, gallery_labels: (Q,) and (G,) class ids.
        ks: the K of Recall@K; those that the gallery is too small for are left out.
        own_in_gallery: the gallery is the queries, in their order; each is left out of its own.
        with_ids: whether the ids are wanted.

    Returns:
        The metrics, and the ids (Q, k), k being what R-precision and MAP@R need, or None.

    Raises:
        UserError: if that does not fit into the memory of this machine, with what is needed.
        ValueError: as of :func:`nearest` and :func:`retrieval_metrics`.
    """
    query_labels, gallery_labels = np.asarray(query_labels), np.asarray(gallery_labels)
    relevant = _relevant(query_labels, gallery_labels, own_in_gallery)
    others = len(gallery_labels) - own_in_gallery
    k = min(max(int(relevant.max()), *ks), others)
    kind = np.min_scalar_type(len(gallery_labels))
    kind = np.dtype(np.uint16) if kind.itemsize < 2 else kind
    _require(len(query_labels) * k * (1 + kind.itemsize * with_ids), len(query_labels), k)
    matching = _Matching(query_labels, gallery_labels, relevant, [one for one in ks if one <= others], k)
    ids = np.empty((len(query_labels), k), kind) if with_ids else None
    for rows in _chunks(len(query_labels), k):
        own = np.arange(len(query_labels))[rows] if own_in_gallery else None
        found, _ = nearest(queries[rows], gallery, k, own=own)
        matching.look(rows, found)
        if ids is not None:
            ids[rows] = found
    return matching.result(), ids


class _Matching:
    """Which neighbours are of their queries' classes, rows of queries after rows."""

    def __init__(
        self,
        query_labels: NDArray[np.int64],
        gallery_labels: NDArray[np.int64],
        relevant: NDArray[np.int64],
        ks: Sequence[int],
        columns: int,
    ) -> None:
        if not relevant.any():
            raise ValueError(f"none of the {len(relevant)} queries has another item of its class in the gallery.")
        self.labels, self.gallery, self.relevant, self.ks = query_labels, gallery_labels, relevant, ks
        self.depth = np.maximum(relevant, max(ks, default=1))
        self.matches = np.zeros((len(relevant), columns), bool)

    def look(self, rows: slice, ids: NDArray[np.integer]) -> None:
        read = np.arange(ids.shape[1]) < self.depth[rows, None]
        places = np.where(read, ids.astype(np.int64), 0)
        _check_ids(places, read, len(self.gallery), rows.start)
        matches = (self.gallery[places] == self.labels[rows, None]) & read
        self.matches[rows] = matches & (self.relevant[rows, None] > 0)

    def result(self) -> RetrievalResult:
        near = self.matches[:, : max(self.ks, default=0)][self.relevant > 0]
        recall = {int(k): float(near[:, :k].any(1).mean()) for k in self.ks}
        return RetrievalResult(recall, self.matches, self.relevant, self.labels)


def _chunks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of the rows of a table of neighbours, each small enough to be looked at at once."""
    step = min(max(_AT_ONCE // max(columns, 1), 1), 2**16)
    return (slice(start, start + step) for start in range(0, rows, step))


def _require(size: int, queries: int, k: int) -> None:
    """Refuse what the machine has no memory for.

    Raises:
        UserError: if it has not so many bytes.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > memory:
        raise UserError(
            f"{queries} queries need {k} neighbours each (the largest number of images of one class): {size / 1e9:.0f} "
            f"GB, and this machine has {memory / 1e9:.0f}. Set evaluation.keep to 'matches', or look at fewer images."
        )


def needed_k(query_labels: ArrayLike, gallery_labels: ArrayLike, own_in_gallery: bool = False) -> int:
    """The number of neighbours that R-precision and MAP@R need: the largest R of any query (0 if none has any)."""
    return int(_relevant(np.asarray(query_labels), np.asarray(gallery_labels), own_in_gallery).max())


def _relevant(
    query_labels: NDArray[np.int64], gallery_labels: NDArray[np.int64], own_in_gallery: bool
) -> NDArray[np.int64]:
    """R (Q,): gallery items of each query's class, the query itself not counted."""
    for name, labels in (("query_labels", query_labels), ("gallery_labels", gallery_labels)):
        if labels.ndim != 1 or not len(labels):
            raise ValueError(f"{name}: expected a list of labels, not empty, got shape {labels.shape}.")
    classes, counts = np.unique(gallery_labels, return_counts=True)
    place = np.searchsorted(classes, query_labels).clip(max=len(classes) - 1)
    found = np.where(classes[place] == query_labels, counts[place], 0)
    if own_in_gallery and not found.all():
        raise ValueError(
            f"query {int(found.argmin())} is said to be in the gallery, which has no item of its class "
            f"{query_labels[found.argmin()]}."
        )
    return found - int(own_in_gallery)


def _check_ids(ids: NDArray[np.int64], read: NDArray[np.bool_], gallery: int, first: int) -> None:
    """That the ids (rows, k), where they are read, are different gallery indices in each row from ``first`` on."""
    outside = ((ids < 0) | (ids >= gallery)).any(1)
    if outside.any():
        raise ValueError(f"ids: row {first + int(outside.argmax())} names an item outside the gallery of {gallery}.")
    ordered = np.sort(np.where(read, ids, -1 - np.arange(ids.shape[1])), 1)
    twice = (ordered[:, 1:] == ordered[:, :-1]).any(1)
    if twice.any():
        raise ValueError(f"ids: row {first + int(twice.argmax())} names a gallery item twice.")
