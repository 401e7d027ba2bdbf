"""The full record of every claim, a folded block each. Explained on page: claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from IPython.display import HTML

from reproducible.report.answers import ICONS, NOTHING_YET, titled
from reproducible.report.links import evidence, link
from reproducible.report.tables import interval
from reproducible.verdicts.wording import describe
from reproducible.verdicts.words import bare, with_length

_NUMBERS = {
    "p": "p",
    "p_holm": "p, Holm",
    "p_sign": "p, sign test",
    "seeds_needed": "draws that would settle it",
    "estimate": "as an estimate",
    "not_converged": "runs that select their last checkpoint",
    "at_start": "draws that select step 0",
    "across": "draws across machines",
    "stale": "runs out of date",
    "fails_here": "not above the untouched network",
    "short": "steps of its runs, too short to say it without",
}
_REASONS = ("margin_reason", "reason", "statement", "untestable", "needs")


def records_of(claims: Sequence[Mapping[str, Any]]) -> HTML:
    """Claims in full, each a block with an address of its own: ``#claim-D04``.

    Args:
        claims: from :func:`reproducible.verdicts.in_full.in_full`.
    """
    return HTML("".join(_block(claim) for claim in claims))


def _block(claim: Mapping[str, Any]) -> str:
    said = [f"{level}: {_word(v['verdict'], v['length'])}" for level, v in claim["verdicts"].items()]
    head = f"<b>{claim['id']}</b> {escape(claim['claim'])}<br><small>{'; '.join(said)}</small>"
    facts = {
        "made in": f"{claim['source']}, {claim['section']} ({claim['kind']})",
        "published": claim["published"],
        "we expected": claim["expectation"],
        "noted": claim["note"],
        "adjusted together with others in": ", ".join(claim["families"]),
    }
    parts = [_list(facts), *(_criterion(claim, one) for one in claim["criteria"])]
    for old in claim["superseded"]:
        asked = "".join(_list(_asked(criterion)) for criterion in old["criteria"])
        parts.append(f"<p><b>Asked until {escape(str(old['until']))}</b>; {escape(old['reason'])}</p>{asked}")
    return f'<details class="claim" id="claim-{claim["id"]}"><summary>{head}</summary>{"".join(parts)}</details>'


def _criterion(claim: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    asked, result = one["asked"], one["result"]
    shown = one["decides"] and asked["level"] != "paper"
    at = evidence(claim["page"], claim["id"], asked["level"]) if shown else ""
    title = f"{asked['level']}{'' if one['decides'] else ', context'}: {_word(result['word'], '')}"
    found = {
        "compared": describe(titled(asked)).replace("_", " ") if "metric" in asked else one["compared"],
        **_asked(asked),
        "supported if": one["supported_if"],
        "data": result.get("data", ""),
        "effect": _effect(result),
        **{title: _plain(result[key]) for key, title in _NUMBERS.items() if result.get(key)},
        "draws": ", ".join(f"{draw}: {value:+.2f}" for draw, value in one["draws"].items()),
        "smallest difference so many draws detect": _detectable(asked, one),
    }
    place = f" ({link(at, 'on its page')})" if at else ""
    return f"<p><b>{title}</b>{place}</p>{_list(found)}"


def _asked(criterion: Mapping[str, Any]) -> dict[str, str]:
    """What a criterion asks for, in its own words."""
    skipped = {"level", "test", "role", "comparisons", "detectable", "assumed_sd", *_REASONS}
    shown = {key: value for key, value in criterion.items() if key not in skipped and value is not True}
    said = ", ".join(f"{key.replace('_', ' ')} {_plain(value)}" for key, value in shown.items())
    reasons = "; ".join(str(criterion[key]) for key in _REASONS if key in criterion)
    return {"asked": f"{criterion['test'].replace('_', ' ')}: {said}", "because": reasons}


def _effect(result: Mapping[str, Any]) -> str:
    if "mean" not in result:
        return ""
    ends = [interval(result.get(f"{kind}_low"), result.get(f"{kind}_high")) for kind in "tb"]
    draws = f"{result['n']} of {result['n_wanted']} draws" if result["n_wanted"] else f"{result['n']} measured"
    spread = f", standard deviation {result['sd']:.2f}" if "sd" in result else ""
    published = f", published {result['published_effect']:+g}" if "published_effect" in result else ""
    return f"{result['mean']:.4g} {' '.join(filter(None, ends))} (t, bootstrap), {draws}{spread}{published}"


def _detectable(asked: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    if "detectable" not in asked:
        return ""
    here = f"; with the spread measured here {one['detectable_here']:.1f}" if one["detectable_here"] else ""
    return f"{asked['detectable']:g} points, as assumed{here} (t test, 80 % power; both intervals ask for more)"


def _word(word: str, length: str) -> str:
    return f"{ICONS.get(bare(word), NOTHING_YET)} {escape(with_length(word, length))}"


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value))
    return str(value)


def _list(facts: Mapping[str, Any]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(text))}</dd>" for name, text in facts.items() if text)
    return f'<dl class="facts">{rows}</dl>'
