"""SGML: metric learning with attributes, and what its similarity of attributes is worth, on glyphs and on birds.

The four rows of the document (Tables IV and VIII) and, of its soft loss, what takes the place of its similarity g of
predicted attributes: a constant, that of other pairs or of true attributes, its opposite. All three layers are searched
(``arm/fc``, ``arm/conv``). The plain loss has no factor of negative pairs, as the soft one has none; ``c-25`` has it.
Where the document is silent, attributes weigh their mean cross-entropy, and no gradient passes through g.

On glyphs the shared layer has 256 dimensions for 1,024, the embedding 128 for 512; the batch is the benchmark's, but
for the two kinds of sampling, whose sizes are the document's. Birds are half of the species, cropped, at 224 pixels,
trained from pool3 on; their batch is a third of the document's.
"""

from __future__ import annotations

from dataclasses import replace

from reproducible.config import Component, RunConfig, Term, from_stage
from reproducible.studies.arms import Arm, Tuning, first, later, planned
from reproducible.studies.base import Study
from reproducible.studies.benchmarks import CUB, GLYPHS, TRAINING, Params, run

LAYERS = ("emb", "fc", "conv")
SWITCHES = ("similarity", "constant", "attached", "flipped")
MEAN_G = 0.9
"""What g is about on average, whatever the pair, after half of a run on validation classes of glyphs."""


def model(params: Params) -> Component:
    """The network.

    Args:
        params: ``dim`` and ``hidden``, the document's; ``attributes``, how many the data set has; ``relu``, ``learnt``
            and ``searched`` of :class:`reproducible.models.sgml.SGML`.
    """
    sizes = {name: params[name] // params["divisor"] for name in ("dim", "hidden")}
    chosen = {name: params[name] for name in ("relu", "learnt", "searched") if params[name] != DEFAULTS[name]}
    return Component("sgml", {**sizes, "attributes": params["attributes"], **chosen})


def objective(params: Params) -> tuple[Term, ...]:
    """The losses.

    Args:
        params: ``loss``: ``soft_binomial``, ``binomial_deviance`` or none (empty), with ``alpha`` and ``beta``;
            ``gamma`` of the plain one; ``similarity``, ``constant``, ``attached`` and ``flipped`` of the soft one;
            ``bce``, weight of the attributes (0: none).
    """
    terms = []
    if params["loss"]:
        options = {"alpha": params["alpha"], "beta": params["beta"]}
        if params["loss"] == "soft_binomial":
            options |= {name: params[name] for name in SWITCHES if params[name]}
        else:
            options |= {"gamma": params["gamma"]}
        terms.append(Term(params["loss"], options))
    if params["bce"]:
        terms.append(Term("attribute_bce", weight=params["bce"]))
    return tuple(terms)


def build(params: Params) -> RunConfig:
    """A run of :func:`model` with :func:`objective`.

    Args:
        params: theirs; ``sampler``, and the ``pairs`` that count of a batch-wise one (0: all); ``frozen``, the stage
            that training begins behind (empty: the whole network is trained).
    """
    measures = ("granularity",) if params["bce"] else ()
    made = run(params, model(params), objective(params), features=LAYERS, measures=measures)
    options = {"pairs": params["pairs"]} if params["pairs"] else {}
    made = replace(made, data=replace(made.data, sampler=Component(params["sampler"], options)))
    return from_stage(made, params["frozen"]) if params["frozen"] else made


DEFAULTS = {
    **TRAINING,
    **{"dim": 512, "hidden": 1024, "relu": True, "learnt": "emb", "searched": ""},
    **{"loss": "soft_binomial", "alpha": 2.0, "beta": 0.5, "gamma": 1.0, "bce": 1.0},
    **{"similarity": "", "constant": 0.0, "attached": False, "flipped": False},
    **{"sampler": "pk", "pairs": 0, "frozen": ""},
}
CURVES = {"curves": True}
PLAIN = {"loss": "binomial_deviance"}
METRIC = {**PLAIN, "bce": 0.0}
CONSTANT = {"similarity": "constant", "constant": MEAN_G}
CONV = {"searched": "conv"}
ANCHORS = {"sampler": "image_wise"}
SMALL = {"data": "glyphs-instance", "attributes": 25, "parts": False}
BASE = ("baseline",)
BOTH = (*BASE, "attributes")
SURFACE = {
    f"sgml-alpha-{alpha}-beta-{beta}": {"alpha": alpha, "beta": beta}
    for alpha in (2.0, 2.5, 2.7, 3.0)
    for beta in (0.0, 0.1, 0.3, 0.5, 0.7)
}
"""The values of Figs. 7 and 8."""

ARMS = (
    Arm("sgml", "SGML", CURVES, BOTH),
    Arm("multitask", "multitask", {**PLAIN, **CURVES}, BOTH),
    Arm("metric-only", "metric only", METRIC, BASE),
    Arm("attribute-only", "attributes only, FC searched", {"loss": "", "searched": "fc"}, BOTH),
    Arm("metric-only-c-25", "metric only, C = 25", {**METRIC, "gamma": 25.0}, BASE),
    Arm("multitask-c-25", "multitask, C = 25", {**PLAIN, "gamma": 25.0}, BOTH),
    Arm("sgml-constant-g", "SGML, constant g, beta tuned", CONSTANT, (*BOTH, "constant")),
    Arm("sgml-tuned", "SGML, beta tuned", {}, (*BOTH, "beta")),
    Arm("multitask-conv", "multitask, Conv searched", {**PLAIN, **CONV}, BOTH),
    Arm("metric-only-batch-wise", "metric only, 41 x 4 images", METRIC, BASE),
    *(
        Arm(f"sgml-{name}", f"SGML, {title}", params, BOTH)
        for name, title, params in (
            ("shuffled-g", "g of other pairs", {"similarity": "shuffled"}),
            ("true-g", "g of true attributes", {"similarity": "true"}),
            ("negatives-flipped", "negatives turned round", {"flipped": True}),
            ("attached", "gradient through g", {"attached": True}),
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
        )
    ),
    *(Arm(name, f"alpha {params['alpha']}, beta {params['beta']}", params, BOTH) for name, params in SURFACE.items()),
)
CONTROLS = "sgml-constant-g sgml-tuned sgml-shuffled-g sgml-true-g sgml-negatives-flipped sgml-attached"


def tunings(rates: tuple[Params, ...], betas: tuple[float, ...]) -> tuple[Tuning, ...]:
    """Six trials of the plain loss; three of the weight of attributes, and of beta for a predicted and a constant g."""
    tuned = tuple({"beta": beta} for beta in betas)
    return (
        Tuning("baseline", "metric-only", rates),
        Tuning("attributes", "multitask", tuple({"bce": weight} for weight in (1.0, 0.3, 3.0))),
        Tuning("beta", "sgml-tuned", tuned),
        Tuning("constant", "sgml-constant-g", tuned),
    )


BIRDS = replace(CUB, split="half", size=224, augmentation="sgml", batch=(14, 4), steps=200, looks=(25, 50, 50), draws=5)

ON_GLYPHS = Study(
    name="glyph_sgml",
    title="SGML and its controls on glyphs",
    build=build,
    defaults={**DEFAULTS, "attributes": 14},
    arms=planned(
        GLYPHS,
        ARMS,
        first("sgml multitask", 2, draws=10),
        first("metric-only attribute-only metric-only-c-25", 2, draws=10),
        first(CONTROLS, 2, draws=10),
        first("sgml-conv multitask-conv", 2, draws=10),
        first("sgml-learnt-fc sgml-learnt-conv sgml-no-relu multitask-c-25", 2),
        first("sgml-batch-wise sgml-image-wise-equal-images", 5, batch=(41, 4)),
        first("sgml-batch-wise-equal-pairs", 5, batch=(41, 4), pairs=60),
        first("sgml-image-wise", 5, batch=(60, 3)),
        first("sgml-batch-wise-small-classes", 5, draws=10, batch=(41, 4)),
        first("sgml-batch-wise-small-classes-equal-pairs", 5, draws=10, batch=(41, 4), pairs=60),
        first("sgml-image-wise-small-classes", 5, draws=10, batch=(60, 3)),
        later(" ".join(SURFACE), 2, draws=3),
        smoke="sgml multitask metric-only attribute-only sgml-shuffled-g sgml-image-wise",
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
    trial_steps=200,
)
ON_BIRDS = Study(
    name="cub_sgml",
    title="SGML and its controls on CUB-100",
    build=build,
    defaults={**DEFAULTS, "attributes": 312, "alpha": 3.0, "beta": 0.1, "frozen": "pool3"},
    arms=planned(
        BIRDS,
        ARMS,
        first("sgml multitask", 15),
        first("metric-only attribute-only metric-only-c-25", 15),
        first(CONTROLS, 15),
        first("sgml-batch-wise-equal-pairs", 15, pairs=20),
        first("sgml-image-wise", 15, batch=(20, 3)),
        first("sgml-batch-wise metric-only-batch-wise", 40, batch=(41, 4)),
        later("sgml-conv multitask-conv sgml-learnt-fc sgml-learnt-conv sgml-no-relu multitask-c-25", 15),
        later(" ".join(SURFACE), 15, draws=3),
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
