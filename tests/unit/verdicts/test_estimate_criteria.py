"""Criteria that ask for an estimate, on made-up records whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_up import OLD, arms, difference, judge
from scipy import stats


def estimate(**changes: Any) -> dict[str, Any]:
    asked = {key: value for key, value in difference().items() if not key.startswith("margin")}
    return {**asked, "test": "estimate", "published_effect": 3.0, **changes}


def test_an_estimate_stands_beside_the_published_effect() -> None:
    row = judge(estimate(), arms(new=np.add(OLD, [1, 1.1, 0.9, 1, 1]), old=OLD))
    assert (row.word, row.estimate) == ("supported, smaller than published",) * 2
    assert (row.mean, row.published_effect) == (pytest.approx(1.0), 3.0)
    assert row.p == pytest.approx(stats.ttest_1samp([1, 1.1, 0.9, 1, 1], 0).pvalue)
    small = judge(estimate(), arms(new=np.add(OLD, [3, -3, 2, -2, 0.5]), old=OLD))
    assert small.word == f"too small to see here ({small.seeds_needed} draws would show 3)"
    assert judge(estimate(), arms(new=OLD[:4], old=OLD[:4])).word == "not run (4 of 5 draws)"


def test_a_claim_that_has_a_word_shows_the_estimate_beside_it() -> None:
    records = arms(new=np.add(OLD, [1, 1.1, 0.9, 1, 1]), old=OLD)
    row = judge(difference(margin=2.0, published_effect=3.0), records)
    assert (row.word, row.estimate) == ("supported, smaller than claimed", "supported, smaller than published")
    assert judge(difference(margin=2.0), records).estimate == "supported", "no effect is published"
    assert judge(difference(direction="not_less"), records).estimate == "supported"
    assert judge(difference(direction="not_less", margin=0.0), records).estimate == "", "no line to hold it against"
    unfit = arms(new=np.add(OLD, 1), old=OLD)
    for run in unfit:
        run["untouched"] = {"test": {"recall_at_1": 70.0}}
    assert judge(difference(), unfit).estimate == "", "a baseline below the untouched network carries nothing"


def test_an_estimate_of_nothing_is_decided_against_its_margin() -> None:
    gains = np.array([0.1, -0.2, 0.3, 0.0, -0.1])
    plain = {key: value for key, value in estimate(margin=1.0).items() if key != "published_effect"}
    none = judge({**plain, "direction": "none"}, arms(new=np.add(OLD, gains), old=OLD))
    assert (none.word, none.p) == ("supported", pytest.approx(stats.ttest_1samp(gains, 1.0).pvalue))
    kept = judge({**plain, "direction": "not_less"}, arms(new=np.add(OLD, gains), old=OLD))
    assert (kept.word, kept.p) == ("supported", pytest.approx(stats.ttest_1samp(gains, -1.0).pvalue))


def test_a_pool_is_the_mean_of_its_differences() -> None:
    first, second = np.add(OLD, [4, 5, 4, 5, 4]), np.add(OLD, [1, 2, 1, 2, 1])
    pooled = {key: value for key, value in estimate().items() if key != "arms"}
    pooled["pool"] = [["new", "old"], ["newer", "older"]]
    row = judge(pooled, arms(new=first, old=OLD, newer=second, older=OLD))
    assert (row.mean, row.n) == (pytest.approx(3.1 - 0.2), 5)  # means 4.4 and 1.4
    assert row.comparison == "recall_at_1 at selected: mean of new - old, newer - older"
    poor = arms(new=first, old=OLD, newer=second, older=OLD)
    for run in poor:
        run["untouched"] = {"test": {"recall_at_1": 61.0 if run["arm"] == "older" else 20.0}}
    assert judge(pooled, poor).word.endswith("older fails here)")
