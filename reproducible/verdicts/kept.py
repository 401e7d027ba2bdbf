"""The verdicts as they were last computed, so that each page need not compute them again: some four seconds a process.

They are taken from the cache only where nothing that they depend on has changed since: no byte of the claims, of the
records, of this package and of the tests that claims point to, and no version of what computes.
Explained on page: how-to-read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from reproducible.records.writing import write_text
from reproducible.resources import UserError, cache_dir, manifests
from reproducible.verdicts.claims import Row

_PACKAGE = Path(__file__).parents[1]


def state() -> str:
    """SHA-256 of all that verdicts depend on: files of ``data_manifests``, sources, numpy and scipy."""
    tests = manifests().parent / "tests"
    found = hashlib.sha256(" ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "pandas")).encode())
    for folder, pattern in ((manifests(), "*"), (_PACKAGE, "*.py"), (tests, "*.py")):
        for path in sorted(path for path in folder.rglob(pattern) if path.is_file()):
            content = path.read_bytes()
            found.update(f"{path.relative_to(folder)} {len(content)} ".encode())
            found.update(content)
    return found.hexdigest()


def recall(state: str) -> tuple[Row, ...] | None:
    """The rows that were computed at this state, or None; a damaged file counts as none."""
    try:
        rows = json.loads(_file(state).read_text(encoding="utf-8"))
        return tuple(Row(**{k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}) for row in rows)
    except (OSError, UserError, ValueError, TypeError, AttributeError):
        return None


def keep(state: str, rows: Sequence[Row]) -> None:
    """Keep the rows in place of those of other states; where nothing can be written, nothing is kept."""
    with suppress(OSError, UserError):
        for old in _file(state).parent.glob("*.json"):
            old.unlink(missing_ok=True)
        write_text(_file(state), json.dumps([asdict(row) for row in rows]))


def _file(state: str) -> Path:
    return cache_dir() / "verdicts" / f"{state[:16]}.json"
