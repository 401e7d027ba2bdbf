"""SGML: metric learning with attributes, and what its similarity of attributes is worth, on glyphs and on birds.

The four rows of the document (Tables IV and VIII) and, of its soft loss, what takes the place of its similarity g of
predicted attributes: one number for all pairs, that of other pairs or of true attributes, its opposite. All three
layers are searched (``arm/fc``, ``arm/conv``). The plain loss has no factor of negative pairs, as the soft one has
none; ``c-25`` has it. Where the document is silent, attributes weigh their mean cross-entropy, and no gradient passes
through g. What takes the place of g needs no number of its own: a constant g is the mean of each batch.

Beside them stand what the document compares itself with: ABE and FastAP, and DIABLO as an ensemble that the soft loss
could improve; its g is that of true attributes, since an ensemble predicts none.

On glyphs the shared layer has 256 dimensions for 1,024, the embedding 128 for 512; the batch is the benchmark's, but
for the two kinds of sampling, whose sizes are the document's. Birds are half of the species, cropped, at 224 pixels,
trained from pool3 on; their batch is a third of the document's (page: sgml).
"""

from __future__ import annotations

from dataclasses import replace

from reproducible.config import Component, RunConfig, Term
from reproducible.studies.arms import Arm, Tuning, first, later, planned
from reproducible.studies.base import Study
from reproducible.studies.benchmarks import CUB, GLYPHS, TRAINING, Params, run

LAYERS = ("emb", "fc", "conv")
SWITCHES = ("similarity", "constant", "attached", "flipped")
ENSEMBLES = {"abe": {}, "diablo": {"per": "dimension"}}
BRANCHES = 8


def model(params: Params) -> Component:
    """The network.

    Args:
        params: ``dim`` and ``hidden``, the document's; ``attributes``, how many the data set has; ``relu``, ``learnt``
            and ``searched`` of :class:`reproducible.models.sgml.SGML`; ``ensemble``: ``abe`` or ``diablo``, which has
            ``dim`` alone; empty: SGML.
    """
    sizes = {name: params[name] // params["divisor"] for name in ("dim", "hidden")}
    if name := params["ensemble"]:
        return Component(name, {"dim": sizes["dim"], "branches": BRANCHES, **ENSEMBLES[name]})
    chosen = {name: params[name] for name in ("relu", "learnt", "searched") if params[name] != DEFAULTS[name]}
    return Component("sgml", {**sizes, "attributes": params["attributes"], **chosen})


def objective(params: Params) -> tuple[Term, ...]:
    """The losses.

    Args:
        params: ``loss``: ``soft_binomial`` or ``binomial_deviance``, with ``alpha``, ``beta`` and ``gamma``;
            ``fastap``; or none (empty); ``similarity``, ``constant``, ``attached`` and ``flipped`` of the soft one;
            ``bce``, weight of the attributes (0: none). ABE has its divergence beside.
    """
    terms = []
    if params["loss"] == "fastap":
        terms.append(Term("pml", {"name": "FastAPLoss"}))
    elif params["loss"]:
        options = {name: params[name] for name in ("alpha", "beta", "gamma")}
        if params["loss"] == "soft_binomial":
            options |= {name: params[name] for name in SWITCHES if params[name] != DEFAULTS[name]}
        terms.append(Term(params["loss"], options))
    if params["ensemble"] == "abe":
        terms.append(Term("divergence", weight=1 / BRANCHES))  # beside the mean of its metric losses, not their sum
    elif params["bce"]:
        terms.append(Term("attribute_bce", weight=params["bce"]))
    return tuple(terms)


def build(params: Params) -> RunConfig:
    """A run of :func:`model` with :func:`objective`.

    Args:
        params: theirs; ``sampler``, and the ``pairs`` that count of a batch-wise one (0: all); ``threshold``, from
            which on an attribute of a class is there.
    """
    measures = ("granularity",) if params["bce"] else ()
    features = () if params["ensemble"] else LAYERS
    made = run(params, model(params), objective(params), features=features, measures=measures)
    options = {"pairs": params["pairs"]} if params["pairs"] else {}
    sampler = Component(params["sampler"], options)
    return replace(made, data=replace(made.data, sampler=sampler, attribute_threshold=params["threshold"]))


DEFAULTS = {
    **TRAINING,
    **{"dim": 512, "hidden": 1024, "relu": True, "learnt": "emb", "searched": "", "ensemble": ""},
    **{"loss": "soft_binomial", "alpha": 2.0, "beta": 0.5, "gamma": 1.0, "bce": 1.0},
    **{"similarity": "", "constant": 0.0, "attached": False, "flipped": False},
    **{"sampler": "pk", "pairs": 0, "threshold": 0.5},
}
CURVES = {"curves": True}
PLAIN = {"loss": "binomial_deviance"}
METRIC = {**PLAIN, "bce": 0.0}
C_25 = {"gamma": 25.0}
CONV = {"searched": "conv"}
ANCHORS = {"sampler": "image_wise"}
SMALL = {"data": "glyphs-instance", "attributes": 25, "parts": False}
EIGHT = {"ensemble": "diablo", "bce": 0.0}
BASE = ("baseline",)
BOTH = (*BASE, "attributes")
SURFACE = {
    f"sgml-alpha-{alpha:g}-beta-{beta:g}": {"alpha": alpha, "beta": beta}
    for alpha in (2.0, 2.5, 2.7, 3.0)
    for beta in (0.0, 0.1, 0.3, 0.5, 0.7)
}
"""The values of Figs. 7 and 8."""


def surface(printed: str, read: str) -> str:
    """Names of the arms of :data:`SURFACE` but for the printed point, which is the arm ``sgml``, and those that
    criteria read."""
    return " ".join(name for name in SURFACE if name not in (printed, *read.split()))


ARMS = (
    Arm("sgml", "SGML", CURVES, BOTH),
    Arm("multitask", "multitask", {**PLAIN, **CURVES}, BOTH),
    Arm("metric-only", "metric only", {**METRIC, **CURVES}, BASE),
    Arm("attribute-only", "attributes only, FC searched", {"loss": "", "searched": "fc"}, BOTH),
    Arm("metric-only-c-25", "metric only, C = 25", {**METRIC, **C_25}, BASE),
    Arm("multitask-c-25", "multitask, C = 25", {**PLAIN, **C_25}, BOTH),
    Arm("sgml-c-25", "SGML, C = 25, beta tuned", C_25, (*BOTH, "beta-c-25")),
    Arm(
        "sgml-constant-g",
        "SGML, one g for all pairs, beta tuned",
        {"similarity": "mean", **CURVES},
        (*BOTH, "beta-constant"),
    ),
    Arm("sgml-tuned", "SGML, beta tuned", CURVES, (*BOTH, "beta")),
    Arm("multitask-conv", "multitask, Conv searched", {**PLAIN, **CONV}, BOTH),
    Arm("metric-only-batch-wise", "metric only, 41 x 4 images", METRIC, BASE),
    *(
        Arm(f"sgml-{name}", f"SGML, {title}", params, BOTH)
        for name, title, params in (
            ("shuffled-g", "g of other pairs", {"similarity": "shuffled"}),
            ("true-g", "g of true attributes", {"similarity": "true"}),
            ("negatives-flipped", "negatives turned round", {"flipped": True, **CURVES}),
            ("attached", "gradient through g", {"attached": True}),
            ("half-g", "g = 1/2", {"similarity": "constant", "constant": 0.5}),
            ("whole-g", "g = 1", {"similarity": "constant", "constant": 1.0}),
            ("no-relu", "no ReLU", {"relu": False}),
            ("conv", "Conv searched", CONV),
            ("learnt-fc", "FC learnt", {"learnt": "fc"}),
            ("learnt-conv", "Conv learnt", {"learnt": "conv"}),
            ("batch-wise", "41 x 4 images", {}),
            ("batch-wise-equal-pairs", "batch-wise, pairs as image-wise", {}),
            ("image-wise", "image-wise", ANCHORS),
            ("image-wise-equal-images", "image-wise, images as batch-wise", ANCHORS),
            ("batch-wise-small-classes", "small classes, batch-wise", SMALL),
            ("batch-wise-small-classes-equal-pairs", "small classes, batch-wise, pairs as image-wise", SMALL),
            ("image-wise-small-classes", "small classes, image-wise", {**SMALL, **ANCHORS}),
            ("threshold-25", "attributes from 25 % on", {"threshold": 0.25}),
            ("threshold-75", "attributes from 75 % on", {"threshold": 0.75}),
            ("whole-network", "the whole network trained", {"frozen": "", "windows": 0}),
        )
    ),
    *(Arm(name, f"alpha {params['alpha']}, beta {params['beta']}", params, BOTH) for name, params in SURFACE.items()),
    Arm("fastap", "FastAP", {"loss": "fastap", "bce": 0.0}, BASE),
    Arm("abe-8", "ABE-8, C = 25", {**METRIC, **C_25, "ensemble": "abe"}, BASE),
    Arm("diablo-8", "DIABLO-8, C = 25", {**PLAIN, **C_25, **EIGHT}, BASE),
    Arm("diablo-8-c-1", "DIABLO-8, C = 1", {**PLAIN, **EIGHT}, BASE),
    Arm("diablo-8-soft-binomial", "DIABLO-8, soft, g of true attributes", {**EIGHT, "similarity": "true"}, BASE),
)
CONTROLS = "sgml-shuffled-g sgml-attached"
LAYERED = "sgml-learnt-fc sgml-learnt-conv sgml-no-relu"
READ_ON_GLYPHS = "sgml-alpha-2-beta-0.1 sgml-alpha-2-beta-0.3 sgml-alpha-3-beta-0.1 sgml-alpha-3-beta-0.5"
READ_ON_BIRDS = "sgml-alpha-2-beta-0.1 sgml-alpha-2-beta-0.5 sgml-alpha-3-beta-0.5"


def tunings(rates: tuple[Params, ...], betas: tuple[float, ...]) -> tuple[Tuning, ...]:
    """Six trials of the plain loss; three of the weight of attributes, and of beta for a predicted g, for one g for all
    pairs and for C = 25, where a negative threshold above 1 would leave no negative pair a gradient."""

    def tuned(*values: float) -> tuple[Params, ...]:
        return tuple({"beta": beta} for beta in values)

    return (
        Tuning("baseline", "metric-only", rates),
        Tuning("attributes", "multitask", tuple({"bce": weight} for weight in (1.0, 0.3, 3.0))),
        Tuning("beta", "sgml-tuned", tuned(*betas)),
        Tuning("beta-constant", "sgml-constant-g", tuned(*betas)),
        Tuning("beta-c-25", "sgml-c-25", tuned(betas[0], 0.0, -0.5)),
    )


BIRDS = replace(
    CUB,
    **{"split": "half", "size": 224, "augmentation": "sgml", "batch": (14, 4), "steps": 200, "looks": (25, 50, 50)},
    **{"frozen": "pool3", "windows": 8, "start": True, "draws": 5},
)

ON_GLYPHS = Study(
    name="glyph_sgml",
    title="SGML and its controls on glyphs",
    build=build,
    defaults={**DEFAULTS, "attributes": 14, "looks": (50, 50, 100)},
    arms=planned(
        GLYPHS,
        ARMS,
        first("sgml multitask", 1.8, draws=10),
        first("metric-only attribute-only metric-only-c-25 sgml-constant-g sgml-tuned", 1.8, draws=10),
        first("sgml-conv multitask-conv", 1.8, draws=10),
        first(CONTROLS, 1.8, draws=10),
        first("sgml-true-g", 2.2, draws=10),
        first("sgml-negatives-flipped", 2.6, draws=10),
        first("multitask-c-25 sgml-half-g sgml-whole-g", 1.8),
        first("sgml-c-25", 2.2),
        first(LAYERED, 1.8),
        first("sgml-batch-wise", 4.3, draws=10, batch=(41, 4)),
        first("sgml-image-wise", 4.7, draws=10, batch=(60, 3)),
        first("sgml-batch-wise-equal-pairs", 4.3, batch=(41, 4), pairs=60),
        first("sgml-image-wise-equal-images", 4.3, batch=(41, 4)),
        first("sgml-batch-wise-small-classes", 4.3, draws=10, batch=(41, 4)),
        first("sgml-image-wise-small-classes", 4.7, draws=10, batch=(60, 3)),
        first("sgml-batch-wise-small-classes-equal-pairs", 4.3, draws=10, batch=(41, 4), pairs=60),
        first("abe-8", 4.3, draws=10),
        first("diablo-8 diablo-8-soft-binomial diablo-8-c-1", 3.7, draws=10),
        later(READ_ON_GLYPHS, 1.8, draws=10),
        later(surface("sgml-alpha-2-beta-0.5", READ_ON_GLYPHS), 1.5, draws=3),
        later("fastap", 1.8),
        smoke="sgml multitask sgml-image-wise",
    ),
    tunings=tunings(
        (
            {"lr": 1e-3, "head": 1.0},
            {"lr": 1e-3, "head": 10.0},
            {"lr": 3e-3, "head": 1.0},
            {"lr": 3e-4, "head": 1.0},
            {"lr": 3e-4, "head": 10.0},
            {"lr": 1e-3, "head": 1.0, "batch_statistics": False},
        ),
        betas=(0.5, 0.1, 0.9),
    ),
    live=("sgml", "multitask"),
    live_steps=50,
    trial_steps=200,
)
ON_BIRDS = Study(
    name="sgml",
    title="SGML and its controls on CUB-100",
    build=build,
    defaults={**DEFAULTS, "attributes": 312, "alpha": 3.0, "beta": 0.1},
    arms=planned(
        BIRDS,
        ARMS,
        first("sgml multitask", 15),
        first("metric-only attribute-only metric-only-c-25 sgml-constant-g sgml-tuned", 15),
        first(f"{CONTROLS} sgml-true-g sgml-negatives-flipped", 15),
        first("sgml-conv multitask-conv", 15),
        first("sgml-batch-wise-equal-pairs", 15, pairs=20),
        first("sgml-image-wise", 15, batch=(20, 3)),
        first("sgml-batch-wise metric-only-batch-wise", 40, batch=(41, 4)),
        later("multitask-c-25 sgml-c-25 sgml-half-g sgml-whole-g", 15),
        later(LAYERED, 15),
        later("abe-8", 60),
        later("fastap sgml-threshold-25 sgml-threshold-75", 15),
        later(READ_ON_BIRDS, 15),
        later(surface("sgml-alpha-3-beta-0.1", READ_ON_BIRDS), 15, draws=3),
        later("sgml-whole-network", 45, draws=1),
    ),
    tunings=tunings(
        (
            {"lr": 1e-4, "head": 1.0},
            {"lr": 1e-4, "head": 10.0},
            {"lr": 3e-5, "head": 1.0},
            {"lr": 3e-5, "head": 10.0},
            {"lr": 1e-5, "head": 10.0},
            {"lr": 4e-6, "head": 10.0},  # the document's rate
        ),
        betas=(0.1, 0.5, 0.9),
    ),
    live=(),
    trial_steps=100,
    profile="large",
)
STUDIES = (ON_GLYPHS, ON_BIRDS)
