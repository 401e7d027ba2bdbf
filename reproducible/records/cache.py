"""The cache of runs: a folder each, with what a run needs to go on and, once it is finished, its record."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from reproducible.records.rescoring import verify
from reproducible.records.schema import check
from reproducible.records.writing import write_text
from reproducible.resources import UserError, cache_dir
from reproducible.types import RunRecord


def run_folder(digest: str) -> Path:
    """Where a run keeps its state and, once finished, its record."""
    return cache_dir() / "runs" / digest


def finished(digest: str) -> RunRecord | None:
    """The record of a finished run from the run cache, or None.

    Raises:
        UserError: if it is damaged, another run's, or does not rescore to what it states; says what to delete.
    """
    path = run_folder(digest) / "record.json"
    if not path.is_file():
        return None
    try:
        return _checked(path, digest)
    except (UserError, RecursionError, ValueError) as error:
        said = str(error).removesuffix(".")
        raise UserError(f"{path}: damaged ({said}). Delete it, and the run is made again.") from error


def finish(record: RunRecord) -> Path:
    """Put the record of a finished run into the run cache, with its hash beside it.

    Raises:
        UserError: if it cannot be written.
    """
    path, content = run_folder(record["digest"]) / "record.json", json.dumps(record)
    write_text(_hash_file(path), f"{_hash(content.encode())}  {path.name}\n")  # first: a record is never without
    write_text(path, content)
    return path


def read_json(path: Path, kind: type = object) -> Any:
    """What a file of JSON holds that is made here.

    Args:
        path: of the file.
        kind: what it must be.

    Raises:
        UserError: if it is damaged, or something else; deleting it makes it again.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, kind):
            raise ValueError(f"a {type(found).__name__}, not a {kind.__name__}")
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: damaged ({error}). Delete it, and it is made again.") from error
    return found


def _checked(path: Path, digest: str) -> RunRecord:
    content = path.read_bytes()
    if _hash_file(path).is_file():  # records of older versions have none
        stated = _hash_file(path).read_text(encoding="utf-8").split(" ")[0]
        if stated != _hash(content):
            raise UserError(f"SHA-256 expected {stated}, found {_hash(content)}")
    record = json.loads(content)
    check(record, path.name)
    if record["digest"] != digest:
        raise UserError(f"it is the record of run {record['digest']}")
    for metric, (stated, found) in verify(record).items():
        raise UserError(f"{metric} is stated as {stated}, computed {found}")
    return record


def _hash_file(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
