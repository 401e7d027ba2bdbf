"""A claim in full: what was asked and why, what other criteria it replaced, what came out on every draw.

Explained on page: claims.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

from reproducible.types import RunRecord
from reproducible.verdicts.claims import Records, Row
from reproducible.verdicts.contrasts import paired
from reproducible.verdicts.criteria import Claim, ClaimSet, load_claims
from reproducible.verdicts.judging import usable
from reproducible.verdicts.schema import STATISTICAL, Criterion
from reproducible.verdicts.table import by_level, committed, criterion_rows, length_of
from reproducible.verdicts.wording import describe, supported_if

_TEXTS = ("id", "source", "section", "kind", "claim", "published", "page", "expectation", "note")
_IDENTITY = ("claim", "source", "kind", "page", "level", "criterion", "decides", "test")


def in_full(ids: Collection[str] = (), records_by_study: Records | None = None) -> list[dict[str, Any]]:
    """Everything that is known of claims, of plain types that JSON can hold.

    Args:
        ids: such as B04; empty: all claims.
        records_by_study: other records than the committed ones.

    Returns:
        For each claim its fields; ``verdicts`` by level; ``criteria``, each with what was ``asked``, what it
        ``compared``, the ``result`` (points), the values of its ``draws``, and ``detectable_here``: the smallest true
        difference that a t test on as many draws finds with 80 % power if the spread is the one measured; and the
        ``superseded`` criteria.

    Raises:
        UserError: if there is no such claim, with the nearest one.
    """
    claims = load_claims()
    chosen = [claims[name] for name in ids] or claims.claims
    studies = {criterion["study"] for claim in chosen for criterion in claim.criteria if "study" in criterion}
    records = committed(claims, studies) if records_by_study is None else records_by_study
    rows: dict[str, list[Row]] = {}
    for row in criterion_rows(records_by_study):
        rows.setdefault(row.claim, []).append(row)
    return [_of(claim, claims, rows[claim.id], records) for claim in chosen]


def _of(claim: Claim, claims: ClaimSet, rows: Sequence[Row], records: Records) -> dict[str, Any]:
    criteria = []
    for row in rows:
        criterion = claim.criteria[row.criterion]
        result = {key: value for key, value in asdict(row).items() if key not in _IDENTITY and value not in (None, ())}
        criteria.append(
            {
                "asked": dict(criterion),
                "compared": describe(criterion) if "metric" in criterion else row.comparison,
                "supported_if": supported_if(criterion),
                "decides": row.decides,
                "result": result,
                "draws": draws_of(criterion, records.get(criterion.get("study", ""), ())),
                "detectable_here": _detectable(row.sd, row.n),
            }
        )
    return {
        **{name: getattr(claim, name) for name in _TEXTS},
        "families": [name for name, members in claims.families.items() if claim.id in members],
        "verdicts": {
            row.level: {"verdict": row.word, "length": length_of(row.word, row.short)} for row in by_level(rows)
        },
        "criteria": criteria,
        "superseded": [dict(old) for old in claim.superseded],
    }


def draws_of(criterion: Criterion, records: Sequence[RunRecord]) -> dict[int, float]:
    """The value of a criterion on every class draw, in points; empty for one that no draws decide."""
    if criterion["test"] not in STATISTICAL:
        return {}
    contrast = paired(criterion, usable(criterion, records))
    return {draw: float(value) for draw, value in zip(contrast.draws, contrast.values, strict=True)}


def _detectable(sd: float | None, n: int) -> float | None:
    from reproducible.evaluation import detectable_difference

    return None if not sd or n < 2 else float(detectable_difference(sd, n))
