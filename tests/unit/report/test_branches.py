"""Tables of scales and branches on made-up records, and costs counted by hand."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import arms
from tiny_runs import tiny_config

from reproducible.config import Component
from reproducible.report import branches
from reproducible.resources import manifests
from reproducible.studies import Arm, Study
from reproducible.studies import study as by_name

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
    joined = branches.measure_table([ONE, TWO], runs()[:2], {"both": ("recall_at_1", "gate_cosine")})
    assert joined["both"].tolist() == ["55.0 / 5.0", "not run"]
    assert table["paper"].tolist() == [8.0, pytest.approx(float("nan"), nan_ok=True)]


def test_effects_are_paired() -> None:
    study = Study("tiny", "Tiny", lambda _: tiny_config(), {}, (ONE, TWO), (), ())
    other = replace(study, arms=(ONE,))
    table = branches.effect_table({"switch": (TWO, ONE)}, {"a": (study, runs()), "b": (study, []), "c": (other, [])})
    assert table.iloc[0].tolist() == ["switch", "Two - One", "+2.0 [-10.7, +14.7], n = 2", "not run", ""]


def test_the_ledger_says_what_each_choice_is_worth(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ledger.csv").write_text(
        "part,choice,paper,released,here,claim,compared\n"
        "model,gate,one,two,one,,two - one; three - one\n"
        "model,rate,1,2,1,D31,\n"
        "training,steps,1,2,1,,\n"
    )
    monkeypatch.setattr(branches, "manifests", lambda: tmp_path)
    study = Study("tiny", "Tiny", lambda _: tiny_config(), {}, (ONE, TWO), (), ())
    less = replace(study, arms=(ONE,))
    table = branches.ledger_table("model", {"a": [(less, []), (study, []), (study, runs())], "b": [(less, runs())]})
    assert table["choice"].tolist() == ["gate", "rate (D31)"]
    assert table["worth on a"].tolist() == ["Two: +2.0 [-10.7, +14.7], n = 2", ""]
    assert table["worth on b"].tolist() == ["", ""]
    assert branches.ledger_table("model", {"a": [(study, [])]})["worth on a"].tolist()[0] == "Two: not run"


def test_every_pair_of_the_ledger_is_declared_somewhere() -> None:
    declared = [
        {arm.name for arm in by_name(name).arms} for name in ("deml", "glyph_deml", "baseline", "glyph_baseline")
    ]
    with (manifests() / "ledger.csv").open(newline="", encoding="utf-8") as file:
        pairs = [pair for line in csv.DictReader(file) for pair in line["compared"].split("; ") if pair]
    assert pairs
    for pair in pairs:
        assert any(set(pair.split(" - ")) <= arms for arms in declared), pair


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
    made[1]["selected"]["test"]["learner_probe_above"] = [[80.0, 60.0], [0.0, 0.0]]
    table = branches.probe_table(made, {"a": "one", "b": "two"})
    assert table["learner"].tolist() == ["1", "2", "all"]
    assert table["a: base"].tolist() == ["50.5", "50.0", "60.0"]  # the second learner of the second draw comes first
    assert table["a: above"].tolist() == ["60.0", "70.0", "70.0"]  # and brings its marks along
    assert table["b: base"].dropna().tolist() == ["not run"]
    assert branches.probe_table([], {"a": "one"})["a: base"].tolist() == ["not run"]


def test_overlap_is_that_of_one_draw_and_of_the_first_scale() -> None:
    found = branches.overlap_of(runs(), "one", "gate_overlap", draw=1)
    assert found.tolist() == [[100, 10], [0, 100]]
    assert branches.overlap_of(runs(), "one", "gate_overlap").tolist() == [[100, 0], [0, 100]]
    assert branches.overlap_of([], "one", "gate_overlap") is None
    assert branches.overlap_of(runs(), "one", "learner_overlap") is None
    figure = branches.overlaps({"a": found, "b": np.eye(3)})
    assert [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes[:2]] == ["a", "b"]


def test_likeness_tells_copies_and_opposites_from_learners_that_are_apart() -> None:
    matrices = {
        "copies": [[100, 96, -94], [96, 100, -98], [-94, -98, 100]],
        "apart": [[100, 0, 0], [0, 100, 0], [0, 0, 100]],
    }
    three = Arm("one", "One", draws=2)
    for name, expected in (("copies", ("-32", "96", "33", "1.1 of 3")), ("apart", ("0", "0", "0", "3.0 of 3"))):
        made = runs()[:2]
        for run in made:
            run["selected"]["test"]["learner_overlap"] = [matrices[name]]
        row = branches.likeness_table([three], made).iloc[0]
        assert tuple(row)[2:] == expected
        assert row["draws"] == "2 of 2"
    assert branches.likeness_table([three], []).iloc[0].tolist() == ["One", "0 of 2", "not run"]


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
    steps = [
        {"study": name, "quantity": "two_time_ratio_to_one", "value": value}
        for name, value in (("other", "9"), ("tiny", "2.84"))
    ]
    monkeypatch.setattr(branches, "measurements", lambda: steps)
    table = branches.cost_table(study, [two, ONE], made, base="one")
    assert table["training step, times One"].tolist() == [2.84, 1]
    named = replace(study, arms=(*study.arms[:-1], replace(ONE, name="the-one")))
    again = branches.cost_table(named, [named.arm("the-one"), two], [], base="the-one")
    assert "training step, times One" not in again  # measured beside another
    steps.append({"study": "tiny", "quantity": "two_time_ratio_to_the_one", "value": "3"})
    again = branches.cost_table(named, [named.arm("the-one"), two], [], base="the-one")
    assert again["training step, times One"].tolist() == [1, 3]
    steps.pop()
    steps.pop()  # nothing measured of this study: no column
    assert "training step, times One" not in branches.cost_table(study, [two, ONE], made, base="one")
    assert table["minutes a run"].tolist() == ["9 (declared)", "2"]
    assert table["times One"].tolist() == [(low + high + 144) / (low + high + 72), 1]
