"""Quantities that no training run yields, such as the time of a step; benchmarks write them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from reproducible.reading import COUNTS, counted, counts, read_rows
from reproducible.records.files import load
from reproducible.records.writing import write_text
from reproducible.resources import manifests

COLUMNS = ("study", "quantity", "value", "machine")
AGAIN = "machines"  # the study of runs that were trained again


def measurements() -> list[dict[str, str]]:
    """The rows of ``data_manifests/measurements.csv``, each with ``study``, ``quantity``, ``value`` and ``machine``;
    none where there is no such file."""
    path = manifests() / "measurements.csv"
    return read_rows(path) if path.is_file() else []


def save_measurements(study: str, values: Mapping[str, float], machine: str) -> Path:
    """Write measured quantities of a study in the place of its old ones."""
    rows = [row for row in measurements() if row["study"] != study]
    rows += [{"study": study, "quantity": q, "value": f"{v:.4g}", "machine": machine} for q, v in values.items()]
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    path = manifests() / "measurements.csv"
    if known := counts(path.parent):
        write_text(path.parent / COUNTS, counted(known | {path.name: len(rows)}))
    write_text(path, text.getvalue())
    return path


class Again(NamedTuple):
    """A recorded run that was trained again on another kind of machine.

    Attributes:
        device: where it was recorded; ``elsewhere``: the other.
        recorded: Recall@1 of the selected checkpoint on the test classes, in per cent; ``repeated``: the other run's.
    """

    study: str
    arm: str
    draw: int
    device: str
    recorded: float
    elsewhere: str
    repeated: float


def run_again() -> list[Again]:
    """The runs that ``benchmarks/machines.py`` has trained again, beside their records; none where it has not run."""
    found = []
    for row in measurements():
        if row["study"] == AGAIN:
            study, arm, draw = row["quantity"].split("/")
            run = next(r for r in load(study) if (r["arm"], r["draw"], r["seed"]) == (arm, int(draw), int(draw)))
            there, before = run["environment"]["device"], run["selected"]["test"]["recall_at_1"]
            machine = row["machine"].partition(" ")[0]
            found.append(Again(study, arm, int(draw), there, before, machine, float(row["value"])))
    return found
