"""Other rules, margins and checkpoints: the rule in use gives the words in use, and each part of it can move a word."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up import OLD, arms, difference, judge

from reproducible.verdicts.criteria import load_claims
from reproducible.verdicts.moves import AS_USED, VARIANTS, Variant, counts, judged_again, words_by_variant
from reproducible.verdicts.table import committed, criterion_rows
from reproducible.verdicts.words import bare


def test_the_rule_in_use_gives_every_word_that_is_in_use() -> None:
    """Of all committed records, but for what Holm's adjustment took back."""
    claims = load_claims()
    for row in criterion_rows():
        before_holm = row.word.partition(" before Holm")[0].rpartition("(")[2] if "Holm" in row.word else row.word
        again = judged_again(row, claims[row.claim].criteria[row.criterion], VARIANTS[AS_USED])
        assert bare(again) == bare(before_holm), row.claim


@pytest.fixture
def row():
    """A gain of a bit more than two points with a margin of one."""
    found = judge(difference(), arms(new=[v + g for v, g in zip(OLD, (2.1, 2.2, 2.3, 2.4, 2.5), strict=True)], old=OLD))
    assert found.word == "supported"
    return found


@pytest.mark.parametrize(
    ("t", "bootstrap", "variant", "word"),
    [
        ((0.5, 3.0), (-0.5, 4.0), Variant(), "inconclusive"),
        ((0.5, 3.0), (-0.5, 4.0), Variant(rule="t"), "supported, smaller than claimed"),
        ((0.5, 3.0), (1.5, 4.0), Variant(rule="bootstrap"), "supported"),
        ((0.7, 3.0), (0.6, 4.0), Variant(margin=0.5), "supported"),
        ((1.2, 3.0), (1.1, 4.0), Variant(margin=2.0), "supported, smaller than claimed"),
        ((-3.0, -0.5), (-4.0, -0.1), Variant(rule="t", margin=2.0), "contradicted"),
    ],
)
def test_each_part_of_the_rule_moves_the_word(row, t, bootstrap, variant: Variant, word: str) -> None:
    moved = replace(row, t_low=t[0], t_high=t[1], b_low=bootstrap[0], b_high=bootstrap[1])
    assert judged_again(moved, difference(), variant) == word


def test_a_margin_of_no_difference_moves_too(row) -> None:
    asked = {**difference(), "test": "no_difference", "margin": 1.0}
    inside = replace(row, t_low=-0.8, t_high=0.4, b_low=-0.9, b_high=0.5)
    assert judged_again(inside, asked, Variant()) == "supported"
    assert judged_again(inside, asked, Variant(margin=0.5)) == "inconclusive"


def test_counts_are_of_authors_claims_and_say_how_many_move() -> None:
    claims, rows = load_claims(), criterion_rows()
    table = counts(words_by_variant(claims, rows, committed(claims)), ("controlled", "real"))
    own = {(r.claim, r.level) for r in rows if r.kind == "author" and r.decides and r.level in ("controlled", "real")}
    words = table.drop(columns="another word than in use")
    assert (words.sum(axis=1) == len(own)).all()
    assert table.loc[AS_USED, ["another word than in use", "no such look"]].sum() == 0
    assert table.loc["the t interval alone", "inconclusive"] <= table.loc[AS_USED, "inconclusive"]
