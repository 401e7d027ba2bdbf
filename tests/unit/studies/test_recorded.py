"""Records from elsewhere: checked, rescored and merged, or refused with nothing changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from whole_records import asked, whole

from reproducible import encoding, records
from reproducible.resources import UserError
from reproducible.studies import STUDIES
from reproducible.studies.recorded import add, examine
from reproducible.types import Asked

GLYPHS = STUDIES["glyph_baseline"]
Record = dict[str, Any]


@pytest.fixture(autouse=True)
def tuned(trials: Any) -> None:
    trials("baseline-0")


def made(arm: str = "u512", draw: int = 0, **labels: Any) -> Record:
    return whole(GLYPHS.config(arm, draw), **labels)


def old_file(path: Path, *several: Record) -> Path:
    """A file of a whole study, as earlier versions wrote them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoding.pack_lines(several))
    return path


def reads(*arms: str) -> Any:
    return lambda study: Asked(asked(study).criteria, frozenset(arms))


def test_file_of_a_study_is_merged_arm_by_arm(tmp_path: Path) -> None:
    """One record is known already, one replaces an older one, two are new; what no criterion reads is made small."""
    ours, standing = tmp_path / "ours", reads("u512")
    runs = [made(draw=0), made(draw=1), made(draw=2), made("u64")]
    records.save("glyph_baseline", [runs[0], runs[1] | {"criteria": "1" * 64}], ours)
    path = old_file(tmp_path / "theirs" / "glyph_baseline.jsonl.xz", *runs)
    assert add([path], standing, ours) == {"glyph_baseline": 3}
    found = records.load("glyph_baseline", ours)
    assert found[:3] == runs[:3]
    assert [records.key_of(r) for r in found] == [("u512", d, d) for d in range(3)] + [("u64", 0, 0)]
    assert "matches" in found[0]["selected"] and "first" in found[3]["selected"]
    assert add([path], standing, ours) == {"glyph_baseline": 0}


def test_folders_and_files_of_arms_are_taken_in(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    records.save("glyph_baseline", [made(), made("u64")], theirs)
    trial = records.load("glyph_baseline_tuning")[0]
    records.save("glyph_baseline_tuning", [whole(_config(trial), profile="standard")], theirs)
    assert add([records.file_of("glyph_baseline", "u64", theirs)], asked, ours) == {"glyph_baseline": 1}
    assert add([theirs], asked, ours) == {"glyph_baseline": 1, "glyph_baseline_tuning": 1}
    assert records.committed(ours) == ["glyph_baseline", "glyph_baseline_tuning"]


def _config(trial: Record) -> Any:
    (tuning,) = (t for t in GLYPHS.tunings if trial["arm"].startswith(t.name))
    return next(c for c in GLYPHS.trials(tuning) if c.arm == trial["arm"])


def spoilt(record: Record) -> Record:
    record["selected"]["test"]["map_at_r"] = 99.0
    return record


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: spoilt(made()), r"map_at_r is stated as 99.0, rescored 100"),
        (lambda: made() | {"arm": "u521"}, r"Study 'glyph_baseline' has no arm 'u521'. Did you mean 'u512'\?"),
        (lambda: made() | {"arm": "u64"}, r"glyph_baseline/u64 is declared with another model.options"),
        (lambda: made() | {"study": "glyph_baselin"}, r"there is no study 'glyph_baselin'. Did you mean"),
        (lambda: made() | {"study": "baseline"}, r"baseline/u512 is declared with another data"),
        (lambda: made() | {"study": "glyph_baseline_tuning", "arm": "lact"}, r"no trial 'lact'"),
        (lambda: made(profile="smoke"), r"profile must be standard, that of the study, found 'smoke'"),
        (lambda: made() | {"digest": "0" * 16}, r"digest must be [0-9a-f]{16}, that of its configuration"),
        (lambda: whole(replace(GLYPHS.config("u512", 0), steps=50)), r"is declared with another steps"),
    ],
)
def test_file_that_cannot_be_trusted_changes_nothing(wrong: Any, said: str, tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    records.save("glyph_baseline", [made(draw=3)], ours)
    before = records.load("glyph_baseline", ours)
    path = old_file(tmp_path / "theirs.jsonl.xz", made(draw=1), wrong())
    with pytest.raises(UserError, match=rf"theirs\.jsonl\.xz, line 2: .*{said}"):
        add([path], asked, ours)
    assert records.load("glyph_baseline", ours) == before


def test_nothing_to_add(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "none.jsonl.xz"):
        with pytest.raises(UserError, match="no such file, or no record in it"):
            add([path], asked, tmp_path / "ours")


def test_report_counts_what_was_computed_and_names_the_rest(tmp_path: Path) -> None:
    small = records.kept_for(made(), set())
    other = whole(replace(GLYPHS.config("u64", 0), steps=50))  # the arm has changed since
    records.save("glyph_baseline", [small, spoilt(made(draw=1)), other], tmp_path)
    report = examine("glyph_baseline", tmp_path)
    assert (report.records, report.kept) == (3, 3)
    assert report.wrong == ("glyph_baseline/u512 draw 1 seed 1: map_at_r is stated as 99.0, computed 100.0000",)
    assert report.outdated == ("glyph_baseline/u64 draw 0 seed 0: declared with another steps",)
    assert report.unsupported == {"r_precision": 1, "map_at_r": 1}
    assert report.compared == sum(len(records.compared(r)) for r in records.load("glyph_baseline", tmp_path))
    with pytest.raises(UserError, match=r"no records of 'glyph_baselin'. Did you mean 'glyph_baseline'\?"):
        examine("glyph_baselin", tmp_path)
