"""A method is declared once and run on several benchmarks; a further benchmark is one entry."""

from __future__ import annotations

from dataclasses import replace

import pytest
from declared import differences, untuned

from reproducible.config import Component, DataConfig, EvaluationConfig, RunConfig, Term
from reproducible.studies import METHODS, STUDIES, Arm, Study
from reproducible.studies.arms import first, later, planned
from reproducible.studies.benchmarks import (
    CARS,
    CUB,
    GLYPHS,
    GROCERIES,
    GROCERIES_HALVES,
    TRAINING,
    Benchmark,
    Params,
    run,
)

LOSS = (Term("binomial_deviance"),)
ARMS = (Arm("one", "One", {"size": 64}), Arm("two", "Two"), Arm("three", "Three", {"curves": True}))


def build(params: Params) -> RunConfig:
    return run(params, Component("unified", {"dim": params["dim"] // params["divisor"]}), LOSS)


def study(arms: tuple[Arm, ...], **defaults: object) -> Study:
    return Study("made_up", "Made up", build, {**TRAINING, "dim": 512, **defaults}, arms, (), ())


def test_a_plan_says_which_arms_in_which_order_and_how() -> None:
    found = planned(GLYPHS, ARMS, first("three one", 2, draws=10, extra_seeds=3), later("two", 5, draws=7), smoke="one")
    assert [(a.name, a.title, a.tier, a.minutes, a.draws, a.extra_seeds, a.smoke) for a in found] == [
        ("three", "Three", "A", 2, 10, 3, False),
        ("one", "One", "A", 2, 10, 3, True),
        ("two", "Two", "B", 5, 7, 0, False),
    ]
    assert all(a.smoke for a in planned(GLYPHS, ARMS, first("three one", 2)))
    assert [(a.draws, a.ships) for b in (GROCERIES, CARS) for a in planned(b, ARMS, first("two", 1))] == [
        (5, True),
        (1, False),
    ]


def test_later_values_win() -> None:
    """The benchmark's, the method's, the arm's, the plan's."""
    of = study(planned(GROCERIES, ARMS, first("one", 1), first("two", 1, size=96, keep="neighbours")), batch=(16, 4))
    one, two = (untuned(of, of.arm(name)) for name in ("one", "two"))
    assert (GROCERIES.size, one.data.input_size, two.data.input_size) == (112, 64, 96)
    assert (one.data.classes_per_batch, one.data.images_per_class) == (16, 4)
    assert (one.evaluation.keep, two.evaluation.keep) == ("matches", "neighbours")


@pytest.mark.parametrize("benchmark", [GROCERIES, GLYPHS, GROCERIES_HALVES, CARS, CUB], ids=lambda b: b.data)
def test_what_a_benchmark_fixes_reaches_the_run(benchmark: Benchmark) -> None:
    of = study(planned(benchmark, ARMS, first("two three", 1)))
    plain, watched = (untuned(of, of.arm(name)) for name in ("two", "three"))
    every, tested, seen = benchmark.looks
    classes, images = benchmark.batch
    glyphs = benchmark is GLYPHS
    assert plain == RunConfig(
        data=DataConfig(
            name=benchmark.data,
            split="half" if benchmark in (GROCERIES, GLYPHS) else "canonical",
            input_size=48 if glyphs else 112,
            classes_per_batch=classes,
            images_per_class=images,
            flip=not glyphs,
        ),
        backbone=Component("compact_googlenet", {"batch_statistics": True}) if glyphs else Component("bvlc_googlenet"),
        model=Component("unified", {"dim": 128 if glyphs else 512}),
        objective=LOSS,
        evaluation=EvaluationConfig(every=every, parts=glyphs, protocols=benchmark.protocols, keep="matches"),
        steps=benchmark.steps,
    )
    assert differences(plain, watched) == {"evaluation.test_every", "evaluation.seen_every"}
    assert (watched.evaluation.test_every, watched.evaluation.seen_every) == (tested, seen)


def test_a_further_benchmark_is_one_entry() -> None:
    """The same arms at another size of the input: they differ by the size alone, as declared of it."""
    larger = replace(GROCERIES, size=224, view=288)
    for arm in ARMS[1:]:
        small, large = (
            untuned(of, of.arms[0])
            for of in (study(planned(b, [arm], first(arm.name, 1))) for b in (GROCERIES, larger))
        )
        assert differences(small, large) == {"data.input_size"}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__.rpartition(".")[2])
def test_an_arm_is_the_same_on_every_benchmark(method: object) -> None:
    """By title and by what sets it apart, whatever the benchmark's plan adds."""
    declared = {arm.name: arm for arm in method.ARMS}
    assert len(declared) == len(method.ARMS)
    planned_names = {arm.name for of in method.STUDIES for arm in of.arms}
    assert planned_names == set(declared), "an arm that no benchmark runs"
    for of in method.STUDIES:
        assert STUDIES[of.name] is of
        for arm in of.arms:
            assert arm.title == declared[arm.name].title
            assert {**arm.params, **declared[arm.name].params} == arm.params
            assert len(arm.tuned) == len(declared[arm.name].tuned), (
                "one benchmark may tune for an arm what another does"
            )
