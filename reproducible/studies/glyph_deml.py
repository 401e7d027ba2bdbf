"""DeML: scales and branches with their controls, on glyphs (pages: channel-attention and grid).

Arms are named as in the study ``deml``, after the document's dimensions; the compact network has a quarter of
GoogLeNet's channels, so learners and the inner layer of a gate have a quarter of the document's sizes. Object attention
looks at the same windows at 64 pixels, the side of the stored images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reproducible.config import RunConfig
from reproducible.studies import baseline, deml, glyph_baseline
from reproducible.studies.base import Arm, Params, Study


def build(params: Params) -> RunConfig:
    """A run on glyphs; ``params`` as of :func:`reproducible.studies.deml.build` (``dim`` is the document's) and of
    :func:`reproducible.studies.glyph_baseline.build`. Without scales, the run is the study glyph_baseline's."""
    plain = glyph_baseline.build(params)
    plain = replace(plain, data=replace(plain.data, input_size=params["size"]))
    if not params["scales"]:
        return plain
    dim = params["dim"] // 4
    model = deml.model(params, dim)
    looks = deml.evaluation(params, every=plain.evaluation.every)
    known = {"parts": True, "measures": (*looks.measures, "attributes")} if params["parts"] else {}
    return replace(
        plain,
        data=replace(
            plain.data,
            view_size=params["view"] if params["scales"] > 1 else 0,
            boxes=params["zoom"] == "object",
        ),
        model=replace(model, options={**model.options, "hidden": 16}),
        objective=deml.objective(params, dim, plain.steps),
        evaluation=replace(looks, **known),
    )


ONE_LEARNER = {**deml.UNIFIED, **baseline.ROWS, "dim": 64}
"""As large as one learner of DeML(1,8)."""
BOUND: deml.Declared = {"object-zoom-2": ("2 networks, true squares", deml.grid(2, zoom="object"))}
"""What a perfect box rule would give; photographs have no boxes."""
WITHOUT_LACT: deml.Declared = {
    **{name: deml.WITHOUT_LACT[name] for name in ("deml-1-1-no-lact", "deml-2-1-no-lact")},
    "deml-1-8-no-lact": ("DeML(1,8) without L_act", deml.grid(1, 8, **deml.UNDECAYED)),
}
ONLY_HERE: deml.Declared = {
    "deml-1-16": ("DeML(1,16)", deml.grid(1, 16)),
    "deml-1-8-random-gates": ("DeML(1,8), gates not trained", deml.grid(1, 8, gate="fixed")),
    "deml-1-8-cosine-penalty": (
        "DeML(1,8), cosine penalty",
        deml.grid(1, 8, **deml.hinge(8, margin=4.0, squares=True)),
    ),
    "deml-1-8-abe-divergence": (
        "DeML(1,8), ABE's divergence",
        deml.grid(1, 8, **deml.DIVERGENCE),
    ),
}
"""Arms of claims that are decided on glyphs alone."""
WIDER: deml.Declared = {
    "u512-64": ("U512, input 64", {**deml.UNIFIED, "size": 64}),
    "u1024": deml.WIDER["u1024"],
}
"""One network with nearly the computation, or with twice the dimensions, of two."""
LEDGER: deml.Declared = {
    **{
        name: deml.LEDGER[name]
        for name in (
            *("deml-2-1-rows", "deml-2-1-degree", "deml-2-1-5b", "deml-2-1-released-attention", "deml-2-1-from-input"),
            *("deml-2-4-mean-maps", "deml-2-1-gamma-35", "deml-2-1-lact-printed"),
        )
    },
    "u512-gamma-35": deml.SETTINGS["u512-gamma-35"],
}
"""Of the ledger, what is another choice here too: gamma is 25 on glyphs, and gates start near 1/2."""
MINUTES: Mapping[deml.Cost, float] = {
    **{(0, 1): 1.1, (1, 1): 1.1, (2, 1): 2.9, (3, 1): 4.5, (1, 2): 1.7, (1, 4): 2.4, (1, 8): 3.7, (1, 16): 6.5},
    **{(2, 2): 3.6, (2, 4): 5.0, (3, 3): 6.6, "heads-4": 1.2, "abe-8": 4.3},
    **{"u512": 1.3, "u512-lact-printed": 1.3, "u512-64": 2},
    **{"full-image-2": 1.8, "centre-zoom-2": 1.8, "random-zoom-2": 1.8, "object-zoom-2": 1.8},
    **{"full-image-3": 2.4, "centre-zoom-3": 2.4},
}
"""As of the study ``deml``."""
_FIRST = {**deml.BY_SCALE, **BOUND, **deml.BY_BRANCH, **deml.ONE, **deml.PLAIN, **deml.PRINTED, **deml.LARGER}
_FIVE = (
    *("deml-1-4-no-adversary", "deml-1-4-hinge", "heads-4"),
    *("full-image-2", "centre-zoom-2", "random-zoom-2", "object-zoom-2"),
)  # arms that photographs decide, and the upper bound of the zoom
_TEN = ("deml-2-4", "centre-zoom-3", "heads-8-random-gates", "deml-1-8-gate-repulsion", "deml-1-8-mined")
_LATER = {**deml.CELLS, **deml.CONTROLS, **deml.BRANCHES}
_READ = {**{name: _LATER[name] for name in _TEN}, **ONLY_HERE}

_SMOKE = ("deml-1-8", "deml-1-8-no-adversary", "deml-2-1", "deml-1-8-random-gates", "deml-1-8-gate-repulsion")

STUDY = Study(
    name="glyph_deml",
    title="DeML, its parts and their controls, on glyphs",
    build=build,
    defaults={**glyph_baseline.STUDY.defaults, **deml.OF_DEML, "size": 48, "view": 64},
    arms=(
        *deml.arms({**{n: d for n, d in _FIRST.items() if n not in _FIVE}, **WITHOUT_LACT}, MINUTES, _SMOKE, draws=10),
        *deml.arms({n: _FIRST[n] for n in _FIVE}, MINUTES, _SMOKE),
        deml.decayed(1.3, 10),
        Arm(
            "u64-lact-tuned",
            "U64 + L_act, tuned",
            ONE_LEARNER,
            (*baseline.BASE, "lact-64"),
            draws=10,
            minutes=1.1,
            smoke=False,
        ),
        *deml.arms(_READ, MINUTES, _SMOKE, tier="B", draws=10),
        *deml.arms({n: d for n, d in _LATER.items() if n not in _READ} | WIDER | LEDGER, MINUTES, _SMOKE, tier="B"),
    ),
    tunings=(),
    tuned_by=glyph_baseline.STUDY,
    live=("deml-1-8", "deml-1-8-no-adversary"),
    live_steps=100,
)
