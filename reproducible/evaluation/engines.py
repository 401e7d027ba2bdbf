"""Exact nearest neighbours by cosine, in bounded memory, from two engines that agree.

The ranking is by (cosine to the nearest 2**-30, falling; gallery index, rising), so that equal gallery rows rank by
their index. An engine, faiss or torch, proposes somewhat more than k candidates from fast float32 products. Where two
candidates next to each other differ by more than float32 products err, their order is certain; the others are scored
again in float64. A query whose proposal ends among such near-ties, and so may lack a neighbour, is ranked against the
whole gallery in float64. Neither the engine nor the chunk size shows in the ranking.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

import torch  # before faiss: the other order has given wrong neighbours on GPUs (faiss issue 2126)
from torch import Tensor

# (unit queries (C, D), own (C,)) -> ids and float32 cosines (C, m) of the m best without the own ones, best first.
Proposer = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

_MARGIN = 28  # candidates beyond k, so that ordinary near-ties at rank k need no second look
_WORTH_PROPOSING = 8  # with fewer gallery rows than this a candidate, float64 for all is as fast
_GALLERY_CHUNKS = 8  # gallery rows proposed from at once, in chunks of queries: long rows make the top lists cheap
_PAIRS_AT_ONCE = 2**9  # pairs of rows gathered at once for the second look
_GRID = 2.0**30  # steps per unit of cosine
_LOW_WORD = 2**32 - 1
_LAST = torch.iinfo(torch.int64).min  # the key of a row that is left out
_TINY = 1e-300  # in place of the length of a zero row, whose cosine with everything is then 0


def faiss_if_installed() -> ModuleType | None:
    """faiss, which is imported by the first call, or None where it cannot be."""
    try:
        return importlib.import_module("faiss")
    except ImportError:
        return None


def fastest(device: torch.device) -> str:
    """The engine that is used on a device unless another is asked for: faiss on a CPU where it is installed."""
    return "faiss" if device.type == "cpu" and faiss_if_installed() else "torch"


@torch.no_grad()
def search(queries: Tensor, gallery: Tensor, k: int, own: Tensor, engine: str, chunk: int) -> tuple[Tensor, Tensor]:
    """The k nearest gallery rows of each query, with the arguments of `retrieval.nearest` already checked.

    Args:
        queries: finite float32 (Q, D).
        gallery: finite float32 (G, D), on the same device.
        k: number of neighbours, less than G where a query is in the gallery itself.
        own: int64 (Q,), gallery index of each query or -1, on the same device.
        engine: "torch", or "faiss", which is installed.
        chunk: queries handled at once; gallery rows are proposed from in a few times as many.

    Returns:
        ids int64 (Q, k) and cosines float32 (Q, k), on the queries' device.
    """
    proposed = k + _MARGIN
    with _full_precision(queries.device.type):
        propose: Proposer | None = None
        if proposed * _WORTH_PROPOSING <= len(gallery):
            units = torch.empty_like(gallery)
            for start in range(0, len(gallery), chunk):
                units[start : start + chunk] = _units(gallery[start : start + chunk])
            propose = _faiss_proposer(units, proposed) if engine == "faiss" else _torch_proposer(units, proposed, chunk)
        ids, cosines = own.new_empty(len(queries), k), queries.new_empty(len(queries), k)
        for start in range(0, len(queries), chunk):
            here = slice(start, start + chunk)
            keys = _nearest_keys(queries[here], gallery, k, own[here], propose, chunk)
            ids[here], cosines[here] = _unpack(keys)
    return ids, cosines


def _nearest_keys(
    queries: Tensor, gallery: Tensor, k: int, own: Tensor, propose: Proposer | None, chunk: int
) -> Tensor:
    """Keys (C, k) of the neighbours of one chunk of queries, best first."""
    units = _units(queries)
    if propose is None:
        return _rank_all(units, gallery, k, own, chunk)
    ids, scores = propose(units.float(), own)
    doubtful, complete = _doubtful(scores, k, queries.shape[1])
    cosines = scores.double()
    cosines[doubtful] = _cosines(units, gallery, doubtful.nonzero()[:, 0], ids[doubtful])
    keys = _pack(cosines, ids).topk(k, dim=1).values
    if not complete.all():
        keys[~complete] = _rank_all(units[~complete], gallery, k, own[~complete], chunk)
    return keys


def _torch_proposer(units: Tensor, count: int, chunk: int) -> Proposer:
    """Candidates by blocks of matrix products and a running top list."""
    step = chunk * _GALLERY_CHUNKS

    def propose(queries: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        scores = queries.new_empty(len(queries), 0)
        ids = own.new_empty(len(queries), 0)
        for start in range(0, len(units), step):
            block = queries @ units[start : start + step].T  # (C, step)
            here = ((own >= start) & (own < start + step)).nonzero()[:, 0]
            block[here, own[here] - start] = -torch.inf
            top = block.topk(min(count, block.shape[1]), sorted=False)
            scores, ids = torch.cat([scores, top.values], 1), torch.cat([ids, top.indices + start], 1)
            scores, places = scores.topk(min(count, scores.shape[1]))
            ids = ids.gather(1, places)
        return ids, scores

    return propose


def _faiss_proposer(units: Tensor, count: int) -> Proposer:
    """Candidates from faiss's exact search, on the CPU, by as many threads as torch uses."""
    faiss, gallery = faiss_if_installed(), units.cpu().numpy()

    def propose(queries: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        faiss.omp_set_num_threads(torch.get_num_threads())
        found = faiss.knn(queries.cpu().numpy(), gallery, count + 1, faiss.METRIC_INNER_PRODUCT)
        scores, ids = (torch.from_numpy(array).to(queries.device) for array in found)
        scores, places = scores.masked_fill(ids == own[:, None], -torch.inf).topk(count)
        return ids.gather(1, places), scores

    return propose


def _doubtful(scores: Tensor, k: int, dimensions: int) -> tuple[Tensor, Tensor]:
    """Which candidates float32 cannot rank, and which queries have all their neighbours among the candidates.

    Args:
        scores: (C, m), falling.
        k: number of neighbours wanted.
        dimensions: of the embeddings.

    Returns:
        bool (C, m), true for those among the first k, or tied with them, that are too near the one before or after; and
        bool (C,), true where a clear gap follows rank k or a later one. A query without is doubted as a whole, not by
        candidates.
    """
    # Rounding errs in a float32 cosine by at most D units of 2**-24 in the sum, and in practice by a small multiple of
    # sqrt(D) (Higham and Mary 2019), and by less than 4 in the rows themselves.
    error = (min(dimensions, 8 * math.sqrt(dimensions)) + 4) * 2.0**-24
    near = scores[:, :-1] - scores[:, 1:] <= 2 * error
    gap = ~near
    gap[:, : k - 1] = False
    complete = gap.any(1)
    before_gap = gap.long().cumsum(1) == 0  # true up to the first gap at or after rank k
    near &= before_gap & complete[:, None]
    doubtful = torch.zeros_like(scores, dtype=torch.bool)
    doubtful[:, :-1] |= near
    doubtful[:, 1:] |= near
    return doubtful, complete


def _cosines(units: Tensor, gallery: Tensor, rows: Tensor, ids: Tensor) -> Tensor:
    """float64 cosines (P,) of pairs, each summed by itself, so that equal gallery rows get equal cosines."""
    found = [
        (units[row] * _units(gallery[place])).sum(1)
        for row, place in zip(rows.split(_PAIRS_AT_ONCE), ids.split(_PAIRS_AT_ONCE), strict=True)
    ]
    return torch.cat(found)


def _rank_all(units: Tensor, gallery: Tensor, k: int, own: Tensor, chunk: int) -> Tensor:
    """Keys (C, k), best first, from float64 products with the whole gallery."""
    best = own.new_empty(len(units), 0)
    for start in range(0, len(gallery), chunk):
        rows = gallery[start : start + chunk]
        ids = torch.arange(start, start + len(rows), device=own.device)
        keys = _pack(units @ _units(rows).T, ids).masked_fill_(ids == own[:, None], _LAST)
        merged = torch.cat([best, keys], 1)
        best = merged.topk(min(k, merged.shape[1]), dim=1).values
    return best


def _pack(cosines: Tensor, ids: Tensor) -> Tensor:
    """One int64 a pair whose order is the ranking: cosine in steps of 2**-30 above, complement of the index below."""
    return (cosines * _GRID).round().long() * (_LOW_WORD + 1) + (_LOW_WORD - ids)


def _unpack(keys: Tensor) -> tuple[Tensor, Tensor]:
    return _LOW_WORD - (keys & _LOW_WORD), ((keys >> 32).double() / _GRID).float()


def _units(rows: Tensor) -> Tensor:
    """Rows of length one in float64; zero rows stay zero."""
    rows = rows.double()
    return rows / rows.norm(dim=1, keepdim=True).clamp_min(_TINY)


@contextmanager
def _full_precision(device: str) -> Iterator[None]:
    """float32 products in float32: neither autocast nor TF32, whatever the caller has switched on."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
