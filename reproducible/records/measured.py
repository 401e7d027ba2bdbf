"""Quantities that no training run yields, such as the time of a step; benchmarks write them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from reproducible.records.writing import write_text
from reproducible.resources import manifests

COLUMNS = ("study", "quantity", "value", "machine")


def measurements() -> list[dict[str, str]]:
    """The rows of ``data_manifests/measurements.csv``, each with ``study``, ``quantity``, ``value`` and ``machine``;
    none where there is no such file."""
    path = manifests() / "measurements.csv"
    return list(csv.DictReader(path.open(newline="", encoding="utf-8"))) if path.is_file() else []


def save_measurements(study: str, values: Mapping[str, float], machine: str) -> Path:
    """Write measured quantities of a study in the place of its old ones."""
    rows = [row for row in measurements() if row["study"] != study]
    rows += [{"study": study, "quantity": q, "value": f"{v:.4g}", "machine": machine} for q, v in values.items()]
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(path := manifests() / "measurements.csv", text.getvalue())
    return path
