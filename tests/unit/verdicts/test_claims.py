"""From criteria to the table of verdicts and the headline."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up import OLD, arms, claim, difference, judge, look

from reproducible import records as saved
from reproducible import registry, resources
from reproducible.config import RunConfig, from_dict
from reproducible.resources import UserError
from reproducible.verdicts import table
from reproducible.verdicts.claims import all_rows, evaluate
from reproducible.verdicts.criteria import ClaimSet, criteria_hash, load_claims
from reproducible.verdicts.published import load_published
from reproducible.verdicts.table import headline, verdict_table
from reproducible.verdicts.words import combine


def test_an_analytic_claim_is_proved_only_where_its_test_exists(tmp_path: Path) -> None:
    node = "tests/unit/test_walk.py::test_it_is_uniform"
    criterion = {"level": "analytic", "test": "analytic", "tests": [node], "shows": "proved", "statement": "D 1 = 1."}
    assert evaluate(claim(criterion), {}, root=tmp_path)[0].word == f"not run (no test {node})"
    file = tmp_path / "tests" / "unit" / "test_walk.py"
    file.parent.mkdir(parents=True)
    file.write_text("def test_it_is_uniform_too():\n    pass\n")
    assert evaluate(claim(criterion), {}, root=tmp_path)[0].word.startswith("not run")
    file.write_text("def test_it_is_uniform():\n    pass\n")
    assert evaluate(claim(criterion), {}, root=tmp_path)[0].word == "proved"
    assert evaluate(claim({**criterion, "shows": "refuted"}), {}, root=tmp_path)[0].word == "refuted by analysis"


@pytest.mark.parametrize(
    ("claim_id", "word"),
    [
        ("D04", "supported (8 of 8 hold)"),
        ("D27", "partly (7 of 8 hold)"),  # 76.1 on SOP is below the 76.3 that ABE published
        ("V10", "partly (1 of 5 hold)"),  # on Cars only R@4 is above DREML
        ("V18", "contradicted (0 of 1 hold)"),
        ("B09", "not testable here (5.4 and 5.4 cannot be ordered, and the row of Table 4 is lost in the text)"),
        ("B21", "contradicted (0 of 1 hold)"),
    ],
)
def test_verdicts_on_the_printed_tables(claim_id: str, word: str) -> None:
    rows = evaluate(load_claims()[claim_id], {})
    assert [row.word for row in rows if row.level == "published" and row.decides] == [word]


def test_a_row_that_no_document_prints_is_named() -> None:
    cell = {"source": "DeML", "table": "1", "method": "U1024", "dataset": "CUB-200-2011", "metric": "R@K", "k": 1}
    comparisons = [{"left": cell, "relation": ">", "right": 50.0, "margin": 0.0}]
    criterion = {"level": "published", "test": "published", "comparisons": comparisons, "reason": ""}
    with pytest.raises(UserError, match=r"D04, criterion 1: .*U1024"):
        evaluate(claim(criterion), {})


def test_published_numbers_are_read_once_each(tmp_path: Path) -> None:
    head = "source,table,method,dataset,metric,k,value,std,notes\n"
    path = tmp_path / "published.csv"
    path.write_text(head + "DeML,1,U64,CUB,R@K,1,50.0,,own\nDeML,1,U64,CUB,R@K,1,51.0,,own\n")
    with pytest.raises(UserError, match=r"line 3: DeML \| 1 \| U64 .* twice"):
        load_published(path)
    (tmp_path / "word.csv").write_text(head + "DeML,1,U64,CUB,R@K,1,fifty,,own\n")
    with pytest.raises(UserError, match="line 2: value 'fifty' is not a number"):
        load_published(tmp_path / "word.csv")


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        (["supported", "supported"], "supported"),
        (["supported", "supported, smaller than claimed"], "supported, smaller than claimed"),
        (["supported", "contradicted"], "partly (1 of 2 criteria)"),
        (["supported", "inconclusive"], "partly (1 of 2 criteria)"),
        (["inconclusive", "contradicted (x fails here)"], "contradicted (x fails here)"),
        (["inconclusive", "inconclusive"], "inconclusive"),
        (["supported", "not run (2 of 5 draws)"], "not run (2 of 5 draws)"),
        (["not run", "not testable here (needs boxes)"], "not testable here (needs boxes)"),
        (["proved"], "proved"),
    ],
)
def test_all_deciding_criteria_make_the_verdict(words: list[str], verdict: str) -> None:
    assert combine(words) == verdict


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        (["supported", "no difference seen", "too small to see here (9 draws would show 2)"], "no difference seen"),
        (["supported", "too small to see here (9 draws would show 2)"], "too small to see here (9 draws would show 2)"),
        (["supported", "contradicted", "no difference seen"], "contradicted"),
        (["supported, smaller than published", "supported"], "supported, smaller than published"),
        (["contradicted", "not run"], "not run"),
    ],
)
def test_of_estimates_the_weakest_decides(words: list[str], verdict: str) -> None:
    assert combine(words, weakest=True) == verdict


def family(members: int) -> tuple[ClaimSet, dict[str, list[dict[str, Any]]]]:
    """Claims with one clear difference (p near 0.03) among others that have not been run."""
    entries = [claim(difference(), id="D01")]
    entries += [claim(difference(arms=["x", "y"]), id=f"D{number:02d}") for number in range(2, members + 1)]
    made = ClaimSet(1, {"baseline-real": tuple(entry.id for entry in entries)}, tuple(entries))
    return made, {"baseline": arms(new=np.add(OLD, [4, 7, 1.5, 9, 2.5]), old=OLD)}


def test_holm_decides_within_a_family() -> None:
    alone = all_rows(*family(1))[0]
    assert 0.0125 < alone.p < 0.05
    assert (alone.word, alone.p_holm) == ("supported, smaller than claimed", pytest.approx(alone.p))
    crowded = all_rows(*family(4))[0]
    assert crowded.p_holm == pytest.approx(4 * crowded.p)
    assert crowded.word == "inconclusive (supported, smaller than claimed before Holm's adjustment)"
    assert (crowded.t_low, crowded.t_high) == (alone.t_low, alone.t_high), "intervals are shown unadjusted"


def test_holm_takes_an_estimate_back_to_what_cannot_be_seen() -> None:
    made, records = family(4)
    asked = {key: value for key, value in difference().items() if not key.startswith("margin")}
    first = claim({**asked, "test": "estimate", "published_effect": 20.0}, id="D01")
    row = all_rows(replace(made, claims=(first, *made.claims[1:])), records)[0]
    assert row.estimate == "supported, smaller than published"
    assert row.word == "too small to see here (supported, smaller than published before Holm's adjustment)"


def test_records_under_other_criteria_are_flagged() -> None:
    made, records = family(1)
    assert all_rows(made, records)[0].criteria_changed
    for run in records["baseline"]:
        run["criteria"] = criteria_hash(made, "baseline")
    assert not all_rows(made, records)[0].criteria_changed


def test_runs_that_are_out_of_date_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of the runs that a verdict rests on used a component that computes something else by now."""
    made, records = family(1)
    assert all_rows(made, records)[0].stale == 0
    for run in records["baseline"][:2]:
        run["config"] = {"model": {"name": "vem"}}
        run["versions"] = registry.versions(from_dict(RunConfig, run["config"]))
    assert all_rows(made, records)[0].stale == 0
    entry = registry.REGISTRY["model"]["vem"]
    monkeypatch.setitem(registry.REGISTRY["model"], "vem", replace(entry, version=entry.version + 1))
    assert all_rows(made, records)[0].stale == 2
    monkeypatch.setattr(table, "load_claims", lambda: made)
    assert list(verdict_table(records_by_study=records)["stale"]) == [2]


def test_the_table_has_one_row_a_claim_and_level() -> None:
    table = verdict_table(records_by_study={})
    assert not table.duplicated(["claim", "level"]).any()
    assert set(table["claim"]) == {entry.id for entry in load_claims().claims}
    detail = verdict_table("VEM", detail=True, records_by_study={})
    assert set(detail["source"]) == {"VEM"}
    assert len(detail) == sum(len(c.criteria) for c in load_claims().claims if c.source == "VEM")
    with pytest.raises(UserError, match=r"no claims of a document 'DIABLOW'\. Did you mean 'DIABLO'"):
        verdict_table("DIABLOW", records_by_study={})


def test_the_claims_on_the_baseline_are_decided_by_its_records() -> None:
    steady = dict(
        u512=OLD, u512_lact_printed=np.subtract(OLD, 5), u512_lact_tuned=np.add(OLD, 3), u64=np.subtract(OLD, 4)
    )
    table = verdict_table(records_by_study={"baseline": arms(**steady, u64_lact_tuned=np.subtract(OLD, 3))})
    verdicts = table[table["level"] == "real"].set_index("claim")["verdict"]
    assert verdicts["D04"] == "contradicted"
    assert verdicts["D05"] == "supported"  # 3 - 1 = 2 points on every draw
    assert verdicts["D07"] == "supported"
    assert verdicts[["D03", "D06", "D08", "V01"]].tolist() == ["not run"] * 4


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The committed claims beside a few made-up records of the baseline, in a folder that a test may change."""
    manifests = resources.manifests()
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "reproducible")
    found = tmp_path / "data_manifests"
    found.mkdir()
    for name in ("claims.yaml", "published_results.csv"):
        (found / name).write_bytes((manifests / name).read_bytes())
    return found


def save(*made_up: dict[str, Any]) -> None:
    saved.save("baseline", [{**{key: {} for key in saved.KEYS}, **record} for record in made_up])


def test_the_table_is_computed_once_and_again_where_a_record_or_a_claim_is_another(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def d04() -> tuple[str, float]:
        row = table.verdict_table().set_index(["claim", "level"]).loc[("D04", "real")]
        return row["verdict"], row["margin"]

    computed: list[int] = []
    monkeypatch.setattr(saved.files, "check", lambda *_: None)  # of made-up records
    monkeypatch.setattr(table, "all_rows", lambda *given: computed.append(1) or all_rows(*given))
    save(*arms(u512=OLD, u512_lact_printed=np.add(OLD, 3)))
    assert d04() == d04() == ("supported", 1.1)
    table.verdict_table(detail=True)
    own = table.verdict_table()
    own["verdict"] = "nothing that anyone else sees"
    assert d04() == ("supported", 1.1)
    assert len(computed) == 1
    records = arms(u512=OLD, u512_lact_printed=np.add(OLD, 3))
    records[-1]["selected"]["test"] = look(OLD[-1] - 1)  # the same run, name and all, with another result
    save(*records)
    assert d04() == ("inconclusive", 1.1)
    text = (elsewhere / "claims.yaml").read_text().replace("margin: 1.1", "margin: 1.2")
    (elsewhere / "claims.yaml").write_text(text)
    assert d04() == ("inconclusive", 1.2)
    assert len(computed) == 3


def test_what_cannot_come_out_otherwise_is_not_testable_and_shows_its_values() -> None:
    records = arms(new=np.add(OLD, [4, 5, 4, 5, 4]), old=OLD)
    plain = judge(difference(), records)
    row = judge(difference(untestable="at this length"), records)
    assert plain.word == "supported"
    assert (row.word, row.mean) == ("not testable here (at this length)", plain.mean)


def test_a_criterion_set_after_its_result_says_so_beside_its_word() -> None:
    row = judge(difference(after_result=True), arms(new=np.add(OLD, [4, 5, 4, 5, 4]), old=OLD))
    assert (row.word, row.after_result) == ("supported (criterion set after its result)", True)


def test_what_has_no_verdict_has_no_length(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = (claim(difference(), id="D01"), claim(difference(untestable="too few steps"), id="D02"))
    monkeypatch.setattr(table, "load_claims", lambda: ClaimSet(1, {}, entries))
    curve = [{"step": step, "validation": {"map_at_r": float(step)}} for step in (25, 50, 75, 100)]
    records = [{**run, "curve": curve} for run in arms(new=np.add(OLD, 3), old=OLD)]
    found = verdict_table(records_by_study={"baseline": records}).set_index("claim")
    assert found["length"].to_dict() == {"D01": "at 100 steps", "D02": ""}
    assert found["verdict"]["D02"] == "not testable here (too few steps)"


def test_the_headline_counts_authors_claims_only() -> None:
    rows = [("author", "real", "supported", False), ("author", "real", "supported (1 of 1 hold)", False)]
    rows += [("author", "controlled", "not run (2 of 5 draws)", False), ("reviewer", "real", "contradicted", False)]
    rows += [("author", "real", "contradicted (criterion set after its result)", True)]
    counts = headline(pd.DataFrame(rows, columns=["kind", "level", "verdict", "after_result"]))
    assert counts.loc["real", "supported"] == 2
    assert counts.loc["controlled", "not run"] == 1
    assert "contradicted" not in counts.columns


def test_verdicts_need_no_torch() -> None:
    code = (
        "import sys; from reproducible.verdicts.table import verdict_table; verdict_table();"
        "print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
