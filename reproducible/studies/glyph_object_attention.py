"""What the window of object attention is worth on glyphs, whose objects are known (page: object-attention).

Arms are named as in the study ``object_attention``; attention looks at the same windows at 64 pixels, the side of the
stored images. ``u512-box`` sees the square around the object instead of a window that had to be found.
"""

from __future__ import annotations

from reproducible.config import RunConfig
from reproducible.studies import deml, glyph_baseline, object_attention
from reproducible.studies.base import Params, Study


def build(params: Params) -> RunConfig:
    """A run on glyphs; ``params`` as of :func:`reproducible.studies.glyph_baseline.build` and
    :func:`reproducible.studies.object_attention.seen_through`."""
    return object_attention.seen_through(glyph_baseline.build(params), params)


BOX = {"inside": "object"}
TRAINED: deml.Declared = {
    **object_attention.TRAINED,
    **object_attention.LATER,
    "u512-box": ("U512 on squares around objects", BOX),
}
AS_IT_IS: deml.Declared = {
    **object_attention.AS_IT_IS,
    "untouched-box": ("square around the object", {**object_attention.UNTOUCHED, **BOX}),
}

STUDY = Study(
    name="glyph_object_attention",
    title="Windows of object attention on glyphs",
    build=build,
    defaults={**glyph_baseline.STUDY.defaults, **object_attention.OF_WINDOWS, "view": 64},
    arms=(
        *object_attention.arms(TRAINED, "A", 10, minutes=1.5, plain=1.3),
        *object_attention.arms(AS_IT_IS, "A", 10, minutes=0.35, plain=0.12),
    ),
    tunings=(),
    tuned_by=glyph_baseline.STUDY,
    live=(),
)
