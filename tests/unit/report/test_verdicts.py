"""Tables of claims: criteria before verdicts, both texts of one that was changed, notes beside them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reproducible.report import verdicts
from reproducible.verdicts import criteria, table
from reproducible.verdicts.table import verdict_table


def test_the_page_states_every_criterion_before_its_verdict(full: list[dict[str, Any]]) -> None:
    stated, decided = (
        verdicts.criteria_on_page("baseline", "real"),
        verdicts.claims_on_page("baseline", "real", {"baseline": full}),
    )
    assert list(stated["claim"]) == [text.removesuffix(" (context)") for text in decided["claim"]]
    assert stated["why that much"].str.len().min() > 20
    d04 = decided[decided["claim"] == "D04"].iloc[0]
    assert (d04["draws"], d04["verdict"].split(" (")[0]) == ("5 of 5", "contradicted at 100 steps")
    assert d04["difference"] == pytest.approx(-10.0)
    assert list(decided)[:3] == ["claim", "compared", "verdict"]
    timed = verdicts.claims_on_page("vem", "real", {}).set_index("claim")["draws"]
    assert (timed["V01"], timed["V08"]) == ("0 of 5", "")  # a measured ratio has no draws


def test_criteria_that_were_changed_show_both_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    claims = criteria.load_claims()
    changed = next(claim for claim in claims.claims if claim.id == "D04")
    old = {"until": "1 May", "reason": "the margin was too small", "criteria": [dict(changed.criteria[0], margin=0.1)]}
    others = tuple(replace(c, superseded=(old,)) if c is changed else c for c in claims.claims)
    monkeypatch.setattr(verdicts, "load_claims", lambda: replace(claims, claims=others))
    assert verdicts.criteria_on_page("baseline", "real").set_index("claim")["supported if"]["D04"].iloc[0] == "> +1.1"
    row = verdicts.superseded_on_page("baseline").iloc[0]
    assert (row["claim"], row["level"], row["supported if"]) == ("D04", changed.criteria[0]["level"], "> +0.1")
    assert (row["until"], row["why"]) == ("1 May", "the margin was too small")


def test_a_text_stands_beside_the_first_of_the_rows_that_share_it() -> None:
    stated = verdicts.criteria_on_page("grid", "real")
    for _, rows in stated.groupby("claim"):
        assert (rows["what it says"] != "").tolist() == [True] + [False] * (len(rows) - 1)
    replaced = verdicts.superseded_on_page("grid")
    assert 1 <= (replaced["why"] != "").sum() < len(replaced)
    assert "ABE (DeML, Table 3) < ABE (DIABLO, Table 1)" in replaced.set_index("level")["compared"]["published"]


def test_pages_without_any_have_empty_tables() -> None:
    assert verdicts.superseded_on_page("ledger").empty
    assert verdicts.criteria_on_page("ledger", "controlled").empty


def test_levels_of_a_page_are_the_verdicts_that_decide() -> None:
    levels = verdicts.levels_on_page("grid").set_index("claim")
    claims = [c for c in criteria.load_claims().claims if c.page == "grid"]
    assert set(levels.index) == {c.id for c in claims}
    assert "paper" in levels.columns[-1] and levels.columns[0] == "published"
    deciding = verdict_table(detail=True).query("claim == 'D15' and level == 'real' and decides")
    assert set(deciding["length"]) == {"at 200 steps"}
    assert levels["real"]["D15"] == " / ".join(f"{word} at 200 steps" for word in deciding["verdict"])


def test_criteria_and_answers_state_the_direction() -> None:
    asked = verdicts.criteria_on_page("channel-attention", "real").set_index("claim")["supported if"]
    answered = verdicts.claims_on_page("channel-attention", "real", {}).set_index("claim")["supported if"]
    for found in (asked, answered):
        assert (found["D24"], found["D22"], found["D19"]) == ("< -10", "<= 10", "within ±2")


def test_notes_stand_once_beside_the_verdicts_of_their_page() -> None:
    noted = verdicts.notes_on_page("grid").set_index("claim")["note"]
    claims = criteria.load_claims()
    assert noted["D16"] == claims["D16"].note
    assert set(noted.index) == {c.id for c in claims.claims if c.page == "grid" and c.note}


def test_draws_that_nobody_will_run_are_not_counted(
    monkeypatch: pytest.MonkeyPatch, full: list[dict[str, Any]]
) -> None:
    monkeypatch.setattr(
        verdicts,
        "verdict_table",
        lambda **_: verdict_table(detail=True, records_by_study={"baseline": full}).assign(seeds_needed=14_233.0),
    )
    assert set(verdicts.claims_on_page("baseline", "real")["draws that would settle it"]) == {"over 100"}


def test_estimates_stand_beside_the_words(monkeypatch: pytest.MonkeyPatch, full: list[dict[str, Any]]) -> None:
    """What a document publishes and what the effect says beside it; both columns only where there is something."""
    claims = criteria.load_claims()
    told = [dict(c, published_effect=3.3) if c["test"] == "difference" else c for c in claims["D04"].criteria]
    others = tuple(replace(c, criteria=tuple(told)) if c.id == "D04" else c for c in claims.claims)
    monkeypatch.setattr(table, "load_claims", lambda: replace(claims, claims=others))
    decided = verdicts.claims_on_page("baseline", "real", {"baseline": full})
    d04 = decided[decided["claim"] == "D04"].iloc[0]
    assert (d04["published"], d04["as an estimate"]) == (3.3, "contradicted")
    assert not {"published", "as an estimate"} & set(verdicts.claims_on_page("vem", "real", {}))
