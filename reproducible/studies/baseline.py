"""The unified baseline U_d and activation decay: DeML Table 1 and the U curves of Fig. 5 (page: baseline)."""

from __future__ import annotations

from reproducible.config import Component, DataConfig, EvaluationConfig, OptimiserConfig, RunConfig, Term
from reproducible.studies.base import Arm, Params, Study, Tuning

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


def build(params: Params) -> RunConfig:
    """A run of U_d on groceries.

    Args:
        params: those of :func:`objective`; ``dim``; ``lr``, ``head`` (multiplier), ``decay`` (weight decay);
            ``test_every`` (steps between looks at test and seen classes, 0: none).
    """
    return RunConfig(
        data=DataConfig(classes_per_batch=8, images_per_class=3),
        model=Component("unified", {"dim": params["dim"]}),
        objective=objective(params),
        optimiser=OptimiserConfig(lr=params["lr"], head_multiplier=params["head"], weight_decay=params["decay"]),
        evaluation=EvaluationConfig(
            every=50, test_every=params["test_every"], seen_every=params["test_every"], keep="matches"
        ),
        steps=400,
    )


DEFAULTS = {
    **{"dim": 512, "lr": 1e-4, "head": 1.0, "decay": 2e-4, "gamma": 25.0},
    **{"lact": 0.0, "ntri": 0.0, "orthogonal": 0.0, "released": False, "test_every": 0},
}
CURVES = {"test_every": 100}
ROWS = {"ntri": 0.25}
PRINTED = {"lact": 0.014, **ROWS}
BASE = ("baseline",)
LACT_TUNINGS = tuple(
    Tuning(f"lact-{d}", f"u{d}-lact-tuned", tuple({"lact": w} for w in (LACT_RELEASED, 5e-4, 5e-3))) for d in (512, 64)
)
"""Three weights of the activation term at each of two dimensions."""


def _tier_b() -> tuple[Arm, ...]:
    declared = {"tier": "B", "minutes": 9, "smoke": False}  # profile smoke trains tier A
    small = [Arm(f"u{d}", f"U{d}", {"dim": d}, BASE, **declared) for d in (192, 384)]
    tuned = (*BASE, "lact-512")
    decayed = [
        Arm(f"u{d}-lact-tuned", f"U{d} + L_act, tuned", {"dim": d, **ROWS}, tuned, **declared) for d in (192, 384)
    ]
    parts = [
        ("u512-lact-released", "released form of L_act", {"lact": 0.014, "released": True, "ntri": 0.25 / 512}),
        ("u512-activation-only", "activation term only, printed weight", {"lact": 0.014}),
        ("u512-ntri-only", "L_ntri only", {"ntri": 0.25}),
        ("u512-orthogonal", "orthogonality in place of L_ntri", {"orthogonal": 0.25}),
        ("u512-printed", "gamma and rates as printed", {"gamma": 35.0, "lr": 1e-5, "head": 10.0}),
        ("u512-wd-0", "weight decay 0", {"decay": 0.0}),
        ("u512-wd-1e-3", "weight decay 0.001", {"decay": 1e-3}),
        ("u512-wd-1e-2", "weight decay 0.01", {"decay": 1e-2}),
    ]
    return (*small, *decayed, *(Arm(n, f"U512, {t}", p, BASE, **declared) for n, t, p in parts))


STUDY = Study(
    name="baseline",
    title="The unified baseline and activation decay",
    build=build,
    defaults=DEFAULTS,
    arms=(
        Arm("u512", "U512", CURVES, BASE, extra_seeds=5, minutes=12),
        Arm("u512-lact-printed", "U512 + L_act, printed", {**PRINTED, **CURVES}, BASE, minutes=12),
        Arm("u512-lact-tuned", "U512 + L_act, tuned", {**ROWS, **CURVES}, (*BASE, "lact-512"), minutes=12),
        Arm("u64", "U64", {"dim": 64}, BASE, minutes=9),
        Arm("u64-lact-tuned", "U64 + L_act, tuned", {"dim": 64, **ROWS}, (*BASE, "lact-64"), minutes=9),
        *_tier_b(),
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
    live=("u512-lact-printed", "u512"),
)
