"""Effects that no claim asks for, and whether their runs come from one kind of machine."""

from __future__ import annotations

import numpy as np
import pytest
from made_up import OLD, arms, difference, judge
from scipy import stats

from reproducible.verdicts.effects import effect

GAINS = [5, 5.5, 4.5, 5.2, 4.8]
RUNS = arms(new=np.add(OLD, GAINS), old=OLD, newer=np.add(OLD, 7), newest=np.add(OLD, 10))


def test_an_effect_is_what_a_criterion_would_measure() -> None:
    found, row = effect(RUNS, "new", "old"), judge(difference(), RUNS)
    assert (found.mean, *found.t, *found.bootstrap) == (row.mean, row.t_low, row.t_high, row.b_low, row.b_high)
    assert found.t == pytest.approx(stats.t.interval(0.95, 4, np.mean(GAINS), stats.sem(GAINS)))
    assert (found.draws, found.across) == (5, 0)


def test_a_difference_of_differences() -> None:
    """(newest - newer) - (new - old) is 3 less the gain."""
    found = effect(RUNS, "newest", "newer", "new", "old")
    assert found.mean == pytest.approx(3 - np.mean(GAINS))
    with pytest.raises(ValueError, match="needs two arms, one of differences four, got 3"):
        effect(RUNS, "new", "old", "newer")


def test_an_effect_over_the_untouched_network() -> None:
    """It finds 20 per cent in every made-up run, and has no hits kept."""
    found = effect(RUNS, "newer", "untouched")
    assert found.mean == pytest.approx(np.mean(OLD) + 7 - 20)


def test_what_has_not_run_has_no_effect() -> None:
    assert effect(RUNS, "new", "other").mean is None
    one = effect(RUNS[:1] + RUNS[5:6], "new", "old")
    assert (one.draws, one.t, one.bootstrap) == (1, None, None)
    assert one.mean == pytest.approx(5.0)


def test_draws_across_machines_are_counted() -> None:
    made = [
        {**run, "environment": {"device": "AVX512" if run["arm"] == "new" and run["draw"] < 2 else "AVX2"}}
        for run in RUNS
    ]
    assert effect(made, "new", "old").across == judge(difference(), made).across == 2
    assert effect(made, "newer", "old").across == 0
