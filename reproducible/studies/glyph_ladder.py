"""The unified baseline on glyphs of every difficulty, and on glyphs-instance (page: glyphs).

The step in the middle of the ladder, and the trials, are those of the study ``glyph_baseline``.
"""

from __future__ import annotations

from reproducible.studies import glyph_baseline
from reproducible.studies.base import Study

LADDER = {
    "glyphs-clutter-0": "no clutter",
    "glyphs-clutter-2": "twice the clutter",
    "glyphs-clutter-4": "four times the clutter",
    "glyphs-occlusion-0": "none occluded",
    "glyphs-occlusion-1": "all partly occluded",
}
"""Variant -> title; each differs from ``glyphs`` in one thing."""
INSTANCE = {"data": "glyphs-instance", "parts": False}

STUDY = Study(
    name="glyph_ladder",
    title="The unified baseline on glyphs of every difficulty",
    build=glyph_baseline.build,
    defaults=glyph_baseline.STUDY.defaults,
    arms=(
        *(glyph_baseline.arm(data, f"U512, {title}", {"data": data}, smoke=False) for data, title in LADDER.items()),
        glyph_baseline.arm("glyphs-instance", "U512, glyphs-instance", INSTANCE, smoke=False),
    ),
    tunings=(),
    tuned_by=glyph_baseline.STUDY,
    live=(),
)
