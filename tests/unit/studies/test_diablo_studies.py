"""The arms of DIABLO, ABE and the one head: each differs from its control by its switch, and serves the claims."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations

import pytest
from declared import arms_of, differences, served, untuned

from reproducible.config import RunConfig
from reproducible.studies import STUDIES, Study
from reproducible.studies.heads import CELLS, DIVERSITIES, GATES, LOSSES

GROCERIES, GLYPHS, HEADS = (STUDIES[name] for name in ("diablo", "glyph_diablo", "glyph_heads"))
BOTH = pytest.mark.parametrize("of", [GROCERIES, GLYPHS], ids=lambda of: of.name)
LOOKS = ("evaluation.test_every", "evaluation.seen_every", "evaluation.measures")


def config(of: Study, name: str) -> RunConfig:
    return untuned(of, of.arm(name))


@pytest.mark.parametrize(
    ("arm", "control", "paths"),
    [
        ("dimension-pre-8-shared-learner", "dimension-pre-8", {"model.options.shared_learner"}),
        ("dimension-pre-8-separate-psi", "dimension-pre-8", {"model.options.own_tails"}),
        ("dimension-pre-8-rescaled", "dimension-pre-8", {"model.options.rescale"}),
        ("dimension-pre-8-euclidean", "dimension-pre-8", {"model.options.likeness"}),
        ("dimension-pre-8-divergence", "dimension-pre-8", {"objective"}),
        ("dimension-pre-8-per-branch", "dimension-pre-8", {"objective"}),
        ("dimension-pre-8-adversary", "dimension-pre-8", {"objective"}),
        ("dimension-pre-8-alpha-off-by-ten", "dimension-pre-8", {"model.options.alpha"}),
        ("dimension-pre-8-rate-triple", "dimension-pre-8", {"optimiser.lr"}),
        ("contrastive-diablo-8", "dimension-pre-8", {"objective"}),
        ("triplet-diablo-8", "dimension-pre-8", {"objective"}),
        ("dimension-pre-16", "dimension-pre-8", {"model.options.branches"}),
        ("dimension-post-8", "dimension-pre-8", {"model.options.place"}),
        ("feature-pre-8", "dimension-pre-8", {"model.options.gate"}),
        ("feature-post-16", "feature-post-8", {"model.options.branches"}),
        ("feature-post-8-capacity", "feature-post-8", {"model.options.directions"}),
        ("feature-post-8-netvlad", "feature-post-8", {"model.options.likeness"}),
        ("contrastive", "binomial", {"objective"}),
        ("u512-contrastive", "binomial", {"objective"}),
        ("abe-8-no-divergence", "abe-8", {"objective"}),
        ("abe-8-divergence-weight-off-by-ten", "abe-8", {"objective"}),
        ("abe-8-all-images", "abe-8", {"objective"}),
        ("abe-8-binomial", "abe-8", {"objective"}),
        ("abe-8-separate-learners", "abe-8", {"model.options.shared_learner"}),
    ],
)
def test_arms_differ_by_their_switch(arm: str, control: str, paths: set[str]) -> None:
    assert differences(config(GLYPHS, arm), config(GLYPHS, control)) - set(LOOKS) == paths


@BOTH
def test_arms_compared_see_the_same_pixels(of: Study) -> None:
    base = config(of, "binomial")
    for arm in of.arms:
        found = untuned(of, arm)
        same = replace(found.data, augmentation=base.data.augmentation)
        assert same == base.data and (found.steps, found.frozen) == (base.steps, base.frozen), arm.name
        assert (found.data.augmentation == "diablo") == arm.name.endswith("multi-resolution")


def test_the_baseline_on_glyphs_is_the_one_that_was_tuned_before() -> None:
    """The same network, loss, rate and classes, so that its trials cost nothing again."""
    ours, theirs = GLYPHS.tunings[0], STUDIES["glyph_baseline"].tuning("baseline")
    known = [dict(candidate) for candidate in theirs.candidates]
    assert all({**candidate, "gamma": 25.0} in known for candidate in ours.candidates)
    assert {**ours.candidates[0], "gamma": 25.0} == STUDIES["glyph_baseline"].best("baseline")
    trial = GLYPHS.trials(ours)[0]
    other = next(
        t
        for t, c in zip(STUDIES["glyph_baseline"].trials(theirs), known, strict=True)
        if c == {**ours.candidates[0], "gamma": 25.0}
    )
    assert replace(trial, study="", arm="") == replace(other, study="", arm="")


@BOTH
def test_budgets_of_tuning(of: Study) -> None:
    assert all(len(tuning.candidates) <= 3 for tuning in of.tunings)
    for tuning in of.tunings[1:]:
        (switched,) = {tuple(candidate) for candidate in tuning.candidates}
        assert switched == (("alpha",) if tuning.name.startswith("alpha") else ("lr",))
    for arm in of.arms:
        assert arm.tuned[0] == "baseline"


def test_abe_weighs_its_divergence_against_a_mean_of_eight_losses() -> None:
    metric, apart = config(GLYPHS, "abe-8").objective
    assert (metric.name, metric.options, metric.on) == ("contrastive", {"form": "distance"}, "")
    assert (apart.name, apart.weight * 8) == ("divergence", 1)
    assert config(GLYPHS, "abe-8-divergence-weight-off-by-ten").objective[1].weight == pytest.approx(0.1 / 8)


def test_diablos_loss_reads_the_concatenation_and_abes_each_learner() -> None:
    assert {config(GLYPHS, name).objective[0].on for name in ("dimension-pre-8", "feature-post-8")} == {"embedding"}
    assert {config(GLYPHS, name).objective[0].on for name in ("abe-8", "heads-8", "binomial")} == {""}


MEASURED = {
    "gated_map_cosine": "entries",
    "attention_entropy": "entries",
    "background_robustness": "background",
    "metric_divergence_gradient_cosine": "gradients",
    "metric_divergence_gradient_null": "gradients",
}


def test_claims_about_measures_read_arms_that_take_them() -> None:
    found = set()
    for claim, criterion, of in served():
        if of in (GROCERIES, GLYPHS) and criterion.get("metric") in MEASURED:
            found.add(criterion["metric"])
            for name in arms_of(criterion):
                assert MEASURED[criterion["metric"]] in config(of, name).evaluation.measures, f"{claim}: {name}"
        if of in (GROCERIES, GLYPHS) and criterion.get("metric") == "seen_unseen_gap":
            assert all(config(of, name).evaluation.seen_every for name in arms_of(criterion)), claim
    assert found == set(MEASURED)


def test_the_fraction_is_balanced() -> None:
    """Each level of a factor meets each of another equally often; all of gate x place x diversity is there."""
    assert len(set(CELLS)) == 32
    assert len({cell[:3] for cell in CELLS}) == 32
    for one, other in combinations(range(5), 2):
        assert len(set(Counter((cell[one], cell[other]) for cell in CELLS).values())) == 1
    sizes = [len({cell[k] for cell in CELLS}) for k in range(5)]
    assert sizes == [len(GATES), 2, len(DIVERSITIES), 2, len(LOSSES)]
    assert {cell.name for cell in CELLS} <= {arm.name for arm in HEADS.arms}


def test_cells_are_what_their_names_say() -> None:
    for cell in CELLS:
        found = config(HEADS, cell.name)
        options, terms = found.model.options, [term.name for term in found.objective]
        assert (options["gate"], options["place"]) == (cell.gate, cell.place)
        assert options.get("shared_learner", False) == (cell.learner == "shared")
        assert terms[0].startswith(cell.loss) and all(term.on == "" for term in found.objective)
        assert terms[1:] == ([] if cell.diversity == "none" else [cell.diversity.replace("-", "_")])
    sums = {term.name: term for term in config(HEADS, next(c.name for c in CELLS if c[2] == "push-apart")).objective}
    assert sums["push_apart"].options["weight"] * 28 == pytest.approx(0.2 * 3)


@pytest.mark.parametrize(
    ("name", "other"),
    [("head-sigmoid-divergence", "abe-8-binomial"), ("head-sigmoid-none", "abe-8-binomial-no-divergence")],
)
def test_what_two_studies_ask_for_is_one_run(name: str, other: str) -> None:
    assert replace(config(HEADS, name), study="", arm="") == replace(config(GLYPHS, other), study="", arm="")
