"""The review answered, and where documents contradict themselves. Explained on page: review."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd
from IPython.display import HTML

from reproducible.report.answers import LEVEL_NAMES, effect_cell, verdict_cell
from reproducible.report.links import claim_in_full, link
from reproducible.types import RunRecord
from reproducible.verdicts.criteria import load_claims
from reproducible.verdicts.documents import Inconsistency, Mistake, Objection, Remark, outcome
from reproducible.verdicts.table import verdict_table


def answered(objection: Objection, records_by_study: Mapping[str, Sequence[RunRecord]] | None = None) -> HTML:
    """An objection in the review's words, and for each claim that answers it the verdict at every level, the first
    effect, and what that means for DeML.

    Args:
        objection: which.
        records_by_study: other records than the committed ones.
    """
    table, claims = verdict_table(records_by_study=records_by_study), load_claims()
    rows = []
    for answer in objection.answers:
        claim = claims[answer.claim]
        for _, row in table[table["claim"] == claim.id].iterrows():
            criterion = next(c for c in claim.criteria if c["level"] == row["level"] and "role" not in c)
            rows.append(
                {
                    "claim": f"{link(claim_in_full(claim.id), claim.id)} {escape(claim.claim)}",
                    "level": row["level"],
                    "verdict": verdict_cell(row, criterion),
                    "effect [t] [bootstrap]": effect_cell(row),
                    "what it means for DeML": escape(answer.means[outcome(row["verdict"])])
                    if pd.notna(row["mean"])
                    else "",
                }
            )
    made = pd.DataFrame(rows)
    made["claim"] = made["claim"].where(made["claim"] != made["claim"].shift(), "")
    return HTML(_quote(objection.quote, objection.place) + _html(made))


def remark_table(remarks: Sequence[Remark], records_by_study: Mapping[str, Sequence[RunRecord]] | None = None) -> HTML:
    """The review's further statements, each with the verdicts on the claim that it became.

    Args:
        remarks: which.
        records_by_study: other records than the committed ones.
    """
    table, claims = verdict_table(records_by_study=records_by_study), load_claims()
    rows = []
    for remark in remarks:
        claim = claims[remark.claim]
        said = []
        for _, row in table[table["claim"] == claim.id].iterrows():
            criterion = next(c for c in claim.criteria if c["level"] == row["level"] and "role" not in c)
            said.append(f"{LEVEL_NAMES.get(row['level'], row['level'])}: {verdict_cell(row, criterion)}")
        where = link(claim_in_full(claim.id), claim.id)
        rows.append({"the review": _quote(remark.quote, remark.place), "claim": where, "verdict": "<br>".join(said)})
    return HTML(_html(pd.DataFrame(rows)))


def mistake_table(mistakes: Sequence[Mistake]) -> HTML:
    """Where the review is wrong.

    Args:
        mistakes: which.
    """
    rows = [{"the review": _quote(one.quote), "what is so": escape(one.so)} for one in mistakes]
    return HTML(_html(pd.DataFrame(rows)))


def inconsistency_table(found: Sequence[Inconsistency]) -> HTML:
    """Where documents contradict themselves, with what follows.

    Args:
        found: which.
    """
    rows = [
        {
            "where": escape(f"{one.document}, {one.place}"),
            "says": f"“{escape(one.says.replace(chr(9), ' '))}”",
            "against it": escape(one.against),
            "what follows": escape(one.consequence),
            "claims": ", ".join(link(claim_in_full(claim), claim) for claim in one.claims),
        }
        for one in found
    ]
    return HTML(_html(pd.DataFrame(rows)))


def _quote(text: str, place: str = "") -> str:
    where = f"<br><small>{escape(place)}</small>" if place else ""
    return f"<blockquote>{escape(text.strip())}{where}</blockquote>"


def _html(table: pd.DataFrame) -> str:
    return table.to_html(index=False, border=0, justify="left", escape=False)
