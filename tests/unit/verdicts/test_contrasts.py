"""What criteria measure on made-up records whose answer is known."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import CLASSES, OLD, arms, claim, difference, judge, look, record, within
from scipy import stats

from reproducible import records as saved
from reproducible.resources import UserError
from reproducible.verdicts.claims import evaluate
from reproducible.verdicts.schema import holds


@pytest.mark.parametrize(
    ("gains", "word"),
    [
        ([5, 5.5, 4.5, 5.2, 4.8], "supported"),
        ([0.6, 0.8, 0.7, 0.8, 0.6], "supported, smaller than claimed"),
        ([-3, -2.5, -3.5, -3.2, -2.8], "contradicted"),
        ([6, -5, 3, -4, 1], "inconclusive"),
    ],
)
def test_the_words_of_a_difference(gains: list[float], word: str) -> None:
    row = judge(difference(), arms(new=np.add(OLD, gains), old=OLD))
    assert row.word == word
    assert row.mean == pytest.approx(np.mean(gains))
    assert row.p == pytest.approx(stats.ttest_1samp(gains, 0).pvalue)
    low, high = stats.t.interval(0.95, 4, np.mean(gains), stats.sem(gains))
    assert (row.t_low, row.t_high) == pytest.approx((low, high))
    assert (row.seeds_needed is not None) == (word == "inconclusive")


def test_the_direction_less_turns_the_words() -> None:
    records = arms(new=np.add(OLD, [-5, -5.5, -4.5, -5.2, -4.8]), old=OLD)
    assert judge(difference(direction="less"), records).word == "supported"
    assert judge(difference(), records).word == "contradicted"


def test_draws_are_paired_so_what_they_share_cancels() -> None:
    gains = [2.0, 2.2, 1.8, 2.1, 1.9]
    row = judge(difference(), arms(new=np.add(OLD, gains), old=OLD))
    assert row.sd == pytest.approx(np.std(gains, ddof=1))
    shuffled = judge(difference(), arms(new=np.add(OLD, gains)[::-1], old=OLD))
    assert shuffled.sd > 5 * row.sd


def test_a_gain_of_one_class_alone_does_not_support_though_the_t_interval_would() -> None:
    draws = []
    for draw, gain in enumerate([40, 42, 38, 41, 39]):
        recalls = np.full(CLASSES, 40.0)
        draws.append(record("old", draw, recalls))
        recalls = recalls.copy()
        recalls[0] += gain  # 2 points on average, all of it in one coarse class
        draws.append(record("new", draw, recalls))
    row = judge(difference(), draws)
    assert row.t_low > 1.0
    assert row.b_low < 1.0
    assert row.word != "supported"


def test_fewer_draws_than_asked_show_the_interval_but_no_verdict() -> None:
    row = judge(difference(), arms(new=[46, 60, 50], old=OLD))
    assert row.word == "not run (3 of 5 draws)"
    assert row.n == 3
    assert row.t_low < row.mean < row.t_high
    assert row.p is None


def test_no_records_and_one_draw() -> None:
    assert judge(difference(), []).word == "not run"
    assert judge(difference(), arms(new=[46], old=OLD)).word == "not run (1 of 5 draws)"
    assert evaluate(claim(difference()), {})[0].word == "not run"


def test_seeds_of_one_draw_are_averaged_before_draws_are_counted() -> None:
    records = arms(new=np.add(OLD, 2), old=OLD)
    extra = [record(arm, draw, OLD[draw] + gain, seed=1) for draw in range(5) for arm, gain in (("new", 4), ("old", 0))]
    row = judge(difference(), records + extra)
    assert row.n == 5
    assert row.mean == pytest.approx(3.0)
    unpaired = [record("new", draw, 90, seed=2) for draw in range(5)]
    assert judge(difference(), records + unpaired).mean == pytest.approx(2.0)


def test_only_standard_runs_on_random_halves_of_the_right_data_count() -> None:
    good = arms(new=np.add(OLD, 3), old=OLD)
    for change in (
        {"profile": "smoke"},
        {"config": {"data": {"split": "canonical"}}},
        {"config": {"data": {"name": "glyphs"}}},
        {"selected": {"step": 100, "not_converged": False}},
    ):
        strays = [record("new", draw, 99, **change) for draw in range(5)]
        assert judge(difference(), good + strays).mean == pytest.approx(3.0)
    glyphs = [{**run, "config": {"data": {"name": "glyphs"}}} for run in good]
    assert judge(difference(level="controlled"), glyphs).mean == pytest.approx(3.0)


def test_two_records_of_one_run_are_an_error() -> None:
    records = arms(new=OLD, old=OLD)
    with pytest.raises(UserError, match=r"new has two records of draw 0, seed 0"):
        judge(difference(), [*records, record("new", 0, 50)])


def test_arms_that_saw_other_queries_are_an_error() -> None:
    records = arms(new=OLD, old=OLD)
    records[0]["queries"] = records[0]["queries"][::-1]
    with pytest.raises(UserError, match="draw 0, seed 0 the arms have different queries"):
        judge(difference(), records)


def test_arms_in_two_precisions_are_an_error() -> None:
    records = arms(new=OLD, old=OLD)
    records[0]["config"] = {"precision": "bf16"}
    with pytest.raises(UserError, match="draw 0, seed 0 the arms ran in two precisions"):
        judge(difference(), records)


def test_no_difference() -> None:
    criterion = difference(test="no_difference", margin=2.0)
    del criterion["direction"]
    inside, outside = [0.2, -0.1, 0.3, -0.2, 0.1], [5, 5.5, 4.5, 5.2, 4.8]
    row = judge(criterion, arms(new=np.add(OLD, inside), old=OLD))
    assert row.word == "supported"
    assert row.p == pytest.approx(max(stats.ttest_1samp(inside, end).pvalue for end in (-2.0, 2.0)))
    assert judge(criterion, arms(new=np.add(OLD, outside), old=OLD)).word == "contradicted"
    assert judge(criterion, arms(new=np.add(OLD, [4, -4, 3, -3, 1]), old=OLD)).word == "inconclusive"


def test_an_interaction_is_the_difference_of_two_differences() -> None:
    criterion = difference(test="interaction", pairs=[["a", "b"], ["c", "d"]])
    del criterion["arms"]
    records = arms(a=np.add(OLD, 10), b=np.add(OLD, 2), c=np.add(OLD, 3.2), d=np.add(OLD, 1))
    row = judge(criterion, records)
    assert row.mean == pytest.approx(8 - 2.2)
    assert row.word == "supported"
    assert row.comparison == "recall_at_1 at selected: (a - b) - (c - d)"


def falling(*, last: float, peak: float, untouched: float = 20.0) -> list[dict[str, Any]]:
    """Five runs selected at 50 (step 100), ending at ``last`` (step 200), with a peak in the curve at step 50."""
    runs = []
    for draw, wobble in enumerate([0.0, 0.2, -0.2, 0.1, -0.1]):
        curve = [
            {"step": step, "test": look(recall + wobble), "seen": {"recall_at_1": seen + wobble}}
            for step, recall, seen in ((50, peak, 80), (100, 50, 90), (150, 49, 97), (200, last, 98))
        ]
        ends = {"last": {"step": 200, "test": curve[-1]["test"]}, "untouched": {"test": {"recall_at_1": untouched}}}
        selected = {"step": 100, "not_converged": draw == 0, "test": look(50)}
        runs.append(record("new", draw, 50, selected=selected, curve=curve, **ends))
    return runs


def test_a_fall_within_a_run() -> None:
    fall = within(["last", "selected"], "less", margin=2.0)
    row = judge(fall, falling(last=44, peak=51))
    assert (row.word, row.not_converged) == ("supported", 1)
    assert row.mean == pytest.approx(-6.0)
    assert judge(fall, falling(last=54, peak=55)).word == "contradicted"


def test_no_fall_means_not_below_minus_the_margin() -> None:
    kept = within(["last", "selected"], "not_less", margin=2.0)
    assert judge(kept, falling(last=49.5, peak=51)).word == "supported"
    assert judge(kept, falling(last=44, peak=51)).word == "contradicted"
    row = judge(kept, falling(last=49.5, peak=51))
    assert row.t_low < 0 < row.t_high + 1, "the interval shown is that of the difference, not a shifted one"


def test_the_best_on_test_against_the_selected() -> None:
    better = within(["peak", "selected"], "greater", margin=0.5)
    assert judge(better, falling(last=48, peak=53)).word == "supported"
    row = judge(better, falling(last=48, peak=30))
    assert row.mean == pytest.approx(0.06), "a draw whose curve lies below its selected checkpoint gives 0, not less"
    no_curve = [{**run, "curve": run["curve"][-1:]} for run in falling(last=48, peak=53)]
    assert judge(better, no_curve).word == "not run"


def test_the_value_on_seen_classes_against_a_number() -> None:
    plain = {"level": "real", "study": "baseline", "test": "threshold", "arm": "new", "metric": "recall_at_1"}
    criterion = {**plain, "part": "seen", "at": "last", "relation": ">=", "threshold": 95.0, "reason": "", "n": 5}
    row = judge(criterion, falling(last=48, peak=53))
    assert (row.word, row.mean) == ("supported", pytest.approx(98.0))
    assert judge({**criterion, "threshold": 99.0}, falling(last=48, peak=53)).word == "contradicted"
    assert judge({**criterion, "relation": "<="}, falling(last=48, peak=53)).word == "contradicted"


def test_the_gap_between_seen_and_unseen_classes() -> None:
    """At the selected checkpoint, whose point in the curve looked at both."""
    plain = {"level": "real", "study": "baseline", "test": "threshold", "arm": "new", "metric": "seen_unseen_gap"}
    criterion = {**plain, "at": "selected", "relation": ">=", "threshold": 30.0, "reason": "", "n": 5}
    row = judge(criterion, falling(last=48, peak=53))
    assert (row.word, row.mean) == ("supported", pytest.approx(90 - 50))
    assert judge({**criterion, "at": "last"}, falling(last=48, peak=53)).mean == pytest.approx(98 - 48)
    unseen_alone = [
        {**run, "curve": [{k: v for k, v in point.items() if k != "seen"} for point in run["curve"]]}
        for run in falling(last=48, peak=53)
    ]
    assert judge(criterion, unseen_alone).word == "not run"


def test_quantities_measured_by_a_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stand in a file of their own; a new measurement takes the place of the study's old ones."""
    monkeypatch.setattr(saved.measured, "manifests", lambda: tmp_path)
    plain = {"level": "real", "study": "baseline", "test": "measured", "quantity": "test_time_ratio"}
    criterion = {**plain, "relation": "<=", "threshold": 1.02, "reason": ""}
    assert saved.measurements() == []
    assert judge(criterion, []).word == "not run"
    saved.save_measurements("baseline", {"test_time_ratio": 1.5, "other": 2}, "a slow machine")
    saved.save_measurements("vem", {"test_time_ratio": 9.0}, "another study")
    assert judge(criterion, []).word == "contradicted"
    saved.save_measurements("baseline", {"test_time_ratio": 1.01}, "an idle machine")
    row = judge(criterion, [])
    assert (row.word, row.n, row.mean) == ("supported", 1, pytest.approx(1.01))
    assert [r["machine"] for r in saved.measurements()] == ["another study", "an idle machine"]


def test_an_arm_below_the_untouched_network_is_flagged() -> None:
    records = arms(new=np.subtract(OLD, 25), old=OLD)
    for run in records:
        run["untouched"] = {"test": {"recall_at_1": OLD[run["draw"]] - 5}}
    row = judge(difference(), records)
    assert row.fails_here == ("new",)
    assert row.word == "contradicted (new fails here)"


def test_an_arm_below_the_untouched_network_is_no_baseline() -> None:
    records = arms(new=np.add(OLD, 10), old=OLD)
    for run in records:
        run["untouched"] = {"test": {"recall_at_1": OLD[run["draw"]] + 5}}
    assert judge(difference(), records).word == (
        "not testable here (needs a baseline above the untouched network: old fails here)"
    )


def test_a_flat_curve_of_an_arm_that_learned_nothing_supports_nothing() -> None:
    kept = within(["last", "selected"], "not_less", margin=2.0)
    row = judge(kept, falling(last=49.5, peak=51, untouched=60))
    assert row.word == "inconclusive (new fails here)"


def test_a_feature_of_an_arm_is_searched_by_itself() -> None:
    """The second scale of the arm ``new`` against its first, in the primary protocol, at the selected checkpoint."""
    records = arms(new=OLD)
    for run in records:
        scales = {f"scale_{i}": {"test": {"recall_at_1": OLD[run["draw"]] + gain}} for i, gain in ((1, -2.0), (2, 3.0))}
        other = {"scale_2": {"test": {"recall_at_1": 0.0}}}
        run["selected"]["further"] = {"first": {"features": scales}, "second": {"features": other}}
    criterion = difference(arms=["new/scale_2", "new/scale_1"])
    assert judge(criterion, records).mean == pytest.approx(5)
    assert judge({**criterion, "arms": ["new/scale_2", "new"]}, records).mean == pytest.approx(3)
    assert judge({**criterion, "arms": ["new/scale_3", "new"]}, records).word == "not run"
    assert judge({**criterion, "at": "last"}, records).word == "not run"


def test_the_spread_between_seeds() -> None:
    plain = {"level": "real", "study": "baseline", "test": "seed_spread", "arm": "new", "metric": "recall_at_1"}
    criterion = {**plain, "at": "selected", "relation": ">=", "threshold": 0.3, "reason": "", "n": 5}
    shifts = np.array([0.0, 2.0, -1.0, 3.0, -2.0, 1.0])
    seeds = [record("new", 0, OLD[0] + shift, seed=seed) for seed, shift in enumerate(shifts)]
    one_each = [record("new", draw, OLD[draw], seed=draw) for draw in range(1, 5)]
    row = judge(criterion, seeds + one_each)
    assert (row.mean, row.n) == (pytest.approx(np.std(shifts, ddof=1)), 5), "draws with one seed tell nothing"
    assert row.word == "supported"
    assert judge({**criterion, "threshold": 9.0}, seeds).word == "contradicted"
    assert judge({**criterion, "threshold": 1.5}, seeds).word == "inconclusive"
    assert judge(criterion, seeds[:-1]).word == "not run (4 of 5 further seeds)"
    two_draws = [record("new", d, OLD[d] + 2 * s, seed=s) for d in range(5) for s in (0, 1)]
    assert judge(criterion, two_draws).mean == pytest.approx(math.sqrt(2))


def test_a_measured_quantity() -> None:
    plain = {"level": "real", "study": "baseline", "test": "measured", "quantity": "gflop", "reason": ""}
    criterion = {**plain, "relation": "~", "threshold": 1.6, "tolerance": 0.1}
    runs = [record("new", draw, 50, environment={"gflop": 1.55}) for draw in range(2)]
    assert judge(criterion, runs).word == "supported"
    assert judge({**criterion, "relation": "<=", "threshold": 1.5}, runs).word == "contradicted"
    assert judge(criterion, arms(new=OLD)).word == "not run"


def test_the_papers_level_says_what_it_needs() -> None:
    assert judge(difference(level="paper", needs="CUB-200-2011"), arms(new=OLD, old=OLD)).word == (
        "not testable here (needs CUB-200-2011)"
    )


@pytest.mark.parametrize(
    ("relation", "left", "right", "margin", "expected"),
    [
        (">", 66.0, 65.0, 0.0, True),
        (">", 66.0, 65.0, 1.0, False),
        ("<", 1.0, 2.0, 0.5, True),
        ("~", 0.1 + 0.2, 0.3, 0.0, True),
        ("~", 1.2, 1.0, 0.1, False),
        ("=", 4.0, 87.3 - 83.3, 0.0, True),
        (">=", 5.0, 5.0, 0.0, True),
        ("<=", 5.1, 5.0, 0.0, False),
    ],
)
def test_relations(relation: str, left: float, right: float, margin: float, expected: bool) -> None:
    assert holds(left, relation, right, margin) is expected
