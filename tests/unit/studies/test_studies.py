"""Studies: their declarations are consistent, their runs are counted, what is tuned comes from records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from declared import differences, untuned

from reproducible import records
from reproducible.config import RunConfig, from_dict
from reproducible.data.store import open_store
from reproducible.resources import UserError
from reproducible.studies import STUDIES, Study, study
from reproducible.studies.arms import Arm, Tuning, first, planned
from reproducible.studies.base import TUNING_DRAW
from reproducible.studies.benchmarks import GROCERIES
from reproducible.training.evaluate import looked_at
from reproducible.training.sets import build_sets

BASELINE = replace(STUDIES["baseline"], live=("u512-lact-printed", "u512"))


@pytest.mark.parametrize("of", STUDIES.values(), ids=STUDIES)
def test_declarations_are_consistent(of: Study) -> None:
    names = [arm.name for arm in of.arms]
    assert len(set(names)) == len(names)
    assert of.name in STUDIES
    assert set(of.live) <= {arm.name for arm in of.arms if arm.tier == "A"}
    tunings = {tuning.name for tuning in (of.tuned_by or of).tunings}
    for arm in of.arms:
        assert arm.tier in ("A", "B")
        assert arm.minutes > 0, f"{arm.name} has no measured cost"
        assert set(arm.tuned) <= tunings
        known = {**arm.fixed, **of.defaults}
        assert set(arm.params) <= set(known), f"{arm.name} sets a parameter that the study does not know"
        config = untuned(of, arm)
        assert config.steps % config.evaluation.every == 0
    for tuning in of.tunings:
        known = {**of.arm(tuning.arm).fixed, **of.defaults}
        assert all(set(candidate) <= set(known) for candidate in tuning.candidates)


# --- tuning ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", [STUDIES["baseline"], STUDIES["glyph_baseline"]], ids=lambda of: of.name)
def test_budgets_of_tuning(of: Study) -> None:
    """Six trials for the baseline; an arm that differs by a switch tunes only its own parameter, in three."""
    sizes = {t.name: len(t.candidates) for t in of.tunings}
    assert sizes == {"baseline": 6, "lact-512": 3, "lact-64": 3}
    for tuning in of.tunings[1:]:
        assert {key for candidate in tuning.candidates for key in candidate} == {"lact"}


@pytest.mark.parametrize("winner", range(6))
def test_baseline_takes_the_trial_that_won(trials: Any, winner: int) -> None:
    trials(f"baseline-{winner}")
    best = BASELINE.tunings[0].candidates[winner]
    for name in ("u512", "u64", "u512-lact-printed", "u384"):
        config = BASELINE.config(name, 2)
        assert config.optimiser.lr == best["lr"]
        assert config.optimiser.head_multiplier == best["head"]
        assert config.objective[0].options["gamma"] == best["gamma"]


@pytest.mark.parametrize("winner", range(3))
def test_weight_of_activation_decay_comes_from_its_own_trials(trials: Any, winner: int) -> None:
    trials(f"lact-512-{winner}", f"lact-64-{2 - winner}", "baseline-1")
    weights = [candidate["lact"] for candidate in BASELINE.tunings[1].candidates]

    def weight(name: str) -> float:
        terms = {term.name: term.options for term in BASELINE.config(name, 0).objective}
        return terms["activation_decay"]["weight"]

    assert weight("u512-lact-tuned") == weight("u192-lact-tuned") == weight("u384-lact-tuned") == weights[winner]
    assert weight("u64-lact-tuned") == weights[2 - winner]
    assert weight("u512-lact-printed") == 0.014  # as the document prints it, whatever was tuned


def test_first_of_equal_trials_wins(trials: Any) -> None:
    trials("baseline-2", "baseline-4")
    assert BASELINE.best("baseline") == BASELINE.tunings[0].candidates[2]


def test_trials_that_were_not_run_are_named_with_the_command(trials: Any) -> None:
    trials("baseline-0", without="baseline-3")
    with pytest.raises(UserError, match="Trial baseline-3 has not been run; first: reproducible study tune baseline"):
        BASELINE.config("u512", 0)
    with pytest.raises(UserError, match="reproducible study tune baseline"):
        BASELINE.runs("standard")
    with pytest.raises(UserError, match="reproducible study tune baseline"):
        BASELINE.runs("quick")


def test_trials_see_validation_classes_only(trials: Any) -> None:
    trials("baseline-1")
    for tuning in BASELINE.tunings:
        configs = BASELINE.trials(tuning)
        assert [c.arm for c in configs] == [f"{tuning.name}-{i}" for i in range(len(tuning.candidates))]
        for config in configs:
            assert config.study == "baseline_tuning"
            assert not config.evaluation.test
            assert config.evaluation.seen_every == 0
            assert config.data.draw == TUNING_DRAW
    draws = {config.data.draw for config in BASELINE.runs("standard", "AB")}
    assert TUNING_DRAW not in draws


def test_trials_differ_by_their_candidate_alone(trials: Any) -> None:
    trials("baseline-1")
    for tuning, paths in zip(
        BASELINE.tunings,
        ({"optimiser.lr", "optimiser.head_multiplier", "objective"}, {"objective"}, {"objective"}),
        strict=True,
    ):
        first, *others = BASELINE.trials(tuning)
        for other in others:
            assert differences(first, other) <= paths
    switched = BASELINE.trials(BASELINE.tunings[1])[0]
    best = BASELINE.tunings[0].candidates[1]
    assert (switched.optimiser.lr, switched.optimiser.head_multiplier) == (best["lr"], best["head"])


def test_trials_of_the_baseline_need_no_records(trials: Any) -> None:
    assert len(BASELINE.trials(BASELINE.tunings[0])) == 6


# --- runs ------------------------------------------------------------------------------------------------------------


def test_standard_runs_of_tier_a(trials: Any) -> None:
    """Five arms on five draws, five more seeds of one of them; the decisive pair comes first, draw by draw."""
    trials("baseline-0")
    runs = BASELINE.runs("standard")
    assert len(runs) == 5 * 5 + 5
    assert len({(r.arm, r.data.draw, r.seed) for r in runs}) == 30
    assert [r.arm for r in runs[:4]] == [*sorted(BASELINE.live)] * 2
    assert [r.data.draw for r in runs[:10]] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert all(r.seed == r.data.draw for r in runs[:25])
    assert [(r.arm, r.data.draw, r.seed) for r in runs[25:]] == [("u512", 0, seed) for seed in range(1, 6)]
    assert {r.arm for r in runs} == {"u512", "u512-lact-printed", "u512-lact-tuned", "u64", "u64-lact-tuned"}


def test_standard_runs_of_tier_b_are_declared(trials: Any) -> None:
    trials("baseline-0")
    runs = BASELINE.runs("standard", "B")
    assert len(runs) == 12 * 5
    assert {len(BASELINE.runs("standard", "AB")), len(runs) + 30} == {90}


def test_arms_differ_from_the_baseline_by_their_switch_alone(trials: Any) -> None:
    trials("baseline-4", "lact-512-1", "lact-64-1")
    base = BASELINE.config("u512", 1)
    curves = {"evaluation.test_every", "evaluation.seen_every"}  # looking changes nothing
    expected = {
        **{f"u{d}": {"model.options.dim"} for d in (64, 192, 384)},
        **{f"u{d}-lact-tuned": {"model.options.dim", "objective"} for d in (64, 192, 384)},
        **{f"u512-wd-{rate}": {"optimiser.weight_decay"} for rate in ("0", "1e-3", "1e-2")},
        "u512-printed": {"objective", "optimiser.lr", "optimiser.head_multiplier"},
        "u512": set(),
    }
    for arm in BASELINE.arms:
        found = differences(base, BASELINE.config(arm, 1)) - curves
        assert found == expected.get(arm.name, {"objective"}), arm.name


def test_parts_of_activation_decay(trials: Any) -> None:
    trials("baseline-0")

    def terms(name: str) -> dict[str, Any]:
        return {term.name: dict(term.options) for term in BASELINE.config(name, 0).objective[1:]}

    assert terms("u512") == {}
    assert terms("u512-lact-printed") == {"activation_decay": {"weight": 0.014}, "unit_rows": {"weight": 0.25}}
    assert terms("u512-activation-only") == {"activation_decay": {"weight": 0.014}}
    assert terms("u512-ntri-only") == {"unit_rows": {"weight": 0.25}}
    assert terms("u512-orthogonal") == {"orthogonality": {"weight": 0.25}}
    released = {"activation_decay": {"weight": 0.014, "released": True}, "unit_rows": {"weight": 0.25 / 512}}
    assert terms("u512-lact-released") == released


def test_quick_trains_the_live_pair_as_far_as_its_records_can_be_compared(trials: Any) -> None:
    trials("baseline-0")
    for of in STUDIES.values():
        quick = of.runs("quick")
        assert tuple(r.arm for r in quick) == of.live
        for run in quick:
            recorded = of.config(run.arm, 0)
            assert (run.data, run.seed, run.optimiser) == (recorded.data, recorded.seed, recorded.optimiser)
            assert differences(run, recorded) <= {
                "steps",
                *(f"evaluation.{f}" for f in ("every", "test_every", "seen_every", "start", "measures")),
            }
            assert run.steps == of.live_steps <= recorded.steps
            assert recorded.evaluation.test_every > 0
            assert run.steps % recorded.evaluation.test_every == 0
            assert run.evaluation.test_every == run.steps


def images(run: RunConfig, shown: dict[str, int], untouched: bool) -> int:
    """Images that a run passes through the network; a training image counts as three: forward, and backward twice.

    Args:
        run: on a data set that ships.
        shown: images of each role that runs look at.
        untouched: whether the untouched network has to be looked at as well, once for a class draw.
    """
    looks, steps = run.evaluation, run.steps
    often = {"validation": looks.every, "test": looks.test_every or steps, "seen": looks.seen_every}
    trained = steps * run.data.classes_per_batch * run.data.images_per_class
    return 3 * trained + sum(shown[role] * (steps // every + untouched) for role, every in often.items() if every)


def test_quick_is_quick(trials: Any) -> None:
    """At most 6 minutes of one core a study and 20 in all, on a core without bf16 units, by what whole runs cost."""
    trials("baseline-0")
    cost = {}
    for of in (one for one in STUDIES.values() if one.live):
        whole = of.config(of.live[0], 0)
        roles = build_sets(whole, open_store(whole.data.name)).evaluation
        shown = {role: len(looked_at(sets)) for role, sets in roles.items()}
        cost[of.name] = sum(
            of.arm(run.arm).minutes * images(run, shown, number == 0) / images(of.config(run.arm, 0), shown, True)
            for number, run in enumerate(of.runs("quick"))
        )
    assert max(cost.values()) <= 6, cost
    assert sum(cost.values()) <= 20, cost


@pytest.mark.parametrize("of", STUDIES.values(), ids=STUDIES)
def test_declared_costs_are_the_measured_ones(of: Study) -> None:
    """Within a quarter of the fastest run on the kind of core declared: a busy machine does not count."""
    known = records.load(of.name)
    for arm in of.arms:
        seconds = [
            r["environment"]["seconds"] for r in known if r["arm"] == arm.name and r["environment"]["device"] == "AVX2"
        ]
        if seconds:
            assert 0.75 <= min(seconds) / 60 / arm.minutes <= 1.25, arm.name


def test_smoke_runs_every_arm_for_a_few_steps_and_needs_no_records(trials: Any) -> None:
    for of in STUDIES.values():
        runs = of.runs("smoke")
        assert [r.arm for r in runs] == [arm.name for arm in of.smoke_arms]
        assert set(of.live) <= {r.arm for r in runs}, "a page runs its live pair at profile smoke"
        for run in runs:
            assert run.precision == "fp32"
            assert run.steps <= 2
            assert run.data.limit_classes <= 6
            assert run.data.classes_per_batch <= run.data.limit_classes
            assert run.evaluation.test_every > 0
            assert run.data.name.partition("-")[0] in ("groceries", "glyphs"), "it does not ship"
    assert all(of.smoke_arms or of.tuned_by or of.profile == "large" for of in STUDIES.values())


def test_runs_on_data_that_do_not_ship_belong_to_profile_large() -> None:
    for of in STUDIES.values():
        assert (of.profile == "large") == any(not arm.ships for arm in of.arms)
        other = "large" if of.profile == "standard" else "standard"
        with pytest.raises(UserError, match=f"Study '{of.name}' has no runs of profile '{other}'; its own is"):
            of.runs(other)


def test_unknown_names() -> None:
    with pytest.raises(UserError, match=r"There is no study 'baselin'. Did you mean 'baseline'\?"):
        study("baselin")
    with pytest.raises(UserError, match=r"Study 'baseline' has no arm 'u521'. Did you mean 'u512'\? Known: "):
        BASELINE.arm("u521")
    misspelt = Arm("u512", "U512", {"gama": 5.0})
    with pytest.raises(UserError, match=r"baseline/u512: unknown key 'gama'. Did you mean 'gamma'\?"):
        BASELINE.params(misspelt)
    with pytest.raises(UserError, match=r"A plan for groceries names the arm 'u521'. Did you mean 'u512'\?"):
        planned(GROCERIES, BASELINE.arms, first("u64 u521", 9))
    wrong = replace(BASELINE, tunings=(Tuning("baseline", "u512", ({"haed": 2.0},)),))
    with pytest.raises(UserError, match=r"baseline/baseline-0: unknown key 'haed'. Did you mean 'head'\?"):
        wrong.trials(wrong.tunings[0])


# --- what is committed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", STUDIES.values(), ids=STUDIES)
def test_committed_records_are_of_the_declared_arms(of: Study) -> None:
    """An arm or a tuned value that changed leaves no stale record behind."""
    for found in records.load(of.name):
        config = of.config(found["arm"], found["draw"], found["seed"])
        ran = from_dict(RunConfig, found["config"])
        assert ran == replace(config, study="", arm="", precision=ran.precision), (found["arm"], found["draw"])
    declared = {config.arm: config for tuning in of.tunings for config in _trials(of, tuning)}
    for found in [] if of.tuned_by else records.load(of.tuning_records):
        ran = from_dict(RunConfig, found["config"])
        assert ran == replace(declared[found["arm"]], study="", arm="", precision=ran.precision), found["arm"]


def _trials(of: Study, tuning: Any) -> list[RunConfig]:
    """The trials of a tuning, or none where what they start from has not been run."""
    try:
        return of.trials(tuning)
    except UserError:
        return []
