"""What a page answers before anything else, and the lines of the library that it is about. Explained on page:
how-to-read."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import HTML, Markdown

from reproducible.report.answers import ICONS, NOTHING_YET
from reproducible.report.tables import interval
from reproducible.types import RunRecord
from reproducible.verdicts.criteria import decisive, load_claims
from reproducible.verdicts.table import verdict_table
from reproducible.verdicts.words import bare, with_length


def brief(
    questions: Mapping[str, str],
    levels: Mapping[str, str],
    records_by_study: Mapping[str, Sequence[RunRecord]] | None = None,
) -> HTML:
    """The box at the head of a page: a question a line, answered by the verdicts as the records have them now.

    Args:
        questions: in words -> claim whose deciding criterion answers it.
        levels: level of evidence -> what it is called, in the order of the answers; levels at which a claim asks for
            nothing are left out.
        records_by_study: other records than the committed ones.
    """
    table = verdict_table(detail=True, records_by_study=records_by_study)
    claims, lines = load_claims(), []
    for question, name in questions.items():
        asked = [level for level in levels if any(c["level"] == level for c in claims[name].criteria)]
        places = {level: decisive(claims[name], level) for level in asked}
        rows = {at: table[(table["claim"] == name) & (table["criterion"] == k)].iloc[0] for at, k in places.items()}
        told = "; ".join(f"{escape(levels[level])}: {_answer(row)}" for level, row in rows.items())
        lines.append(f"<li>{escape(question)} ({name}) {told}.</li>")
    box = '<div class="admonition tip"><p class="admonition-title">In brief</p><ul>{}</ul></div>'
    return HTML(box.format("".join(lines)))


def _answer(row: pd.Series) -> str:
    """Icon, word, and the effect with both intervals beside the published one."""
    said = f"{ICONS.get(bare(row['verdict']), NOTHING_YET)} <b>{escape(with_length(row['verdict'], row['length']))}</b>"
    if pd.isna(row["mean"]):
        return said
    ends = [interval(row["t_low"], row["t_high"]), interval(row["b_low"], row["b_high"])]
    said += f", {row['mean']:+.1f} points {' '.join(filter(None, ends))}"
    printed = row["published_effect"]
    return said if printed is None or pd.isna(printed) else f"{said}, published {printed:+g}"


def source(*shown: Any) -> Markdown:
    """The lines of functions, classes or methods as the library has them, without their docstrings, each under the
    name of its file."""
    parts = []
    for one in shown:
        file = Path(inspect.getsourcefile(one) or "")
        name = file.relative_to(next(p for p in file.parents if p.name == "reproducible").parent)
        parts.append(f"`{name.as_posix()}`\n\n```python\n{_bare(one)}\n```")
    return Markdown("\n\n".join(parts))


def _bare(one: Any) -> str:
    lines = textwrap.dedent(inspect.getsource(one)).splitlines()
    (made,) = ast.parse("\n".join(lines)).body
    first = made.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return "\n".join(lines[: first.lineno - 1] + lines[first.end_lineno :] if documented else lines)
