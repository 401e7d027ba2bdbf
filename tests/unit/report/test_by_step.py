"""Recall against steps: the mean of what all draws looked at, what was selected, and what has not run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_up import record

from reproducible.report import by_step

PAIR = ("baseline", "u512-lact-printed", "u512")


def run(arm: str, draw: int, values: dict[int, float], chosen: int) -> dict[str, Any]:
    """A run that looks at steps; MAP@R is 40 less than Recall@1."""

    def look(step: int) -> dict[str, Any]:
        return {"recall_at_1": values[step] + draw, "map_at_r": values[step] + draw - 40}

    curve = [{"step": step, "validation": look(step), "test": look(step)} for step in values]
    selected = {"step": chosen, "not_converged": False, "test": look(chosen)}
    last = {"step": max(values), "test": look(max(values))}
    bare = {"test": {"recall_at_1": 50.0, "map_at_r": 12.0}}
    return record(arm, draw, 50.0, seed=draw, curve=curve, selected=selected, last=last, untouched=bare)


RUNS = [run("u512-lact-printed", draw, {0: 40.0, 50: 60.0, 100: 58.0}, 50) for draw in range(3)]
RUNS += [run("u512", draw, {0: 41.0} | ({50: 65.0} if draw else {}) | {100: 70.0}, 100) for draw in range(3)]


def test_pairs_that_decide_are_those_of_the_claims() -> None:
    assert by_step.pairs_on_page("baseline", "real") == [PAIR]
    assert ("deml", "deml-1-4", "deml-1-4-hinge") in by_step.pairs_on_page("channel-attention", "real")
    untrained = {arm for _, *arms in by_step.pairs_on_page("object-attention", "controlled") for arm in arms}
    assert untrained == {"u512-box", "u512-full"}  # frozen and untouched networks have no steps
    assert by_step.pairs_on_page("reproduce", "real") == []


def test_means_are_of_the_steps_that_every_draw_looked_at() -> None:
    figure = by_step.recall_by_step([PAIR], {"baseline": RUNS})
    left, right = figure.axes
    assert left.get_title(loc="left") == "R@1 of unseen classes at 100 steps"
    treatment, chosen, control, *_ = left.lines
    assert treatment.get_xdata().tolist() == [0, 50, 100]
    assert treatment.get_ydata().tolist() == [41, 61, 59]
    assert control.get_xdata().tolist() == [0, 100], "draw 0 has no look at step 50"
    assert np.asarray(chosen.get_ydata()).tolist() == [60, 61, 62]
    assert np.asarray(chosen.get_xdata()) == pytest.approx([50, 50, 50], abs=2)
    assert right.lines[0].get_ydata().tolist() == [1, 21, 19]
    assert [line.get_ydata()[0] for line in left.lines if line.get_label() == "untouched"] == [50]


def test_what_has_not_run_says_so() -> None:
    (axes,) = by_step.recall_by_step([PAIR], {"baseline": []}).axes
    assert axes.texts[0].get_text() == "recall against steps: not run"
    one = by_step.recall_by_step([PAIR], {"baseline": RUNS[:3]})
    assert one.axes[0].get_legend().get_texts()[0].get_text() == "U512 + L_act, printed (3)"
