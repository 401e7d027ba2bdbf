"""Which records are no longer what their configuration would give today."""

from __future__ import annotations

from reproducible import registry
from reproducible.records.schema import configuration
from reproducible.types import RunRecord


def stale(record: RunRecord) -> str:
    """What makes a run of a record's configuration, on its data and weights, another one today, as ``model/deml is at
    version 2, was 1``; empty where its digest is today's.

    What was measured and not run, with no versions at all, is never stale.
    """
    then, now = record["versions"], registry.versions(configuration(record)) if record["versions"] else {}
    changed = [name for name in sorted(then | now) if then.get(name, 1) != now.get(name, 1)]
    return ", ".join(f"{name} is at version {now.get(name, 1)}, was {then.get(name, 1)}" for name in changed)
