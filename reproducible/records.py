"""What a run leaves behind: writing, reading, checking and rescoring records; the cache of finished runs.

A record is one JSON line with plain values; the lines of a study are one file, compressed with xz. Its keys:

``study, arm, profile, draw, seed``
    what it was run for; ``digest`` is its name and key, ``criteria`` the hash of the criteria that stood when it ran.
``config, data, weights, versions``
    all that decides the result: the configuration (fields at their default left out), fingerprint of the data, hash of
    the weights, behaviour versions.
``curve``
    a list of points: ``step``, mean ``loss`` and ``terms`` since the point before, and for each role that was looked at
    (``validation``, ``test``, ``seen``) its metrics in per cent and, packed, which queries found a photograph of their
    class first (``hits``).
``untouched, selected, last``
    points of the same form: the pretrained features before training, the checkpoint selected on validation classes, the
    last one. ``selected`` has ``step``, ``not_converged`` (it is the last) and ``neighbours``, the ids from which every
    metric can be computed again, or ``matches``, which of them are of the query's class: the same in a tenth of the
    space. Where parts are known, ``test`` has recall within the coarse class (with ``hits_within``) and the probes.
    ``further``, where it was asked for: by protocol, its ``queries`` and ``gallery`` and, by feature, ``test`` with, of
    the embedding, ``matches``; of a scale or a stage, recall alone, with ``first``, the rank of each query's first
    match, a tenth again. ``untouched`` is empty for a run of no steps, which is itself the pretrained network.
    Where measures are asked for, ``test`` has them (:mod:`reproducible.training.measures` names them) and ``selected``
    has ``clusters``, the cluster of each query and, behind them, of each gallery image.
``queries, gallery``
    class, coarse class and count of each run of equal labels, in the order of the stored ids. An empty gallery: the
    queries themselves, each left out of its own.
``environment``
    versions, device, threads, precision, seconds, peak memory of the process (which may have had other runs before).
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reproducible.config import KEPT
from reproducible.encoding import (
    decode_clusters,
    decode_first,
    decode_hits,
    decode_matches,
    decode_neighbours,
    expand,
    pack_lines,
    unpack_lines,
)
from reproducible.resources import UserError, cache_dir, check_keys, manifests, nearest_name
from reproducible.types import RunRecord

KEYS = (
    *("study", "arm", "profile", "draw", "seed", "digest", "criteria", "config", "data", "weights", "versions"),
    *("curve", "untouched", "selected", "last", "queries", "gallery", "environment"),
)

SUFFIX = ".jsonl.xz"
NEAR = ("macro_recall_at_1",)  # what the nearest neighbours decide beside Recall@k
BESIDE = (*NEAR, "r_precision", "map_at_r")  # what all relevant ones do


def run_folder(digest: str) -> Path:
    """Where a run keeps its state and, once finished, its record."""
    return cache_dir() / "runs" / digest


def finished(digest: str) -> RunRecord | None:
    """The record of a finished run from the run cache, or None."""
    path = run_folder(digest) / "record.json"
    return read_json(path) if path.is_file() else None


def read_json(path: Path) -> Any:
    """What a file of the run cache holds.

    Raises:
        UserError: if it is damaged; deleting it makes it again.
    """
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path}: damaged ({error}). Delete it, and it is made again.") from error


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is at every moment the old one or the new one, complete."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """The same as :func:`write_text` for bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UserError(f"{path} could not be written ({error}); nothing was changed.") from error


def file_of(study: str, folder: Path | None = None) -> Path:
    """The file of a study's records, one a line, compressed: ``STUDY.jsonl.xz``, by default in
    ``data_manifests/records``."""
    return (folder or manifests() / "records") / f"{study}{SUFFIX}"


def committed(folder: Path | None = None) -> list[str]:
    """What the committed files of records are called, without their ending: studies, and tunings with ``_tuning``."""
    return sorted(path.name.removesuffix(SUFFIX) for path in (folder or manifests() / "records").glob(f"*{SUFFIX}"))


def load(study: str, folder: Path | None = None) -> list[RunRecord]:
    """The committed records of a study, in the order of the file; empty where there are none.

    Raises:
        UserError: for a damaged file or line (file and line number) or a record without a known key.
    """
    found = []
    for place, record in unpack_lines(file_of(study, folder), "record"):
        check(record, place)
        found.append(record)
    return found


def save(study: str, records: Iterable[RunRecord], folder: Path | None = None) -> Path:
    """Write the records of a study, one a line, ordered by arm, draw and seed."""
    ordered = sorted(records, key=lambda r: (r["arm"], r["draw"], r["seed"], r["digest"]))
    path = file_of(study, folder)
    write_bytes(path, pack_lines(ordered))
    return path


def add(path: Path, studies: Mapping[str, Any], folder: Path | None = None) -> tuple[int, int]:
    """Merge the records of a file, written on another machine, into the committed ones of the same name.

    Args:
        path: ``STUDY.jsonl.xz``, or ``STUDY_tuning.jsonl.xz``.
        studies: known studies by name.
        folder: where the committed records are; None: ``data_manifests/records``.

    Returns:
        Number of records that are new or replace one, and number of all.

    Raises:
        UserError: if the file belongs to no study, holds nothing, or a record does not rescore to what it states;
            nothing is changed then.
    """
    name = path.name.removesuffix(SUFFIX)
    if name.removesuffix("_tuning") not in studies:
        raise UserError(f"{path}: there is no study of that name.{nearest_name(name, studies)}")
    found = load(name, path.parent)
    if not found:
        raise UserError(f"{path}: no such file, or no record in it.")
    for number, record in enumerate(found, start=1):
        for metric, (stated, value) in verify(record).items():
            raise UserError(f"{path}, line {number}: {metric} is stated as {stated}, rescored {value}.")
    known = {key_of(record): record for record in load(name, folder)}
    changed = [record for record in found if known.get(key_of(record)) != record]
    known |= {key_of(record): record for record in changed}
    save(name, known.values(), folder)
    return len(changed), len(known)


def key_of(record: RunRecord) -> tuple[str, int, int]:
    """What names a record within its study: arm, class draw and seed."""
    return record["arm"], record["draw"], record["seed"]


def check(record: RunRecord, where: str) -> None:
    """Check that a record has exactly the documented keys.

    Raises:
        UserError: naming ``where`` and the key.
    """
    check_keys(record, KEYS, KEYS, where)


def measurements() -> list[dict[str, str]]:
    """Quantities that no training run yields, such as the time of a step; benchmarks write them.

    Returns:
        The rows of ``data_manifests/measurements.csv``, each with ``study``, ``quantity``, ``value`` and ``machine``;
        none where there is no such file.
    """
    path = manifests() / "measurements.csv"
    return list(csv.DictReader(path.open(newline="", encoding="utf-8"))) if path.is_file() else []


def save_measurements(study: str, values: Mapping[str, float], machine: str) -> Path:
    """Write measured quantities of a study in the place of its old ones."""
    rows = [row for row in measurements() if row["study"] != study]
    rows += [{"study": study, "quantity": q, "value": f"{v:.4g}", "machine": machine} for q, v in values.items()]
    text = io.StringIO()
    table = csv.DictWriter(text, ("study", "quantity", "value", "machine"), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(path := manifests() / "measurements.csv", text.getvalue())
    return path


def summarise(result: Any, beside: Sequence[str] = BESIDE) -> dict[str, float]:
    """The metrics of a :class:`~reproducible.evaluation.RetrievalResult` in per cent, by the names that records use.

    Args:
        result: what was found.
        beside: names of the metrics beside Recall@k; :data:`NEAR` where only the nearest neighbours are known.
    """
    values = {f"recall_at_{k}": value for k, value in result.recall.items()}
    values |= {name: getattr(result, name) for name in beside}
    return {name: round(100 * float(value), 4) for name, value in values.items()}


def rescore(sets: RunRecord, point: dict[str, Any]) -> dict[str, float]:
    """Compute metrics again, from the stored neighbours or matches alone.

    Args:
        sets: a record, or a protocol of its ``further``: has ``queries`` and ``gallery``.
        point: what was found there: has ``neighbours``, ``matches`` or ``first``; the last gives recall alone.
    """
    from reproducible.evaluation import RetrievalResult, retrieval_metrics

    same = not sets["gallery"]
    queries = expand(sets["queries"])
    gallery = queries if same else expand(sets["gallery"])
    relevant = (queries[:, None] == gallery[None, :]).sum(axis=1) - same
    others = len(gallery) - same
    ks = [k for k in (1, 2, 4, 8) if k <= others]
    if "neighbours" in point:
        ids = decode_neighbours(point["neighbours"], relevant)
        return summarise(retrieval_metrics(ids, queries, gallery, ks=ks, own_in_gallery=same))
    if "matches" in point:
        matches, beside = decode_matches(point["matches"], relevant, min(max(relevant.max(), 8), others)), BESIDE
    else:
        matches, beside = decode_first(point["first"], len(queries)), NEAR
    recall = {k: float(matches[relevant > 0, :k].any(1).mean()) for k in ks}
    return summarise(RetrievalResult(recall, matches, relevant, queries), beside)


def verify(record: RunRecord, tolerance: float = 1e-3) -> dict[str, tuple[float, float]]:
    """Metrics that the record states and that its own neighbours do not give: ``{metric: (stated, rescored)}``.

    Args:
        record: a record with neighbours; one of a tuning trial has none and gives an empty result.
        tolerance: difference allowed, in points.
    """
    if not rescorable(record):
        return {}
    selected = record["selected"]
    pairs = _beside(selected["test"], rescore(record, selected))
    if "clusters" in selected:
        pairs |= _beside(selected["test"], _clustering(record))
    if "hits_within" in selected["test"]:
        count = sum(n for *_, n in record["queries"])
        within = 100 * float(decode_hits(selected["test"]["hits_within"], count).mean())
        pairs["recall_at_1_within"] = (selected["test"]["recall_at_1_within"], within)
    for protocol, sets in selected.get("further", {}).items():
        for feature, point in sets["features"].items():
            pairs |= _beside(point["test"], rescore(sets, point), f"{protocol}, {feature}: ")
    return {name: both for name, both in pairs.items() if abs(both[0] - both[1]) > tolerance}


def _beside(stated: dict[str, Any], found: dict[str, float], where: str = "") -> dict[str, tuple[float, float]]:
    return {where + name: (stated[name], value) for name, value in found.items()}


def _clustering(record: RunRecord) -> dict[str, float]:
    """NMI and F1 of the stored clusters, in per cent; they are of the queries and, behind them, of the gallery."""
    from reproducible.evaluation import nmi, pairwise_f1

    labels, assign = expand(record["queries"] + record["gallery"]), decode_clusters(record["selected"]["clusters"])
    return {"nmi": 100 * nmi(labels, assign), "f1": 100 * pairwise_f1(labels, assign)}


def rescorable(record: RunRecord) -> bool:
    """Whether a record keeps what its metrics are computed from; those of tuning trials do not."""
    return any(name in record["selected"] for name in KEPT)


def queries_first(record: RunRecord, point: dict[str, Any]) -> np.ndarray:
    """Per query of a curve point's test role, 100 where a photograph of its class came first, else 0."""
    count = sum(n for *_, n in record["queries"])
    return 100.0 * decode_hits(point["test"]["hits"], count)
