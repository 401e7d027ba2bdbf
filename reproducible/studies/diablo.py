"""DIABLO and ABE: strategies, entries, temperature, losses and what stands in the place of either, on groceries at 224
pixels and on glyphs (pages: diablo, entries, three_losses_and_abe).

The document gives no batch, no number of steps and no alpha. Rates are tuned for each plain network and its loss, alpha
for each strategy, on validation classes. DIABLO's loss reads the concatenation of its learners and ABE's each learner,
as published; the negative weight is DIABLO's 25. Weight decay is that of all studies. On glyphs 128 dimensions stand
for 512. ABE sums the losses of its learners, of which the mean is taken here: its divergence weighs 1/8.
"""

from __future__ import annotations

from dataclasses import replace

from reproducible.config import Component, RunConfig, Term
from reproducible.studies.arms import Arm, Tuning, first, later, planned
from reproducible.studies.base import Study
from reproducible.studies.baseline import CURVES
from reproducible.studies.benchmarks import GLYPHS, GROCERIES_224, TRAINING, Params, run

DICTIONARIES = ("feature", "dimension")


def model(params: Params) -> Component:
    """U_d where there is no gate, else a head of branches.

    Args:
        params: ``dim`` and ``hidden``, the document's; ``alpha`` and ``alpha_by``, which multiplies it; ``directions``,
            of 1,024 channels; other options of :func:`reproducible.models.head.head`.
    """
    dim = params["dim"] // params["divisor"]
    if not params["gate"]:
        return Component("unified", {"dim": dim})
    options = {"dim": dim, **{name: params[name] for name in ("branches", "gate", "place")}}
    if params["gate"] in DICTIONARIES:
        options["alpha"] = params["alpha"] * params["alpha_by"]
        options |= {"likeness": params["likeness"]} if params["likeness"] != "cosine" else {}
        options |= {"directions": params["directions"] // params["divisor"]} if params["directions"] else {}
        options |= {"rescale": True} if params["rescale"] else {}
    elif params["gate"] == "sigmoid":
        options["glorot"] = True
    elif params["gate"] in ("pooled", "unpooled"):
        options["hidden"] = params["hidden"] // params["divisor"]
    return Component("head", options | {name: True for name in ("shared_learner", "own_tails") if params[name]})


def objective(params: Params) -> tuple[Term, ...]:
    """The metric loss, and what makes branches differ.

    Args:
        params: ``loss``, with ``gamma`` of binomial deviance; ``distance``, a contrastive loss of squared distances, as
            ABE writes it; ``joint``, the loss reads the concatenation of the learners and not each; ``diversity``, a
            loss by name, with ``strength``, its weight, and ``strength_by``, which multiplies it; ``images`` of the
            divergence.
    """
    options = {"gamma": params["gamma"]} if params["loss"] == "binomial_deviance" else {}
    options |= {"form": "distance"} if params["distance"] else {}
    terms = [Term(params["loss"], options, on="embedding" if params["gate"] and params["joint"] else "")]
    diversity, branches = params["diversity"], params["branches"]
    strength = params["strength"] * params["strength_by"]
    if diversity == "divergence":
        images = {"images": params["images"]} if params["images"] != "same" else {}
        terms.append(Term("divergence", images, weight=strength))
    elif diversity == "push_apart":
        terms.append(Term("push_apart", {"branches": branches, "weight": strength}))
    elif diversity == "adversary":
        size = params["dim"] // params["divisor"] // branches
        rise = 2 * params["steps"] // 3
        terms.append(Term("adversary", {"dim": size, "branches": branches, "weight": strength, "rise": rise}))
    return tuple(terms)


def build(params: Params) -> RunConfig:
    """A run of :func:`model` with :func:`objective`.

    Args:
        params: ``lr_by``, which multiplies the rate; ``opposed``, whether gradients of metric loss and divergence are
            compared; ``grounds``, whether recall on other grounds is measured where these are known.
    """
    gated = params["gate"] not in ("", "none")
    measured = {
        "branches": bool(params["gate"]),
        "entries": gated,
        "attributes": bool(params["gate"]) and params["parts"],
        "background": params["grounds"] and params["parts"],
        "gradients": params["opposed"],
    }
    wanted = tuple(name for name, asked in measured.items() if asked)
    made = run(params, model(params), objective(params), measures=wanted)
    return replace(made, optimiser=replace(made.optimiser, lr=params["lr"] * params["lr_by"]))


DEFAULTS = {
    **TRAINING,
    **{"dim": 512, "hidden": 64, "branches": 8, "gate": "", "place": "pre"},
    **{"alpha": 10.0, "alpha_by": 1.0, "likeness": "cosine", "directions": 0, "rescale": False},
    **{"shared_learner": False, "own_tails": False},
    **{"loss": "binomial_deviance", "gamma": 25.0, "distance": False, "joint": True},
    **{"diversity": "", "strength": 1 / 8, "strength_by": 1.0, "images": "same"},
    **{"lr_by": 1.0, "opposed": False, "grounds": False},
}
BASE = ("baseline",)
GROUNDS = {"grounds": True, **CURVES}
CONTRASTIVE = {"loss": "contrastive"}
TRIPLET = {"loss": "triplet"}
SQUARED = {**CONTRASTIVE, "distance": True}
"""ABE's own loss."""
ABE = {"gate": "sigmoid", "shared_learner": True, "joint": False}
DIVERGENCE = {"diversity": "divergence"}
ADVERSARY = {"diversity": "adversary", "strength": 1.0}
LEARNERS_ALONE = {"gate": "none", "own_tails": True, "joint": False}
OFF = 0.1
"""Ten times too small: a low weight of the divergence is what Kim et al. warn of, a low alpha makes gates even."""


def strategy(per: str, place: str, branches: int = 8, **more: object) -> dict[str, object]:
    """Parameters of one of DIABLO's four strategies."""
    return {"gate": per, "place": place, "branches": branches, **more}


def _arms(*declared: tuple[str, str, Params], tuned: tuple[str, ...] = BASE) -> tuple[Arm, ...]:
    return tuple(Arm(name, title, params, tuned) for name, title, params in declared)


PRE_8 = strategy("dimension", "pre")
ARMS = (
    *_arms(("binomial", "U512, binomial deviance", GROUNDS)),
    *_arms(("contrastive", "U512, contrastive", {**CONTRASTIVE, **CURVES}), tuned=(*BASE, "contrastive")),
    *_arms(("triplet", "U512, triplet", {**TRIPLET, **CURVES}), tuned=(*BASE, "triplet")),
    *_arms(("u512-contrastive", "U512, ABE's contrastive loss", {**SQUARED, **CURVES}), tuned=(*BASE, "squared")),
    *_arms(  # dimension-wise, in front of the stages that refine
        ("dimension-pre-8", "DIABLO, dimension-wise pre, N = 8", {**PRE_8, **GROUNDS}),
        ("binomial-diablo-8", "DIABLO-8, binomial deviance", {**PRE_8, **GROUNDS}),
        *(
            (f"dimension-pre-{n}", f"DIABLO, dimension-wise pre, N = {n}", strategy("dimension", "pre", n, **CURVES))
            for n in (2, 4, 16)
        ),
        ("dimension-pre-8-alpha-off-by-ten", "DIABLO-8, a tenth of its alpha", {**PRE_8, "alpha_by": OFF, **CURVES}),
        ("dimension-pre-8-alpha-times-ten", "DIABLO-8, ten times its alpha", {**PRE_8, "alpha_by": 1 / OFF}),
        ("dimension-pre-8-separate-psi", "DIABLO-8, psi of its own an entry", {**PRE_8, "own_tails": True, **CURVES}),
        ("dimension-pre-8-divergence", "DIABLO-8 with divergence", {**PRE_8, **DIVERGENCE}),
        ("dimension-pre-8-adversary", "DIABLO-8 with DeML's adversary", {**PRE_8, **ADVERSARY}),
        ("dimension-pre-8-rescaled", "DIABLO-8, factors times N", {**PRE_8, "rescale": True}),
        ("dimension-pre-8-shared-learner", "DIABLO-8, one learner for all", {**PRE_8, "shared_learner": True}),
        ("dimension-pre-8-per-branch", "DIABLO-8, a loss for each learner", {**PRE_8, "joint": False}),
        *(
            (f"dimension-pre-8-rate-{name}", f"DIABLO-8, {title} the rate", {**PRE_8, "lr_by": by})
            for name, title, by in (("third", "a third of", 1 / 3), ("triple", "three times", 3.0))
        ),
        ("dimension-pre-8-multi-resolution", "DIABLO-8, its own crops", {**PRE_8, "augmentation": "diablo"}),
        tuned=(*BASE, "alpha-dimension-pre"),
    ),
    *_arms(
        *(
            (f"dimension-pre-8-alpha-{alpha}", f"DIABLO-8, alpha {alpha}", {**PRE_8, "alpha": float(alpha)})
            for alpha in (1, 3, 10, 30, 100)
        ),
        ("binomial-multi-resolution", "U512, DIABLO's own crops", {"augmentation": "diablo"}),
    ),
    *_arms(
        ("dimension-pre-8-euclidean", "DIABLO-8, Euclidean", {**PRE_8, "likeness": "euclidean", **CURVES}),
        tuned=(*BASE, "alpha-euclidean"),
    ),
    *_arms(
        ("contrastive-diablo-8", "DIABLO-8, contrastive", {**PRE_8, **CONTRASTIVE, **CURVES}),
        tuned=(*BASE, "contrastive", "alpha-dimension-pre"),
    ),
    *_arms(
        ("triplet-diablo-8", "DIABLO-8, triplet", {**PRE_8, **TRIPLET, **CURVES}),
        tuned=(*BASE, "triplet", "alpha-dimension-pre"),
    ),
    *_arms(
        ("dimension-post-8", "DIABLO, dimension-wise post, N = 8", strategy("dimension", "post", **GROUNDS)),
        tuned=(*BASE, "alpha-dimension-post"),
    ),
    *_arms(
        ("feature-pre-8", "DIABLO, feature-wise pre, N = 8", strategy("feature", "pre", **GROUNDS)),
        tuned=(*BASE, "alpha-feature-pre"),
    ),
    *_arms(
        ("feature-post-8", "DIABLO, feature-wise post, N = 8", strategy("feature", "post", **GROUNDS)),
        *(
            (f"feature-post-{n}", f"DIABLO, feature-wise post, N = {n}", strategy("feature", "post", n, **CURVES))
            for n in (2, 4, 16)
        ),
        (
            "feature-post-8-capacity",
            "DIABLO, feature-wise post, N = 8, as many parameters",
            strategy("feature", "post", directions=390),  # 480 x 832 / 1,024
        ),
        (
            "feature-post-8-netvlad",
            "DIABLO, feature-wise post, NetVLAD's assignment",
            strategy("feature", "post", likeness="linear"),
        ),
        tuned=(*BASE, "alpha-feature-post"),
    ),
    *_arms(
        ("abe-8", "ABE-8", {**ABE, **SQUARED, **DIVERGENCE, "opposed": True, **GROUNDS}),
        ("abe-8-no-divergence", "ABE-8 without divergence", {**ABE, **SQUARED, "opposed": True, **CURVES}),
        *(
            (
                f"abe-8-divergence-weight-{name}",
                f"ABE-8, {title} its weight of the divergence",
                {**ABE, **SQUARED, **DIVERGENCE, "strength_by": by, **CURVES},
            )
            for name, title, by in (("off-by-ten", "a tenth of", OFF), ("times-ten", "ten times", 1 / OFF))
        ),
        (
            "abe-8-all-images",
            "ABE-8, divergence of all images",
            {**ABE, **SQUARED, **DIVERGENCE, "images": "all", "strength": 1 / 4},
        ),
        (
            "abe-8-separate-learners",
            "ABE-8, a learner for each",
            {**ABE, **SQUARED, **DIVERGENCE, "shared_learner": False},
        ),
        *(
            (f"abe-8-rate-{name}", f"ABE-8, {title} the rate", {**ABE, **SQUARED, **DIVERGENCE, "lr_by": by})
            for name, title, by in (("third", "a third of", 1 / 3), ("triple", "three times", 3.0))
        ),
        ("heads-8", "8 plain heads behind pool3", {**LEARNERS_ALONE, **SQUARED, **CURVES}),
        tuned=(*BASE, "squared"),
    ),
    *_arms(
        ("abe-8-binomial", "ABE-8, binomial deviance", {**ABE, **DIVERGENCE, **CURVES}),
        ("abe-8-binomial-no-divergence", "ABE-8, binomial deviance, without divergence", {**ABE, **CURVES}),
    ),
)
TRIED = (10.0, 30.0, 100.0)
"""Temperatures. At 1 all entries start with nearly the same weight: arms of their own."""


def _alphas(*named: tuple[str, str]) -> tuple[Tuning, ...]:
    return tuple(Tuning(f"alpha-{name}", arm, tuple({"alpha": alpha} for alpha in TRIED)) for name, arm in named)


def _rates(*rates: float) -> tuple[Tuning, ...]:
    named = (("contrastive", "contrastive"), ("triplet", "triplet"), ("squared", "u512-contrastive"))
    return tuple(Tuning(name, arm, tuple({"lr": lr} for lr in rates)) for name, arm in named)


def _tuned_behind(arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
    """Arms that take alpha from trials behind the last stages wherever their gates stand."""
    return tuple(replace(arm, tuned=tuple(name.replace("-pre", "-post") for name in arm.tuned)) for arm in arms)


EUCLIDEAN = ("euclidean", "dimension-pre-8-euclidean")
ON_GLYPHS = Study(
    name="glyph_diablo",
    title="DIABLO and ABE on glyphs",
    build=build,
    defaults=DEFAULTS,
    arms=planned(
        GLYPHS,
        ARMS,
        first("dimension-pre-8", 7, draws=10),
        first("binomial", 1.6, draws=10),
        first("abe-8", 8, draws=10),
        first("feature-post-8", 2.2, draws=10),
        first("dimension-post-8", 4.2, draws=10),
        first("feature-pre-8", 6.6, draws=10),
        first("abe-8-no-divergence abe-8-binomial abe-8-binomial-no-divergence", 7.5, draws=10),
        first("binomial-diablo-8", 7, draws=10),
        first("contrastive triplet", 1.6, draws=10),
        first("contrastive-diablo-8 triplet-diablo-8", 7, draws=10),
        first("dimension-pre-16", 13, draws=10),
        first("dimension-pre-2", 3, draws=10),
        first("dimension-pre-4", 4.3, draws=10),
        first("feature-post-16", 2.7, draws=10),
        first("dimension-pre-8-alpha-off-by-ten abe-8-divergence-weight-off-by-ten", 7, draws=10),
        first("u512-contrastive", 1.6, draws=10),
        first("heads-8", 6.4, draws=10),
        first("dimension-pre-8-separate-psi", 8.7, draws=10),
        first("dimension-pre-8-euclidean", 7, draws=10),
        first("dimension-pre-8-alpha-1 dimension-pre-8-alpha-100", 5, draws=10),
        first("feature-post-2 feature-post-4", 2),
        first("feature-post-8-capacity feature-post-8-netvlad", 2),
        first("dimension-pre-8-alpha-3 dimension-pre-8-alpha-10 dimension-pre-8-alpha-30", 5),
        first("dimension-pre-8-divergence dimension-pre-8-rescaled dimension-pre-8-shared-learner", 5),
        first("dimension-pre-8-per-branch dimension-pre-8-alpha-times-ten", 5),
        first("abe-8-divergence-weight-times-ten abe-8-all-images abe-8-separate-learners", 6),
        later("dimension-pre-8-adversary", 5),
        later("dimension-pre-8-rate-third dimension-pre-8-rate-triple abe-8-rate-third abe-8-rate-triple", 5),
        smoke="dimension-pre-8 abe-8",
    ),
    tunings=(
        Tuning(
            "baseline",
            "binomial",
            (
                {"lr": 2e-3, "head": 1.0},
                {"lr": 1e-3, "head": 1.0},
                {"lr": 1e-3, "head": 1.0, "batch_statistics": False},
            ),
        ),
        *_rates(2e-3, 1e-3, 4e-3),
        *_alphas(
            ("dimension-pre", "dimension-pre-8"),
            ("dimension-post", "dimension-post-8"),
            ("feature-pre", "feature-pre-8"),
            ("feature-post", "feature-post-8"),
            EUCLIDEAN,
        ),
    ),
    live=(),  # 20 minutes of profile quick are spent by the other documents
    trial_steps=200,
)
ON_GROCERIES = Study(
    name="diablo",
    title="DIABLO and ABE on groceries at 224 pixels",
    build=build,
    defaults=DEFAULTS,
    arms=planned(
        GROCERIES_224,
        _tuned_behind(ARMS),  # a trial in front of them takes half an hour
        first("dimension-pre-8", 25),
        first("binomial", 4),
        first("dimension-post-8 feature-post-8", 5.5),
        first("abe-8", 25),
        first("feature-pre-8", 25),
        first("abe-8-no-divergence", 25),
        first("heads-8", 24),
        later("u512-contrastive contrastive triplet", 4),
        later("abe-8-binomial abe-8-binomial-no-divergence", 25),
        later("binomial-diablo-8 contrastive-diablo-8 triplet-diablo-8", 25),
        later("dimension-pre-16", 47.5),
        later("dimension-pre-2", 10),
        later("dimension-pre-4", 15),
        later("feature-post-2 feature-post-4 feature-post-16 feature-post-8-capacity feature-post-8-netvlad", 5.5),
        later("dimension-pre-8-alpha-1 dimension-pre-8-alpha-100 dimension-pre-8-euclidean", 25),
        later("dimension-pre-8-separate-psi dimension-pre-8-divergence dimension-pre-8-alpha-off-by-ten", 25),
        later("abe-8-divergence-weight-off-by-ten dimension-pre-8-multi-resolution", 25),
        later("binomial-multi-resolution", 4),
        later("dimension-pre-8-adversary", 25),
        smoke="dimension-post-8",
    ),
    tunings=(
        Tuning("baseline", "binomial", tuple({"lr": lr, "head": 1.0} for lr in (3e-5, 5e-5, 1e-4))),
        *_rates(3e-5, 5e-5, 1e-4),
        *_alphas(("dimension-post", "dimension-post-8"), ("feature-post", "feature-post-8"), EUCLIDEAN),
    ),
    live=(),
    trial_steps=100,
)
STUDIES = (ON_GROCERIES, ON_GLYPHS)
