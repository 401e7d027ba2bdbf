"""The committed records: ``data_manifests/records/STUDY/ARM.jsonl.xz``, one line a run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reproducible.encoding import pack_lines, unpack_lines
from reproducible.records.schema import check
from reproducible.records.writing import held, write_bytes
from reproducible.resources import UserError, manifests
from reproducible.types import RunRecord

SUFFIX = ".jsonl.xz"


def folder_of(study: str, folder: Path | None = None) -> Path:
    """Where the records of a study lie, or those of its trials (``STUDY_tuning``).

    Args:
        study: its name.
        folder: of all records; None: ``data_manifests/records``.
    """
    return (folder or manifests() / "records") / study


def file_of(study: str, arm: str, folder: Path | None = None) -> Path:
    """The file of an arm's records, one a line, compressed; ``folder`` as of :func:`folder_of`."""
    return folder_of(study, folder) / f"{arm}{SUFFIX}"


def committed(folder: Path | None = None) -> list[str]:
    """The names that records are committed under: studies, and tunings with ``_tuning``."""
    return sorted({path.parent.name for path in (folder or manifests() / "records").glob(f"*/*{SUFFIX}")})


def load(study: str, folder: Path | None = None) -> list[RunRecord]:
    """The committed records of a study, ordered by arm, draw and seed; empty where there are none.

    Args:
        study, folder: as of :func:`folder_of`.

    Raises:
        UserError: for a damaged file or line (file and line number), or a record that is not as :func:`check` says or
            is another arm's.
    """
    arms = sorted(path.name.removesuffix(SUFFIX) for path in folder_of(study, folder).glob(f"*{SUFFIX}"))
    return [record for arm in arms for record in _load_arm(study, arm, folder)]


def state_of(study: str, folder: Path | None = None) -> tuple[tuple[str, int, int, int], ...]:
    """What changes whenever the records of a study do: place, number, size and time of each of its files.

    Args:
        study, folder: as of :func:`folder_of`.
    """
    files = sorted(folder_of(study, folder).glob(f"*{SUFFIX}"))
    return tuple((str(path), s.st_ino, s.st_size, s.st_mtime_ns) for path in files for s in (path.stat(),))


def read(path: Path) -> list[tuple[str, RunRecord]]:
    """The records of any file of them, each with where it stands; empty where there is no file.

    Raises:
        UserError: for a damaged file or line (file and line number), or a record that is not as :func:`check` says.
    """
    found = unpack_lines(path, "record")
    for place, record in found:
        check(record, place)
    return found


def save(study: str, records: Iterable[RunRecord], folder: Path | None = None) -> int:
    """Add records to the committed ones: each takes the place of the one of its arm, draw and seed, all others stay.

    Two processes may do so at once: each waits for the other, reads again, and writes the files of its arms alone.

    Args:
        study, folder: as of :func:`folder_of`.
        records: of this study.

    Returns:
        Number of records that are new or replace a different one.

    Raises:
        UserError: if a record is not as :func:`check` says, or a file cannot be read or written.
    """
    by_arm: dict[str, list[RunRecord]] = {}
    for record in records:
        check(record, f"a record of {study}")
        by_arm.setdefault(record["arm"], []).append(record)
    if not by_arm:
        return 0
    changed = 0
    with held(folder_of(study, folder) / ".lock"):
        for left in folder_of(study, folder).glob("*.partial"):  # of a process that was killed
            left.unlink(missing_ok=True)
        for arm, added in by_arm.items():
            known = {key_of(record): record for record in _load_arm(study, arm, folder)}
            new = {key_of(record): record for record in added if known.get(key_of(record)) != record}
            if new:
                ordered = sorted((known | new).values(), key=key_of)
                write_bytes(file_of(study, arm, folder), pack_lines(ordered))
            changed += len(new)
    return changed


def key_of(record: RunRecord) -> tuple[str, int, int]:
    """What names a record within its study: arm, class draw and seed."""
    return record["arm"], record["draw"], record["seed"]


def _load_arm(study: str, arm: str, folder: Path | None) -> list[RunRecord]:
    found = read(file_of(study, arm, folder))
    seen = set()
    for place, record in found:
        if (record["study"], record["arm"]) != (study, arm):
            raise UserError(f"{place}: is a record of {record['study']}/{record['arm']}, not of {study}/{arm}.")
        if key_of(record) in seen:
            raise UserError(f"{place}: is the second record of draw {record['draw']}, seed {record['seed']}.")
        seen.add(key_of(record))
    return [record for _, record in found]
