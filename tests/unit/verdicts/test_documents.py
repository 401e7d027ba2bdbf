"""The review and the inconsistencies: read and checked, and answered by verdicts that change with the records."""

from __future__ import annotations

import re

import pytest
from made_up import arms

from reproducible.report import review
from reproducible.resources import UserError
from reproducible.verdicts import documents
from reproducible.verdicts.criteria import load_claims
from reproducible.verdicts.reproduced import printed


def test_three_objections_and_every_claim_of_the_review_has_its_words() -> None:
    found = documents.load_review()
    assert len(found.objections) == 3
    quoted = {a.claim for o in found.objections for a in o.answers} | {r.claim for r in found.remarks}
    assert quoted == {claim.id for claim in load_claims().claims if claim.source == "Review"}


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("supported, smaller than claimed (x fails here)", "supported"),
        ("contradicted", "contradicted"),
        ("partly (1 of 2 criteria)", "open"),
        ("not run", "open"),
    ],
)
def test_what_a_verdict_means_is_chosen_by_its_word(word: str, meant: str) -> None:
    assert documents.outcome(word) == meant


@pytest.mark.parametrize(("rise", "meant"), [(8.0, "supported"), (-8.0, "contradicted")])
def test_an_answer_follows_the_records(rise: float, meant: str) -> None:
    """Recall of the arm with trained features, against that of the other: R08 asks whether it is lower."""
    (asked,) = (c for c in load_claims()["R08"].criteria if c["level"] == "real" and "role" not in c)
    treatment, control = asked["arms"]
    old = [50.0, 51.0, 52.0, 53.0, 54.0]
    named = {control.replace("-", "_"): old, treatment.replace("-", "_"): [v - rise for v in old]}
    (third,) = (o for o in documents.load_review().objections if o.answers[0].claim == "R08")
    shown = review.answered(third, {asked["study"]: arms(**named)}).data
    assert third.answers[0].means[meant] in shown
    assert sum(text in shown for text in third.answers[0].means.values()) == 1
    assert re.sub(r"\s+", " ", third.quote)[:60] in re.sub(r"\s+", " ", shown)


def test_words_of_inconsistencies_that_are_printed_numbers_are_in_the_tables() -> None:
    for one in documents.load_inconsistencies():
        rows = printed()
        texts = {text for text in rows["text"][rows["source"] == one.document] if text}
        if re.fullmatch(r"[\d.\t]+", one.says):
            assert set(one.says.split("\t")) <= texts, one.place


def test_a_table_of_them_links_their_claims() -> None:
    found = documents.load_inconsistencies()
    shown = review.inconsistency_table(found).data
    assert shown.count("<tr") == len(found) + 1
    for one in found:
        assert all(f'href="claims.html#claim-{claim}"' in shown for claim in one.claims)


def test_a_claim_that_does_not_exist_or_a_key_too_many_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = documents.load_inconsistencies()[0].__dict__
    monkeypatch.setattr(documents, "_yaml", lambda name: [{**entry, "claims": ["D99"]}])
    with pytest.raises(UserError, match="no claim 'D99'"):
        documents.load_inconsistencies()
    monkeypatch.setattr(documents, "_yaml", lambda name: [{**entry, "sys": ""}])
    with pytest.raises(UserError, match=r"inconsistencies\.yaml, entry 1: unknown key 'sys'\. Did you mean 'says'"):
        documents.load_inconsistencies()
