"""What the page on SGML says in prose, held against the records."""

from __future__ import annotations

import pytest

from reproducible import records
from reproducible.verdicts.effects import Effect, effect

DOCUMENT = ("metric-only", "attribute-only", "multitask", "sgml", "sgml-tuned", "sgml-constant-g")
WITH_FACTOR = "metric-only-c-25"


def compared(*arms: str) -> Effect:
    """Both arms on glyphs, or one beside ``untouched``."""
    return effect(records.load("glyph_sgml"), *arms)


@pytest.mark.parametrize("arm", DOCUMENT)
def test_without_the_factor_a_network_ends_near_the_untouched_one_or_below(arm: str) -> None:
    found = compared(arm, "untouched")
    assert found.mean is not None and found.mean < 5


@pytest.mark.parametrize("arm", DOCUMENT)
def test_with_it_metric_learning_lies_far_above_every_row_of_the_document(arm: str) -> None:
    found = compared(WITH_FACTOR, arm)
    assert found.mean is not None and found.mean > 10
    assert found.t is not None and found.bootstrap is not None and min(found.t[0], found.bootstrap[0]) > 0


def test_g_of_its_own_pair_is_not_better_than_one_g_for_all() -> None:
    found = compared("sgml-tuned", "sgml-constant-g")
    assert found.t is not None and found.bootstrap is not None and min(found.t[0], found.bootstrap[0]) < 0


def test_with_the_factor_moving_the_thresholds_costs_more_than_it_gives() -> None:
    gained, lost = compared("multitask-c-25", "multitask"), compared("sgml-c-25", "multitask-c-25")
    assert gained.mean is not None and lost.mean is not None and -lost.mean > gained.mean > 0
    assert lost.t is not None and lost.bootstrap is not None and max(lost.t[1], lost.bootstrap[1]) < 0
