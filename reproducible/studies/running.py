"""Carry out a study: its trials, then its runs, each record written as soon as it is there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reproducible import records
from reproducible.config import RunConfig, to_dict
from reproducible.criteria import criteria_hash, load_claims
from reproducible.studies.base import Study
from reproducible.types import RunRecord


def default_workers() -> int:
    """One worker a core."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def tune(study: Study, *, device: str = "auto", workers: int = 1, folder: Path | None = None) -> Iterator[RunRecord]:
    """Run the trials of a study: those of the baseline, which come first in its list, then all that start from them.

    Args:
        study: whose trials.
        device, workers: as in :func:`reproducible.training.runner.execute_all`.
        folder: where the records go; None: ``data_manifests/records``.

    Yields:
        Each record as it is finished and written.
    """
    first, *others = study.tunings
    for stage in ([first], others):
        configs = [config for tuning in stage for config in study.trials(tuning)]
        yield from _carry_out(configs, study.name, study.tuning_records, "standard", device, workers, folder)


def carry_out(
    study: Study,
    profile: str,
    *,
    tiers: str = "A",
    device: str = "auto",
    workers: int = 1,
    folder: Path | None = None,
) -> Iterator[RunRecord]:
    """Run what a profile asks for, the decisive pair first.

    Args:
        study: which study.
        profile: smoke, quick or standard; only standard writes records to ``folder``.
        tiers: ``A``, or ``AB`` to run what was declared as well.
        device, workers, folder: as in :func:`tune`.

    Yields:
        Each record as it is finished.
    """
    configs = study.runs(profile, tiers)
    name = study.name if profile == "standard" else None
    yield from _carry_out(configs, study.name, name, profile, device, workers, folder)


def _carry_out(
    configs: Sequence[RunConfig],
    study: str,
    file: str | None,
    profile: str,
    device: str,
    workers: int,
    folder: Path | None,
) -> Iterator[RunRecord]:
    from reproducible.training.devices import choose_device, choose_precision
    from reproducible.training.runner import execute_all

    if profile != "smoke":
        precision = choose_precision(choose_device(device))
        configs = [replace(config, precision=precision) for config in configs]
    known = {_key(r): r for r in records.load(file, folder)} if file else {}
    wanted = [config for config in configs if _settings(config) != known.get(_key_of(config), {}).get("config")]
    criteria = criteria_hash(load_claims(), study)
    for record in execute_all(wanted, profile=profile, criteria=criteria, device=device, workers=workers):
        if file:
            known[_key(record)] = record
            records.save(file, known.values(), folder)
        yield record


def _key(record: RunRecord) -> tuple[str, int, int]:
    return record["arm"], record["draw"], record["seed"]


def _key_of(config: RunConfig) -> tuple[str, int, int]:
    return config.arm, config.data.draw, config.seed


def _settings(config: RunConfig) -> dict[str, Any]:
    """What a record says of its configuration."""
    return to_dict(replace(config, study="", arm=""), sparse=True)
