"""Whether runs were long enough, and what their first half says, on curves that are drawn by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from made_up import OLD, arms, claim, difference, judge, look, record

from reproducible.verdicts.claims import evaluate
from reproducible.verdicts.lengths import (
    halved,
    long_enough,
    long_enough_arm,
    loss_variation,
    shortened,
    starts,
    steps_of,
    steps_to,
    trained,
)
from reproducible.verdicts.words import at_steps, combine, with_length


def run(
    arm: str, draw: int, validation: Sequence[float], test: Sequence[float] | float, every: int = 50, **changes: Any
) -> dict[str, Any]:
    """A run that is looked at every so many steps; what the test classes find at each look, or at the last alone."""
    found = test if isinstance(test, Sequence) else [None] * (len(validation) - 1) + [test]
    curve = [
        {"step": every * number, "validation": {"map_at_r": value}} | ({} if recall is None else {"test": look(recall)})
        for number, (value, recall) in enumerate(zip(validation, found, strict=True), start=1)
    ]
    best = max(range(len(validation)), key=lambda place: validation[place])
    chosen, last = curve[best], curve[-1]
    selected = {"step": chosen["step"], "not_converged": chosen is last, "test": chosen.get("test", last["test"])}
    plain = {"curve": curve, "selected": selected, "last": last, "config": {"evaluation": {"window": 1}}}
    return record(arm, draw, 50.0, **{**plain, **changes})


@pytest.mark.parametrize(
    ("validation", "window", "enough"),
    [
        ([1, 2, 3, 2], 1, True),  # at 150 of 200 steps, where the last quarter begins
        ([1, 2, 3, 4], 1, False),
        ([4, 3, 2, 1], 1, True),
        ([1, 5, 1, 1, 1, 1, 3.2, 3.4], 1, True),  # one look stands out
        ([1, 5, 1, 1, 1, 1, 3.2, 3.4], 3, False),  # smoothed, the run still rises
        ([3, 3, 3, 3], 1, True),  # level: the earliest counts
    ],
)
def test_a_run_is_long_enough_if_it_peaks_before_its_last_quarter(
    validation: list[float], window: int, enough: bool
) -> None:
    found = run("new", 0, validation, 50.0, config={"evaluation": {"window": window}})
    assert trained(found)
    assert long_enough(found) is enough


def test_looks_are_smoothed_over_three_unless_the_run_says_otherwise() -> None:
    assert not long_enough(run("new", 0, [1, 5, 1, 1, 1, 1, 3.2, 3.4], 50.0, config={}))


def test_most_runs_of_an_arm_have_to_be() -> None:
    rising, falling = (run("new", 0, values, 50.0) for values in ([1, 2, 3, 4], [4, 3, 2, 1]))
    assert long_enough_arm([rising, falling, falling])
    assert not long_enough_arm([rising, falling])
    assert long_enough_arm([record("untouched", 0, 50.0)]), "nothing trains there"


def test_the_first_steps_of_a_run_are_a_run() -> None:
    """Within 200 steps the classes of V select 150, within all 400 they select 350."""
    whole = run("new", 0, [1, 2, 4, 3, 3, 5, 6, 5], [50, 51, 53, 52, 54, 55, 57, 56])
    short = shortened(whole, 200)
    assert (whole["selected"]["step"], short["selected"]["step"], short["last"]["step"]) == (350, 150, 200)
    assert short["selected"]["test"] == look(53)
    assert short["last"]["test"] == look(52)
    assert not short["selected"]["not_converged"]
    assert shortened(whole, 150)["selected"]["not_converged"]
    assert [point["step"] for point in whole["curve"]] == [50 * n for n in range(1, 9)], "the record stays as it is"
    assert halved(whole) == short
    assert {key: short[key] for key in ("digest", "queries")} == {key: whole[key] for key in ("digest", "queries")}


def test_without_a_look_at_the_test_classes_there_is_no_shorter_run() -> None:
    assert shortened(run("new", 0, [1, 2, 4, 3], 50.0), 100) is None
    assert shortened(run("new", 0, [1, 2, 4, 3], [50, 51, 52, 53]), 75) is None, "no point of the curve is there"


@pytest.mark.parametrize(
    ("validation", "part"), [([10, 20, 30, 40], 100.0), ([10, 39, 40, 40], 50.0), ([40, 10, 10, 10], 25.0)]
)
def test_how_soon_a_run_is_almost_as_good_as_it_gets(validation: list[float], part: float) -> None:
    assert steps_to(run("new", 0, validation, 50.0), 0.95) == part


def test_what_is_easier_to_train_is_compared_run_by_run() -> None:
    asked = {key: value for key, value in difference().items() if not key.startswith("margin")}
    asked |= {"test": "estimate", "metric": "steps_to_95_percent", "direction": "less", "margin": 10.0}
    quick, slow = [10, 39, 40, 40], [10, 20, 39, 40]
    runs = [run(arm, draw, looks, 50.0) for draw in range(5) for arm, looks in (("new", quick), ("old", slow))]
    row = judge(asked, runs)
    assert (row.word, row.mean) == ("supported", -25.0)
    assert judge(asked, arms(new=OLD, old=OLD)).word == "not run", "no curve says how soon"


def pair(new: Sequence[Sequence[float]], validation: Sequence[float] = (1, 2, 3, 4)) -> list[dict[str, Any]]:
    """Five draws of two arms: what each finds more than the old one, which finds the same at every look."""
    gains = np.array([-0.2, 0.1, 0.0, 0.2, -0.1])
    return [
        made
        for draw, (level, noise) in enumerate(zip(OLD, gains, strict=True))
        for made in (
            run("new", draw, validation, [level + gain + noise for gain in new]),
            run("old", draw, (4, 3, 2, 1), [level] * 4),
        )
    ]


def test_a_word_over_arms_that_still_rise_says_at_how_many_steps() -> None:
    row = judge(difference(), pair([-3, -3, 0, 3]))
    assert (row.word, row.short) == ("supported", (200,))
    assert judge(difference(), pair([-3, -3, 0, 3], validation=(1, 2, 4, 3))).short == (), "long enough"


def test_the_same_word_at_half_the_length_needs_no_length() -> None:
    assert judge(difference(), pair([2, 3, 3, 3])).short == ()
    other = judge(difference(), pair([0.5, 0.5, 3, 3]))
    assert (other.word, other.short) == ("supported", (200,)), "supported, smaller than claimed after 100 steps"
    blind = pair([2, 3, 3, 3])
    for made in blind:
        del made["curve"][1]["test"]
    assert judge(difference(), blind).short == (200,), "nobody looked after 100 steps"


def test_what_has_not_been_run_has_no_length() -> None:
    assert judge(difference(), pair([3, 3, 3, 3])[:4]).short == ()
    assert judge(difference(), arms(new=np.add(OLD, 3), old=OLD)).short == (), "no validation on the way"


def test_arms_that_stay_as_they_were_initialised_are_not_trained() -> None:
    for stuck, word in ((2, "supported"), (3, "not trained (3 of 5 draws select step 0)")):
        records = pair([3, 3, 3, 3])
        for made in [one for one in records if one["arm"] == "new"][:stuck]:
            made["selected"]["step"] = 0
        row = judge(difference(), records)
        assert (row.word, row.at_start) == (word, stuck)
    untouched = arms(new=np.add(OLD, 3), old=OLD)
    for made in untouched:
        made["curve"] = [{"step": 0, "test": look(50), "validation": {"map_at_r": 1.0}}]
        made["selected"]["step"] = 0
    assert not any(map(starts, untouched))
    assert judge(difference(), untouched).word == "supported", "arms that train nothing are what they are"


def test_either_arm_counts_once_a_draw() -> None:
    records = pair([3, 3, 3, 3])
    for made in records[:3]:  # both arms of the first draw, one of the second
        made["selected"]["step"] = 0
    assert judge(difference(), records).at_start == 2


def test_lengths_in_words() -> None:
    assert steps_of(pair([3, 3, 3, 3])) == (200,)
    assert at_steps(()) == ""
    assert at_steps((300,)) == "at 300 steps"
    assert at_steps((300, 900)) == "at 300 to 900 steps"
    assert with_length("supported (x fails here)", "at 300 steps") == "supported at 300 steps (x fails here)"
    assert with_length("supported", "") == "supported"
    assert combine(["supported", "not trained (3 of 5 draws select step 0)"]).startswith("not trained")


def test_every_statistical_test_says_its_length() -> None:
    within = {"level": "real", "study": "baseline", "test": "within_run", "arm": "new", "metric": "recall_at_1"}
    within |= {"between": ["last", "selected"], "direction": "not_less", "margin": 1.0, "margin_reason": "", "n": 5}
    within |= {"assumed_sd": 2.0, "detectable": 3.4}
    row, *_ = evaluate(claim(within), {"baseline": pair([-3, -3, 0, 3])})
    assert row.short == ()  # last and selected are the same at both lengths
    threshold = {key: within[key] for key in ("level", "study", "arm", "metric", "n")}
    threshold |= {"test": "threshold", "at": "selected", "relation": ">=", "threshold": 30.0, "reason": ""}
    steep = pair([-30, -30, 0, 3])
    assert evaluate(claim(threshold), {"baseline": steep})[0].short == (200,)


def test_variation_of_the_loss_is_over_the_second_half() -> None:
    def falling(arm: str, draw: int, *losses: float) -> dict[str, Any]:
        found = run(arm, draw, range(len(losses)), 50.0)
        for point, loss in zip(found["curve"], losses, strict=True):
            point["loss"] = loss
        return found

    assert loss_variation(falling("new", 0, 9, 9, 9, 4, 5, 6)) == pytest.approx(100 * 1 / 5)
    assert loss_variation(falling("new", 0, 9, 4, 5, 6)) is None, "two looks have no spread to speak of"
    records = [falling("new", n, 9, 9, 9, 5, 5, 5 + 0.1 * n) for n in range(5)]
    records += [falling("old", n, 9, 9, 9, 4, 5, 6 + 0.1 * n) for n in range(5)]
    asked = {key: value for key, value in difference().items() if not key.startswith("margin")}
    asked |= {"test": "estimate", "metric": "loss_variation", "direction": "less", "margin": 5.0}
    row = judge({**asked, "margin_reason": "visible"}, records)
    assert row.word == "supported" and row.mean < -15
