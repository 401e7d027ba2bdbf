"""The table of verdicts and what is counted in it. Explained on page: how-to-read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from reproducible.records import load
from reproducible.resources import UserError, nearest_name
from reproducible.types import RunRecord
from reproducible.verdicts import kept
from reproducible.verdicts.claims import LATE, Records, Row, all_rows
from reproducible.verdicts.criteria import SOURCES, ClaimSet, load_claims
from reproducible.verdicts.words import WEAKEST_FIRST, at_steps, bare, combine

if TYPE_CHECKING:
    import pandas as pd


def verdict_table(
    source: str | None = None, *, detail: bool = False, records_by_study: Records | None = None
) -> pd.DataFrame:
    """The verdicts, computed from the committed records: one row a claim and level of evidence.

    Computed once, and again as soon as a file that they depend on is another (:mod:`reproducible.verdicts.kept`).

    A verdict that holds only at the length of its runs has that ``length`` beside it, such as ``at 300 steps``. Numbers
    are those of the first deciding criterion; all deciding criteria make the verdict
    (:func:`~reproducible.verdicts.words.combine`).

    Args:
        source: only the claims of one document (DeML, Review, VEM, DIABLO, SGML, Cross-paper).
        detail: one row a criterion instead, those that only give context included.
        records_by_study: other records than the committed ones.

    Raises:
        UserError: for an unknown source, or damaged claims or records.
    """
    import pandas as pd

    if source is not None and source not in SOURCES:
        raise UserError(f"There are no claims of a document {source!r}.{nearest_name(source, SOURCES)}")
    claims = load_claims()
    rows = [row for row in criterion_rows(records_by_study) if source in (None, row.source)]
    if not detail:
        rows = by_level(rows)
    columns = [name for name in Row.__dataclass_fields__ if detail or name not in ("criterion", "decides")]
    table = pd.DataFrame([asdict(row) for row in rows], columns=columns).rename(columns={"word": "verdict"})
    table["length"] = [length_of(*cells) for cells in zip(table["verdict"], table.pop("short"), strict=True)]
    texts = {claim.id: claim for claim in claims.claims}
    for name in ("claim", "published", "expectation"):
        table[f"{name}_text" if name == "claim" else name] = [getattr(texts[i], name) for i in table["claim"]]
    return table


def length_of(word: str, steps: Sequence[int]) -> str:
    """``at 300 steps`` for a verdict that holds at the length of its runs only; empty for others.

    Args:
        word: the verdict.
        steps: of its runs, where they are too short.
    """
    return at_steps(steps) if bare(word) in WEAKEST_FIRST else ""


def criterion_rows(records_by_study: Records | None = None) -> Sequence[Row]:
    """One row a criterion of all claims, those of the committed records computed once.

    Args:
        records_by_study: other records than the committed ones.
    """
    return _committed(kept.state()) if records_by_study is None else all_rows(load_claims(), records_by_study)


@lru_cache(maxsize=1)
def _committed(state: str) -> tuple[Row, ...]:
    """The rows of the committed claims and records; ``state`` stands for what they depend on."""
    rows = kept.recall(state)
    if rows is None:
        claims = load_claims()
        rows = tuple(all_rows(claims, committed(claims)))
        kept.keep(state, rows)
    return rows


def headline(table: pd.DataFrame) -> pd.DataFrame:
    """How many of the authors' claims got which verdict, one row a level of evidence; without those whose criterion was
    set after its result.

    Args:
        table: from :func:`verdict_table`, one row a claim and level.
    """
    import pandas as pd

    own = table[(table["kind"] == "author") & ~table["after_result"]]
    return pd.crosstab(own["level"], own["verdict"].map(bare), rownames=["level"], colnames=["verdict"])


def committed(claims: ClaimSet, studies: Collection[str] = ()) -> dict[str, list[RunRecord]]:
    """The committed records of every study that a criterion reads, and what was measured on frozen networks.

    Args:
        claims: whose criteria.
        studies: only these; empty: all.
    """
    from reproducible.evaluation.localised import frozen_records

    read = {criterion["study"] for claim in claims.claims for criterion in claim.criteria if "study" in criterion}
    found = {study: load(study) for study in sorted(read) if study in (studies or read)}
    for record in frozen_records():
        if record["study"] in found:
            found[record["study"]].append(record)
    return found


def by_level(rows: Sequence[Row]) -> list[Row]:
    """One row a claim and level: the first deciding one, with the verdict and the flags of all.

    Args:
        rows: one a criterion, those of a claim one after the other.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.decides:
            groups.setdefault((row.claim, row.level), []).append(row)
    joined = []
    for group in groups.values():
        failing = tuple(dict.fromkeys(arm for row in group for arm in row.fails_here))
        verdict = combine([row.word for row in group], weakest=any(row.test == "estimate" for row in group))
        short = tuple(sorted({steps for row in group for steps in row.short}))
        late = any(row.after_result for row in group)
        verdict += f" {LATE}" if late and LATE not in verdict else ""
        stale = max(row.stale for row in group)
        joined.append(replace(group[0], word=verdict, fails_here=failing, short=short, after_result=late, stale=stale))
    return joined
