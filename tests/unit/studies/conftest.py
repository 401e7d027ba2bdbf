"""Trials of a study, made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reproducible import records
from reproducible.studies import STUDIES
from reproducible.studies.base import TUNING_DRAW

EMPTY: dict[str, Any] = {key: {} for key in records.KEYS}


def trial(name: str, score: float) -> dict[str, Any]:
    """The record of a trial whose validation MAP@R is highest in the middle of its curve."""
    curve = [
        {"step": 50 * i, "validation": {"map_at_r": s}} for i, s in enumerate((score - 9, score, score - 5), start=1)
    ]
    return {
        **EMPTY,
        "study": "baseline_tuning",
        "arm": name,
        "draw": TUNING_DRAW,
        "seed": 0,
        "digest": name,
        "curve": curve,
    }


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """``trials("baseline-3", "lact-512-0", ...)`` commits trials of all tunings in which these win."""
    monkeypatch.setattr(records, "manifests", lambda: tmp_path)

    def commit(*winners: str, without: str = "") -> None:
        for of in STUDIES.values():
            names = [f"{t.name}-{i}" for t in of.tunings for i in range(len(t.candidates))]
            made = [trial(name, 60.0 if name in winners else 40.0) for name in names if name != without]
            records.save(of.tuning_records, made) if made else None

    return commit
