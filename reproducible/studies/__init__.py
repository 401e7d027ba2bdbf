"""Studies: one file each. Declarations without torch."""

from __future__ import annotations

from reproducible.resources import UserError, nearest_name
from reproducible.studies import (
    baseline,
    deml,
    glyph_baseline,
    glyph_deml,
    glyph_ladder,
    glyph_object_attention,
    glyph_vem,
    object_attention,
    three_sets,
    vem,
)
from reproducible.studies.base import PROFILES, Arm, Study, Tuning

ALL = (
    *(baseline, glyph_baseline, glyph_ladder, three_sets, vem, glyph_vem, object_attention, glyph_object_attention),
    *(deml, glyph_deml),
)
STUDIES = {module.STUDY.name: module.STUDY for module in ALL}


def study(name: str) -> Study:
    """The study of that name.

    Raises:
        UserError: if there is none, with the nearest one.
    """
    if name not in STUDIES:
        raise UserError(f"There is no study {name!r}.{nearest_name(name, STUDIES)}")
    return STUDIES[name]


__all__ = ["PROFILES", "STUDIES", "Arm", "Study", "Tuning", "study"]
