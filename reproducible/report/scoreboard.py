"""The scoreboard of the first page: one row an idea. Explained on page: scoreboard."""

from __future__ import annotations

from functools import cache
from html import escape

from IPython.display import HTML

from reproducible.report.answers import ICONS, NOTHING_YET, signed
from reproducible.report.branches import cost_of
from reproducible.report.forest import Bar, axis, bar
from reproducible.report.links import addresses, claim_in_full, link
from reproducible.studies import study
from reproducible.verdicts.claims import Records
from reproducible.verdicts.reproduced import KINDS
from reproducible.verdicts.scoreboard import GAIN, LOSS, NOT_RUN, UNTOLD, Idea, Weighed, load_ideas, weigh
from reproducible.verdicts.table import verdict_table

SIGNS = {GAIN: "✔", LOSS: "✘", UNTOLD: "?", NOT_RUN: NOTHING_YET}
_LOOKS = {GAIN: "supported", LOSS: "contradicted"}
HEADS = ("idea, against", "on photographs", "on glyphs", "claim", "operations")


def scoreboard(records: Records | None = None, folder: str = "") -> HTML:
    """One row an idea: its effect over a fair baseline on photographs and on glyphs with both intervals, the published
    effect as a mark, in words where the intervals lie, the verdict on its claim, and what it costs.

    Args:
        records: of each study; None reads the committed ones.
        folder: from where the board is shown to the folder of its pages, such as ``../notebooks/``.
    """
    table = verdict_table(records_by_study=records)
    verdicts = {(row["claim"], row["level"]): (row["verdict"], row["length"]) for _, row in table.iterrows()}
    rows = []
    for idea in load_ideas():
        found = [weigh(idea, kind, verdicts, records) for kind in KINDS]
        cells = [_idea(idea, folder), *map(_effect, found), _claim(idea, found, folder), _cost(found[0])]
        titles = zip(HEADS, cells, strict=True)
        rows.append("<tr>" + "".join(f'<td data-title="{title}">{cell}</td>' for title, cell in titles) + "</tr>")
    scale = f'<tr class="scale"><td></td><td>{axis()}</td><td>{axis()}</td><td></td><td></td></tr>'
    head = "".join(f'<th scope="col">{title}</th>' for title in HEADS)
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}{scale}</tbody>"
    return HTML(f'<table class="dataframe scoreboard">{body}</table>')


def _idea(idea: Idea, folder: str) -> str:
    name = link(folder + addresses()[idea.page], idea.idea)
    return f"<b>{name}</b><br><small>{escape(idea.document)}; against {escape(idea.against)}</small>"


def _effect(found: Weighed) -> str:
    word = f"{SIGNS[found.lies]} <b>{found.lies}</b>"
    ends = found.effect
    if ends.mean is None or ends.t is None or ends.bootstrap is None:
        return word
    drawn = bar(Bar(ends.mean, ends.t, ends.bootstrap, found.published, _LOOKS.get(found.lies, "")))
    both = f"[{ends.t[0]:.1f},&nbsp;{ends.t[1]:.1f}] [{ends.bootstrap[0]:.1f},&nbsp;{ends.bootstrap[1]:.1f}]"
    published = f", published {found.published:+g}" if found.published is not None else ""
    word += f" {found.steps}" if found.steps else ""
    return f"{drawn}{word}: {signed(ends.mean)}<br><small>{both}, n&nbsp;=&nbsp;{ends.draws}{published}</small>"


def _claim(idea: Idea, found: list[Weighed], folder: str) -> str:
    if not idea.claim:
        return ""
    said = [
        f"<small>{kind}:</small> {ICONS.get(one.verdict, NOTHING_YET)} {escape(f'{one.verdict} {one.length}'.strip())}"
        for kind, one in zip(KINDS, found, strict=True)
        if one.verdict
    ]
    return "<br>".join([link(folder + claim_in_full(idea.claim), idea.claim), *said])


def _cost(found: Weighed) -> str:
    """Operations of an image, as often as the baseline's."""
    own, base = (_operations(found.study, arm) for arm in (found.treatment, found.control))
    return f"{own / base:.1f} times"


@cache
def _operations(name: str, arm: str) -> float:
    of = study(name)
    return cost_of(of.build(of.params(of.arm(arm), untuned=True)))[1]
