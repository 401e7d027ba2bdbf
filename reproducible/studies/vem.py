"""VEM: margin loss with and without the module, and its controls, on groceries (page: vem).

Batch, dimension, distance weighting, beta and both weights are the document's; it gives no rate, no weight decay and no
number of images a class. Weight decay and the third candidate of the rate are those of Divide and Conquer, whose recipe
the document's table continues; 16 classes of 4 images make its batch of 64.
"""

from __future__ import annotations

from collections.abc import Mapping

from reproducible.config import Component, DataConfig, EvaluationConfig, OptimiserConfig, RunConfig, Term
from reproducible.studies.base import Arm, Params, Study, Tuning

PRINTED_LACT = {"lact": 0.014, "ntri": 0.25}  # as DeML prints them
BASE = ("baseline",)
Declared = Mapping[str, tuple[str, Params]]  # name -> title and parameters


def model(params: Params, dim: int) -> Component:
    """The plain model, or VEM where ``gate`` names one.

    Args:
        params: ``gate``, ``place``, ``positions``, ``detach_variance``, ``detach_gate``, ``scale`` and, in units of the
            prediction, ``std`` of :class:`reproducible.models.vem.VEM`; a gate of ``""`` is none at all.
        dim: size of the embedding.
    """
    if not params["gate"]:
        return Component("unified", {"dim": dim})
    names = ("gate", "place", "positions", "std", "detach_variance", "detach_gate")
    faster = {"scale": params["scale"], "std": params["std"] / params["scale"]} if params["scale"] != 1 else {}
    return Component("vem", {"dim": dim, **{name: params[name] for name in names}, **faster})


def objective(params: Params) -> tuple[Term, ...]:
    """The losses.

    Args:
        params: ``loss`` (``margin`` or ``binomial_deviance``), options of it that are not its defaults (``learn_beta``
            of the one, ``gamma`` of the other); ``lvar``, ``lact`` and ``ntri``, weights of L_var and of the two parts
            of L_act (0: without).
    """
    options = {name: params[name] for name in ("learn_beta", "gamma") if params[name]}
    losses = [Term(params["loss"], options)]
    if params["lvar"]:
        losses.append(Term("penalty", {"name": "L_var", "weight": params["lvar"]}))
    if params["lact"]:
        losses.append(Term("activation_decay", {"weight": params["lact"]}))
    if params["ntri"]:
        losses.append(Term("unit_rows", {"weight": params["ntri"]}))
    return tuple(losses)


def build(params: Params) -> RunConfig:
    """A run on groceries.

    Args:
        params: those of :func:`model` and :func:`objective`; ``backbone``; ``dim``; ``lr``, ``head`` (multiplier),
            ``decay`` (weight decay); ``curves`` (looks at test and seen classes along the way), ``measures`` and
            ``keep`` of the evaluation.
    """
    tested, seen = (20, 40) if params["curves"] else (0, 0)
    return RunConfig(
        data=DataConfig(classes_per_batch=16, images_per_class=4),
        backbone=Component(params["backbone"]),
        model=model(params, params["dim"]),
        objective=objective(params),
        optimiser=OptimiserConfig(lr=params["lr"], head_multiplier=params["head"], weight_decay=params["decay"]),
        evaluation=EvaluationConfig(
            every=20, test_every=tested, seen_every=seen, keep=params["keep"], measures=params["measures"]
        ),
        steps=80,
    )


DEFAULTS = {
    **{"backbone": "bvlc_googlenet", "dim": 128, "lr": 1e-4, "head": 1.0, "decay": 1e-4},
    **{"gate": "", "place": "pooled", "positions": 0, "std": 0.01, "detach_variance": True, "detach_gate": False},
    "scale": 1.0,
    **{"loss": "margin", "learn_beta": False, "gamma": 0.0, "lvar": 0.0, "lact": 0.0, "ntri": 0.0},
    **{"curves": False, "measures": (), "keep": "matches"},
}
VEM = {"gate": "variance", "lvar": 1.0}
LOOKED_AT = {"curves": True, "measures": ("clusters", "variances")}
WATCHED = {"curves": True, "measures": ("clusters", "gate", "variances")}
GATE = {"measures": ("gate",)}
FAST = {"scale": 1000.0, "measures": ("gate", "variances")}
CONTROLS: Declared = {
    "margin-gate-only": ("gate only", {"gate": "variance", **GATE}),
    "margin-lvar-only": ("L_var only", {"gate": "none", "lvar": 1.0, "detach_variance": False}),
    "margin-half-gate": ("constant gate 1/2", {"gate": "fixed", "std": 0.0}),
    "margin-lact": ("L_act in its place", PRINTED_LACT),
    "margin-random-gate": ("random fixed gate", {"gate": "fixed", "std": 1.0}),
    "margin-inverse-variance-gate": ("gate of the inverse", {**VEM, "gate": "inverse_variance", **GATE}),
}
"""What stands in VEM's place."""
VARIANTS: Declared = {
    "margin-vem-attached": ("VEM, L_var moves the trunk too", {**VEM, "detach_variance": False, **GATE}),
    "margin-vem-detached-gate": ("VEM, L_var alone moves it", {**VEM, "detach_gate": True, **GATE}),
    "margin-vem-after": ("VEM behind the embedding", {**VEM, "place": "embedding", **GATE}),
    "margin-vem-fast": ("VEM, prediction 1,000 times as fast", {**VEM, **FAST}),
    "margin-inverse-variance-fast": ("its inverse", {**VEM, **FAST, "gate": "inverse_variance"}),
    "margin-vem-maps": ("VEM on the maps", {**VEM, "place": "maps", **GATE}),
    "margin-se": ("squeeze and excitation", {"gate": "squeeze_excitation", **GATE}),
    "margin-learnt-beta": ("margin, learnt beta", {"learn_beta": True}),
    "margin-vem-learnt-beta": ("VEM, learnt beta", {**VEM, "learn_beta": True, **GATE}),
    "binomial": ("binomial deviance", {"loss": "binomial_deviance"}),
    "binomial-vem": ("binomial deviance + VEM", {**VEM, "loss": "binomial_deviance", **GATE}),
    "binomial-vem-attached": (
        "binomial deviance + VEM, L_var moves the trunk too",
        {**VEM, "detach_variance": False, "loss": "binomial_deviance", **GATE},
    ),
}
"""The same of other readings, places and losses."""


def dimensions(names: tuple[int, ...]) -> Declared:
    """The pair at other dimensions."""
    found: dict[str, tuple[str, Params]] = {}
    for d in names:
        found[f"margin-vem-d{d}"] = (f"margin + VEM, d = {d}", {**VEM, "dim": d, **GATE})
        found[f"margin-d{d}"] = (f"margin, d = {d}", {"dim": d})
    return found


_SMOKE = ("margin-se", "margin-vem-positions")  # beside the decisive pair; the others go through the same code


def arms(declared: Declared, minutes: float, tier: str = "A", draws: int = 5) -> tuple[Arm, ...]:
    """Arms of these names, titles and parameters, at the rate of ``margin``."""
    return tuple(
        Arm(name, title, params, BASE, tier=tier, draws=draws, minutes=minutes, smoke=name in _SMOKE)
        for name, (title, params) in declared.items()
    )


_EFFICIENTNET: Declared = {
    "margin-vem-efficientnet": ("margin + VEM, EfficientNet", {**VEM, **GATE}),
    "margin-efficientnet": ("margin, EfficientNet", {}),
    "margin-gate-only-efficientnet": ("gate only, EfficientNet", CONTROLS["margin-gate-only"][1]),
    "margin-inverse-variance-gate-efficientnet": (
        "gate of the inverse, EfficientNet",
        CONTROLS["margin-inverse-variance-gate"][1],
    ),
}
"""The pair and two controls on a trunk with batch normalisation, as the document's ResNet-50 has it."""


def _efficientnet(names: tuple[str, ...], tier: str) -> tuple[Arm, ...]:
    tuned = (*BASE, "efficientnet")
    return tuple(
        Arm(
            name,
            title,
            {**params, "backbone": "efficientnet_lite0"},
            tuned,
            tier=tier,
            minutes=3.5,
            smoke=name == "margin-vem-efficientnet",
        )
        for name, (title, params) in _EFFICIENTNET.items()
        if name in names
    )


def _split(declared: Declared, first: tuple[str, ...]) -> tuple[Declared, Declared]:
    return {n: declared[n] for n in first}, {n: d for n, d in declared.items() if n not in first}


_URGENT = ("margin-gate-only", "margin-half-gate", "margin-lvar-only", "margin-lact", "margin-vem-d512")
_A, _B = _split({**CONTROLS, **VARIANTS, **dimensions((64, 256, 512))}, _URGENT)

STUDY = Study(
    name="vem",
    title="VEM and its controls",
    build=build,
    defaults=DEFAULTS,
    arms=(
        Arm("margin-vem", "margin + VEM", {**VEM, **WATCHED, "keep": "neighbours"}, BASE, minutes=8.5),
        Arm("margin", "margin", {**LOOKED_AT, "keep": "neighbours"}, BASE, minutes=8.5),
        *arms(_A, 5.5),
        *_efficientnet(("margin-vem-efficientnet", "margin-efficientnet"), "A"),
        *arms(_B, 5.5, tier="B"),
        *_efficientnet(("margin-gate-only-efficientnet", "margin-inverse-variance-gate-efficientnet"), "B"),
    ),
    tunings=(
        Tuning(
            "baseline",
            "margin",
            (
                {"lr": 1e-4, "head": 1.0},
                {"lr": 1e-4, "head": 10.0},
                {"lr": 3e-5, "head": 1.0},
                {"lr": 3e-5, "head": 10.0},
                {"lr": 1e-5, "head": 1.0},  # as Divide and Conquer prints it
                {"lr": 1e-5, "head": 10.0},
            ),
        ),
        Tuning("efficientnet", "margin-efficientnet", ({"lr": 1e-4}, {"lr": 3e-4}, {"lr": 1e-3})),
    ),
    live=("margin-vem", "margin"),
    live_steps=20,
    trial_steps=60,
)
