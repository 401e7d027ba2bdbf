"""Tables of scales and branches on made-up records, and costs counted by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_up import arms
from tiny_runs import tiny_config

from reproducible.config import Component
from reproducible.report import branches
from reproducible.studies import Arm, Study

ONE, TWO = Arm("one", "One", draws=2, minutes=7), Arm("two", "Two", draws=2, minutes=9)


def runs() -> list[dict[str, Any]]:
    made = arms(one=[50, 60], two=[51, 63])
    for run in made:
        run["seed"] = run["draw"]
        run["selected"]["test"]["gate_overlap"] = [[[100.0, 10.0 * run["draw"]], [0.0, 100.0]]]
        run["selected"]["test"]["gate_cosine"] = 10.0 * run["draw"]
        features = {"embedding": 0.0, "scale_1": 40.0 + run["draw"], "scale_2": 45.0}
        points = {name: {"test": {"recall_at_1": value}} for name, value in features.items()}
        run["selected"]["further"] = {"first": {"features": points}, "second": {"features": {}}}
    return made


def test_measures_stand_beside_what_was_published() -> None:
    table = branches.measure_table([ONE, TWO], runs()[:2], {"cosine": "gate_cosine"}, {"paper": {"one": 8.0}})
    assert table["draws"].tolist() == ["2 of 2", "0 of 2"]
    assert table["cosine"].tolist() == ["5.0 [-58.5, 68.5]", "not run"]
    both = branches.measure_table([ONE], runs(), {"cosine": "gate_cosine", "other": "not_measured"})
    assert both["other"].tolist() == [""]
    assert table["paper"].tolist() == [8.0, pytest.approx(float("nan"), nan_ok=True)]


def test_effects_are_paired() -> None:
    study = Study("tiny", "Tiny", lambda _: tiny_config(), {}, (ONE, TWO), (), ())
    other = replace(study, arms=(ONE,))
    table = branches.effect_table({"switch": (TWO, ONE)}, {"a": (study, runs()), "b": (study, []), "c": (other, [])})
    assert table.iloc[0].tolist() == ["switch", "Two - One", "+2.0 [-10.7, +14.7], n = 2", "not run", ""]


def test_terms_at_three_looks() -> None:
    made = runs()[:2]
    for run in made:
        run["curve"] = [{"step": i, "terms": {"game": i + run["draw"]}} for i in range(5)]
    study = Study("tiny", "Tiny", lambda _: tiny_config(), {}, (ONE, TWO), (), ())
    table = branches.term_table((study, made), ("one", "two"), "game", "here")
    assert table.iloc[0].tolist() == ["One", "here", "0.50", "2.50", "4.50"]
    assert table.iloc[1].tolist()[2:] == ["not run"] * 3


def test_scales_are_those_of_the_primary_protocol() -> None:
    assert branches.by_scale(runs(), "one") == {"scale_1": {0: 40.0, 1: 41.0}, "scale_2": {0: 45.0, 1: 45.0}}
    table = branches.scale_table([ONE, TWO], runs()[:2], {"CUB": {"two": "54 / 58"}})
    assert table["1st / 2nd / 3rd scale"].tolist() == ["40.5 / 45.0", "not run"]
    assert table["CUB"].tolist() == ["", "54 / 58"]


def test_probes_stand_learner_by_learner() -> None:
    made = runs()[:2]
    for run in made:
        for part, own in (("base", 50.0), ("above", 60.0), ("below", 70.0)):
            run["selected"]["test"][f"learner_probe_{part}"] = [[own, own + run["draw"]], [0.0, 0.0]]
            run["selected"]["test"][f"probe_{part}"] = own + 10
    table = branches.probe_table(made, {"a": "one", "b": "two"})
    assert table["learner"].tolist() == ["1", "2", "all"]
    assert table["a: above"].tolist() == ["60.0", "60.5", "70.0"]
    assert table["b: base"].dropna().tolist() == ["not run"]
    assert branches.probe_table([], {"a": "one"})["a: base"].tolist() == ["not run"]


def test_overlap_is_the_mean_over_draws_of_the_first_scale() -> None:
    found = branches.overlap_of(runs(), "one", "gate_overlap")
    assert found.tolist() == [[100, 5], [0, 100]]
    assert branches.overlap_of([], "one", "gate_overlap") is None
    figure = branches.overlaps({"a": found, "b": np.eye(3)})
    assert [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes[:2]] == ["a", "b"]


def test_costs_are_those_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small trunk on 32 pixels, layer by layer."""
    from tiny_runs import register

    register(monkeypatch)

    def build(params: Any) -> Any:
        return replace(tiny_config(), model=Component("unified", {"dim": params["dim"]}))

    two = replace(TWO, params={"dim": 12})
    study = Study("tiny", "Tiny", build, {"dim": 6}, (ONE, two), (), ())
    low, high = 8 * 8 * 8 * (3 * 16), 12 * 4 * 4 * (8 * 4)  # positions x channels x products of each
    trunk = (3 * 16 + 1) * 8 + (8 * 4 + 1) * 12
    assert branches.cost(study, ONE) == (trunk + 12 * 6, 2 * (low + high + 12 * 6))
    made = runs()[:2]
    for run in made:
        run["environment"] = {"seconds": 120.0 + run["draw"]}
    table = branches.cost_table(study, [two, ONE], made, base="one")
    assert table["minutes a run"].tolist() == ["9 (declared)", "2"]
    assert table["times One"].tolist() == [(low + high + 144) / (low + high + 72), 1]
