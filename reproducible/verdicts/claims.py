"""Criteria and records in, verdicts out. Nothing here trains, and no verdict is typed.

:mod:`reproducible.verdicts.criteria` reads the criteria, :mod:`reproducible.verdicts.judging` decides them on records.
Here :func:`evaluate` turns one claim into one row a criterion, :func:`all_rows` lets Holm's method decide within
families, and :func:`combine` joins the criteria of a claim at one level of evidence;
:mod:`reproducible.verdicts.table` shows the rows. Explained on page: how-to-read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reproducible.resources import manifests
from reproducible.types import RunRecord
from reproducible.verdicts import published as printed
from reproducible.verdicts.criteria import Claim, ClaimSet, criteria_hash, decisive
from reproducible.verdicts.judging import measure
from reproducible.verdicts.schema import Criterion

Records = Mapping[str, Sequence[RunRecord]]
ALPHA = 0.05
SMALLER = "supported, smaller than claimed"
DECIDED = ("supported", SMALLER, "contradicted")


@dataclass(frozen=True)
class Row:
    """The verdict of one criterion. Differences, margins and intervals are in points.

    Attributes:
        criterion: its place in the claim's list, from 0.
        word: the verdict, with what it rests on in brackets.
        comparison: what was compared, in words.
        n: draws used; ``n_wanted``: draws the criterion asks for.
        p: two-sided, of the decision (against zero, or against the margin for claims of no difference), unadjusted.
        p_holm: adjusted within the family, where the criterion decides in one.
        seeds_needed: draws that would settle an inconclusive verdict if mean and spread stayed as they are.
        fails_here: arms that are not better than the untouched network.
        not_converged: runs whose selected checkpoint is their last one.
        criteria_changed: some record ran under other criteria for its study than those in the file now.
    """

    claim: str
    source: str
    kind: str
    page: str
    level: str
    criterion: int
    decides: bool
    test: str
    word: str
    comparison: str = ""
    data: str = ""
    study: str = ""
    n: int = 0
    n_wanted: int = 0
    mean: float | None = None
    sd: float | None = None
    t_low: float | None = None
    t_high: float | None = None
    b_low: float | None = None
    b_high: float | None = None
    margin: float | None = None
    p: float | None = None
    p_holm: float | None = None
    p_sign: float | None = None
    detectable: float | None = None
    seeds_needed: int | None = None
    fails_here: tuple[str, ...] = ()
    not_converged: int = 0
    criteria_changed: bool = False


def evaluate(
    claim: Claim,
    records_by_study: Records,
    published: printed.Published | None = None,
    root: Path | None = None,
) -> list[Row]:
    """One row a criterion of a claim, p-values unadjusted.

    Args:
        claim: from :func:`reproducible.verdicts.criteria.load_claims`.
        records_by_study: the records of each study; a study without any may be left out.
        published: from :func:`reproducible.verdicts.published.load_published`; None reads the file.
        root: folder that holds the project's ``tests``; None: beside ``data_manifests``.
    """
    root = root or manifests().parent
    rows = []
    for number, criterion in enumerate(claim.criteria):
        row = Row(
            claim.id,
            claim.source,
            claim.kind,
            claim.page,
            criterion["level"],
            number,
            "role" not in criterion,
            criterion["test"],
            "",
            study=criterion.get("study", ""),
        )
        if criterion["test"] == "editorial":
            found: dict[str, Any] = {"word": "not an empirical claim", "comparison": criterion["reason"]}
        elif criterion["test"] == "analytic":
            found = _analytic(criterion, root)
        elif criterion["test"] == "published":
            published = printed.load_published() if published is None else published
            found = printed.compare(criterion, published, f"{claim.id}, criterion {number + 1}")
        else:
            found = measure(criterion, records_by_study.get(criterion["study"], ()))
        rows.append(replace(row, **found))
    return rows


def all_rows(claims: ClaimSet, records_by_study: Records) -> list[Row]:
    """The rows of all claims, with Holm's method applied in each family.

    A decided word whose adjusted p-value is above 0.05 becomes *inconclusive*. Members of a family that have not been
    run count with p = 1, so that a family does not get easier by being run in part.
    """
    from reproducible.verdicts.statistics import holm

    published = printed.load_published()
    rows = {row_id(row): row for claim in claims.claims for row in evaluate(claim, records_by_study, published)}
    for name, members in claims.families.items():
        level = name.rsplit("-", 1)[1]
        places = [(member, decisive(claims[member], level)) for member in members]
        family = [rows[place] for place in places]
        for place, row, adjusted in zip(places, family, holm([_family_p(row) for row in family]), strict=True):
            if bare(row.word) in (*DECIDED, "inconclusive"):
                word = row.word
                if bare(word) in DECIDED and adjusted > ALPHA:
                    word = f"inconclusive ({word} before Holm's adjustment)"
                rows[place] = replace(row, p_holm=float(adjusted), word=word)
    stand = {study: criteria_hash(claims, study) for study in records_by_study}
    changed = {
        study: any(record["criteria"] != stand[study] for record in records)
        for study, records in records_by_study.items()
    }
    return [replace(row, criteria_changed=changed.get(row.study, False)) for row in rows.values()]


def row_id(row: Row) -> tuple[str, int]:
    """Claim and place of a row."""
    return row.claim, row.criterion


def combine(words: Sequence[str]) -> str:
    """The verdict on a claim at one level from the words of its deciding criteria, all of which must hold.

    Not all run: the first word that says so. All supported: supported, or supported, smaller than claimed, if one is.
    Some supported and others not: partly. None supported: contradicted if one is, else inconclusive.
    """
    said = [bare(word) for word in words]
    for kind in ("not testable here", "not run"):
        if kind in said:
            return words[said.index(kind)]
    if len(set(said)) == 1:
        return words[0]
    good = [word in ("supported", SMALLER, "proved") for word in said]
    if all(good):
        return SMALLER if SMALLER in said else "supported"
    if any(good) or "partly" in said:
        return f"partly ({sum(good)} of {len(good)} criteria)"
    for kind in ("contradicted", "refuted by analysis"):
        if kind in said:
            return words[said.index(kind)]
    return "inconclusive"


def _analytic(criterion: Criterion, root: Path) -> dict[str, Any]:
    def exists(node: str) -> bool:
        file, _, function = node.partition("::")
        path = root / file
        return path.is_file() and f"def {function.split('[')[0].split('::')[-1]}(" in path.read_text(encoding="utf-8")

    missing = [node for node in criterion["tests"] if not exists(node)]
    word = {"proved": "proved", "refuted": "refuted by analysis"}[criterion["shows"]]
    return {"word": f"not run (no test {missing[0]})" if missing else word, "comparison": criterion["statement"]}


def _family_p(row: Row) -> float:
    return row.p if row.p is not None and bare(row.word) in (*DECIDED, "inconclusive") else 1.0


def bare(word: str) -> str:
    """A verdict without what stands in brackets."""
    return word.split(" (")[0]
