"""All verdicts in one list that can be sorted and filtered, the counts of them, and what is not run.

The list is a plain table; ``book/_static/claims.js`` adds the filters where scripts run. Explained on page: verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd
from IPython.display import HTML

from reproducible.report.answers import ICONS, NOTHING_YET, count_cell, effect_cell, published_cell, verdict_cell
from reproducible.report.links import claim_in_full, evidence, link
from reproducible.studies import STUDIES
from reproducible.types import RunRecord
from reproducible.verdicts.criteria import Claim, load_claims
from reproducible.verdicts.missing import Missing
from reproducible.verdicts.schema import LEVELS
from reproducible.verdicts.table import verdict_table
from reproducible.verdicts.words import BELOW_PUBLISHED, SMALLER, bare

_LAST = ("no such look", "another word than in use")
COLUMNS = ("claim", "level", "verdict", "effect [t] [bootstrap]", "published", "n")


def verdict_list(records_by_study: Mapping[str, Sequence[RunRecord]] | None = None) -> HTML:
    """Every claim at every level of evidence: its words, verdict, effect with both intervals, the published effect, the
    draws; with links to its evidence and to its full record.

    Args:
        records_by_study: other records than the committed ones.
    """
    claims = load_claims()
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in COLUMNS)
    rows = "".join(
        _row(row, claims[row["claim"]]) for _, row in verdict_table(records_by_study=records_by_study).iterrows()
    )
    made = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    return HTML(f'<table class="dataframe verdict-list">{made}</table>')


def _row(row: pd.Series, claim: Claim) -> str:
    criterion = next(c for c in claim.criteria if c["level"] == row["level"] and "role" not in c)
    at = evidence(claim.page, claim.id, row["level"]) if row["level"] != "paper" else ""
    named = f"{link(claim_in_full(claim.id), claim.id)} {escape(claim.claim)}"
    place = link(at, "evidence") if at else ""
    below = " · ".join(filter(None, [f"{escape(claim.source)}, {escape(claim.section)}", f"{claim.kind}", place]))
    data = "" if row["level"] == "published" else row["data"]
    value = "" if pd.isna(row["mean"]) else f"{row['mean']:.6g}"
    size = "" if pd.isna(row["published_effect"]) else f"{row['published_effect']:g}"
    cells = [
        (claim.id, f"{named}<br><small>{below}</small>"),
        (row["level"], f"{row['level']}" + (f"<br><small>{escape(data)}</small>" if data else "")),
        (bare(row["verdict"]), verdict_cell(row, criterion)),
        (value, effect_cell(row)),
        (size, published_cell(row, claim.published)),
        (f"{row['n']}" if row["n_wanted"] else "", count_cell(row)),
    ]
    shown = "".join(
        f'<td data-title="{escape(title)}" data-value="{escape(key)}">{cell}</td>'
        for title, (key, cell) in zip(COLUMNS, cells, strict=True)
    )
    about = {"document": claim.source, "kind": claim.kind, "level": row["level"], "verdict": bare(row["verdict"])}
    attributes = " ".join(f'data-{key}="{escape(text)}"' for key, text in about.items())
    return f"<tr {attributes}>{shown}</tr>"


def headline_table(counts: pd.DataFrame) -> pd.DataFrame:
    """How many of the authors' claims got which verdict: a row a verdict with its icon, a column a level.

    Args:
        counts: from :func:`reproducible.verdicts.table.headline`.
    """
    table = counts.T
    table = table.reindex([word for word in (*ICONS, *sorted(set(table.index) - set(ICONS))) if word in table.index])
    icons = [f"{ICONS.get(word, NOTHING_YET)} {word}" for word in table.index]
    shown = {level: [f"{count}" if count else "" for count in table[level]] for level in LEVELS if level in table}
    return pd.DataFrame({"verdict": icons, **shown})


def in_words(counts: pd.DataFrame, undecided: Sequence[str], authors: int) -> HTML:
    """The headline in two sentences.

    Args:
        counts: from :func:`reproducible.verdicts.table.headline`.
        undecided: from :func:`reproducible.verdicts.missing.undecided`.
        authors: how many claims of authors there are.
    """
    words = counts.reindex(["controlled", "real"]).fillna(0).sum().astype(int)
    yes = sum(words.get(word, 0) for word in ("supported", SMALLER, BELOW_PUBLISHED))
    no, open_ = words.get("contradicted", 0), words.get("inconclusive", 0) + words.get("too small to see here", 0)
    first = (
        f"Of {authors} claims of authors, {len(undecided)} have no run yet that could decide them, neither on glyphs "
        "nor on photographs."
    )
    second = (
        f"Counted once a level, the others came out as follows on these two: {yes} supported, some of them smaller "
        f"than claimed, {no} contradicted, {words.get('partly', 0)} in part, {open_} inconclusive."
    )
    return HTML(f"<p>{first} {second}</p>")


def variant_table(counts: pd.DataFrame) -> pd.DataFrame:
    """How many claims get which word: a row a way to judge, a column a word that some claim got.

    Args:
        counts: from :func:`reproducible.verdicts.moves.counts`.
    """
    order = [word for word in ICONS if word in counts]
    rest = [word for word in counts if word not in ICONS and word not in _LAST]
    return counts[[*order, *rest, *_LAST]].rename_axis("judged").reset_index()


def waiting_table(found: Sequence[Missing]) -> pd.DataFrame:
    """What the claims that are not run wait for, a row a study and level.

    Args:
        found: from :func:`reproducible.verdicts.missing.missing`.
    """
    rows = [
        {
            "study": STUDIES[one.study].title if one.study in STUDIES else f"{one.study} (no such study yet)",
            "level": one.level,
            "claims": len(one.claims),
            "which": ", ".join(one.claims),
            "arms": one.arms or len(one.undeclared),
            "runs": f"{one.runs}" if one.runs else "not declared",
            "hours of one core": f"{one.hours:.1f}" if one.runs else "",
        }
        for one in found
    ]
    return pd.DataFrame(rows)


def needs_table(found: Mapping[str, Sequence[tuple[str, str]]]) -> pd.DataFrame:
    """What claims that cannot be tested here need, a row a need.

    Args:
        found: from :func:`reproducible.verdicts.missing.needs`.
    """
    return pd.DataFrame(
        {
            "needs, or why not": list(found),
            "claims": [", ".join(f"{claim} ({level})" for claim, level in members) for members in found.values()],
        }
    )
