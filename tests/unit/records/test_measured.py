"""Runs that were trained again elsewhere stand beside their records."""

from __future__ import annotations

from pathlib import Path

import pytest

from reproducible import records
from reproducible.records import measured


def test_a_run_that_was_trained_again_is_compared_with_its_record(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = next(r for r in records.load("glyph_deml") if (r["arm"], r["draw"], r["seed"]) == ("deml-1-1", 3, 3))
    monkeypatch.setattr(measured, "manifests", lambda: tmp_path)
    assert records.run_again() == []
    records.save_measurements("deml", {"some_ratio": 2.0}, "AVX2")
    records.save_measurements(measured.AGAIN, {"glyph_deml/deml-1-1/3": 61.25}, "AVX2 fp32 torch 2.13")
    (found,) = records.run_again()
    assert (found.study, found.arm, found.draw) == ("glyph_deml", "deml-1-1", 3)
    assert (found.device, found.recorded) == ("AVX512", first["selected"]["test"]["recall_at_1"])
    assert (found.elsewhere, found.repeated) == ("AVX2", 61.25)
