"""DeML: scales and branches with their controls, on groceries (pages: channel-attention, grid and ledger).

Input, batch, rate, gamma and the weight of the activation term are the baseline's. So are the steps, halved: with
activation decay, U512 was at its best on the validation classes within the first 200 on every draw. The released ramp
of the reversal ends after two thirds of the document's 15,000 steps, and does so here. Object attention looks at the
same windows at 160 pixels, the side of the stored photographs, and cuts the next scale's windows out of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reproducible.config import Component, DataConfig, EvaluationConfig, OptimiserConfig, RunConfig, Term
from reproducible.studies import baseline
from reproducible.studies.base import Arm, Params, Study

LACT = (*baseline.BASE, "lact-512")  # the tunings of U512 with activation decay
Declared = Mapping[str, tuple[str, Params]]  # name -> title and parameters


def model(params: Params, dim: int) -> Component:
    """DeML(I, J) or one of its controls; U_d where ``scales`` is 0.

    Args:
        params: ``scales``, ``branches``, and options of :class:`reproducible.models.deml.DeML`: ``gate``, ``gain``,
            ``at``, ``shared_trunk``, ``shared_learner``, ``zoom``, ``layers``, ``form``, ``locality`` and ``source``.
        dim: d.
    """
    if not params["scales"]:
        return Component("unified", {"dim": dim})
    names = ("scales", "branches", "gate", "at", "shared_trunk", "shared_learner")
    if params["scales"] > 1:
        names = (*names, "zoom", "layers", "form", "locality", "source")
    options = {name: list(params[name]) if name == "layers" else params[name] for name in names}
    options |= {"gain": params["gain"]} if params["gain"] != 1 else {}
    return Component("deml", {"dim": dim, **options})


def objective(params: Params, dim: int, steps: int) -> tuple[Term, ...]:
    """The losses: those of U_d on each learner, and what makes branches differ.

    Args:
        params: as of :func:`reproducible.studies.baseline.objective`; ``mined``; ``adversary`` (its weight, 0: none)
            with ``ramp`` (False: the reversal is whole from the start), ``plain`` and ``shifted``; ``apart``
            (weight of the released substitute) with ``margin`` and ``squares``; ``repulsion`` (weight of the cosine
            between gates).
        dim: d.
        steps: of the run.
    """
    first, *decay = baseline.objective(params)
    losses = [replace(first, options={**first.options, "mined": True}) if params["mined"] else first, *decay]
    branches = params["branches"]
    switches = ({"plain": True} if params["plain"] else {}) | ({} if params["shifted"] else {"shifted": False})
    if branches > 1 and params["adversary"]:
        options = {
            "dim": dim // (params["scales"] * branches),
            "scales": params["scales"],
            "branches": branches,
            "weight": params["adversary"],
            "rise": 2 * steps // 3 if params["ramp"] else 0,
        }
        losses.append(Term("adversary", options | switches))
    if params["apart"]:
        options = {"branches": branches, "weight": params["apart"], "margin": params["margin"]}
        losses.append(Term("push_apart", options | ({"squares": True} if params["squares"] else {})))
    if params["repulsion"]:
        losses.append(Term("gate_repulsion", {"weight": params["repulsion"]}))
    return tuple(losses)


def evaluation(params: Params, every: int) -> EvaluationConfig:
    """What is looked at: each scale by itself where there are several, and what branches and windows are like.

    Args:
        params: ``scales``, ``branches``, ``zoom``; ``curves`` (looks at test and seen classes along the way).
        every: steps between looks.
    """
    scales = range(1, params["scales"] + 1) if params["scales"] > 1 else ()
    measures = (["branches"] if params["branches"] > 1 else []) + (
        ["windows"] if params["scales"] > 1 and params["zoom"] == "attention" else []
    )
    return EvaluationConfig(
        every=every,
        test_every=2 * every if params["curves"] else 0,
        seen_every=2 * every if params["curves"] else 0,
        features=tuple(f"scale_{scale}" for scale in scales),
        measures=tuple(measures),
        keep="matches",
    )


def build(params: Params) -> RunConfig:
    """A run on groceries.

    Args:
        params: those of :func:`model`, :func:`objective` and :func:`evaluation`; ``dim``; ``lr``, ``head``
            (multiplier), ``decay`` (weight decay); ``view`` (side of the pictures that attention looks at, 0: the
            input); ``size`` (of the input), ``batch`` (classes, images of each) and ``length`` (steps); ``slower`` (the
            rate is multiplied by 0.8 after three quarters of them). Without scales, the run is the study baseline's.
    """
    data = DataConfig(
        input_size=params["size"], classes_per_batch=params["batch"][0], images_per_class=params["batch"][1]
    )
    steps = params["length"]
    every = steps // 4
    slower = {"decay_factor": 0.8, "decay_every": 3 * steps // 4} if params["slower"] else {}
    optimiser = OptimiserConfig(lr=params["lr"], head_multiplier=params["head"], weight_decay=params["decay"], **slower)
    if not params["scales"]:
        plain = baseline.build(params)
        tested = 2 * every if plain.evaluation.test_every else 0
        looks = replace(
            plain.evaluation, every=every, test_every=tested, seen_every=tested, protocols=("photo_to_iconic",)
        )
        return replace(plain, data=data, optimiser=optimiser, evaluation=looks, steps=steps)
    looks = evaluation(params, every)
    return RunConfig(
        data=replace(data, view_size=params["view"] if params["scales"] > 1 else 0),
        model=model(params, params["dim"]),
        objective=objective(params, params["dim"], steps),
        optimiser=optimiser,
        evaluation=replace(looks, protocols=("photo_to_iconic",)),
        steps=steps,
    )


OF_DEML = {
    **{"scales": 1, "branches": 1, "gate": "pooled", "gain": 1.0, "at": "pool3"},
    **{"shared_trunk": False, "shared_learner": True},
    **{"zoom": "attention", "layers": ("4e", "5b"), "form": "columns", "locality": 0.0, "source": "first"},
    **{"mined": False, "adversary": 1.0, "ramp": True, "plain": False, "shifted": True},
    **{"apart": 0.0, "margin": 2.0, "squares": False, "repulsion": 0.0},
    **{"curves": False, "view": 160},
    **baseline.ROWS,
}
DEFAULTS = {**baseline.DEFAULTS, **OF_DEML, "size": 112, "batch": (8, 3), "length": 200, "slower": False}
UNIFIED = {"scales": 0, "ntri": 0.0}
ALONE = {"adversary": 0.0}
HEADS = {"gate": "none", "shared_learner": False, **ALONE}
RANDOM = {"gate": "fixed", "shared_learner": False, **ALONE}
DIVERGENCE = {"apart": 2 / 8, "margin": 1.0, "squares": True, **ALONE}  # ABE's, beside the mean of eight metric losses
RELEASED_ATTENTION = {"layers": ("5b",), "locality": 0.15}
RELEASED_GATE = {"gate": "unpooled", "at": "4b"}
CURVES = {"curves": True}
EVEN = {"gain": 0.1}  # gates of GoogLeNet start within a few hundredths of 1/2
UNDECAYED = {"lact": 0.0, "ntri": 0.0}


def grid(scales: int, branches: int = 1, **more: object) -> dict[str, object]:
    """Parameters of DeML(I, J)."""
    return {"scales": scales, "branches": branches, **more}


def hinge(branches: int, **more: object) -> dict[str, object]:
    """Parameters of the released substitute, a sum over pairs, at the total weight of the released network: 0.2 for
    each of the three pairs of J = 3."""
    return {"apart": 0.2 * (3 / (branches * (branches - 1) // 2)), **ALONE, **more}


def zooms(scales: int) -> Declared:
    """What stands in the place of object attention: the scales behind the first see another part of the image."""
    named = {"full-image": "full", "centre-zoom": "centre", "random-zoom": "random"}
    titles = {"full": "full images", "centre": "centre crops", "random": "random crops"}
    return {
        f"{name}-{scales}": (f"{scales} networks, {titles[zoom]}", grid(scales, zoom=zoom))
        for name, zoom in named.items()
    }


def diversity(branches: int, **more: object) -> Declared:
    """DeML(1, J) with its adversary, without, and with the released substitute."""
    named, title = f"deml-1-{branches}", f"DeML(1,{branches})"
    return {
        named: (title, grid(1, branches, **more)),
        f"{named}-no-adversary": (f"{title} without L_adv", grid(1, branches, **ALONE, **more)),
        f"{named}-hinge": (f"{title}, released substitute", grid(1, branches, **hinge(branches))),
    }


BY_SCALE: Declared = {"deml-2-1": ("DeML(2,1)", grid(2)), **zooms(2)}
BY_BRANCH: Declared = {**diversity(4, **CURVES), "heads-4": ("4 heads without gates", grid(1, 4, **HEADS))}
ONE: Declared = {"deml-1-1": ("DeML(1,1)", grid(1, **CURVES))}
WITHOUT_LACT: Declared = {
    "deml-1-1-no-lact": ("DeML(1,1) without L_act", grid(1, **UNDECAYED)),
    "deml-1-4-no-lact": ("DeML(1,4) without L_act", grid(1, 4, **UNDECAYED)),
    "deml-2-1-no-lact": ("DeML(2,1) without L_act", grid(2, **UNDECAYED)),
}
"""L_act is a mean over learners (Eq. 6), which are smaller the more there are: beside the metric loss, a mean as well,
it weighs about I J times less than in U512, so that a step of the grid changes it too."""
LARGER: Declared = {
    **diversity(8, **CURVES),
    "deml-3-1": ("DeML(3,1)", grid(3)),
    "full-image-3": zooms(3)["full-image-3"],
    "deml-3-3": ("DeML(3,3)", grid(3, 3)),
    "abe-8": ("ABE-8", grid(1, 8, gate="trunk", **DIVERGENCE)),
}
"""The largest of the document and its rival."""
PLAIN: Declared = {"u512": ("U512", {**UNIFIED, **baseline.CURVES})}
PRINTED: Declared = {
    "u512-lact-printed": ("U512 + L_act, printed", {**UNIFIED, **baseline.PRINTED, **baseline.CURVES}),
}
SETTINGS: Declared = {
    "u512-gamma-25": ("U512, gamma 25", {**UNIFIED, "gamma": 25.0}),
    "u512-gamma-35": ("U512, gamma 35", {**UNIFIED, "gamma": 35.0}),
    "u512-settings-of-u512": ("U512, released settings of U512", {**UNIFIED, "gamma": 25.0, "batch": (15, 2)}),
    "u512-settings-of-deml": (
        "U512, released settings of DeML",
        {
            **{**UNIFIED, "gamma": 35.0, "batch": (3, 2), "length": 800, "slower": True},
            **{"lact": 0.014, "released": True, "ntri": 0.5 / 512},
        },
    ),
}
"""What the two released network files differ in: gamma 25 and 35, 130 and 26 images a loss (five to one), 5,000 and
20,000 steps, the schedule, activation decay."""
CELLS: Declared = {f"deml-{i}-{j}": (f"DeML({i},{j})", grid(i, j)) for i, j in ((1, 2), (2, 2), (2, 4))}
CONTROLS: Declared = {
    "centre-zoom-3": zooms(3)["centre-zoom-3"],
    "deml-2-1-shared-trunk": ("DeML(2,1), one trunk", grid(2, shared_trunk=True)),
    "heads-4-random-gates": ("4 heads, gates not trained", grid(1, 4, **RANDOM)),
    "heads-8-random-gates": ("8 heads, gates not trained", grid(1, 8, **RANDOM)),
}
BRANCHES: Declared = {
    "deml-1-8-separate-fc": ("DeML(1,8), separate FC", grid(1, 8, shared_learner=False)),
    "deml-1-8-no-adversary-separate-fc": (
        "DeML(1,8) without L_adv, separate FC",
        grid(1, 8, shared_learner=False, **ALONE),
    ),
    # At weight 10 the gates of a fresh DeML(1,8) on glyphs get a gradient as large as the adversary's.
    "deml-1-8-gate-repulsion": ("DeML(1,8), gates repel", grid(1, 8, repulsion=10.0, **ALONE)),
    "deml-1-8-mined": ("DeML(1,8), mined negatives", grid(1, 8, mined=True)),
    "deml-1-4-separate-fc": ("DeML(1,4), separate FC", grid(1, 4, shared_learner=False)),
    "deml-1-4-constant-reversal": ("DeML(1,4), reversal whole from the start", grid(1, 4, ramp=False)),
    "deml-1-4-plain-rival": ("DeML(1,4), F as written", grid(1, 4, plain=True)),
    "deml-1-4-centred-rival": ("DeML(1,4), F without a shift", grid(1, 4, shifted=False)),
    "deml-1-4-released-gate": ("DeML(1,4), released gate", grid(1, 4, **RELEASED_GATE)),
}
WIDER: Declared = {
    "u512-160": ("U512, input 160", {**UNIFIED, "size": 160}),
    "u1024": ("U1024", {**UNIFIED, "dim": 1024}),
}
"""One network with the computation, or with twice the dimensions, of two."""
# The released code sums over scales what is a mean here, and counts a matrix that learners share once.
LEDGER: Declared = {
    "deml-1-1-even-gates": ("DeML(1,1), gates that start near 1/2", grid(1, **EVEN)),
    "deml-1-4-even-gates": ("DeML(1,4), gates that start near 1/2", grid(1, 4, **EVEN)),
    "deml-2-1-rows": ("DeML(2,1), printed walk", grid(2, form="rows")),
    "deml-2-1-degree": ("DeML(2,1), closed form of the walk", grid(2, form="degree")),
    "deml-2-1-released-attention": ("DeML(2,1), released walk, 5b alone", grid(2, **RELEASED_ATTENTION)),
    "deml-2-1-5b": ("DeML(2,1), 5b alone", grid(2, layers=("5b",))),
    "deml-2-1-from-input": ("DeML(2,1), crops of the input", grid(2, view=0)),
    "deml-2-4-mean-maps": ("DeML(2,4), maps averaged over branches", grid(2, 4, source="mean")),
    "deml-2-1-gamma-25": ("DeML(2,1), gamma 25", grid(2, gamma=25.0)),
    "deml-2-1-gamma-35": ("DeML(2,1), gamma 35", grid(2, gamma=35.0)),
    "deml-2-1-pairs": ("DeML(2,1), 12 classes of 2", grid(2, batch=(12, 2))),
    "deml-2-1-lact-printed": ("DeML(2,1), L_act as printed", grid(2, **baseline.PRINTED)),
    "deml-2-1-lact-released": ("DeML(2,1), released L_act", grid(2, lact=0.014, released=True, ntri=0.5 / 256 / 2)),
    "deml-3-3-released": (
        "DeML(3,3) as released",
        {
            **grid(3, 3, **CURVES, gamma=35.0, view=0, lact=0.014, released=True, ntri=0.5 / 56 / 9),
            **hinge(3),
            **RELEASED_GATE,
            **RELEASED_ATTENTION,
        },
    ),
}
Cost = str | tuple[int, int]
MINUTES: Mapping[Cost, float] = {
    **{(0, 1): 5, (1, 1): 5, (2, 1): 13, (3, 1): 20, (1, 2): 7, (1, 4): 12, (1, 8): 21, (2, 2): 14, (2, 4): 21},
    **{(3, 3): 27, "deml-1-1": 7, "u512": 6.6, "u512-lact-printed": 6.6, "u512-160": 9, "heads-4": 5, "abe-8": 19},
    **{"full-image-2": 9, "centre-zoom-2": 9, "random-zoom-2": 9, "full-image-3": 14, "centre-zoom-3": 14},
    **{"u512-gamma-25": 6.5, "u512-gamma-35": 6.5, "u512-settings-of-u512": 7.5, "u512-settings-of-deml": 7},
}
"""Cost of a run by (I, J), (0, 1) for U_d, or by name: a step's, measured beside one of U512, times U512's minutes; of
cells in between, interpolated."""


def arms(
    declared: Declared, minutes: Mapping[Cost, float], smoke: tuple[str, ...], tier: str = "A", draws: int = 5
) -> tuple[Arm, ...]:
    """Arms of these names, titles and parameters, at the rate, gamma and weight of L_act of the baseline.

    Args:
        declared: name, title and parameters of each.
        minutes: cost of a run, as in :data:`MINUTES`.
        smoke: names of those that profile smoke runs.
        tier, draws: of all of them.
    """
    return tuple(
        Arm(
            name,
            title,
            params,
            LACT if params["scales"] else baseline.BASE,
            tier=tier,
            draws=draws,
            minutes=minutes[name if name in minutes else (params["scales"], params.get("branches", 1))],
            smoke=name in smoke,
        )
        for name, (title, params) in declared.items()
    )


def decayed(minutes: float, draws: int, smoke: bool = False) -> Arm:
    """U512 with activation decay, tuned: the control that differs from DeML(1,1) by a gate alone."""
    params = {**UNIFIED, **baseline.ROWS, **baseline.CURVES}
    return Arm("u512-lact-tuned", "U512 + L_act, tuned", params, LACT, draws=draws, minutes=minutes, smoke=smoke)


_SMOKE = ("deml-1-1", "deml-2-1", "deml-1-4")
_MORE = {**WITHOUT_LACT, **WIDER}
_RUN = ("deml-1-1-no-lact", "u512-160")  # of these, with the first

STUDY = Study(
    name="deml",
    title="DeML, its parts and their controls",
    build=build,
    defaults=DEFAULTS,
    arms=(
        *arms({**BY_SCALE, **BY_BRANCH, **ONE, **PLAIN}, MINUTES, _SMOKE),
        decayed(6.0, 5, smoke=True),
        *arms({**{name: _MORE[name] for name in _RUN}, **SETTINGS}, MINUTES, _SMOKE),
        *arms({**LARGER, **PRINTED, **CELLS, **CONTROLS}, MINUTES, _SMOKE, tier="B"),
        *arms({n: d for n, d in _MORE.items() if n not in _RUN} | BRANCHES | LEDGER, MINUTES, _SMOKE, tier="B"),
    ),
    tunings=(),
    tuned_by=baseline.STUDY,
    live=("deml-1-1", "u512-lact-tuned"),
)
