"""The arms of VEM differ from the margin loss by their switch alone."""

from __future__ import annotations

from typing import Any

import pytest
from declared import arms_of, differences, served, untuned

from reproducible import registry
from reproducible.studies import STUDIES, Study
from reproducible.studies.base import TUNING_DRAW

GROCERIES, GLYPHS = STUDIES["vem"], STUDIES["glyph_vem"]
BOTH = pytest.mark.parametrize("of", [GROCERIES, GLYPHS], ids=lambda of: of.name)
LOOKS = {f"evaluation.{f}" for f in ("test_every", "seen_every", "measures", "keep")}
MODEL = {"model.name", *(f"model.options.{o}" for o in ("gate", "place", "positions", "std"))}
MODEL |= {f"model.options.{o}" for o in ("detach_variance", "detach_gate", "scale")}


@BOTH
def test_arms_differ_from_their_baseline_by_model_and_objective_alone(of: Study) -> None:
    for arm in of.arms:
        control = "brief" if arm.name.startswith("brief") else "margin-long" if arm.name.endswith("long") else "margin"
        base = untuned(of, of.arm(control))
        allowed = MODEL | {"objective"} | ({"model.options.dim"} if "-d" in arm.name else set())
        if "efficientnet" in arm.name:
            allowed |= {"backbone.name", "optimiser.lr"}
        assert differences(base, untuned(of, arm)) - LOOKS <= allowed, arm.name


@BOTH
def test_controls(of: Study) -> None:
    def of_arm(name: str) -> tuple[Any, dict[str, Any]]:
        config = untuned(of, of.arm(name))
        return config.model, {term.name: dict(term.options) for term in config.objective}

    lvar = {"penalty": {"name": "L_var", "weight": 1.0}}
    plain, losses = of_arm("margin")
    assert (plain.name, losses) == ("unified", {"margin": {}})
    vem, losses = of_arm("margin-vem")
    assert (vem.options["gate"], losses) == ("variance", {"margin": {}, **lvar})
    gate_only, losses = of_arm("margin-gate-only")
    assert (gate_only, losses) == (vem, {"margin": {}})
    lvar_only, losses = of_arm("margin-lvar-only")
    assert (lvar_only.options["gate"], losses) == ("none", {"margin": {}, **lvar})
    assert not lvar_only.options["detach_variance"]  # with the stop it would be the plain model
    half, losses = of_arm("margin-half-gate")
    assert (half.options["gate"], half.options["std"], losses) == ("fixed", 0.0, {"margin": {}})
    lact, losses = of_arm("margin-lact")
    assert (lact, losses.keys()) == (plain, {"margin", "activation_decay", "unit_rows"})


def test_dimensions_of_glyphs_are_a_quarter() -> None:
    for arm in GLYPHS.arms:
        if arm.name in {a.name for a in GROCERIES.arms}:
            own, printed = (untuned(of, of.arm(arm.name)).model.options["dim"] for of in (GLYPHS, GROCERIES))
            assert 4 * own == printed


def test_positions_are_those_of_the_last_map() -> None:
    import torch

    config = untuned(GLYPHS, GLYPHS.arm("margin-vem-positions"))
    trunk = registry.build("backbone", config.backbone.name, **config.backbone.options)
    side = config.data.input_size
    last = trunk(torch.zeros(1, 3, side, side))[trunk.last]
    assert config.model.options["positions"] == last.shape[2] * last.shape[3]


def test_claims_about_the_gap_read_arms_that_look_at_both() -> None:
    for claim, criterion, of in served():
        if criterion.get("metric") == "seen_unseen_gap" and of in (GROCERIES, GLYPHS):
            for name in arms_of(criterion):
                look = untuned(of, of.arm(name)).evaluation
                assert min(look.test_every, look.seen_every) > 0, f"{claim}: {name}"


MEASURED = {
    "variance_fisher_correlation": "variances",
    "relative_variance_error": "variances",
    "batch_variance_relative_error": "variances",
    "discarded_gate_share": "gate",
}


def test_claims_about_measures_read_arms_that_take_them() -> None:
    found = set()
    for claim, criterion, of in served():
        metric = criterion.get("metric")
        if metric in MEASURED:
            found.add(metric)
            for name in arms_of(criterion):
                assert MEASURED[metric] in untuned(of, of.arm(name)).evaluation.measures, f"{claim}: {name}"
    assert found == set(MEASURED)


@BOTH
def test_budget_of_tuning(of: Study, trials: Any) -> None:
    trials("baseline-1")
    assert {t.name: len(t.candidates) for t in of.tunings} in ({"baseline": 6}, {"baseline": 6, "efficientnet": 3})
    for tuning in of.tunings:
        for config in of.trials(tuning):
            assert config.data.draw == TUNING_DRAW
            assert not config.evaluation.test
            assert config.evaluation.every == untuned(of, of.arm(tuning.arm)).evaluation.every


def test_efficientnet_has_a_rate_of_its_own(trials: Any) -> None:
    trials("baseline-1", "efficientnet-2")
    rates = {name: GROCERIES.config(name, 0).optimiser for name in ("margin-vem-efficientnet", "margin-efficientnet")}
    assert len(set(rates.values())) == 1
    assert rates["margin-efficientnet"].lr == GROCERIES.tunings[1].candidates[2]["lr"]
    assert GROCERIES.config("margin", 0).optimiser.lr == GROCERIES.tunings[0].candidates[1]["lr"]
