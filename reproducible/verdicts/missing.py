"""What has not been run, and what it takes: runs and hours of a core, or the data that are not at hand.

Explained on page: verdicts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from reproducible.studies import STUDIES
from reproducible.verdicts.claims import Records, Row
from reproducible.verdicts.contrasts import by_draw, terms
from reproducible.verdicts.criteria import ClaimSet
from reproducible.verdicts.judging import usable
from reproducible.verdicts.schema import STATISTICAL, Criterion
from reproducible.verdicts.words import NOT_TRAINED, WEAKEST_FIRST, bare


@dataclass(frozen=True)
class Missing:
    """Claims that wait for the runs of one study.

    Attributes:
        study: its name; empty for what no study runs.
        level: of evidence.
        claims: that wait.
        arms: of declared arms, how many lack runs.
        runs: how many are missing.
        hours: that they take, of one core.
        undeclared: arms that the criteria name and no study declares yet.
    """

    study: str
    level: str
    claims: tuple[str, ...]
    arms: int
    runs: int
    hours: float
    undeclared: tuple[str, ...]


def missing(claims: ClaimSet, rows: Sequence[Row], records: Records) -> list[Missing]:
    """What the deciding criteria that say *not run* wait for, study by study, the cheapest first.

    Args:
        claims: what was asked.
        rows: one a criterion, from :func:`reproducible.verdicts.claims.all_rows`.
        records: of each study.
    """
    waiting: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.decides and bare(row.word) == "not run":
            waiting.setdefault((row.study, row.level), []).append(row)
    found = []
    for (study, level), group in waiting.items():
        asked = [claims[row.claim].criteria[row.criterion] for row in group]
        wanted = _draws_wanted(asked)
        declared = {arm.name: arm for arm in STUDIES[study].arms} if study in STUDIES else {}
        lacking = {
            name: count - len(by_draw(usable(asked[0], records.get(study, ())), name))
            for name, count in wanted.items()
            if name in declared
        }
        lacking = {name: count for name, count in lacking.items() if count > 0}
        hours = sum(declared[name].minutes * count for name, count in lacking.items()) / 60
        ids = tuple(dict.fromkeys(row.claim for row in group))
        undeclared = tuple(name for name in wanted if name not in declared)
        found.append(Missing(study, level, ids, len(lacking), sum(lacking.values()), hours, undeclared))
    return sorted(found, key=lambda one: (bool(one.undeclared), one.hours))


def _draws_wanted(criteria: Collection[Criterion]) -> dict[str, int]:
    wanted: dict[str, int] = {}
    for criterion in criteria:
        if criterion["test"] in (*STATISTICAL, "seed_spread"):
            for term in terms(criterion):
                wanted[term.run] = max(wanted.get(term.run, 0), criterion["n"])
    return wanted


def needs(rows: Sequence[Row]) -> dict[str, list[tuple[str, str]]]:
    """What claims that are *not testable here* need, or why they cannot come out: claim and level of each.

    Args:
        rows: one a claim and level.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        if bare(row.word) == "not testable here":
            reason = row.word.partition(" (")[2].split(") (")[0].rstrip(")")
            found.setdefault(reason.removeprefix("needs "), []).append((row.claim, row.level))
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def undecided(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """Authors' claims that experiments could decide and none has been run for, on glyphs or on photographs; and all
    authors' claims.

    Args:
        rows: one a claim and level.
    """
    own: dict[str, list[Row]] = {}
    for row in rows:
        if row.kind == "author":
            own.setdefault(row.claim, []).append(row)
    tried = {claim: [row for row in group if row.level in ("controlled", "real")] for claim, group in own.items()}
    waiting = [
        claim
        for claim, group in tried.items()
        if group and not any(bare(row.word) in (*WEAKEST_FIRST, NOT_TRAINED) for row in group)
    ]
    return waiting, list(own)
