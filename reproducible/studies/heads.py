"""One head, many switches: a declared fraction of the factorial of gate, place, diversity, learner and loss on glyphs
(page: one-head).

Of the 4 x 2 x 4 x 2 x 4 = 256 cells 32 are run: all of gate x place x diversity, each with one learner and one loss.
With the four gates, diversities and losses as pairs of bits, learner and loss follow from the others
(:func:`fraction`), so that no main effect is mixed up with another, and the interactions of gate, place and diversity
by twos with no main effect but one: of the three contrasts of the loss, one is also one of the nine of gate with
diversity. What place does is mixed up with one contrast of learner with loss. Losses read each learner, as diversity
does. All cells have the rate of the plain network, and dictionaries have an entry for each channel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from reproducible.studies.arms import Arm, first, planned
from reproducible.studies.base import Study
from reproducible.studies.baseline import CURVES
from reproducible.studies.benchmarks import GLYPHS, Params
from reproducible.studies.diablo import ABE, ADVERSARY, BASE, DEFAULTS, DIVERGENCE, ON_GLYPHS, build

GATES = {"pooled": "pooled", "unpooled": "unpooled", "sigmoid": "sigmoid trunk", "dimension": "dictionary"}
PLACES = ("pre", "post")
DIVERSITIES: dict[str, Params] = {
    "none": {},
    "adversary": ADVERSARY,
    "push-apart": {"diversity": "push_apart", "strength": 0.2 * 3 / 28},  # the sum of three pairs, over 28
    "divergence": DIVERGENCE,
}
LEARNERS = ("shared", "separate")
LOSSES: dict[str, Params] = {
    "binomial": {},
    "contrastive": {"loss": "contrastive"},
    "triplet": {"loss": "triplet"},
    "margin": {"loss": "margin"},
}


class Cell(NamedTuple):
    """A cell of the factorial, by the names of its levels."""

    gate: str
    place: str
    diversity: str
    learner: str
    loss: str

    @property
    def name(self) -> str:
        """Of its arm."""
        return "-".join(self)


def fraction() -> Iterator[Cell]:
    """The cells that are run, in order: an eighth of the factorial.

    With a1 a2 the bits of the gate, b of the place and c1 c2 of the diversity, the learner is a1 + a2 + c1 + c2 + b,
    and the bits of the loss are a1 + c1 + b and a2 + c2 + b, all modulo 2.
    """
    for g, gate in enumerate(GATES):
        for b, place in enumerate(PLACES):
            for d, diversity in enumerate(DIVERSITIES):
                a1, a2, c1, c2 = g >> 1, g & 1, d >> 1, d & 1
                learner = (a1 + a2 + c1 + c2 + b) % 2
                loss = 2 * ((a1 + c1 + b) % 2) + (a2 + c2 + b) % 2
                yield Cell(gate, place, diversity, LEARNERS[learner], list(LOSSES)[loss])


def params(cell: Cell) -> Params:
    """What sets a cell apart."""
    branches = {"gate": cell.gate, "place": cell.place, "shared_learner": cell.learner == "shared", "joint": False}
    return {**branches, **DIVERSITIES[cell.diversity], **LOSSES[cell.loss]}


CELLS = tuple(fraction())
ARMS = (
    Arm("binomial", "U512, binomial deviance", {"grounds": True, **CURVES}, BASE),
    Arm("head-sigmoid-divergence", "ABE-8, binomial deviance", {**ABE, **DIVERGENCE, **CURVES}, BASE),
    Arm("head-sigmoid-none", "ABE-8, binomial deviance, without divergence", {**ABE, **CURVES}, BASE),
    *(Arm(cell.name, ", ".join((GATES[cell.gate], *cell[1:])), params(cell), BASE) for cell in CELLS),
)
_NAMES = {place: " ".join(cell.name for cell in CELLS if cell.place == place) for place in PLACES}
FACTORIAL = Study(
    name="glyph_heads",
    title="One head, many switches, on glyphs",
    build=build,
    defaults=DEFAULTS,
    arms=planned(
        GLYPHS,
        ARMS,
        first("head-sigmoid-divergence head-sigmoid-none", 6, draws=10),
        first("binomial", 1.6, draws=10),
        first(_NAMES["post"], 2, draws=3),
        first(_NAMES["pre"], 5, draws=3),
        smoke=" ".join(cell.name for cell in CELLS if cell.gate == "pooled" and cell.diversity in ("adversary",)),
    ),
    tunings=(),
    tuned_by=ON_GLYPHS,
    live=(),
)
STUDIES = (FACTORIAL,)
