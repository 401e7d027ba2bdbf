"""The ideas of the documents, each against its fair baseline, from records: what ``scoreboard.yaml`` names.

Explained on page: scoreboard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from reproducible.reading import read_yaml
from reproducible.records import load
from reproducible.resources import check_keys, manifests
from reproducible.types import RunRecord
from reproducible.verdicts.claims import Records
from reproducible.verdicts.contrasts import by_run
from reproducible.verdicts.criteria import load_claims
from reproducible.verdicts.effects import Effect, effect
from reproducible.verdicts.lengths import halved, long_enough_arm, steps_of
from reproducible.verdicts.reproduced import KINDS, Kind
from reproducible.verdicts.words import at_steps, bare

LEVELS: Mapping[Kind, str] = {"photographs": "real", "glyphs": "controlled"}
GAIN, LOSS, UNTOLD, NOT_RUN = "above it", "below it", "not told apart", "not run"


@dataclass(frozen=True)
class Idea:
    """What is weighed against what.

    Attributes:
        idea, document: in words; ``against``: its baseline.
        claim: whose verdict stands beside it; empty for none.
        page: label of the page that shows it.
        photographs, glyphs: comparisons (study, with, without), of which the first with two draws is taken.
    """

    idea: str
    document: str
    against: str
    claim: str
    page: str
    photographs: tuple[tuple[str, str, str], ...]
    glyphs: tuple[tuple[str, str, str], ...]

    def pairs(self, kind: Kind) -> tuple[tuple[str, str, str], ...]:
        """The comparisons on a kind of data."""
        return {"photographs": self.photographs, "glyphs": self.glyphs}[kind]


@dataclass(frozen=True)
class Weighed:
    """An idea on one kind of data.

    Attributes:
        study, treatment, control: what was compared.
        effect: the difference in Recall@1 on unseen classes.
        published: what the claim's document prints, in points; None where it prints nothing.
        steps: ``at 300 steps`` where the runs are too short to say it without; else empty.
        verdict: of the claim at this level, without what stands in brackets, and the ``length`` it holds at; empty
            where it has none.
    """

    study: str
    treatment: str
    control: str
    effect: Effect
    published: float | None
    steps: str
    verdict: str
    length: str

    @property
    def lies(self) -> str:
        """Where both intervals lie: above the baseline, below it, or on both sides."""
        return _lies(self.effect)


def _lies(found: Effect) -> str:
    if found.t is None or found.bootstrap is None:
        return NOT_RUN
    low, high = min(found.t[0], found.bootstrap[0]), max(found.t[1], found.bootstrap[1])
    return GAIN if low > 0 else LOSS if high < 0 else UNTOLD


def load_ideas() -> tuple[Idea, ...]:
    """The ideas, in the order of the board.

    Raises:
        UserError: for an unknown or missing key, or a claim that does not exist.
    """
    path = manifests() / "scoreboard.yaml"
    found = []
    for number, entry in enumerate(read_yaml(path), start=1):
        check_keys(entry, Idea.__dataclass_fields__, Idea.__dataclass_fields__, f"{path}, entry {number}")
        if entry["claim"]:
            load_claims()[entry["claim"]]
        found.append(Idea(**{**entry, **{kind: tuple(map(tuple, entry[kind])) for kind in KINDS}}))
    return tuple(found)


def weigh(
    idea: Idea, kind: Kind, verdicts: Mapping[tuple[str, str], tuple[str, str]], records: Records | None = None
) -> Weighed:
    """An idea against its baseline on one kind of data.

    Args:
        idea: which.
        kind: of data.
        verdicts: word and length by claim and level.
        records: of each study; None reads the committed ones.
    """
    tried = []
    for study, *arms in idea.pairs(kind):
        runs = _committed(study) if records is None else records.get(study, ())
        found = effect(runs, *arms)
        tried.append((study, *arms, found, _published(idea.claim, LEVELS[kind]), _steps(runs, arms, found)))
    chosen = next((one for one in tried if one[3].draws > 1), tried[-1])
    word, length = verdicts.get((idea.claim, LEVELS[kind]), ("", ""))
    return Weighed(*chosen, bare(word), length)


def _steps(records: Sequence[RunRecord], arms: Sequence[str], found: Effect) -> str:
    """As for verdicts: nothing where all arms are long enough, or half the length says the same."""
    of_arms = [[*by_run(records, arm).values()] for arm in arms]
    runs = [run for of_arm in of_arms for run in of_arm]
    half = [halved(run) for run in runs]
    if all(map(long_enough_arm, of_arms)) or (all(half) and _lies(effect(half, *arms)) == _lies(found)):
        return ""
    return at_steps(steps_of(runs))


def _published(claim: str, level: str) -> float | None:
    criteria: Sequence[Mapping[str, object]] = load_claims()[claim].criteria if claim else ()
    effects = (c["published_effect"] for c in criteria if c["level"] == level and "published_effect" in c)
    return next(effects, None)  # type: ignore[return-value]


@cache
def _committed(study: str) -> list[RunRecord]:
    return load(study)
