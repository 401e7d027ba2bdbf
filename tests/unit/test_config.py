"""Configurations: the digest that names a run, and what a wrong field gets."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reproducible.config import (
    Component,
    DataConfig,
    EvaluationConfig,
    OptimiserConfig,
    RunConfig,
    Term,
    digest,
    from_dict,
    from_stage,
    override,
    to_dict,
)
from reproducible.resources import UserError

FIXED = RunConfig(
    study="baseline",
    arm="u512",
    data=DataConfig(draw=3, classes_per_batch=8, images_per_class=3),
    model=Component("unified", {"dim": 512}),
    objective=(Term("binomial_deviance", {"gamma": 25.0}), Term("activation_decay", {"weight": 0.014})),
    optimiser=OptimiserConfig(lr=1e-5, head_multiplier=10.0),
    evaluation=EvaluationConfig(every=50, test_every=100),
    steps=400,
    seed=3,
)
WRITTEN_OUT = (
    f'{{"config": {{}}, "data": "{"d" * 64}", "versions": {{"backbone/bvlc_googlenet": 1, "loss/activation_decay": 1, '
    f'"loss/binomial_deviance": 1, "model/unified": 1}}, "weights": "{"w" * 16}"}}'
)
VERSIONS = {"backbone/bvlc_googlenet": 1, "loss/activation_decay": 1, "loss/binomial_deviance": 1, "model/unified": 1}


def name_of(config: RunConfig, **changes: Any) -> str:
    return digest(config, **{"data": "d" * 64, "weights": "w" * 16, "versions": VERSIONS, **changes})


def test_digest_is_what_it_always_was() -> None:
    """The key of every committed record: it must not move, whatever is added to the configuration."""
    assert name_of(FIXED) == "53ecfb62500abef6"
    assert name_of(RunConfig()) == "0a33f9eb4e47e315"
    assert name_of(RunConfig()) == hashlib.sha256(WRITTEN_OUT.encode()).hexdigest()[:16]


def test_digest_ignores_labels_and_order_of_versions() -> None:
    assert name_of(replace(FIXED, study="another", arm="name")) == name_of(FIXED)
    assert name_of(FIXED, versions=dict(reversed(VERSIONS.items()))) == name_of(FIXED)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.draw", 4),
        ("data.limit_images", 1),
        ("data.flip", False),
        ("data.split", "canonical"),
        ("backbone.options", {"pretrained": False}),
        ("model.options", {"dim": 64}),
        ("optimiser.lr", 2e-5),
        ("optimiser.weight_decay", 0.0),
        ("evaluation.window", 1),
        ("steps", 450),
        ("seed", 4),
        ("precision", "bf16"),
        ("data.augmentation", "vem"),
        ("data.sampler", {"name": "another"}),
        ("objective", [{"name": "binomial_deviance", "options": {"gamma": 25.0}}]),
        ("objective", [*to_dict(FIXED.objective[:1]), {**to_dict(FIXED.objective[1]), "weight": 0.5}]),
        ("objective", [*to_dict(FIXED.objective[:1]), {**to_dict(FIXED.objective[1]), "on": "output"}]),
        ("objective", [*to_dict(FIXED.objective[:1]), {**to_dict(FIXED.objective[1]), "label": "decay"}]),
        ("data.sampler.options", {"size": 3}),
        ("data.attribute_threshold", 0.3),
        ("deterministic", True),
        ("compiled", True),
    ],
)
def test_digest_changes_with_everything_that_decides_the_result(path: str, value: Any) -> None:
    assert name_of(override(FIXED, path, value)) != name_of(FIXED)


def test_digest_changes_with_data_weights_and_behaviour() -> None:
    changed = [
        name_of(FIXED, data="e" * 64),
        name_of(FIXED, weights="none"),
        name_of(FIXED, versions={**VERSIONS, "loss/binomial_deviance": 2}),
        name_of(replace(FIXED, objective=FIXED.objective[::-1])),
    ]
    assert len({name_of(FIXED), *changed}) == 5


def test_a_field_added_later_changes_no_digest() -> None:
    @dataclass(frozen=True)
    class Later(RunConfig):
        warm_up: int = 0

    values = {name: getattr(FIXED, name) for name in to_dict(FIXED)}
    assert name_of(Later(**values)) == name_of(FIXED)
    assert name_of(Later(**values, warm_up=5)) != name_of(FIXED)


def test_sparse_form_holds_what_differs_from_the_defaults_only() -> None:
    config = RunConfig(data=DataConfig(draw=2), optimiser=OptimiserConfig(lr=1e-5), seed=2)
    assert to_dict(config, sparse=True) == {"data": {"draw": 2}, "optimiser": {"lr": 1e-5}, "seed": 2}
    assert to_dict(RunConfig(), sparse=True) == {}


@settings(deadline=None)
@given(
    draw=st.integers(0, 1000),
    lr=st.floats(1e-8, 1e3),
    every=st.integers(1, 100),
    looks=st.integers(1, 20),
    terms=st.lists(
        st.tuples(st.sampled_from(["margin", "unit_rows"]), st.sampled_from(["", "embedding"]), st.floats(1e-8, 1e8)),
        min_size=1,
        max_size=3,
    ),
    options=st.dictionaries(st.text("abc", min_size=1), st.floats(allow_nan=False) | st.integers() | st.booleans()),
    sparse=st.booleans(),
)
def test_round_trip(
    draw: int,
    lr: float,
    every: int,
    looks: int,
    terms: list[tuple[str, str, float]],
    options: dict[str, Any],
    sparse: bool,
) -> None:
    objective = (
        Term(name, options, on, weight, f"{name}-{number}" if number else "")
        for number, (name, on, weight) in enumerate(terms)
    )
    config = RunConfig(
        data=DataConfig(draw=draw),
        model=Component("unified", options),
        objective=tuple(objective),
        optimiser=OptimiserConfig(lr=lr),
        evaluation=EvaluationConfig(every=every, test_every=every),
        steps=every * looks,
    )
    again = from_dict(RunConfig, to_dict(config, sparse=sparse))
    assert again == config
    assert name_of(again) == name_of(config)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"stepps": 1}, ["RunConfig has no field 'stepps'", "Did you mean 'steps'?"]),
        ({"data": {"draws": 1}}, ["data has no field 'draws'", "Did you mean 'draw'?"]),
        ({"optimiser": {"learning_rate": 1.0}}, ["optimiser has no field 'learning_rate'", "Known:", "lr"]),
        ({"objective": [{"name": "unit_rows"}, {"nam": "x"}]}, ["objective[1] has no field 'nam'", "'name'"]),
        ({"model": {"options": {}}}, ["model lacks the field 'name'"]),
        ({"data": {"draw": "1"}}, ["data.draw must be of type int", "'1'"]),
        ({"steps": True}, ["steps must be of type int", "True"]),
        ({"steps": 400.0}, ["steps must be of type int", "400.0"]),
        ({"evaluation": {"test": 1}}, ["evaluation.test must be of type bool", "1"]),
        ({"optimiser": {"lr": "fast"}}, ["optimiser.lr must be of type float", "'fast'"]),
        ({"optimiser": {"lr": None}}, ["optimiser.lr must be of type float", "None"]),
        ({"objective": "unit_rows"}, ["objective must be a list", "'unit_rows'"]),
        ({"model": "unified"}, ["model must be a mapping", "'unified'"]),
        ({"model": {"name": "unified", "options": [1]}}, ["model.options must be a mapping", "[1]"]),
    ],
)
def test_unknown_and_mistyped_fields(values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        from_dict(RunConfig, values)
    for word in words:
        assert word in str(error.value)


def test_whole_numbers_are_good_enough_for_fractions() -> None:
    config = from_dict(RunConfig, {"optimiser": {"weight_decay": 0, "lr": 1}})
    assert (config.optimiser.weight_decay, config.optimiser.lr) == (0.0, 1.0)
    assert isinstance(config.optimiser.lr, float)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (
            "data.split",
            "thirds",
            "DataConfig.split must be one of half, canonical, staged, staged_control, got 'thirds'",
        ),
        ("data.draw", -1, "DataConfig.draw must be 0 or more, got -1"),
        ("data.input_size", 16, "DataConfig.input_size must be at least 32 pixels, got 16"),
        ("data.crop", 0.0, "DataConfig.crop must be above 0 and at most 1, got 0.0"),
        ("data.crop", 1.5, "DataConfig.crop"),
        ("data.crop", float("nan"), "DataConfig.crop"),
        ("data.classes_per_batch", 1, "DataConfig.classes_per_batch must be at least 2"),
        ("data.images_per_class", 1, "DataConfig.images_per_class must be at least 2"),
        ("data.attribute_threshold", 0.0, "DataConfig.attribute_threshold must be above 0 and at most 1, got 0.0"),
        ("data.limit_classes", -1, "DataConfig.limit_classes"),
        ("data.limit_images", -1, "DataConfig.limit_images"),
        ("optimiser.lr", 0.0, "OptimiserConfig.lr must be positive, got 0.0"),
        ("optimiser.lr", float("nan"), "OptimiserConfig.lr must be positive, got nan"),
        ("optimiser.head_multiplier", -1.0, "OptimiserConfig.head_multiplier must be positive"),
        ("optimiser.weight_decay", -1e-4, "OptimiserConfig.weight_decay must be 0 or more"),
        ("optimiser.decay_factor", 0.0, "OptimiserConfig.decay_factor"),
        ("optimiser.decay_every", -1, "OptimiserConfig.decay_every"),
        ("evaluation.every", 0, "EvaluationConfig.every must be at least 1 step, got 0"),
        ("evaluation.test_every", 75, "EvaluationConfig.test_every must be a multiple of every = 50, got 75"),
        ("evaluation.seen_every", -50, "EvaluationConfig.seen_every"),
        ("evaluation.test", False, "EvaluationConfig.test_every must be 0 where test is off, got 100"),
        ("evaluation.seen_images", 0, "EvaluationConfig.seen_images must be at least 1, got 0"),
        ("evaluation.window", 2, "EvaluationConfig.window must be odd, got 2"),
        ("evaluation.window", -1, "EvaluationConfig.window"),
        ("steps", -1, "RunConfig.steps must be 0 (measure the network as it is) or more, got -1"),
        ("steps", 410, "RunConfig.steps must be a multiple of 50, got 410"),
        ("seed", -1, "RunConfig.seed must be 0 or more, got -1"),
        ("precision", "fp16", "RunConfig.precision must be one of fp32, bf16, got 'fp16'"),
        ("objective", [], "RunConfig.objective must be at least one loss"),
        ("objective", [{"name": "margin"}] * 2, "RunConfig.objective has two terms called 'margin'"),
    ],
)
def test_values_out_of_range(path: str, value: Any, words: str) -> None:
    with pytest.raises(UserError) as error:
        override(FIXED, path, value)
    assert words in str(error.value)


def test_override_changes_one_field_of_a_copy() -> None:
    changed = override(FIXED, "optimiser.lr", 3e-5)
    assert changed == replace(FIXED, optimiser=replace(FIXED.optimiser, lr=3e-5))
    assert FIXED.optimiser.lr == 1e-5


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("optimizer.lr", "'optimizer' is not a section. Did you mean 'optimiser'?"),
        ("optimiser.lrr", "optimiser has no field 'lrr'. Did you mean 'lr'?"),
        ("stepps", "RunConfig has no field 'stepps'. Did you mean 'steps'?"),
        ("steps.number", "'steps' is not a section"),
        ("objective.gamma", "'objective' is not a section"),
    ],
)
def test_override_of_a_path_that_names_no_field(path: str, words: str) -> None:
    with pytest.raises(UserError) as error:
        override(FIXED, path, 1.0)
    assert words in str(error.value)


def test_components_and_label() -> None:
    measured = override(FIXED, "evaluation.measures", ["gate"])
    assert measured.components() == (*FIXED.components(), ("measure", "gate"))
    assert FIXED.components() == (
        ("backbone", "bvlc_googlenet"),
        ("model", "unified"),
        ("loss", "binomial_deviance"),
        ("loss", "activation_decay"),
        ("sampler", "pk"),
        ("augmentation", "window"),
    )
    assert FIXED.label == "baseline/u512 draw 3 seed 3"


def test_training_from_a_stage_needs_fixed_windows() -> None:
    held = from_stage(FIXED, "pool3")
    assert (held.frozen, held.data.windows) == ("pool3", 8)
    assert replace(held, frozen="", data=replace(held.data, windows=0)) == FIXED
    assert from_stage(override(FIXED, "data.windows", 3), "pool3").data.windows == 3
    assert from_stage(held, "images") == FIXED
    with pytest.raises(UserError, match=r"windows must be 0 \(a fresh one each time\) or more"):
        override(FIXED, "data.windows", -1)
