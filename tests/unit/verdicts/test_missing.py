"""What is not run, and what it takes: counted against the declarations by hand."""

from __future__ import annotations

from dataclasses import replace

from made_up import arms

from reproducible.studies import STUDIES
from reproducible.verdicts.claims import all_rows
from reproducible.verdicts.criteria import ClaimSet, load_claims
from reproducible.verdicts.missing import missing, needs, undecided
from reproducible.verdicts.table import by_level


def small(*ids: str) -> ClaimSet:
    """A set of these claims, without families."""
    return ClaimSet(1, {}, tuple(load_claims()[name] for name in ids))


def test_hours_are_those_of_the_arms_and_draws_that_lack() -> None:
    claims = small("D03")
    (one,) = (m for m in missing(claims, all_rows(claims, {}), {}) if m.level == "real")
    names = {name for c in claims["D03"].criteria if c["level"] == "real" and "role" not in c for name in c["arms"]}
    declared = [arm for arm in STUDIES["baseline"].arms if arm.name in names]
    assert (one.study, one.claims, one.arms, one.undeclared) == ("baseline", ("D03",), len(names), ())
    assert one.runs == 5 * len(names)
    assert one.hours == sum(5 * arm.minutes for arm in declared) / 60


def test_runs_that_are_there_are_not_missing() -> None:
    claims = small("D03")
    name = next(c for c in claims["D03"].criteria if c["level"] == "real" and "role" not in c)["arms"][0]
    there = [{**record, "seed": record["draw"]} for record in arms(**{name.replace("-", "_"): [50.0, 51.0, 52.0]})]
    records = {"baseline": there}
    before, after = (missing(claims, all_rows(claims, given), given) for given in ({}, records))
    assert sum(m.runs for m in before) - sum(m.runs for m in after) == 3


def test_an_arm_that_no_study_declares_is_named() -> None:
    (claim,) = small("D03").claims
    real = next(c for c in claim.criteria if c["level"] == "real" and "role" not in c)
    claims = ClaimSet(1, {}, (replace(claim, criteria=({**real, "arms": ["u512", "no-such-arm"]},)),))
    (one,) = missing(claims, all_rows(claims, {}), {})
    assert (one.arms, one.undeclared) == (1, ("no-such-arm",))


def test_needs_are_said_once_with_their_claims() -> None:
    claims = small("V11", "V19")
    assert needs(by_level(all_rows(claims, {}))) == {"In-Shop Clothes": [("V11", "paper"), ("V19", "paper")]}


def test_a_claim_is_undecided_until_one_level_has_run() -> None:
    claims = small("D04", "V18", "D05")
    waiting, authors = undecided(by_level(all_rows(claims, {})))
    assert (waiting, authors) == (["D04"], ["D04", "V18"])  # D05 is derived; V18 has no experiment
    gained = arms(u512=[50.0, 51.0, 52.0, 53.0, 54.0], u512_lact_printed=[60.0, 61.0, 62.0, 63.0, 64.0])
    assert undecided(by_level(all_rows(claims, {"baseline": gained})))[0] == []
