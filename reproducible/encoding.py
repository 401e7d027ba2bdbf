"""Arrays in records: packed, compressed and written with printable characters; and the files that hold records.

What a record holds of a look at a set of queries is so little that all records together fit into a repository, and so
much that every metric can be computed from it again (:mod:`reproducible.records`). A file of records is JSON lines,
compressed.
"""

from __future__ import annotations

import base64
import json
import lzma
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reproducible.resources import UserError

FIRST = 8  # nearest neighbours that Recall@1, 2, 4 and 8 read


def _widened(values: ArrayLike, of: str) -> np.ndarray:
    """Whole numbers as little-endian bytes side by side, two planes of them or, from 65,536 on, four: high bytes next
    to each other compress better.

    Raises:
        UserError: for a negative number, or one of 2**32 or more.
    """
    whole = np.asarray(values)
    if whole.size and (whole.min() < 0 or whole.max() >= 2**32):
        raise UserError(f"{of}: must be from 0 to {2**32 - 1}, found {whole.min()} to {whole.max()}.")
    kind = "<u2" if not whole.size or whole.max() < 2**16 else "<u4"
    return whole.astype(kind).view(np.uint8).reshape(len(whole), -1).T


def _narrowed(planes: bytes, count: int, of: str) -> NDArray[np.int64]:
    """The ``count`` whole numbers of :func:`_widened`.

    Raises:
        UserError: if these are the bytes of another number of them.
    """
    width = len(planes) // count if count else 2
    if width not in (2, 4) or len(planes) != width * count:
        raise UserError(f"the stored {of} are {len(planes)} bytes, {count} of them are needed: the record is damaged.")
    rows = np.frombuffer(planes, np.uint8).reshape(width, count).T
    return np.ascontiguousarray(rows).view(f"<u{width}").ravel().astype(np.int64)


def _pack(content: bytes) -> str:
    """Compressed, in printable characters."""
    return base64.b85encode(_compress(content, 9)).decode()


def _compress(content: bytes, preset: int) -> bytes:
    """An .xz file whose window is no longer than the content: a preset's own takes 90 to 670 MB, cleared each time."""
    window = min(max(4096, 1 << (len(content) - 1).bit_length()), 1 << 26 if preset == 9 else 1 << 23)
    return lzma.compress(content, filters=[{"id": lzma.FILTER_LZMA2, "preset": preset, "dict_size": window}])


def _unpack(packed: str, of: str) -> bytes:
    """What :func:`_pack` was given.

    Raises:
        UserError: if it is damaged.
    """
    try:
        return lzma.decompress(base64.b85decode(packed))
    except (lzma.LZMAError, TypeError, ValueError) as error:
        raise UserError(f"the stored {of} cannot be read ({error}): the record is damaged.") from error


def encode_hits(hits: np.ndarray) -> str:
    """Pack booleans, one a query, into hexadecimal digits."""
    return np.packbits(np.asarray(hits, dtype=bool)).tobytes().hex()


def decode_hits(packed: str, count: int) -> np.ndarray:
    """The booleans of :func:`encode_hits`, bool (count,).

    Raises:
        UserError: if the record is damaged.
    """
    try:
        bits = np.frombuffer(bytes.fromhex(packed), dtype=np.uint8)
    except (TypeError, ValueError) as error:
        raise UserError(f"the stored hits cannot be read ({error}): the record is damaged.") from error
    if len(bits) != -(-count // 8):
        raise UserError(f"the stored hits are of {8 * len(bits)} queries, not of {count}: the record is damaged.")
    return np.unpackbits(bits, count=count).astype(bool)


def encode_neighbours(ids: np.ndarray, relevant: np.ndarray, least: int = 8) -> str:
    """Compress neighbour ids: of each query as many as its relevant photographs (at least ``least``), which is all that
    Recall@1..8, R-precision and MAP@R read.

    Args:
        ids: gallery positions by falling similarity, (Q, k), below 2**32.
        relevant: number of relevant gallery items of each query, (Q,).
        least: ids kept at least.

    Raises:
        UserError: for an id that is negative or too large.
    """
    kept = np.minimum(np.maximum(relevant, least), ids.shape[1])
    flat = np.concatenate([row[:n] for row, n in zip(ids, kept, strict=True)])
    return _pack(_widened(flat, "neighbours").tobytes())


def decode_neighbours(packed: str, relevant: np.ndarray, columns: int, least: int = 8) -> NDArray[np.int64]:
    """The ids of :func:`encode_neighbours`, (Q, columns); places that were not kept hold 0 and are never read.

    Raises:
        UserError: if the record is damaged.
    """
    kept = np.arange(columns) < np.maximum(relevant, least)[:, None]
    ids = np.zeros(kept.shape, dtype=np.int64)
    ids[kept] = _narrowed(_unpack(packed, "neighbours"), int(kept.sum()), "neighbours")
    return ids


def encode_matches(matches: np.ndarray, relevant: np.ndarray, least: int = 8) -> str:
    """Compress which neighbours are relevant, bool (Q, k), as far as :func:`encode_neighbours` keeps their ids."""
    kept = np.arange(matches.shape[1]) < np.maximum(relevant, least)[:, None]
    return _pack(np.packbits(matches[kept]).tobytes())


def decode_matches(packed: str, relevant: np.ndarray, columns: int, least: int = 8) -> np.ndarray:
    """The booleans of :func:`encode_matches`, (Q, columns), False where nothing was kept.

    Raises:
        UserError: if the record is damaged.
    """
    kept = np.arange(columns) < np.maximum(relevant, least)[:, None]
    bits = np.unpackbits(np.frombuffer(_unpack(packed, "matches"), dtype=np.uint8))
    if len(bits) - 8 >= kept.sum() or len(bits) < kept.sum():
        raise UserError(f"the stored matches hold {len(bits)} bits, {kept.sum()} are needed: the record is damaged.")
    matches = np.zeros(kept.shape, bool)
    matches[kept] = bits[: kept.sum()]
    return matches


def encode_first(matches: np.ndarray) -> str:
    """Compress the rank of each query's first relevant neighbour among its nearest eight, which is all that Recall@1..8
    reads.

    Args:
        matches: which neighbours are relevant, by falling similarity, bool (Q, k).
    """
    near = matches[:, :FIRST]
    rank = np.where(near.any(axis=1), near.argmax(axis=1) + 1, 0).astype(np.uint8)  # 0: none of them
    return _pack(rank.tobytes())


def decode_first(packed: str, count: int) -> np.ndarray:
    """Where the first relevant neighbour of :func:`encode_first` is, bool (count, 8), at most one True a row.

    Raises:
        UserError: if the record is damaged.
    """
    rank = np.frombuffer(_unpack(packed, "ranks"), dtype=np.uint8)
    if len(rank) != count:
        raise UserError(f"the stored ranks are of {len(rank)} queries, not of {count}: the record is damaged.")
    return rank[:, None] == np.arange(1, FIRST + 1)


def encode_clusters(assign: np.ndarray) -> str:
    """Compress the cluster of each image, below 2**32, (N,).

    Raises:
        UserError: for a number that is negative or too large.
    """
    return _pack(_widened(assign, "clusters").tobytes())


def decode_clusters(packed: str, count: int) -> NDArray[np.int64]:
    """The clusters of :func:`encode_clusters`, of ``count`` images, (N,).

    Raises:
        UserError: if the record is damaged.
    """
    return _narrowed(_unpack(packed, "clusters"), count, "clusters")


def run_lengths(labels: np.ndarray, coarse: np.ndarray) -> list[list[int]]:
    """``[class, coarse class, count]`` of each run of equal labels."""
    starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
    counts = np.diff(np.r_[starts, len(labels)])
    return [[int(labels[s]), int(coarse[s]), int(n)] for s, n in zip(starts, counts, strict=True)]


def expand(lengths: list[list[int]], column: int = 0) -> np.ndarray:
    """Labels (``column`` 0) or coarse classes (1) of each item from :func:`run_lengths`, int64."""
    table = np.asarray(lengths, dtype=np.int64)
    return np.repeat(table[:, column], table[:, 2])


def encode_fractions(values: ArrayLike, steps: int, of: str) -> str:
    """Pack values from -1 to 1 in whole steps.

    Args:
        values: (N,).
        steps: of which a unit has so many.
        of: what they are of, for the message.

    Raises:
        UserError: for a value out of range, or none (NaN).
    """
    whole = np.rint(np.asarray(values, float) * steps)
    wrong = ~(np.abs(whole) <= steps)
    if wrong.any():
        first = int(wrong.argmax())
        raise UserError(
            f"{of}: value {first + 1} of {len(whole)} must be from -1 to 1, found {whole[first] / steps:g}."
        )
    planes = whole.astype("<i2").view(np.uint8).reshape(-1, 2).T.tobytes()  # low bytes side by side compress better
    return base64.b85encode(zlib.compress(planes, 9)).decode()


def decode_fractions(packed: str, steps: int, of: str) -> NDArray[np.float64]:
    """The values of :func:`encode_fractions`, to the step, (N,).

    Raises:
        UserError: if they are damaged.
    """
    try:
        planes = np.frombuffer(zlib.decompress(base64.b85decode(packed)), np.uint8).reshape(2, -1)
    except (TypeError, ValueError, zlib.error) as error:
        raise UserError(f"{of}: the stored values cannot be read ({error}): the file is damaged.") from error
    return planes.T.copy().view("<i2").ravel() / steps


def pack_lines(objects: Iterable[Any]) -> bytes:
    """The content of a file of JSON objects, one a line, compressed (``.jsonl.xz``)."""
    return _compress("".join(json.dumps(one, separators=(",", ":")) + "\n" for one in objects).encode(), 6)


def unpack_lines(path: Path, what: str) -> list[tuple[str, Any]]:
    """The objects of a file of :func:`pack_lines`, each with where it stands; empty where there is no file.

    Args:
        path: of the file.
        what: a line is, for the message.

    Raises:
        UserError: for a damaged file or line (file and line number).
    """
    if not path.is_file():
        return []
    try:
        text = lzma.decompress(path.read_bytes()).decode()
    except (lzma.LZMAError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a file of {what}s ({error}).") from error
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            found.append((f"{path}, line {number}", json.loads(line)))
        except (json.JSONDecodeError, RecursionError) as error:
            raise UserError(f"{path}, line {number}: not a {what} ({error}).") from error
    return found
