"""Studies: methods on benchmarks, a file a method. Declarations without torch."""

from __future__ import annotations

from reproducible.resources import UserError, nearest_name
from reproducible.studies import baseline, deml, diablo, freezing, heads, object_attention, sgml, three_sets, vem
from reproducible.studies.arms import Arm, Tuning
from reproducible.studies.base import PROFILES, Study

METHODS = (baseline, freezing, three_sets, vem, object_attention, deml, sgml, diablo, heads)
STUDIES = {one.name: one for method in METHODS for one in method.STUDIES}


def study(name: str) -> Study:
    """The study of that name.

    Raises:
        UserError: if there is none, with the nearest one.
    """
    if name not in STUDIES:
        raise UserError(f"There is no study {name!r}.{nearest_name(name, STUDIES)}")
    return STUDIES[name]


__all__ = ["PROFILES", "STUDIES", "Arm", "Study", "Tuning", "study"]
