"""VEM: margin loss with and without the module, and its controls, on groceries and on glyphs (page: vem).

Batch, dimension, distance weighting, beta and both weights are the document's; it gives no rate, no weight decay and no
number of images a class. Weight decay and the third candidate of the rate are those of Divide and Conquer, whose recipe
the document's table continues; 16 classes of 4 images make its batch of 64. On glyphs 32 dimensions stand for 128, and
16, 64 and 128 for 64, 256 and 512.
"""

from __future__ import annotations

from reproducible.config import Component, RunConfig, Term
from reproducible.studies.arms import Arm, Tuning, first, later, planned
from reproducible.studies.base import Study
from reproducible.studies.benchmarks import GLYPHS, GROCERIES, TRAINING, Params, run

BASE = ("baseline",)


def model(params: Params) -> Component:
    """The plain model, or VEM where ``gate`` names one.

    Args:
        params: ``dim``, the document's; ``gate``, ``place``, ``positions``, ``detach_variance``, ``detach_gate``,
            ``scale`` and, in units of the prediction, ``std`` of :class:`reproducible.models.vem.VEM`; a gate of ``""``
            is none at all.
    """
    dim = params["dim"] // params["divisor"]
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
    """A run of :func:`model` with :func:`objective`; ``measures`` of the evaluation."""
    return run(params, model(params), objective(params), measures=params["measures"])


DEFAULTS = {
    **TRAINING,
    **{"dim": 128, "decay": 1e-4, "batch": (16, 4)},
    **{"gate": "", "place": "pooled", "positions": 0, "std": 0.01, "detach_variance": True, "detach_gate": False},
    **{"scale": 1.0, "loss": "margin", "learn_beta": False, "gamma": 0.0, "lvar": 0.0, "lact": 0.0, "ntri": 0.0},
    **{"measures": (), "parts": False},
}
VEM = {"gate": "variance", "lvar": 1.0}
GATE = {"measures": ("gate",)}
FAST = {"scale": 1000.0, "measures": ("gate", "variances")}
ATTACHED = {"detach_variance": False}
BINOMIAL = {"loss": "binomial_deviance"}
GATE_ONLY = {"gate": "variance", **GATE}
LVAR_ONLY = {"gate": "none", "lvar": 1.0, **ATTACHED}
INVERSE = {**VEM, "gate": "inverse_variance"}
PRINTED_LACT = {"lact": 0.014, "ntri": 0.25}  # as DeML prints them
POSITIONS = 36  # of the compact network's last map at 48 pixels
EFFICIENTNET = {"backbone": "efficientnet_lite0"}
"""A trunk with batch normalisation, as the document's ResNet-50 has it."""
LONG = {"steps": 1200, "curves": True}
"""Four times as long on glyphs, with looks at the test classes on the way."""
BRIEF = {
    **{"loss": "binomial_deviance", "gamma": 5.0, "lr": 3e-3, "head": 1.0, "decay": 0.0},
    **{"batch": (24, 4), "steps": 60, "looks": (10, 10, 10), "dim": 512, "batch_statistics": True},
}
"""The settings of the prototype in which VEM gained on glyphs, brief and fast."""


def _arms(*declared: tuple[str, str, Params], tuned: tuple[str, ...] = BASE) -> tuple[Arm, ...]:
    return tuple(Arm(name, title, params, tuned) for name, title, params in declared)


ARMS = (
    *_arms(
        ("margin-vem", "margin + VEM", {**VEM, "curves": True, "measures": ("clusters", "gate", "variances")}),
        ("margin", "margin", {"curves": True, "measures": ("clusters", "variances")}),
        ("margin-vem-long", "margin + VEM, 1,200 steps", {**VEM, **GATE, **LONG}),
        ("margin-long", "margin, 1,200 steps", LONG),
    ),
    *_arms(  # what stands in VEM's place
        ("margin-gate-only", "gate only", GATE_ONLY),
        ("margin-lvar-only", "L_var only", LVAR_ONLY),
        ("margin-half-gate", "constant gate 1/2", {"gate": "fixed", "std": 0.0}),
        ("margin-lact", "L_act in its place", PRINTED_LACT),
        ("margin-random-gate", "random fixed gate", {"gate": "fixed", "std": 1.0}),
        ("margin-inverse-variance-gate", "gate of the inverse", {**INVERSE, **GATE}),
    ),
    *_arms(  # the same of other readings, places and losses
        ("margin-vem-attached", "VEM, L_var moves the trunk too", {**VEM, **ATTACHED, **GATE}),
        ("margin-vem-detached-gate", "VEM, L_var alone moves it", {**VEM, "detach_gate": True, **GATE}),
        ("margin-vem-after", "VEM behind the embedding", {**VEM, "place": "embedding", **GATE}),
        ("margin-vem-fast", "VEM, prediction 1,000 times as fast", {**VEM, **FAST}),
        ("margin-inverse-variance-fast", "its inverse", {**INVERSE, **FAST}),
        ("margin-vem-maps", "VEM on the maps", {**VEM, "place": "maps", **GATE}),
        ("margin-vem-positions", "VEM on positions", {**VEM, "place": "positions", "positions": POSITIONS}),
        ("margin-se", "squeeze and excitation", {"gate": "squeeze_excitation", **GATE}),
        ("margin-learnt-beta", "margin, learnt beta", {"learn_beta": True}),
        ("margin-vem-learnt-beta", "VEM, learnt beta", {**VEM, "learn_beta": True, **GATE}),
        ("binomial", "binomial deviance", BINOMIAL),
        ("binomial-vem", "binomial deviance + VEM", {**VEM, **BINOMIAL, **GATE}),
        (
            "binomial-vem-attached",
            "binomial deviance + VEM, L_var moves the trunk too",
            {**VEM, **ATTACHED, **BINOMIAL, **GATE},
        ),
    ),
    *_arms(*((f"margin-vem-d{d}", f"margin + VEM, d = {d}", {**VEM, "dim": d, **GATE}) for d in (64, 256, 512))),
    *_arms(*((f"margin-d{d}", f"margin, d = {d}", {"dim": d}) for d in (64, 256, 512))),
    *_arms(
        ("margin-vem-efficientnet", "margin + VEM, EfficientNet", {**VEM, **GATE, **EFFICIENTNET}),
        ("margin-efficientnet", "margin, EfficientNet", EFFICIENTNET),
        ("margin-gate-only-efficientnet", "gate only, EfficientNet", {**GATE_ONLY, **EFFICIENTNET}),
        (
            "margin-inverse-variance-gate-efficientnet",
            "gate of the inverse, EfficientNet",
            {**INVERSE, **GATE, **EFFICIENTNET},
        ),
        tuned=(*BASE, "efficientnet"),
    ),
    *_arms(
        ("brief", "brief: without", BRIEF),
        ("brief-vem", "brief: VEM", {**BRIEF, **VEM, **GATE}),
        ("brief-vem-attached", "brief: VEM, L_var moves the trunk too", {**BRIEF, **VEM, **ATTACHED, **GATE}),
        ("brief-lvar-only", "brief: L_var only", {**BRIEF, **LVAR_ONLY}),
        ("brief-lact", "brief: L_act in its place", {**BRIEF, **PRINTED_LACT}),
    ),
)

ON_GROCERIES = Study(
    name="vem",
    title="VEM and its controls",
    build=build,
    defaults={**DEFAULTS, "steps": 80, "looks": (20, 20, 40)},
    arms=planned(
        GROCERIES,
        ARMS,
        first("margin-vem margin", 8.5, keep="neighbours"),
        first("margin-gate-only margin-half-gate margin-lvar-only margin-lact margin-vem-d512", 5.5),
        first("margin-vem-efficientnet margin-efficientnet", 3.5),
        later("margin-random-gate margin-inverse-variance-gate margin-vem-attached margin-vem-detached-gate", 5.5),
        later("margin-vem-after margin-vem-fast margin-inverse-variance-fast margin-vem-maps margin-se", 5.5),
        later("margin-learnt-beta margin-vem-learnt-beta binomial binomial-vem binomial-vem-attached", 5.5),
        later("margin-vem-d64 margin-d64 margin-vem-d256 margin-d256 margin-d512", 5.5),
        later("margin-gate-only-efficientnet margin-inverse-variance-gate-efficientnet", 3.5),
        smoke="margin-vem-efficientnet",
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
    live=(),
    live_steps=20,
    trial_steps=60,
)
ON_GLYPHS = Study(
    name="glyph_vem",
    title="VEM and its controls on glyphs",
    build=build,
    defaults={**DEFAULTS, "looks": (50, 50, 50)},
    arms=planned(
        GLYPHS,
        ARMS,
        first("margin-vem margin", 1.5, draws=10),
        first("margin-vem-long margin-long", 5, draws=10),
        first("margin-inverse-variance-gate margin-vem-after margin-se", 1.1, draws=10),  # what a criterion reads
        first("margin-vem-d64 margin-d64 margin-vem-d512", 1.1, draws=10),
        first("margin-gate-only margin-lvar-only margin-half-gate margin-lact margin-random-gate", 1.1),
        first("margin-vem-attached margin-vem-detached-gate margin-vem-fast margin-inverse-variance-fast", 1.1),
        first("margin-vem-maps margin-learnt-beta margin-vem-learnt-beta", 1.1),
        first("binomial binomial-vem binomial-vem-attached margin-vem-d256 margin-d256 margin-d512", 1.1),
        first("margin-vem-positions", 1.1),
        first("brief brief-vem brief-vem-attached brief-lvar-only brief-lact", 0.5, draws=10),
        smoke="margin-vem margin",
    ),
    tunings=(
        Tuning(
            "baseline",
            "margin",
            (
                {"lr": 1e-3, "head": 1.0},
                {"lr": 1e-3, "head": 10.0},
                {"lr": 2e-3, "head": 1.0},
                {"lr": 3e-4, "head": 1.0},
                {"lr": 3e-4, "head": 10.0},
                {"lr": 1e-3, "head": 1.0, "batch_statistics": False},
            ),
        ),
    ),
    live=("margin-vem", "margin"),
    live_steps=50,
    trial_steps=200,
)
STUDIES = (ON_GROCERIES, ON_GLYPHS)
