"""The unified baseline U_d and activation decay: DeML Table 1 and the U curves of Fig. 5, on groceries, on glyphs, and
on glyphs of every difficulty (pages: baseline and glyphs).

Arms are named after the documents' dimensions; on glyphs 16, 48, 96 and 128 stand for 64, 192, 384 and 512. The step in
the middle of the ladder of difficulty, and its trials, are those of the study ``glyph_baseline``.
"""

from __future__ import annotations

from reproducible.config import Component, RunConfig, Term
from reproducible.studies.arms import Arm, Tuning, first, later, planned
from reproducible.studies.base import Study
from reproducible.studies.benchmarks import GLYPHS, GROCERIES, GROCERIES_224, TRAINING, Params, run

LACT_RELEASED = 0.014 * 2 / 512  # the released code's factor of |x|^2 at d = 512, as lambda_1 of Eq. 6


def objective(params: Params) -> tuple[Term, ...]:
    """The losses of U_d.

    Args:
        params: ``gamma``; ``lact`` and ``ntri`` (weights of the two parts of Eq. 6, 0: without), ``orthogonal`` (weight
            of the matrix-product reading), ``released`` (the released code's form of the activation term).
    """
    losses = [Term("binomial_deviance", {"gamma": params["gamma"]})]
    if params["lact"]:
        options = {"released": True} if params["released"] else {}
        losses.append(Term("activation_decay", {"weight": params["lact"], **options}))
    if params["ntri"]:
        losses.append(Term("unit_rows", {"weight": params["ntri"]}))
    if params["orthogonal"]:
        losses.append(Term("orthogonality", {"weight": params["orthogonal"]}))
    return tuple(losses)


def model(params: Params) -> Component:
    """U_d, or the network as it is.

    Args:
        params: ``dim``, the document's; ``untouched``.
    """
    if params["untouched"]:
        return Component("untouched")
    return Component("unified", {"dim": params["dim"] // params["divisor"]})


def build(params: Params) -> RunConfig:
    """A run of :func:`model` with :func:`objective`."""
    return run(params, model(params), objective(params))


DEFAULTS = {
    **TRAINING,
    **{"dim": 512, "gamma": 25.0, "lact": 0.0, "ntri": 0.0, "orthogonal": 0.0, "released": False},
    "untouched": False,
}
CURVES = {"curves": True}
ROWS = {"ntri": 0.25}
PRINTED = {"lact": 0.014, **ROWS}
RELEASED = {"lact": 0.014, "released": True, "ntri": 0.25 / 512}
RATES = {"gamma": 35.0, "lr": 1e-5, "head": 10.0}
"""As printed."""
BASE = ("baseline",)
DECAYED = (*BASE, "lact-512")
LACT_TUNINGS = tuple(
    Tuning(f"lact-{d}", f"u{d}-lact-tuned", tuple({"lact": w} for w in (LACT_RELEASED, 5e-4, 5e-3))) for d in (512, 64)
)
"""Three weights of the activation term at each of two dimensions."""
LOWER = tuple(
    Tuning(
        f"lact-{d}",
        f"u{d}-lact-tuned",
        tuple({"lact": w} for w in (LACT_RELEASED / 10, LACT_RELEASED, 5e-4)),
        steps=GROCERIES_224.steps,  # as long as their arms: what follows would not be read
    )
    for d in (512, 64)
)
"""The same about the weight that won at 112 pixels, where it was the smallest."""
WHOLE = {"untouched": True, "steps": 0, "crop": 1.0, "frozen": "", "windows": 0}
"""The network as it is, which sees the whole image: at which size is it best?"""
LONG = {"steps": 900, "looks": (50, 300, 300), **CURVES}
"""Three times as long on glyphs: does claim D04 hold where curves are flat?"""
LADDER = {
    "glyphs-clutter-0": "no clutter",
    "glyphs-clutter-2": "twice the clutter",
    "glyphs-clutter-4": "four times the clutter",
    "glyphs-occlusion-0": "none occluded",
    "glyphs-occlusion-1": "all partly occluded",
}
"""Variant -> title; each differs from ``glyphs`` in one thing."""

ARMS = (
    Arm("u512", "U512", CURVES, BASE),
    Arm("u512-lact-printed", "U512 + L_act, printed", {**PRINTED, **CURVES}, BASE),
    Arm("u512-lact-tuned", "U512 + L_act, tuned", {**ROWS, **CURVES}, DECAYED),
    *(Arm(f"u{d}", f"U{d}", {"dim": d}, BASE) for d in (64, 192, 384)),
    Arm("u64-lact-tuned", "U64 + L_act, tuned", {"dim": 64, **ROWS}, (*BASE, "lact-64")),
    *(Arm(f"u{d}-lact-tuned", f"U{d} + L_act, tuned", {"dim": d, **ROWS}, DECAYED) for d in (192, 384)),
    *(
        Arm(f"u512-{name}", f"U512, {title}", params, BASE)
        for name, title, params in (
            ("lact-released", "released form of L_act", RELEASED),
            ("activation-only", "activation term only, printed weight", {"lact": 0.014}),
            ("ntri-only", "L_ntri only", {"ntri": 0.25}),
            ("orthogonal", "orthogonality in place of L_ntri", {"orthogonal": 0.25}),
            ("printed", "gamma and rates as printed", RATES),
            ("printed-lact-printed", "gamma, rates and L_act as printed", {**RATES, **PRINTED}),
            ("wd-0", "weight decay 0", {"decay": 0.0}),
            ("wd-1e-3", "weight decay 0.001", {"decay": 1e-3}),
            ("wd-1e-2", "weight decay 0.01", {"decay": 1e-2}),
            ("staged", "staged", {"split": "staged"}),
            ("staged-control", "control of staged", {"split": "staged_control"}),
            ("long", "900 steps", LONG),
        )
    ),
    Arm("u512-lact-printed-long", "U512 + L_act, printed, 900 steps", {**PRINTED, **LONG}, BASE),
    *(
        Arm(f"untouched-{size}", f"untouched, {size} pixels, whole image", {**WHOLE, "size": size})
        for size in (224, 288)
    ),
    *(Arm(data, f"U512, {title}", {"data": data}, BASE) for data, title in LADDER.items()),
    Arm("glyphs-instance", "U512, glyphs-instance", {"data": "glyphs-instance", "parts": False}, BASE),
)

ON_GROCERIES = Study(
    name="baseline",
    title="The unified baseline and activation decay",
    build=build,
    defaults=DEFAULTS,
    arms=planned(
        GROCERIES,
        ARMS,
        first("u512", 12, extra_seeds=5),
        first("u512-lact-printed u512-lact-tuned", 12),
        first("u64 u64-lact-tuned", 9),
        later("u192 u384 u192-lact-tuned u384-lact-tuned", 9),
        later("u512-lact-released u512-activation-only u512-ntri-only u512-orthogonal u512-printed", 9),
        later("u512-wd-0 u512-wd-1e-3 u512-wd-1e-2", 9),
        smoke="u512",
    ),
    tunings=(
        Tuning(
            "baseline",
            "u512",
            (
                {"lr": 1e-4, "head": 1.0, "gamma": 25.0},
                {"lr": 1e-4, "head": 10.0, "gamma": 25.0},
                {"lr": 3e-5, "head": 10.0, "gamma": 25.0},
                {"lr": 1e-5, "head": 10.0, "gamma": 35.0},  # as DeML prints it
                {"lr": 3e-4, "head": 1.0, "gamma": 25.0},
                {"lr": 1e-4, "head": 1.0, "gamma": 5.0},
            ),
        ),
        *LACT_TUNINGS,
    ),
    live=(),
)
ON_GLYPHS = Study(
    name="glyph_baseline",
    title="The unified baseline on glyphs",
    build=build,
    defaults=DEFAULTS,
    arms=planned(
        GLYPHS,
        ARMS,
        first("u512", 1.3, draws=10, extra_seeds=5),
        first("u512-lact-printed u512-lact-tuned", 1.3, draws=10),
        first("u64 u64-lact-tuned u384-lact-tuned", 1.1, draws=10),
        first("u384 u192 u192-lact-tuned u512-staged u512-staged-control", 1.1),
        first("u512-lact-released u512-activation-only u512-ntri-only u512-orthogonal", 1.1),
        first("u512-wd-0 u512-wd-1e-3 u512-wd-1e-2", 1.1),
        first("u512-long u512-lact-printed-long", 3.5, draws=3),
        smoke="u512 u512-lact-printed",
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
        *LACT_TUNINGS,
    ),
    live=("u512-lact-printed", "u512"),
    trial_steps=200,
)
ON_LADDER = Study(
    name="glyph_ladder",
    title="The unified baseline on glyphs of every difficulty",
    build=build,
    defaults=DEFAULTS,
    arms=planned(GLYPHS, ARMS, first(" ".join((*LADDER, "glyphs-instance")), 1.1), smoke=""),
    tunings=(),
    tuned_by=ON_GLYPHS,
    live=(),
)
AT_224 = Study(
    name="baseline_224",
    title="The unified baseline and activation decay at 224 pixels",
    build=build,
    defaults=DEFAULTS,
    arms=planned(
        GROCERIES_224,
        ARMS,
        first("u512", 9.5, curves=True),
        first("u512-lact-printed u512-lact-tuned", 12.4, curves=True),
        first("u64 u512-lact-released u64-lact-tuned", 9, draws=3),
        first("u512-printed u512-printed-lact-printed", 12, draws=3),
        first("untouched-224 untouched-288", 3, draws=3),
        smoke="u512 u512-lact-printed",
    ),
    tunings=(
        Tuning(
            "baseline",
            "u512",
            tuple({"lr": lr, "head": 1.0, "gamma": gamma} for gamma in (5.0, 25.0) for lr in (3e-5, 5e-5, 1e-4)),
        ),
        *LOWER,
    ),
    live=(),  # to be declared when an idle machine has timed it
    trial_steps=200,
)
STUDIES = (ON_GROCERIES, AT_224, ON_GLYPHS, ON_LADDER)
