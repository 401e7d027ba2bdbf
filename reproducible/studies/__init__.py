"""Studies: one file each. Declarations without torch."""

from __future__ import annotations

from reproducible.resources import UserError, nearest_name
from reproducible.studies import baseline, glyph_baseline, glyph_ladder, glyph_vem, vem
from reproducible.studies.base import PROFILES, Arm, Study, Tuning

STUDIES = {
    study.name: study
    for study in (baseline.STUDY, glyph_baseline.STUDY, glyph_ladder.STUDY, vem.STUDY, glyph_vem.STUDY)
}


def study(name: str) -> Study:
    """The study of that name.

    Raises:
        UserError: if there is none, with the nearest one.
    """
    if name not in STUDIES:
        raise UserError(f"There is no study {name!r}.{nearest_name(name, STUDIES)}")
    return STUDIES[name]


__all__ = ["PROFILES", "STUDIES", "Arm", "Study", "Tuning", "study"]
