"""The arms of DeML: each runs, differs from its control by its switch alone, and serves the claims."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from declared import arms_of, differences, served, untuned

from reproducible.config import RunConfig
from reproducible.studies import STUDIES, Study

GROCERIES, GLYPHS = STUDIES["deml"], STUDIES["glyph_deml"]
BOTH = pytest.mark.parametrize("of", [GROCERIES, GLYPHS], ids=lambda of: of.name)


def config(of: Study, name: str) -> RunConfig:
    return untuned(of, of.arm(name))


@pytest.mark.parametrize("name", ["u512", "u512-lact-printed", "u512-lact-tuned"])
def test_unified_arms_are_runs_of_the_baseline(name: str) -> None:
    """On glyphs of the same digest, so that they cost nothing again; on photographs of half the length."""
    ours, theirs = (of.config(name, 3) for of in (GLYPHS, STUDIES["glyph_baseline"]))
    assert replace(ours, study="") == replace(theirs, study="")
    ours, theirs = (of.config(name, 3) for of in (GROCERIES, STUDIES["baseline"]))
    assert 2 * ours.steps == theirs.steps
    assert {path for path in differences(ours, theirs) if not path.startswith("evaluation")} == {"steps"}


@pytest.mark.parametrize(
    ("name", "other"),
    [("object_attention", GROCERIES), ("glyph_object_attention", STUDIES["glyph_baseline"])],
)
def test_windows_change_what_the_network_sees_and_nothing_else(name: str, other: Study) -> None:
    of = STUDIES[name]
    plain = of.config("u512-full", 2)
    assert replace(plain, study="", arm="u512") == replace(other.config("u512", 2), study="")
    for arm in of.arms:
        found = of.config(arm, 2)
        changed = {path for path in differences(plain, found) if not path.startswith(("evaluation", "model"))}
        assert changed <= {"data.view_size", "data.inside", "steps"}, arm.name
        assert ("steps" in changed) == arm.name.startswith("untouched"), arm.name
        assert (found.data.view_size > 0) == ("oam" in arm.name or "random" in arm.name), arm.name
        assert (found.data.inside == "object") == arm.name.endswith("-box"), arm.name
    for control, switch in (("u512-random", "place"), ("u512-oam-trained-features", "looks")):
        assert differences(of.config("u512-oam", 2), of.config(control, 2)) == {f"model.options.{switch}"}


@BOTH
def test_arms_compared_see_the_same_pixels(of: Study) -> None:
    """All but those whose batch or input is the switch: the same windows, at the same size, in the same order."""
    other = {"u512-160", "u512-64", "u512-settings-of-deml", "u512-settings-of-u512", "deml-2-1-pairs"}
    for arm in of.arms:
        if arm.name not in other:
            base = config(of, "u512-long" if arm.name.endswith("-long") else "u512")
            found = untuned(of, arm)
            assert replace(found.data, view_size=0, boxes=False) == base.data, arm.name
            assert (found.steps, found.optimiser, found.seed) == (base.steps, base.optimiser, base.seed), arm.name


@BOTH
def test_controls_of_object_attention_differ_in_what_the_next_scale_sees(of: Study) -> None:
    for scales in (2, 3):
        for name in ("full-image", "centre-zoom", "random-zoom"):
            if f"{name}-{scales}" in {arm.name for arm in of.arms}:
                found = differences(config(of, f"deml-{scales}-1"), config(of, f"{name}-{scales}"))
                assert found == {"model.options.zoom", "evaluation.measures"}


@BOTH
@pytest.mark.parametrize("branches", [4, 8])
def test_arms_of_diversity_differ_in_the_objective_alone(of: Study, branches: int) -> None:
    base = config(of, f"deml-1-{branches}")
    for name in ("no-adversary", "hinge"):
        found = config(of, f"deml-1-{branches}-{name}")
        looks = {"evaluation.test_every", "evaluation.seen_every"}
        assert differences(base, found) - looks == {"objective"}
        kinds = {term.name for term in found.objective}
        assert kinds - {"push_apart"} == {"binomial_deviance", "activation_decay", "unit_rows"}
        assert ("push_apart" in kinds) == (name == "hinge")
    pairs = branches * (branches - 1) / 2
    (apart,) = (term for term in config(of, f"deml-1-{branches}-hinge").objective if term.name == "push_apart")
    assert apart.options["weight"] * pairs == pytest.approx(0.2 * 3)  # as the released network of three branches
    (rival,) = (term for term in base.objective if term.name == "adversary")
    assert rival.options["dim"] == base.model.options["dim"] // branches
    assert rival.options["rise"] == 2 * base.steps // 3


@BOTH
def test_one_gate_is_all_that_deml_1_1_adds(of: Study) -> None:
    one, plain = config(of, "deml-1-1"), config(of, "u512-lact-tuned")
    kept = {path for path in differences(one, plain) if not path.startswith(("model", "evaluation"))}
    assert kept == set()


@pytest.mark.parametrize(
    "name", ["u512", "u512-lact-tuned", "deml-1-1", "deml-1-8", "deml-1-8-no-adversary", "deml-2-1"]
)
def test_longer_runs_begin_as_the_shorter_ones(name: str) -> None:
    """The same objective, ramp of the reversal included, and looks at the same steps."""
    short, long = config(GLYPHS, name), config(GLYPHS, f"{name}-long")
    assert differences(short, long) <= {"steps", "evaluation.test_every", "evaluation.seen_every"}
    assert (long.steps, long.evaluation.every) == (4 * short.steps, short.evaluation.every)
    assert long.evaluation.test_every > 0


@pytest.mark.parametrize("branches", [1, 4, 8])
def test_frozen_statistics_are_all_that_differs(branches: int) -> None:
    moving, frozen = (config(GLYPHS, f"deml-1-{branches}{more}") for more in ("", "-frozen-statistics"))
    looks = {"evaluation.test_every", "evaluation.seen_every"}
    assert differences(moving, frozen) - looks == {"backbone.options.batch_statistics"}


def test_released_model_is_the_released_one() -> None:
    found = config(GROCERIES, "deml-3-3-released")
    terms = {term.name: dict(term.options) for term in found.objective}
    assert found.data.view_size == 0
    assert found.model.options["gate"] == "unpooled"
    assert (found.model.options["at"], found.model.options["layers"]) == ("4b", ["5b"])
    assert found.model.options["locality"] == 0.15
    assert terms["binomial_deviance"]["gamma"] == 35
    assert terms["push_apart"] == {"branches": 3, "weight": 0.2, "margin": 2.0}
    assert terms["activation_decay"] == {"weight": 0.014, "released": True}
    # Of each scale's metric loss, which is a third of the whole here, and of a matrix that three learners share:
    assert terms["unit_rows"]["weight"] * 3 * 3 == pytest.approx(0.5 / 56)
    assert "adversary" not in terms


def test_glyphs_have_a_quarter_of_the_dimensions() -> None:
    for arm in GLYPHS.arms:
        if arm.name in {a.name for a in GROCERIES.arms}:
            own, printed = (config(of, arm.name).model.options for of in (GLYPHS, GROCERIES))
            assert 4 * own["dim"] == printed["dim"]
            assert own.get("hidden", 16) == 16


MEASURED = {
    "learner_cosine": "branches",
    "gate_cosine": "branches",
    "attribute_probe_map": "attributes",
    "gate_attribute_selectivity": "attributes",
}


def test_claims_about_measures_read_arms_that_take_them() -> None:
    found = set()
    for claim, criterion, of in served():
        if of in (GROCERIES, GLYPHS) and criterion.get("metric") in MEASURED:
            found.add(criterion["metric"])
            for name in arms_of(criterion):
                assert MEASURED[criterion["metric"]] in config(of, name).evaluation.measures, f"{claim}: {name}"
    assert found == set(MEASURED)


def test_claims_about_the_gap_read_arms_that_look_at_seen_classes() -> None:
    found = []
    for claim, criterion, of in served():
        if criterion.get("metric") == "seen_unseen_gap" and of in (GROCERIES, GLYPHS):
            for name in arms_of(criterion):
                found.append(name)
                assert config(of, name).evaluation.seen_every > 0, f"{claim}: {name}"
    assert found


def test_claims_about_a_scale_read_arms_that_search_it() -> None:
    found: list[Any] = []
    for claim, criterion, of in served():
        for named in (name for name in criterion.get("arms", []) if "/" in name):
            arm, feature = named.split("/")
            found.append(named)
            assert feature in config(of, arm).evaluation.features, f"{claim}: {named}"
            assert criterion["at"] == "selected"
    three = {f"deml-3-1/scale_{scale}" for scale in (1, 2, 3)} | {"centre-zoom-3/scale_3"}
    assert three | {"deml-2-1/scale_2", "deml-2-1/scale_1", "centre-zoom-2/scale_2"} == set(found)
