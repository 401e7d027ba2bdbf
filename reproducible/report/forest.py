"""Forest plots as tables: a row an effect, drawn with its intervals beside the published one, its text as large as the
page's. Explained on page: verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import NamedTuple

import numpy as np
import pandas as pd
from IPython.display import HTML

from reproducible.report.answers import ICONS, NOTHING_YET, signed
from reproducible.report.links import claim_in_full, link
from reproducible.verdicts.contrasts import PRIMARY
from reproducible.verdicts.criteria import load_claims
from reproducible.verdicts.words import bare

SIGNED = ("difference", "no_difference", "interaction", "within_run", "estimate")
REACH = 30.0  # points: what reaches further is cut off there, and an arrow says so


class Bar(NamedTuple):
    """What a bar shows, in points.

    Attributes:
        mean: of the differences.
        t: Student's interval; bootstrap: the other.
        published: what a document prints for it; None or NaN where it prints nothing.
        word: the verdict, without what stands in brackets.
    """

    mean: float
    t: tuple[float, float]
    bootstrap: tuple[float, float]
    published: float | None
    word: str = ""


def bar(shown: Bar, reach: float = REACH) -> str:
    """An effect as a drawing that is as wide as its cell: thick the t interval, thin both intervals together, a dot the
    mean, a diamond the published effect.

    Args:
        shown: what.
        reach: points from the middle to either end.
    """

    def at(value: float) -> str:
        return f"{50 + 50 * float(np.clip(value / reach, -1, 1)):.1f}%"

    low, high = min(shown.t[0], shown.bootstrap[0]), max(shown.t[1], shown.bootstrap[1])
    parts = [_line("50%", "50%", "zero", "0", "100%"), _line(at(low), at(high), "both"), _line(*map(at, shown.t), "t")]
    if abs(shown.mean) <= reach:
        parts.append(f'<circle cx="{at(shown.mean)}" cy="50%" r="4"/>')
    else:
        tip = "m-1,-5 l-8,5 l8,5 z" if shown.mean < 0 else "m1,-5 l8,5 l-8,5 z"
        x = at(0.96 * np.sign(shown.mean) * reach)
        parts.append(f'<svg x="{x}" y="50%" overflow="visible"><path d="M0,0 {tip}"/></svg>')
    said = f"{shown.mean:+.1f}, t {shown.t[0]:.1f} to {shown.t[1]:.1f}, "
    said += f"bootstrap {shown.bootstrap[0]:.1f} to {shown.bootstrap[1]:.1f}"
    if shown.published is not None and not pd.isna(shown.published):
        place = at(shown.published)
        parts.append(
            f'<svg x="{place}" y="50%" overflow="visible"><path class="printed" d="M0,-5 5,0 0,5 -5,0z"/></svg>'
        )
        said += f", published {shown.published:+g}"
    kind = shown.word.split(",")[0].replace(" ", "-") or "effect"
    return f'<svg class="bar {kind}" role="img" aria-label="{escape(said)}">{"".join(parts)}</svg>'


def axis(reach: float = REACH) -> str:
    """The numbers under a column of bars."""
    ticks = [(f"{50 + 50 * part:.0f}%", f"{part * reach:+g}" if part else "0") for part in (-0.5, 0, 0.5)]
    texts = "".join(f'<text x="{x}" y="80%" text-anchor="middle">{tick}</text>' for x, tick in ticks)
    return f'<svg class="bar axis" aria-hidden="true">{texts}</svg>'


def _line(x1: str, x2: str, kind: str, y1: str = "50%", y2: str = "50%") -> str:
    return f'<line class="{kind}" x1="{x1}" x2="{x2}" y1="{y1}" y2="{y2}"/>'


def effects_of_recall(table: pd.DataFrame, level: str) -> pd.DataFrame:
    """The differences in Recall@1 on unseen classes that decide claims at a level, the largest first.

    Args:
        table: from :func:`reproducible.verdicts.table.verdict_table`, in detail.
        level: of evidence.

    Returns:
        Columns ``name``, ``mean``, ``low``, ``high`` (of both intervals together), those of each, ``published`` and
        ``word``.
    """
    claims = load_claims()
    chosen = table[(table["level"] == level) & table["decides"] & table["test"].isin(SIGNED) & table["b_low"].notna()]
    asked = [claims[row["claim"]].criteria[row["criterion"]] for _, row in chosen.iterrows()]
    recall = [c.get("metric") == PRIMARY and c.get("part", "test") == "test" for c in asked]
    chosen = chosen[np.array(recall, dtype=bool)]
    several = chosen["claim"].duplicated(keep=False)
    letters = chosen.groupby("claim").cumcount().map(lambda place: "abcdefgh"[place])
    return pd.DataFrame(
        {
            "name": chosen["claim"] + letters.where(several, ""),
            "mean": chosen["mean"].astype(float),
            "b_low": chosen["b_low"].astype(float),
            "b_high": chosen["b_high"].astype(float),
            "low": chosen[["t_low", "b_low"]].min(axis=1).astype(float),
            "high": chosen[["t_high", "b_high"]].max(axis=1).astype(float),
            "t_low": chosen["t_low"].astype(float),
            "t_high": chosen["t_high"].astype(float),
            "published": chosen["published_effect"].astype(float),
            "word": chosen["verdict"].map(bare),
        }
    ).sort_values("mean", ascending=False, ignore_index=True)


def forest(panels: Mapping[str, pd.DataFrame]) -> HTML:
    """Effects with both intervals, a panel a level.

    Args:
        panels: title -> from :func:`effects_of_recall`.
    """
    return HTML(f'<div class="forests">{"".join(_panel(*one) for one in panels.items())}</div>')


def _panel(title: str, table: pd.DataFrame) -> str:
    rows = []
    for row in table.itertuples():
        shown = Bar(row.mean, (row.t_low, row.t_high), (row.b_low, row.b_high), row.published, row.word)
        icon = f'<span title="{row.word}">{ICONS.get(row.word, NOTHING_YET)}</span>'
        named = f"{link(claim_in_full(row.name[:3]), row.name)} {icon}"
        rows.append(f"<tr><th scope='row'>{named}</th><td>{bar(shown)}</td><td>{signed(row.mean)}</td></tr>")
    body = "".join(rows) + f"<tr><td></td><td>{axis()}</td><td></td></tr>"
    head = f'<tr><th scope="col"></th><th scope="col">{escape(title)}</th><th scope="col">points</th></tr>'
    return f'<table class="dataframe forest"><thead>{head}</thead><tbody>{body}</tbody></table>'


def described(panels: Mapping[str, pd.DataFrame]) -> str:
    """A forest plot in words, for who cannot see it: of each panel, how many effects lie where."""
    said = []
    for title, table in panels.items():
        above, below = int((table["low"] > 0).sum()), int((table["high"] < 0).sum())
        neither = len(table) - above - below
        said.append(f"{title}: {len(table)} effects, {above} above zero, {below} below, {neither} not told from zero")
    return escape("; ".join(said))
