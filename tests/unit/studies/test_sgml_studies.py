"""The arms of SGML: each differs from its control by its switch alone."""

from __future__ import annotations

from typing import Any

import pytest
from declared import differences, untuned

from reproducible.data.glyphs.plan import glyphs_of
from reproducible.data.manifest import load_manifest
from reproducible.studies import STUDIES, Study
from reproducible.studies.base import TUNING_DRAW

GLYPHS, BIRDS = STUDIES["glyph_sgml"], STUDIES["sgml"]
BOTH = pytest.mark.parametrize("of", [GLYPHS, BIRDS], ids=lambda of: of.name)
LOOKS = {f"evaluation.{f}" for f in ("test_every", "seen_every", "measures")}
LAYER = {"model.options.learnt", "model.options.searched"}
SAMPLED = {"data.sampler.name", "data.sampler.options.pairs", "data.classes_per_batch", "data.images_per_class"}
SMALL = {"data.name", "model.options.attributes", "evaluation.parts"}
OTHERS = ("fastap", "abe-8", "diablo-8", "diablo-8-c-1", "diablo-8-soft-binomial")


def terms(of: Study, name: str) -> dict[str, dict[str, Any]]:
    return {term.name: dict(term.options) for term in untuned(of, of.arm(name)).objective}


@BOTH
def test_arms_differ_from_sgml_by_their_switch_alone(of: Study) -> None:
    base = untuned(of, of.arm("sgml"))
    for arm in (arm for arm in of.arms if arm.name not in OTHERS):
        allowed = {"objective"}
        if arm.name == "attribute-only" or arm.name.endswith(("conv", "fc")):
            allowed = LAYER | (set() if arm.name.startswith("sgml") else {"objective"})
        elif "wise" in arm.name:
            allowed = SAMPLED | (SMALL if "small" in arm.name else set())
            allowed |= set() if arm.name.startswith("sgml") else {"objective"}
        elif arm.name == "sgml-no-relu":
            allowed = {"model.options.relu"}
        elif arm.name == "sgml-whole-network":
            allowed = {"frozen", "data.windows"}
        elif arm.name.startswith("sgml-threshold"):
            allowed = {"data.attribute_threshold"}
        found = differences(base, untuned(of, arm)) - LOOKS
        assert found <= allowed, arm.name
        assert found or arm.name in ("sgml", "sgml-tuned") or arm.name.startswith("sgml-alpha"), arm.name


@BOTH
def test_rows_and_controls_of_the_document(of: Study) -> None:
    printed = {**({"alpha": 2.0, "beta": 0.5} if of is GLYPHS else {"alpha": 3.0, "beta": 0.1}), "gamma": 1.0}
    attributes = {"attribute_bce": {}}
    plain = {"binomial_deviance": printed}
    assert terms(of, "metric-only") == plain
    assert terms(of, "attribute-only") == attributes
    assert terms(of, "multitask") == plain | attributes
    assert terms(of, "metric-only-c-25") == {"binomial_deviance": {**printed, "gamma": 25.0}}
    for name, switch in (
        ("sgml", {}),
        ("sgml-shuffled-g", {"similarity": "shuffled"}),
        ("sgml-true-g", {"similarity": "true"}),
        ("sgml-negatives-flipped", {"flipped": True}),
        ("sgml-attached", {"attached": True}),
        ("sgml-constant-g", {"similarity": "mean"}),
        ("sgml-half-g", {"similarity": "constant", "constant": 0.5}),
        ("sgml-c-25", {"gamma": 25.0}),
    ):
        assert terms(of, name) == {"soft_binomial": {**printed, **switch}} | attributes
    searched = untuned(of, of.arm("attribute-only")).model.options["searched"]
    assert searched == "fc"  # "the FC layer feature from the attribute learning network"


@BOTH
def test_what_the_document_compares_itself_with(of: Study) -> None:
    """ABE's divergence weighs as in its sum of eight metric losses, of which the mean is taken here."""
    config = untuned(of, of.arm("abe-8"))
    assert config.model.name == "abe" and config.model.options["branches"] == 8
    assert {term.name: term.weight for term in config.objective} == {"binomial_deviance": 1.0, "divergence": 1 / 8}
    assert terms(of, "fastap") == {"pml": {"name": "FastAPLoss"}}
    assert untuned(of, of.arm("fastap")).model == untuned(of, of.arm("sgml")).model


def test_the_soft_loss_in_an_ensemble_differs_by_the_loss_alone() -> None:
    soft, plain, single = (untuned(GLYPHS, GLYPHS.arm(f"diablo-8{end}")) for end in ("-soft-binomial", "-c-1", ""))
    assert differences(soft, plain) == differences(soft, single) == {"objective"}
    assert [term.options["gamma"] for config in (plain, single) for term in config.objective] == [1.0, 25.0]
    assert soft.objective[0].options["similarity"] == "true"  # an ensemble predicts no attributes
    assert soft.model.name == "diablo" and 4 * soft.model.options["dim"] == 512


@BOTH
def test_every_arm_is_searched_at_all_layers_and_says_what_it_learnt_of_attributes(of: Study) -> None:
    for arm in of.arms:
        config = untuned(of, arm)
        assert config.evaluation.features == (() if config.model.name in ("abe", "diablo") else ("emb", "fc", "conv"))
        learns = "attribute_bce" in terms(of, arm.name)
        assert config.evaluation.measures == (("granularity",) if learns else ())


@pytest.mark.parametrize(("name", "marks"), [("glyphs", 3), ("glyphs-instance", 14)])
def test_branches_are_as_wide_as_the_data_set_has_attributes(name: str, marks: int) -> None:
    """Marks, four scripts, two cases and five bits of the image; birds have the document's 312."""
    glyphs = glyphs_of(load_manifest(name).variant)
    assert len({("above", g.above) for g in glyphs} | {("below", g.below) for g in glyphs}) - 2 == marks
    runs = [config for arm in GLYPHS.arms if (config := untuned(GLYPHS, arm)).data.name == name]
    runs = [config for config in runs if config.model.name == "sgml"]
    assert {config.model.options["attributes"] for config in runs} == {marks + 4 + 2 + 5}
    birds = [config.model for arm in BIRDS.arms if (config := untuned(BIRDS, arm)).model.name == "sgml"]
    assert {model.options["attributes"] for model in birds} == {312}


def sampling(of: Study, name: str) -> tuple[str, int, int, int]:
    """Sampler, P, K and the pairs that count."""
    data = untuned(of, of.arm(name)).data
    pairs = data.sampler.options.get("pairs", 0)
    return data.sampler.name, data.classes_per_batch, data.images_per_class, pairs


def test_sizes_of_the_two_kinds_of_sampling() -> None:
    """The document's on glyphs, a third of them on birds; as further arms equal pairs, and at most equal images."""
    for classes in ("", "-small-classes"):
        assert sampling(GLYPHS, f"sgml-batch-wise{classes}") == ("pk", 41, 4, 0)
        assert sampling(GLYPHS, f"sgml-batch-wise{classes}-equal-pairs") == ("pk", 41, 4, 60)
        assert sampling(GLYPHS, f"sgml-image-wise{classes}") == ("image_wise", 60, 3, 0)
    assert sampling(GLYPHS, "sgml-image-wise-equal-images") == ("image_wise", 41, 4, 0)
    assert sampling(BIRDS, "sgml") == ("pk", 14, 4, 0)
    assert sampling(BIRDS, "sgml-batch-wise-equal-pairs") == ("pk", 14, 4, 20)
    assert sampling(BIRDS, "sgml-image-wise") == ("image_wise", 20, 3, 0)
    assert sampling(BIRDS, "sgml-batch-wise") == sampling(BIRDS, "metric-only-batch-wise") == ("pk", 41, 4, 0)


def test_dimensions_of_glyphs_are_a_quarter() -> None:
    own, printed = (untuned(of, of.arm("sgml")).model.options for of in (GLYPHS, BIRDS))
    assert (printed["hidden"], printed["dim"]) == (1024, 512) == (4 * own["hidden"], 4 * own["dim"])


def test_birds_are_seen_as_in_the_document_and_trained_from_pool3_on() -> None:
    config = untuned(BIRDS, BIRDS.arm("sgml"))
    assert (config.data.name, config.data.augmentation, config.data.input_size) == ("cub100_cropped", "sgml", 224)
    assert config.frozen == "pool3" and config.data.windows > 0


@BOTH
def test_budget_of_tuning(of: Study, trials: Any) -> None:
    """Six trials for the baseline; an arm that differs by a switch tunes only its own parameter, in three."""
    trials("baseline-1", "attributes-2", "beta-1", "beta-constant-2", "beta-c-25-1")
    assert {t.name: len(t.candidates) for t in of.tunings} == {
        "baseline": 6,
        "attributes": 3,
        "beta": 3,
        "beta-constant": 3,
        "beta-c-25": 3,
    }
    for tuning in of.tunings[1:]:
        assert {key for candidate in tuning.candidates for key in candidate} == {
            "bce" if tuning.name == "attributes" else "beta"
        }
        for config in of.trials(tuning):
            assert config.data.draw == TUNING_DRAW and not config.evaluation.test
    weights = {arm.name: of.config(arm, 0).objective[-1].weight for arm in of.arms if "attributes" in arm.tuned}
    assert set(weights.values()) == {3.0}
    betas = {
        name: of.config(name, 0).objective[0].options["beta"] for name in ("sgml", "sgml-tuned", "sgml-constant-g")
    }
    printed, second, third = (candidate["beta"] for candidate in of.tunings[2].candidates)
    assert betas == {"sgml": printed, "sgml-tuned": second, "sgml-constant-g": third}
