"""What the window of object attention is worth to retrieval, on groceries (page: object-attention).

One network sees the window in the place of the image: the pretrained one as it is, or U512 of the study ``deml``,
trained on windows. Maps come from the same photographs at 160 pixels. What attention itself is like, image by image, is
measured by :mod:`reproducible.studies.localising`.
"""

from __future__ import annotations

from dataclasses import replace

from reproducible.config import Component, RunConfig
from reproducible.studies import baseline, deml
from reproducible.studies.base import Arm, Params, Study


def seen_through(plain: RunConfig, params: Params) -> RunConfig:
    """A run of U_d whose network sees windows.

    Args:
        plain: the run without.
        params: ``place`` (``object``, ``elsewhere``, or empty: the image), ``looks``, ``layers``, ``form`` and ``both``
            of :class:`reproducible.models.zoomed.Zoomed`; ``view`` (side of the pictures that attention looks at);
            ``inside`` of the data; ``untouched`` (the pretrained network as it is).
    """
    dim = 0 if params["untouched"] else plain.model.options["dim"]
    data, model = replace(plain.data, inside=params["inside"]), plain.model if dim else Component("untouched")
    evaluation = plain.evaluation
    if params["place"]:
        options = {name: params[name] for name in ("place", "looks", "form", "both")}
        data = replace(data, view_size=params["view"])
        model = Component("zoomed", {"dim": dim, "layers": list(params["layers"]), **options})
        evaluation = replace(evaluation, measures=("windows",))
    if not dim:
        evaluation = replace(evaluation, test_every=0, seen_every=0)
    return replace(plain, data=data, model=model, evaluation=evaluation, steps=plain.steps if dim else 0)


def build(params: Params) -> RunConfig:
    """A run on groceries; ``params`` as of :func:`reproducible.studies.deml.build` and :func:`seen_through`."""
    return seen_through(deml.build(params), params)


OF_WINDOWS = {
    **{"place": "", "looks": "pretrained", "layers": ("4e", "5b"), "form": "columns", "both": False},
    **{"inside": "image", "untouched": False},
}
OBJECT, ELSEWHERE, UNTOUCHED = {"place": "object"}, {"place": "elsewhere"}, {"untouched": True}
AS_IT_IS: deml.Declared = {
    "untouched-full": ("image", UNTOUCHED),
    "untouched-oam": ("window of object attention", {**UNTOUCHED, **OBJECT}),
    "untouched-random": ("window of that size elsewhere", {**UNTOUCHED, **ELSEWHERE}),
    "untouched-oam-degree": ("its closed form", {**UNTOUCHED, **OBJECT, "form": "degree"}),
    "untouched-oam-4e": ("layer 4e alone", {**UNTOUCHED, **OBJECT, "layers": ("4e",)}),
    "untouched-oam-5b": ("layer 5b alone", {**UNTOUCHED, **OBJECT, "layers": ("5b",)}),
    "untouched-full-and-oam": ("image and window", {**UNTOUCHED, **OBJECT, "both": True}),
    "untouched-full-and-random": ("image and window elsewhere", {**UNTOUCHED, **ELSEWHERE, "both": True}),
}
"""Without training."""
TRAINED: deml.Declared = {
    "u512-full": ("U512 on the image", baseline.CURVES),
    "u512-oam": ("U512 on windows of object attention", OBJECT),
    "u512-random": ("U512 on windows elsewhere", ELSEWHERE),
}
LATER: deml.Declared = {
    "u512-oam-trained-features": ("U512, attention on its own features", {**OBJECT, "looks": "trained"}),
}
_SMOKE = ("untouched-full-and-random", "u512-oam", "u512-oam-trained-features")


def arms(declared: deml.Declared, tier: str, draws: int, minutes: float, plain: float) -> tuple[Arm, ...]:
    """Arms of these names, titles and parameters.

    Args:
        declared: name, title and parameters of each.
        tier, draws: of all of them.
        minutes: cost of a run; ``plain``: of one that looks at the image and needs no map.
    """
    return tuple(
        Arm(
            name,
            title,
            params,
            baseline.BASE,
            tier=tier,
            draws=draws,
            minutes=minutes if params.get("place") else plain,
            smoke=name in _SMOKE,
        )
        for name, (title, params) in declared.items()
    )


STUDY = Study(
    name="object_attention",
    title="Windows of object attention",
    build=build,
    defaults={**deml.DEFAULTS, **deml.UNIFIED, **OF_WINDOWS},
    arms=(
        *arms(AS_IT_IS, "A", 5, minutes=2, plain=0.7),
        *arms(TRAINED, "A", 5, minutes=8, plain=6.6),
        *arms(LATER, "B", 5, minutes=8, plain=6.6),
    ),
    tunings=(),
    tuned_by=baseline.STUDY,
    live=(),
)
