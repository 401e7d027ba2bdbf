"""The documents' tables, rebuilt from what they print, with this study's values beside them. Explained on page:
published."""

from __future__ import annotations

from html import escape

import pandas as pd
from IPython.display import HTML

from reproducible.report.tables import NOT_RUN, page, spread
from reproducible.studies import STUDIES
from reproducible.verdicts.claims import Records
from reproducible.verdicts.reproduced import KINDS, TABLES, Ours, ours, printed_table


def tables_of(source: str, records: Records) -> HTML:
    """All tables of results of a document, each at an address of its own: ``#published-DeML-1``.

    Beside what is printed stands Recall@1 on this study's data, with the t interval over class draws, where an arm
    stands for the row.

    Args:
        source: the document.
        records: of each study.
    """
    parts = [_table(source, number, records) for number in TABLES[source]]
    return HTML("".join(parts))


def _table(source: str, number: str, records: Records) -> str:
    table = printed_table(source, number)
    made = table.map(escape)
    for kind in KINDS:
        found = [ours(source, number, method, kind, records) for method in table["method"]]
        made[f"here, {kind}: R@1"] = [_cell(one) for one in found]
    html = made.to_html(index=False, border=0, justify="left", escape=False)
    return f'<div id="published-{source}-{number}"><p><b>{source}\'s Table {number}</b></p>{html}</div>'


def _cell(one: Ours | None) -> str:
    """Mean and interval, the arm, its draws and pixels; the file of its records as a hint."""
    if one is None:
        return ""
    where = f"{STUDIES[one.study].title}: data_manifests/records/{one.study}/{one.arm}.jsonl.xz"
    if not one.values:
        return f'<span title="{escape(where)}">{NOT_RUN}</span>'
    draws = f"{len(one.values)} draw" + ("s" if len(one.values) > 1 else "")
    below = f"{one.title}; {one.data}, {one.pixels} pixels, {draws}"
    value = spread(list(one.values.values())).replace(", ", ",&nbsp;")
    return f'<span title="{escape(where)}">{value}</span><br><small>{escape(below)}</small>'


def score_table(scores: pd.DataFrame) -> HTML:
    """How much of each document was reproduced, in words rather than counts alone.

    Args:
        scores: from :func:`reproducible.verdicts.reproduced.scores`.
    """
    rows = [
        {
            "document": row["document"],
            "code": f"{row['with code']} of its {row['own rows']} rows have an arm here, {row['run']} of them have run",
            "direction": _direction(row),
            "size": f"{row['published size inside']} inside both intervals" if row["effects compared"] else "",
        }
        for _, row in scores.iterrows()
    ]
    return page(pd.DataFrame(rows))


def _direction(row: pd.Series) -> str:
    if not row["effects printed"]:
        return "it prints no effect of its method"
    said = f"of {row['effects printed']} effects {row['effects compared']} have run"
    names = ("same direction", "not told from zero", "opposite")
    return said + (": " + ", ".join(f"{row[name]} {name}" for name in names) if row["effects compared"] else "")
