"""Trials of a study, made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from whole_records import whole

from reproducible import records
from reproducible.config import DataConfig, EvaluationConfig, RunConfig
from reproducible.records import files
from reproducible.studies import STUDIES, Study
from reproducible.studies.base import TUNING_DRAW


def trial(of: Study, name: str, score: float) -> dict[str, Any]:
    """The record of a trial whose validation MAP@R is highest in the middle of its curve."""
    data, looks = DataConfig(draw=TUNING_DRAW), EvaluationConfig(every=20, test=False)
    config = RunConfig(of.tuning_records, name, data=data, evaluation=looks, steps=60)
    return whole(config, (score - 9, score, score - 5), profile=of.profile)


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """``trials("baseline-3", "lact-512-0", ...)`` commits trials of all tunings in which these win."""
    monkeypatch.setattr(files, "manifests", lambda: tmp_path)

    def commit(*winners: str, without: str = "") -> None:
        for of in STUDIES.values():
            names = [f"{t.name}-{i}" for t in of.tunings for i in range(len(t.candidates))]
            made = [trial(of, name, 60.0 if name in winners else 40.0) for name in names if name != without]
            records.save(of.tuning_records, made)

    return commit
