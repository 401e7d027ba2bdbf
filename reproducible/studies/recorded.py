"""Records of studies: taken in from elsewhere, and looked through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reproducible import records
from reproducible.config import RunConfig, to_dict
from reproducible.resources import UserError, nearest_name
from reproducible.studies import STUDIES
from reproducible.studies.base import Study
from reproducible.studies.running import Standing
from reproducible.types import Asked, RunRecord

TUNING = "_tuning"


@dataclass(frozen=True)
class Report:
    """What :func:`examine` found of a study's records.

    Attributes:
        records: how many there are; ``kept`` of them keep what their metrics are computed from.
        compared: metrics that were computed again.
        wrong: one line each: what is stated otherwise than computed.
        outdated: one line each: what is to be run again, and why.
        unsupported: metrics of selected checkpoints that nothing is kept for, with the number of records.
    """

    records: int
    kept: int
    compared: int
    wrong: tuple[str, ...]
    outdated: tuple[str, ...]
    unsupported: Counter[str]


def add(paths: Sequence[Path], standing: Standing, folder: Path | None = None) -> dict[str, int]:
    """Merge records that were written on another machine into the committed ones.

    Args:
        paths: files of records, of one arm or of many, or folders of such files.
        standing: what the claims ask of a study, which decides how much its records keep.
        folder: where the committed records are; None: ``data_manifests/records``.

    Returns:
        By study, the number of records that are new or replace a different one.

    Raises:
        UserError: if there is no record, or one is not as it must be, of no declared arm, or does not rescore to what
            it states; nothing is changed then.
    """
    found: dict[str, list[RunRecord]] = {}
    known: dict[str, dict[tuple[str, int, int], RunRecord]] = {}
    asked: dict[str, Asked] = {}
    for path in paths:
        files = sorted(path.rglob(f"*{records.SUFFIX}")) if path.is_dir() else [path]
        given = [line for file in files for line in records.read(file)]
        if not given:
            raise UserError(f"{path}: no such file, or no record in it.")
        for place, record in given:
            name = record["study"]
            try:
                if differs := undeclared(record):
                    raise UserError(f"{name}/{record['arm']} is declared with another {differs}.")
                if name not in known:
                    known[name] = {records.key_of(one): one for one in records.load(name, folder)}
                    asked[name] = standing(name)
                small = records.kept_for(record, asked[name].arms)
                if known[name].get(records.key_of(record)) != small:
                    for metric, (stated, value) in records.verify(record).items():
                        raise UserError(f"{metric} is stated as {stated}, rescored {value}.")
            except UserError as error:
                raise UserError(f"{place}: {error}") from error
            found.setdefault(name, []).append(small)
    return {name: records.save(name, added, folder) for name, added in found.items()}


def examine(name: str, folder: Path | None = None) -> Report:
    """Compute the metrics of a study's records again, and say which records are out of date.

    Args:
        name: of a study, or of its trials.
        folder: as of :func:`add`.

    Raises:
        UserError: if there are no such records, or one is not as it must be, or of no declared arm.
    """
    names = records.committed(folder)
    if name not in names:
        raise UserError(f"There are no records of {name!r}.{nearest_name(name, names)}")
    found = records.load(name, folder)
    wrong, outdated, unsupported, count = [], [], Counter(), 0
    for record in found:
        place = f"{name}/{record['arm']} draw {record['draw']} seed {record['seed']}"
        try:
            differs, compared = undeclared(record), records.compared(record)
        except UserError as error:
            raise UserError(f"{place}: {error}") from error
        count += len(compared)
        failing = records.differing(compared).items()
        wrong += [f"{place}: {metric} is stated as {a}, computed {b:.4f}" for metric, (a, b) in failing]
        reasons = (f"declared with another {differs}" if differs else "", records.stale(record))
        outdated += [f"{place}: {'; '.join(filter(None, reasons))}"] if any(reasons) else []
        unsupported.update({metric.rpartition(": ")[2] for metric in records.unsupported(record, compared)})
    kept = sum(map(records.rescorable, found))
    return Report(len(found), kept, count, tuple(wrong), tuple(outdated), unsupported)


def undeclared(record: RunRecord) -> str:
    """The first field in which a record's configuration is not that of its arm, or of its trial; empty if none is.

    Raises:
        UserError: for a study, arm, trial or profile that is not known, with the nearest one.
    """
    name = record["study"]
    study = STUDIES.get(name.removesuffix(TUNING))
    if study is None:
        raise UserError(f"there is no study {name!r}.{nearest_name(name, STUDIES)}")
    if record["profile"] != study.profile:
        raise UserError(f"profile must be {study.profile}, that of the study, found {record['profile']!r}.")
    if name.endswith(TUNING):
        wanted = _trial(study, record["arm"])
    else:
        wanted = study.config(record["arm"], record["draw"], record["seed"])
    return _difference(records.configuration(record), wanted)


def _trial(study: Study, name: str) -> RunConfig:
    number = name.rpartition("-")[2]
    trials = {f"{t.name}-{i}": t for t in study.tunings for i in range(len(t.candidates))}
    if name not in trials:
        raise UserError(f"study {study.name!r} has no trial {name!r}.{nearest_name(name, trials)}")
    return study.trials(trials[name])[int(number)]


def _difference(ran: RunConfig, wanted: RunConfig) -> str:
    """Path of the first field that differs; labels and the machine's precision do not count."""
    one, other = to_dict(ran), to_dict(replace(wanted, study=ran.study, arm=ran.arm, precision=ran.precision))
    path = []
    while one != other:
        path.append(next(key for key in one if one[key] != other[key]))
        one, other = one[path[-1]], other[path[-1]]
        if not (isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys()):
            break
    return ".".join(path)
