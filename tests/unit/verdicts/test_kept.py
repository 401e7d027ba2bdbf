"""Verdicts that are kept: what comes back is what was computed, and only while nothing that they depend on changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from reproducible.verdicts import kept
from reproducible.verdicts.claims import all_rows
from reproducible.verdicts.criteria import load_claims

PLACES = ("data_manifests/claims.yaml", "reproducible/losses/margin.py", "tests/test_margin.py")


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A checkout of one file in each place, and an empty cache."""
    for name in PLACES:
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text("1")
    monkeypatch.setattr(kept, "manifests", lambda: tmp_path / "data_manifests")
    monkeypatch.setattr(kept, "_PACKAGE", tmp_path / "reproducible")
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_rows_come_back_as_they_were(house: Path) -> None:
    rows = tuple(all_rows(load_claims(), {}))
    assert kept.recall("a" * 64) is None
    kept.keep("a" * 64, rows)
    assert kept.recall("a" * 64) == rows
    kept.keep("b" * 64, rows[:3])
    assert kept.recall("a" * 64) is None
    assert kept.recall("b" * 64) == rows[:3]


@pytest.mark.parametrize("name", PLACES)
def test_whatever_verdicts_depend_on_changes_their_state(name: str, house: Path) -> None:
    before = kept.state()
    assert kept.state() == before
    (house / name).write_text("2")
    changed = kept.state()
    assert changed != before
    (house / name).rename(house / f"{name}.moved.py")
    assert kept.state() not in (before, changed)


@pytest.mark.parametrize("content", ["[{", "[1]", '[{"claim": "D01"}]', "{}\x00"])
def test_a_damaged_file_counts_as_none(content: str, house: Path) -> None:
    kept.keep("a" * 64, ())
    (path,) = (house / "cache" / "verdicts").iterdir()
    path.write_text(content)
    assert kept.recall("a" * 64) is None


def test_a_cache_that_cannot_be_written_is_done_without(house: Path) -> None:
    (house / "cache").write_text("a file in the way")
    kept.keep("a" * 64, ())
    assert kept.recall("a" * 64) is None
