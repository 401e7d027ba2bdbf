"""What the claims read of declared studies is there: arms, enough runs, on their data, with their metrics."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import golden_curves
import pytest
from declared import LOOKED_AT, arms_of, served, untuned
from tiny_runs import register

from reproducible.studies import STUDIES
from reproducible.verdicts.contrasts import PRIMARY, REACHED, VARIATION
from reproducible.verdicts.criteria import decisive, load_claims
from reproducible.verdicts.judging import DATA


@pytest.fixture
def trunk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The small trunk, and a cache of its own."""
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path))
    register(monkeypatch)


def test_claims_read_declared_arms_with_enough_runs() -> None:
    found = list(served())
    assert found
    for claim, criterion, of in found:
        for name in arms_of(criterion):
            arm = of.arm(name)  # UserError where there is none
            runs = arm.extra_seeds if criterion["test"] == "seed_spread" else arm.draws
            assert runs >= criterion.get("n", 0), (
                f"{claim}: {name} has {runs} runs, the criterion wants {criterion['n']}"
            )


def test_claims_about_curves_read_arms_that_have_them() -> None:
    for claim, criterion, of in served():
        for name in arms_of(criterion):
            evaluation = untuned(of, of.arm(name)).evaluation
            if "peak" in (criterion.get("at"), *criterion.get("between", [])):
                assert evaluation.test_every > 0, f"{claim}: {name} has no curve on the test classes"
            if criterion.get("part") == "seen":
                assert evaluation.seen_every > 0, f"{claim}: {name} has no curve on the seen classes"


def test_claims_read_runs_on_their_data() -> None:
    """Runs on other data than the criterion names, or its level means, would not count."""
    for claim, criterion, of in served():
        if criterion["level"] != "paper" and criterion["test"] != "measured":
            data = criterion.get("data", DATA[criterion["level"]])
            for name in arms_of(criterion):
                assert untuned(of, of.arm(name)).data.name == data, f"{claim}: {name} is not on {data}"


def test_claims_read_metrics_that_their_arms_have(trunk: None) -> None:
    given = cache(golden_curves.given_by)
    for claim, criterion, of in served():
        if criterion.get("metric") not in (None, PRIMARY, REACHED, VARIATION, "seen_unseen_gap"):
            for name in arms_of(criterion):
                measures = untuned(of, of.arm(name)).evaluation.measures
                metrics = {metric for measure in measures for metric in given(measure)}
                assert criterion["metric"] in metrics, f"{claim}: no measure of {name} gives {criterion['metric']}"


def test_decisive_claims_need_tier_a_alone() -> None:
    claims = load_claims()
    for family, ids in claims.families.items():
        level = family.rsplit("-", 1)[1]
        for claim in (claims[i] for i in ids):
            criterion = claim.criteria[decisive(claim, level)]
            if criterion.get("study") in STUDIES and not set(arms_of(criterion)) & set(LOOKED_AT):
                of = STUDIES[criterion["study"]]
                assert {of.arm(name).tier for name in arms_of(criterion)} == {"A"}, claim.id
