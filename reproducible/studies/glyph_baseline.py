"""The unified baseline and activation decay on glyphs, and the staged split (page: glyphs).

Arms are named as in the study ``baseline``, after the documents' dimensions; the compact network has a quarter of
GoogLeNet's channels, so 128 stands for 512, and 16, 48 and 96 for 64, 192 and 384.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reproducible.config import Component, DataConfig, EvaluationConfig, OptimiserConfig, RunConfig
from reproducible.studies import baseline
from reproducible.studies.base import Arm, Params, Study, Tuning

DECAYED = ("baseline", "lact-512")


def build(params: Params) -> RunConfig:
    """A run of U_d on glyphs.

    Args:
        params: as of :func:`reproducible.studies.baseline.build`; ``dim`` is the document's; ``data``, ``split`` and
            ``steps``; ``parts`` (measure them on the test classes); ``batch_statistics`` of the compact backbone.
    """
    return RunConfig(
        data=DataConfig(
            name=params["data"],
            split=params["split"],
            input_size=48,
            classes_per_batch=16,
            images_per_class=4,
            flip=False,
        ),
        backbone=Component("compact_googlenet", {"batch_statistics": params["batch_statistics"]}),
        model=Component("unified", {"dim": params["dim"] // 4}),
        objective=baseline.objective(params),
        optimiser=OptimiserConfig(lr=params["lr"], head_multiplier=params["head"], weight_decay=params["decay"]),
        evaluation=EvaluationConfig(
            every=50,
            test_every=params["test_every"],
            seen_every=params["test_every"],
            parts=params["parts"],
            keep="matches",
        ),
        steps=params["steps"],
    )


def arm(
    name: str,
    title: str,
    params: Mapping[str, Any],
    tuned: tuple[str, ...] = baseline.BASE,
    draws: int = 5,
    smoke: bool = True,
) -> Arm:
    """An arm without curves on the test classes."""
    return Arm(name, title, params, tuned, draws=draws, minutes=1.1, smoke=smoke)


def _dimensions() -> tuple[Arm, ...]:
    return (
        arm("u64", "U64", {"dim": 64}, draws=10),
        arm("u64-lact-tuned", "U64 + L_act, tuned", {"dim": 64, **baseline.ROWS}, ("baseline", "lact-64"), 10),
        arm("u384-lact-tuned", "U384 + L_act, tuned", {"dim": 384, **baseline.ROWS}, DECAYED, 10),
        arm("u384", "U384", {"dim": 384}),
        arm("u192", "U192", {"dim": 192}),
        arm("u192-lact-tuned", "U192 + L_act, tuned", {"dim": 192, **baseline.ROWS}, DECAYED),
    )


def _parts() -> tuple[Arm, ...]:
    return tuple(
        arm(name, f"U512, {title}", params)
        for name, title, params in (
            ("u512-lact-released", "released form of L_act", {"lact": 0.014, "released": True, "ntri": 0.25 / 512}),
            ("u512-activation-only", "activation term only, printed weight", {"lact": 0.014}),
            ("u512-ntri-only", "L_ntri only", {"ntri": 0.25}),
            ("u512-orthogonal", "orthogonality in place of L_ntri", {"orthogonal": 0.25}),
            ("u512-wd-0", "weight decay 0", {"decay": 0.0}),
            ("u512-wd-1e-3", "weight decay 0.001", {"decay": 1e-3}),
            ("u512-wd-1e-2", "weight decay 0.01", {"decay": 1e-2}),
        )
    )


def _long() -> tuple[Arm, ...]:
    """The pair of claim D04, three times as long: does it hold where curves are flat?"""
    more = {"steps": 900, "test_every": 300}
    return (
        Arm("u512-long", "U512, 900 steps", more, baseline.BASE, draws=3, minutes=3.5),
        Arm(
            "u512-lact-printed-long",
            "U512 + L_act, printed, 900 steps",
            baseline.PRINTED | more,
            baseline.BASE,
            draws=3,
            minutes=3.5,
        ),
    )


STUDY = Study(
    name="glyph_baseline",
    title="The unified baseline on glyphs",
    build=build,
    defaults={
        **baseline.DEFAULTS,
        **{"data": "glyphs", "split": "half", "parts": True, "steps": 300, "lr": 1e-3, "batch_statistics": True},
    },
    arms=(
        Arm("u512", "U512", baseline.CURVES, baseline.BASE, draws=10, extra_seeds=5, minutes=1.3),
        Arm(
            "u512-lact-printed",
            "U512 + L_act, printed",
            baseline.PRINTED | baseline.CURVES,
            baseline.BASE,
            draws=10,
            minutes=1.3,
        ),
        Arm("u512-lact-tuned", "U512 + L_act, tuned", baseline.ROWS | baseline.CURVES, DECAYED, draws=10, minutes=1.3),
        *_dimensions(),
        arm("u512-staged", "U512, staged", {"split": "staged"}),
        arm("u512-staged-control", "U512, control of staged", {"split": "staged_control"}),
        *_parts(),
        *_long(),
    ),
    tunings=(
        Tuning(
            "baseline",
            "u512",
            (
                {"lr": 1e-3, "head": 1.0, "gamma": 25.0},
                {"lr": 1e-3, "head": 1.0, "gamma": 5.0},
                {"lr": 2e-3, "head": 1.0, "gamma": 25.0},
                {"lr": 3e-4, "head": 10.0, "gamma": 5.0},
                {"lr": 1e-3, "head": 1.0, "gamma": 35.0},  # the document's gamma
                {"lr": 1e-3, "head": 1.0, "gamma": 25.0, "batch_statistics": False},
            ),
        ),
        *baseline.LACT_TUNINGS,
    ),
    live=("u512-lact-printed", "u512"),
    trial_steps=200,
)
