"""Tables of claims: what was asked before the first run, what came out, what is noted beside it. Verdicts are computed
from the committed records whenever a page is built. Explained on page: how-to-read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from reproducible.report.tables import interval
from reproducible.types import RunRecord
from reproducible.verdicts.criteria import load_claims
from reproducible.verdicts.schema import LEVELS
from reproducible.verdicts.table import verdict_table
from reproducible.verdicts.wording import describe, supported_if
from reproducible.verdicts.words import with_length

MANY = 100  # draws that nobody will run


def claims_on_page(
    page: str, level: str, records_by_study: Mapping[str, Sequence[RunRecord]] | None = None
) -> pd.DataFrame:
    """The criteria of the claims that a page answers at one level of evidence, with their verdicts, computed now.

    Args:
        page: name of the page in ``claims.yaml``.
        level: real, controlled, published, ...
        records_by_study: other records than the committed ones.
    """
    table = verdict_table(detail=True, records_by_study=records_by_study)
    table, claims = table[(table["page"] == page) & (table["level"] == level)], load_claims()
    found = {
        "claim": [
            f"{c}" if decides else f"{c} (context)" for c, decides in zip(table["claim"], table["decides"], strict=True)
        ],
        "compared": table["comparison"].map(_short),
        "verdict": _with_lengths(table),
    }
    if level != "published":
        found |= {
            "draws": [
                f"{n} of {wanted}" if wanted else "" for n, wanted in zip(table["n"], table["n_wanted"], strict=True)
            ],
            "difference": table["mean"].astype(float),
            "published": table["published_effect"].astype(float),
            "t interval": [interval(*pair) for pair in zip(table["t_low"], table["t_high"], strict=True)],
            "bootstrap": [interval(*pair) for pair in zip(table["b_low"], table["b_high"], strict=True)],
            "supported if": [
                supported_if(claims[c].criteria[place])
                for c, place in zip(table["claim"], table["criterion"], strict=True)
            ],
            "as an estimate": table["estimate"].where(table["test"] != "estimate", ""),
            "p (Holm)": [_probability(p) for p in table["p_holm"]],
            "p (sign test)": [_probability(p) for p in table["p_sign"]],
            "draws that would settle it": [
                "" if pd.isna(n) else f"{n:.0f}" if n <= MANY else f"over {MANY}" for n in table["seeds_needed"]
            ],
            "runs not converged": [f"{n}" if n else "" for n in table["not_converged"]],
        }
        for column in ("published", "as an estimate"):
            if all(pd.isna(cell) or cell == "" for cell in found[column]):
                del found[column]
        if table["at_start"].any():
            found["draws that select step 0"] = [f"{n}" if n else "" for n in table["at_start"]]
        if table["across"].any():
            found["draws across machines"] = [f"{n}" if n else "" for n in table["across"]]
        if table["criteria_changed"].any():
            found["criteria"] = ["changed since" if changed else "" for changed in table["criteria_changed"]]
        if table["stale"].any():
            found["runs out of date"] = [f"{n}" if n else "" for n in table["stale"]]
    return pd.DataFrame(found)


def criteria_on_page(page: str, level: str) -> pd.DataFrame:
    """What was fixed before the first run for the claims of a page at one level: claim, comparison, what would be
    *supported*, reason. What a claim says stands beside its first criterion.

    Args:
        page, level: as of :func:`claims_on_page`.
    """
    rows = [
        {
            "claim": claim.id,
            "what it says": claim.claim,
            **_asked(criterion),
            "why that much": criterion.get("margin_reason", criterion.get("reason", "")),
            "smallest difference that so many draws detect": criterion.get("detectable"),
        }
        for claim in load_claims().claims
        for criterion in claim.criteria
        if claim.page == page and criterion["level"] == level
    ]
    return _once(pd.DataFrame(rows), "what it says")


def superseded_on_page(page: str) -> pd.DataFrame:
    """Criteria of the claims of a page that others have replaced: until when they held, and why they were given up.

    Args:
        page: name of the page in ``claims.yaml``.
    """
    rows = [
        {
            "claim": claim.id,
            "level": criterion["level"],
            **_asked(criterion),
            "until": old["until"],
            "why": old["reason"],
        }
        for claim in load_claims().claims
        for old in claim.superseded
        for criterion in old["criteria"]
        if claim.page == page
    ]
    return _once(pd.DataFrame(rows), "why")


def notes_on_page(page: str) -> pd.DataFrame:
    """What the file of claims notes on the claims of a page, to be read beside their verdicts: a row a claim that has a
    note.

    Args:
        page: name of the page in ``claims.yaml``.
    """
    noted = [claim for claim in load_claims().claims if claim.page == page and claim.note]
    return pd.DataFrame({"claim": [claim.id for claim in noted], "note": [claim.note for claim in noted]})


def levels_on_page(page: str) -> pd.DataFrame:
    """The verdicts that decide the claims of a page, level by level, those that need data not at hand included.

    Args:
        page: name of the page in ``claims.yaml``.
    """
    table = verdict_table(detail=True)
    table = table[(table["page"] == page) & table["decides"]]
    table = table.assign(verdict=_with_lengths(table))
    found = table.pivot_table(index="claim", columns="level", values="verdict", aggfunc=" / ".join, fill_value="")
    return found[[level for level in LEVELS if level in found]].rename_axis(columns=None).reset_index()


def _with_lengths(table: pd.DataFrame) -> list[str]:
    return [with_length(*cells) for cells in zip(table["verdict"], table["length"], strict=True)]


def _asked(criterion: Mapping[str, Any]) -> dict[str, str]:
    return {"compared": _short(describe(criterion)), "supported if": supported_if(criterion)}


def _short(comparison: str) -> str:
    return comparison.replace("recall_at_1", "R@1").replace(" at selected", "")


def _once(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """The same, with a text left out where the row above has it."""
    return (
        table
        if table.empty
        else table.assign(**{column: table[column].where(table[column] != table[column].shift(), "")})
    )


def _probability(p: float) -> str:
    return "" if pd.isna(p) else "below 0.001" if p < 0.001 else f"{p:.3f}"
