"""Carry out a study: its trials, then its runs, each record written as soon as it is there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reproducible import records
from reproducible.config import RunConfig, to_dict
from reproducible.resources import UserError, manifests, writable
from reproducible.studies.base import Study
from reproducible.types import Asked, RunRecord

SMOKE = "smoke.json"
Standing = Callable[[str], Asked]
"""What the claims ask of a study now, by its name: ``reproducible.verdicts.criteria.standing``."""


def default_workers() -> int:
    """One worker a core."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def tune(
    study: Study, *, standing: Standing, device: str = "auto", workers: int = 1, folder: Path | None = None
) -> Iterator[RunRecord]:
    """Run the trials of a study, or of the study that tunes for it: those of the baseline, which come first in its
    list, then all that start from them.

    Args:
        study: whose trials.
        standing: what the claims ask of a study, whose hash its records keep.
        device, workers: as in :func:`reproducible.training.runner.execute_all`.
        folder: where the records go; None: ``data_manifests/records``.

    Yields:
        Each record as it is finished and written.
    """
    study = study.tuned_by or study
    first, *others = study.tunings
    for stage in ([first], others):
        configs = [config for tuning in stage for config in study.trials(tuning)]
        file, profile = study.tuning_records, study.profile
        yield from _carry_out(configs, study.name, file, profile, standing, device, workers, folder)


def carry_out(
    study: Study,
    profile: str,
    *,
    standing: Standing,
    tiers: str = "A",
    arms: Sequence[str] = (),
    device: str = "auto",
    workers: int = 1,
    folder: Path | None = None,
    keep: bool = True,
) -> Iterator[RunRecord]:
    """Run what a profile asks for, the decisive pair first; nothing at profile quick where its trials are missing.

    A record that is out of date (:func:`reproducible.records.stale`) is run again; what another process works on is
    left to it where records are kept.

    Args:
        study: which study.
        profile: smoke, quick or the study's own, standard or large, which alone writes records to ``folder``.
        tiers: ``A``, or ``AB`` to run what was declared as well.
        arms: run these alone, whatever their tier; empty: all of those tiers.
        standing, device, workers, folder: as in :func:`tune`.
        keep: write the records to ``folder``; without, what has one there is still not run again.

    Yields:
        Each record as it is finished.

    Raises:
        UserError: for an arm that the study does not have, with the list of arms.
    """
    if profile == "quick" and not study.ready:
        return
    named = [study.arm(name).name for name in arms]
    configs = [c for c in study.runs(profile, "AB" if named else tiers) if not named or c.arm in named]
    name = study.name if profile == study.profile else None
    yield from _carry_out(configs, study.name, name, profile, standing, device, workers, folder, keep)


def _carry_out(
    configs: Sequence[RunConfig],
    study: str,
    file: str | None,
    profile: str,
    standing: Standing,
    device: str,
    workers: int,
    folder: Path | None,
    keep: bool = True,
) -> Iterator[RunRecord]:
    from reproducible.training.runner import execute_all

    known = [r for r in records.load(file, folder) if not records.stale(r)] if file else []
    found = {records.key_of(r): {k: v for k, v in r["config"].items() if k != "precision"} for r in known}
    wanted = [in_precision(c, profile, device) for c in configs if _settings(c) != found.get(_key_of(c))]
    asked = standing(study)
    if file and wanted:
        _take_over(wanted, folder)
    kept = bool(file) and keep  # of which other processes may run a part
    if kept and wanted:
        writable(records.folder_of(str(file), folder))
    options = {"profile": profile, "criteria": asked.criteria, "device": device, "workers": workers, "shared": kept}
    for record in execute_all(wanted, **options):
        if kept:
            records.save(file, [records.kept_for(record, asked.arms)], folder)
        yield record


def _take_over(configs: Sequence[RunConfig], folder: Path | None) -> None:
    """Put what any study has committed of these runs into the run cache, where each is found instead of run again."""
    from reproducible.training.runner import digests

    there = {r["digest"]: r for name in records.committed(folder) for r in records.load(name, folder)}
    for digest in digests(configs) if there else ():
        if digest in there and not (records.run_folder(digest) / "record.json").is_file():
            records.finish(there[digest])


def smoke_losses(study: str) -> dict[str, float]:
    """The loss of each arm at the end of profile smoke, as it was committed in ``data_manifests/smoke.json``.

    Raises:
        UserError: if the file or the study's entry is not there.
    """
    path = manifests() / SMOKE
    known = records.read_json(path) if path.is_file() else {}
    if study not in known:
        raise UserError(f"{path}: has no losses of study {study!r}; first: reproducible study reference")
    return known[study]


def write_smoke_losses(studies: Iterable[Study]) -> Path:
    """Run profile smoke of these studies on the CPU and write down the loss of each arm."""
    nothing = Asked("", frozenset())  # nobody keeps these records
    writable(manifests())
    found = {}
    for one in (one for one in studies if one.smoke_arms):
        runs = carry_out(one, "smoke", standing=lambda _: nothing, device="cpu")
        found[one.name] = {record["arm"]: record["curve"][-1]["loss"] for record in runs}
    records.write_text(manifests() / SMOKE, json.dumps(found, indent=1) + "\n")
    return manifests() / SMOKE


def in_precision(config: RunConfig, profile: str, device: str = "auto") -> RunConfig:
    """The configuration in the precision of a profile on a device: what the device is fast in for large, else fp32.
    Records of profile standard are made on more machines than one, and arms are compared in one precision."""
    from reproducible.training.devices import choose_device, choose_precision

    return replace(config, precision=choose_precision(choose_device(device))) if profile == "large" else config


def _key_of(config: RunConfig) -> tuple[str, int, int]:
    return config.arm, config.data.draw, config.seed


def _settings(config: RunConfig) -> dict[str, Any]:
    """What a record says of its configuration; the precision is the machine's, so it makes no other run."""
    return to_dict(replace(config, study="", arm="", precision="fp32"), sparse=True)
