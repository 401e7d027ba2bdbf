"""Criteria and records in, verdicts out. Nothing here trains, and no verdict is typed.

:mod:`reproducible.verdicts.criteria` reads the criteria, :mod:`reproducible.verdicts.judging` decides them on records.
Here :func:`evaluate` turns one claim into one row a criterion, :func:`all_rows` lets Holm's method decide within
families, :mod:`reproducible.verdicts.table` shows the rows. Explained on page: how-to-read.
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
from reproducible.verdicts.words import DECIDED, TOO_SMALL, WEAKEST_FIRST, bare

Records = Mapping[str, Sequence[RunRecord]]
ALPHA = 0.05
LATE = "(criterion set after its result)"


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
        published_effect: what the document prints for the comparison, in points.
        estimate: what the effect says beside the published one (:mod:`reproducible.verdicts.estimates`); it is the word
            of a criterion that asks for an estimate, and decides nothing of others.
        seeds_needed: draws that would settle an inconclusive verdict if mean and spread stayed as they are; that would
            show the published effect, where an estimate is too small to see.
        fails_here: arms that are not better than the untouched network.
        not_converged: runs whose selected checkpoint is their last one.
        at_start: draws on which an arm's selected checkpoint is step 0, the arm as it was initialised.
        across: draws whose arms ran on more kinds of machine than one.
        short: steps of the runs, where the word holds at that length only (:mod:`reproducible.verdicts.lengths`).
        after_result: the criterion was set when its result was known; it stays out of the headline.
        criteria_changed: some record ran under other criteria for its study than those in the file now.
        stale: runs of its arms that are out of date (:func:`reproducible.records.stale`).
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
    published_effect: float | None = None
    estimate: str = ""
    p: float | None = None
    p_holm: float | None = None
    p_sign: float | None = None
    detectable: float | None = None
    seeds_needed: int | None = None
    fails_here: tuple[str, ...] = ()
    not_converged: int = 0
    at_start: int = 0
    across: int = 0
    short: tuple[int, ...] = ()
    criteria_changed: bool = False
    after_result: bool = False
    stale: int = 0


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
        if "untestable" in criterion:
            found["word"] = f"not testable here ({criterion['untestable']})"
        if late := "after_result" in criterion:
            found["word"] = f"{found['word']} {LATE}"
        rows.append(replace(row, after_result=late, **found))
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
            if row.p is not None and bare(row.word) in WEAKEST_FIRST:
                word = row.word
                if bare(word) in DECIDED and adjusted > ALPHA:
                    undecided = TOO_SMALL if row.test == "estimate" else "inconclusive"
                    word = f"{undecided} ({word} before Holm's adjustment)"
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


def _analytic(criterion: Criterion, root: Path) -> dict[str, Any]:
    def exists(node: str) -> bool:
        file, _, function = node.partition("::")
        path = root / file
        return path.is_file() and f"def {function.split('[')[0].split('::')[-1]}(" in path.read_text(encoding="utf-8")

    missing = [node for node in criterion["tests"] if not exists(node)]
    word = {"proved": "proved", "refuted": "refuted by analysis"}[criterion["shows"]]
    return {"word": f"not run (no test {missing[0]})" if missing else word, "comparison": criterion["statement"]}


def _family_p(row: Row) -> float:
    return row.p if row.p is not None and bare(row.word) in WEAKEST_FIRST else 1.0
