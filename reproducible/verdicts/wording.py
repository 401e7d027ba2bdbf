"""A criterion in words: what it compares, and what it asks for. Explained on page: how-to-read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reproducible.verdicts.schema import NO_EFFECT, Criterion


def describe(criterion: Criterion) -> str:
    """The comparison in words: ``recall_at_1 at selected: u512-lact-printed - u512``."""
    if criterion["test"] == "measured":
        return f"{criterion['quantity']} {criterion['relation']} {criterion['threshold']:g}"
    if criterion["test"] == "published":
        sides = ((c["left"], c["relation"], c["right"]) for c in criterion["comparisons"])
        return "; ".join(dict.fromkeys(f"{_printed(a)} {sign} {_printed(b)}" for a, sign, b in sides))
    what = criterion["metric"] + (f" of {criterion['part']} classes" if criterion.get("part", "test") != "test" else "")
    match criterion["test"]:
        case "within_run":
            return f"{what}: {criterion['arm']}, {' - '.join(criterion['between'])}"
        case "threshold" | "seed_spread":
            what = f"standard deviation over seeds of {what}" if criterion["test"] == "seed_spread" else what
            bound = f"{criterion['relation']} {criterion['threshold']:g}"
            return f"{what} at {criterion['at']}: {criterion['arm']} {bound}"
    if "pairs" in criterion:
        first, second = (" - ".join(pair) for pair in criterion["pairs"])
        return f"{what} at {criterion['at']}: ({first}) - ({second})"
    if "pool" in criterion:
        differences = ", ".join(" - ".join(pair) for pair in criterion["pool"])
        return f"{what} at {criterion['at']}: mean of {differences}"
    return f"{what} at {criterion['at']}: {' - '.join(criterion['arms'])}"


def supported_if(criterion: Criterion) -> str:
    """What a criterion asks for before it says *supported*, in signs: ``> +1`` (both intervals above 1 point),
    ``< -10``, ``within ±2``, ``<= 10``, ``> 0 (published +1.7)``; empty for tests without such a line."""
    if "threshold" in criterion:
        spare = f" (± {criterion['tolerance']:g})" if criterion.get("tolerance") else ""
        return f"{criterion['relation']} {criterion['threshold']:g}{spare}"
    if criterion["test"] == "estimate" and criterion["direction"] in ("greater", "less"):
        effect = f" (published {criterion['published_effect']:+g})" if "published_effect" in criterion else ""
        return f"{'>' if criterion['direction'] == 'greater' else '<'} 0{effect}"
    if "margin" not in criterion:
        return ""
    margin = criterion["margin"]
    if criterion["test"] == "no_difference" or criterion["direction"] == NO_EFFECT:
        return f"within ±{margin:g}"
    relation, sign = {"greater": ">+", "less": "<-", "not_less": ">-", "not_greater": "<+"}[criterion["direction"]]
    return f"{relation} {sign if margin else ''}{margin:g}"


def _printed(value: Mapping[str, Any]) -> str:
    return f"{value['method']} ({value['source']}, Table {value['table']})"
