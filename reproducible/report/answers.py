"""Verdicts as pages lead with them: the claim in words, the verdict, the effect with both its intervals beside the
published one, the draws. Everything else is folded below. Explained on page: how-to-read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd
from IPython.display import HTML

from reproducible.evaluation.localised import ARMS as LOOKED_AT
from reproducible.report.tables import NOT_RUN, folded, interval, page
from reproducible.report.verdicts import claims_on_page, criteria_on_page, notes_on_page, superseded_on_page
from reproducible.studies import STUDIES
from reproducible.types import RunRecord
from reproducible.verdicts.contrasts import PRIMARY
from reproducible.verdicts.criteria import load_claims
from reproducible.verdicts.effects import Effect
from reproducible.verdicts.schema import Criterion
from reproducible.verdicts.table import verdict_table
from reproducible.verdicts.wording import describe
from reproducible.verdicts.words import BELOW_PUBLISHED, SMALLER, bare, with_length

ICONS = {
    **{"supported": "✔", SMALLER: "✔", BELOW_PUBLISHED: "✔", "proved": "✔"},
    **{"contradicted": "✘", "refuted by analysis": "✘", "partly": "◐"},
    **{"no difference seen": "=", "inconclusive": "?", "too small to see here": "?"},
}
"""Beside the word, never in its place; other words say that there is nothing to see yet."""
NOTHING_YET = "○"
LEVEL_NAMES = {
    **{"analytic": "By proof", "published": "On the printed tables"},
    **{"controlled": "On glyphs", "real": "On photographs"},
}
_SIGNED = ("difference", "no_difference", "interaction", "within_run", "estimate")


def answers(page_name: str, level: str, records_by_study: Mapping[str, Sequence[RunRecord]] | None = None) -> HTML:
    """What decides the claims of a page at one level, and how it came out: a row a deciding criterion in at most five
    columns, and below them, folded, all criteria with everything that is known of each.

    Args:
        page_name: name of the page in ``claims.yaml``.
        level: real, controlled, published, ...
        records_by_study: other records than the committed ones.
    """
    table = verdict_table(detail=True, records_by_study=records_by_study)
    table = table[(table["page"] == page_name) & (table["level"] == level) & table["decides"]]
    claims = load_claims()
    rows, before = [], ""
    for _, row in table.iterrows():
        claim = claims[row["claim"]]
        asked = claim.criteria[row["criterion"]]
        text = "" if claim.id == before else claim.claim
        told, before = {"claim": _claim(row, text, asked), "verdict": verdict_cell(row, asked)}, claim.id
        if level not in ("published", "analytic"):
            told |= {
                "effect [t] [bootstrap]": effect_cell(row),
                "published": published_cell(row, claim.published),
                "n": count_cell(row),
            }
        rows.append(told)
    made = pd.DataFrame(rows).to_html(index=False, border=0, justify="left", escape=False)
    whole = folded("All criteria, p-values and draws", page(claims_on_page(page_name, level, records_by_study)))
    return HTML(made + whole.data)


def asked(page_name: str, *levels: str) -> HTML:
    """What was fixed before the first run for the claims of a page, what other criteria it replaced, and what is noted
    beside them: each folded behind one line, where there is any.

    Args:
        page_name: name of the page in ``claims.yaml``.
        levels: real, controlled ...
    """
    parts = {
        f"What was asked before the first run, level {level}": criteria_on_page(page_name, level) for level in levels
    }
    parts["What was asked before that, and why it was replaced"] = superseded_on_page(page_name)
    parts["What is noted beside these claims"] = notes_on_page(page_name)
    return HTML("".join(folded(title, page(table)).data for title, table in parts.items() if len(table)))


def standing(page_name: str, records_by_study: Mapping[str, Sequence[RunRecord]] | None = None) -> HTML:
    """The answer of a page in one paragraph, as the records have it: how the claims that it decides came out, level by
    level, those that nothing has been run for included.

    Args:
        page_name: name of the page in ``claims.yaml``.
        records_by_study: other records than the committed ones.
    """
    table = verdict_table(records_by_study=records_by_study)
    table = table[(table["page"] == page_name) & table["level"].isin(LEVEL_NAMES)]
    said = []
    for level, name in LEVEL_NAMES.items():
        words = table.loc[table["level"] == level, "verdict"].map(bare).value_counts()
        if len(words):
            parts = ", ".join(f"{count} {word}" for word, count in words.items())
            said.append(f"<b>{name}</b>: {escape(parts)}")
    return HTML(f"<p>Claims of this page, by level of evidence. {'; '.join(said)}.</p>")


def effect_table(effects: Mapping[str, Effect], published: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Effects that no verdict is about: a row each, in points, with both intervals.

    Args:
        effects: by what they are of, in words.
        published: what a document prints beside them, where it does.
    """
    table = pd.DataFrame(
        {
            "effect of": list(effects),
            "points": [NOT_RUN if e.mean is None else signed(e.mean) for e in effects.values()],
            "t interval": [interval(*e.t) if e.t else "" for e in effects.values()],
            "bootstrap": [interval(*e.bootstrap) if e.bootstrap else "" for e in effects.values()],
            "draws": [f"{e.draws}" + (f", {e.across} across machines" if e.across else "") for e in effects.values()],
        }
    )
    return table.assign(published=[published.get(name, "") for name in effects]) if published else table


def titled(criterion: Criterion) -> Criterion:
    """A criterion with the titles of its arms in place of their names, where the study is declared."""
    titles = _titles(criterion)

    def title(name: Any) -> Any:
        if not isinstance(name, str):
            return [title(one) for one in name]
        arm, _, feature = name.partition("/")
        return titles.get(arm, arm) + (f", {feature.replace('_', ' ')}" if feature else "")

    return {key: title(value) if key in ("arm", "arms", "pairs", "pool") else value for key, value in criterion.items()}


def _titles(criterion: Criterion) -> dict[str, str]:
    of = STUDIES.get(criterion.get("study", ""))
    return {**LOOKED_AT, **({arm.name: arm.title for arm in of.arms} if of else {})}


def _claim(row: pd.Series, text: str, criterion: Criterion) -> str:
    """What is claimed, once, where links to its evidence lead, and what of it is compared."""
    place = f'<span id="{evidence_at(row["claim"], row["level"])}"></span>' if text else ""
    lines = [f"{place}<b>{escape(row['claim'])}</b> {escape(text)}".strip()]
    lines.append(f"<small>{escape(compared(row, criterion))}</small>")
    return ("<br>" if text else " ").join(lines)


def evidence_at(claim: str, level: str) -> str:
    """Where on its page the evidence on a claim at a level stands: the part of an address behind ``#``."""
    return f"evidence-{claim}-{level}"


def compared(row: pd.Series, criterion: Criterion) -> str:
    """What a criterion compares, with arms by their titles.

    Args:
        row: of the table of verdicts.
        criterion: the one that the row is of.
    """
    if criterion["test"] in ("editorial", "analytic", "published", "measured"):
        return row["comparison"].replace("_", " ") if criterion["test"] == "measured" else row["comparison"]
    metric = criterion["metric"]
    said = describe(titled(criterion)).replace(metric, "R@1" if metric == PRIMARY else metric.replace("_", " "))
    return said.replace("R@1 at selected: ", "").replace(" at selected", "").replace(" - ", " less ")


def verdict_cell(row: pd.Series, criterion: Criterion) -> str:
    """Icon and word, with the length it holds at, and what a reader has to know beside it."""
    said, _, why = with_length(row["verdict"], row["length"]).partition(" (")
    for arm in row["fails_here"]:
        why = why.replace(arm, _titles(criterion).get(arm, arm))
    beside = [f"({why}"] if why else []
    if row["test"] != "estimate" and row["estimate"] and bare(row["estimate"]) != bare(row["verdict"]):
        beside.append(f"as an estimate: {row['estimate']}")
    if row["stale"]:
        beside.append(f"runs out of date: {row['stale']}")
    if row["at_start"]:
        beside.append(f"draws that select step 0: {row['at_start']}")
    icon = ICONS.get(bare(row["verdict"]), NOTHING_YET)
    return "<br>".join([f"{icon} <b>{escape(said)}</b>", *(f"<small>{escape(line)}</small>" for line in beside)])


def effect_cell(row: pd.Series) -> str:
    """An effect with its t interval and its bootstrap interval, a line each; empty where nothing was run."""
    if pd.isna(row["mean"]):
        return ""
    value = signed(row["mean"]) if row["test"] in _SIGNED else f"{row['mean']:.4g}"
    both = (interval(row["t_low"], row["t_high"]), interval(row["b_low"], row["b_high"]))
    return "<br>".join([value, *(f"<small>{ends.replace(' ', '&nbsp;')}</small>" for ends in both if ends)])


def published_cell(row: pd.Series, text: str | None) -> str:
    """The effect that a document prints, in points, or what it says in place of one."""
    effect = row["published_effect"]
    return f"<small>{escape(text or '')}</small>" if effect is None or pd.isna(effect) else f"{effect:+g}"


def count_cell(row: pd.Series) -> str:
    """Draws, of how many where some are missing, and how many of them are across machines."""
    if not row["n_wanted"]:
        return ""
    count = f"{row['n']}" if row["n"] == row["n_wanted"] else f"{row['n']} of {row['n_wanted']}"
    return count + (f"<br><small>{row['across']} across machines</small>" if row["across"] else "")


def signed(points: float) -> str:
    """A difference in points with its sign, one decimal; ``0.0`` where that is nothing."""
    return f"{points:+.1f}" if abs(points) >= 0.05 else "0.0"
