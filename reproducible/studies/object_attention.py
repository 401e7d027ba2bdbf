"""What the window of object attention is worth to retrieval, on groceries, and on glyphs, whose objects are known
(page: object-attention).

One network sees the window in the place of the image: the pretrained one as it is, or U512, trained on windows. Maps
come from the same images at the side of the stored ones. On glyphs, ``u512-box`` sees the square around the object
instead of a window that had to be found. What attention itself is like, image by image, is measured by
:mod:`reproducible.studies.localising`.
"""

from __future__ import annotations

from dataclasses import replace

from reproducible.config import Component, RunConfig
from reproducible.studies import baseline, deml
from reproducible.studies.arms import Arm, first, later, planned
from reproducible.studies.base import Study
from reproducible.studies.benchmarks import GLYPHS, GROCERIES, Params, run


def model(params: Params) -> Component:
    """U_d or the pretrained network as it is, on windows or on the image.

    Args:
        params: those of :func:`reproducible.studies.baseline.model`; ``place`` (``object``, ``elsewhere``, or empty:
            the image), ``looks_with``, ``layers``, ``form`` and ``both`` of :class:`reproducible.models.zoomed.Zoomed`.
    """
    plain = baseline.model(params)
    if not params["place"]:
        return plain
    options = {name: params[name] for name in ("place", "form", "both")}
    more = {"layers": list(params["layers"]), "looks": params["looks_with"]}
    return Component("zoomed", {"dim": plain.options.get("dim", 0), **options, **more})


def build(params: Params) -> RunConfig:
    """A run of :func:`model` with the losses of U_d.

    Args:
        params: as of both; ``inside`` of the data.
    """
    zooms = bool(params["place"])
    plain = run(params, model(params), baseline.objective(params), zooms=zooms, measures=("windows",) if zooms else ())
    return replace(plain, data=replace(plain.data, inside=params["inside"]))


DEFAULTS = {
    **baseline.DEFAULTS,
    **{"place": "", "looks_with": "pretrained", "layers": ("4e", "5b"), "form": "columns", "both": False},
    **{"inside": "image"},
}
OBJECT, ELSEWHERE, BOX = {"place": "object"}, {"place": "elsewhere"}, {"inside": "object"}
UNTOUCHED = {"untouched": True, "steps": 0}
ARMS = tuple(
    Arm(name, title, params, baseline.BASE)
    for name, title, params in (
        ("untouched-full", "image", UNTOUCHED),
        ("untouched-oam", "window of object attention", {**UNTOUCHED, **OBJECT}),
        ("untouched-random", "window of that size elsewhere", {**UNTOUCHED, **ELSEWHERE}),
        ("untouched-oam-degree", "its closed form", {**UNTOUCHED, **OBJECT, "form": "degree"}),
        ("untouched-oam-4e", "layer 4e alone", {**UNTOUCHED, **OBJECT, "layers": ("4e",)}),
        ("untouched-oam-5b", "layer 5b alone", {**UNTOUCHED, **OBJECT, "layers": ("5b",)}),
        ("untouched-full-and-oam", "image and window", {**UNTOUCHED, **OBJECT, "both": True}),
        ("untouched-full-and-random", "image and window elsewhere", {**UNTOUCHED, **ELSEWHERE, "both": True}),
        ("untouched-box", "square around the object", {**UNTOUCHED, **BOX}),
        ("u512-full", "U512 on the image", baseline.CURVES),
        ("u512-oam", "U512 on windows of object attention", OBJECT),
        ("u512-random", "U512 on windows elsewhere", ELSEWHERE),
        ("u512-oam-trained-features", "U512, attention on its own features", {**OBJECT, "looks_with": "trained"}),
        ("u512-box", "U512 on squares around objects", BOX),
    )
)
_WINDOWS = (
    "untouched-oam untouched-random untouched-oam-degree untouched-oam-4e untouched-oam-5b untouched-full-and-oam "
    "untouched-full-and-random"
)

ON_GROCERIES = Study(
    name="object_attention",
    title="Windows of object attention",
    build=build,
    defaults={**DEFAULTS, **deml.HALVED},
    arms=planned(
        GROCERIES,
        ARMS,
        first("untouched-full", 0.7),
        first(_WINDOWS, 2),
        first("u512-full", 6.6),
        first("u512-oam u512-random", 8),
        later("u512-oam-trained-features", 8),
        smoke="u512-oam",
    ),
    tunings=(),
    tuned_by=baseline.ON_GROCERIES,
    live=(),
)
ON_GLYPHS = Study(
    name="glyph_object_attention",
    title="Windows of object attention on glyphs",
    build=build,
    defaults=DEFAULTS,
    arms=planned(
        GLYPHS,
        ARMS,
        first("u512-full", 1.3, draws=10),
        first("u512-oam u512-random u512-oam-trained-features", 1.5, draws=10),
        first("u512-box", 1.3, draws=10),
        first("untouched-full", 0.12, draws=10),
        first(_WINDOWS, 0.35, draws=10),
        first("untouched-box", 0.12, draws=10),
        smoke="u512-oam-trained-features",
    ),
    tunings=(),
    tuned_by=baseline.ON_GLYPHS,
    live=(),
)
STUDIES = (ON_GROCERIES, ON_GLYPHS)
