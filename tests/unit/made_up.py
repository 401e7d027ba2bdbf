"""Records whose verdict is known, and the criteria that read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reproducible.encoding import encode_hits
from reproducible.verdicts.claims import Row, evaluate
from reproducible.verdicts.criteria import Claim

CLASSES, PER_CLASS = 20, 50  # every class is a coarse class of its own


def hits(recall: float | Sequence[float]) -> np.ndarray:
    """Hits of 1,000 queries with these recalls, one value a class or the same in all, in per cent."""
    by_class = np.broadcast_to(np.asarray(recall, float), CLASSES)
    cumulative = np.round(np.cumsum(by_class) * PER_CLASS / 100).astype(int)
    found = np.zeros((CLASSES, PER_CLASS), dtype=bool)
    for row, count in zip(found, np.diff(np.r_[0, cumulative]), strict=True):
        row[:count] = True
    return found.ravel()


def look(recall: float | Sequence[float] | np.ndarray, **more: Any) -> dict[str, Any]:
    found = hits(recall)
    return {"recall_at_1": 100 * float(found.mean()), "hits": encode_hits(found), **more}


def record(arm: str, draw: int, recall: Any, *, seed: int = 0, **changes: Any) -> dict[str, Any]:
    """A finished run; ``changes`` replace keys of the record."""
    plain = {
        "study": "baseline",
        "arm": arm,
        "profile": "standard",
        "draw": draw,
        "seed": seed,
        "digest": f"{arm}{draw}{seed}",
        "criteria": "",
        "config": {},
        "versions": {},
        "curve": [],
        "untouched": {"test": {"recall_at_1": 20.0}},
        "selected": {"step": 100, "not_converged": False, "test": look(recall)},
        "last": {"step": 200, "test": look(recall)},
        "queries": [[c, c, PER_CLASS] for c in range(CLASSES)],
        "environment": {},
    }
    return {**plain, **changes}


def trained(arm: str, draw: int, value: float) -> dict[str, Any]:
    """A run with a curve: its only look finds as much as the selected checkpoint, less its draw."""
    point = {"test": {**look(value), "map_at_r": value - 30}}
    curve = [{"step": 100, "validation": {"map_at_r": value}, "test": look(value - draw)}]
    selected = {"step": 100, "not_converged": False, **point}
    return record(arm, draw, value, seed=draw, curve=curve, selected=selected)


def arms(**recalls: Sequence[float]) -> list[dict[str, Any]]:
    """Records of arms, one a draw; underscores of the names stand for hyphens."""
    return [
        record(arm.replace("_", "-"), draw, value)
        for arm, values in recalls.items()
        for draw, value in enumerate(values)
    ]


def claim(*criteria: dict[str, Any], **changes: Any) -> Claim:
    plain = {"source": "DeML", "section": "1", "kind": "author", "claim": "It helps.", "published": None}
    more = {"page": "baseline", "expectation": "A little."}
    return Claim(**{"id": "D04", **plain, **more, "criteria": criteria, **changes})


def difference(**changes: Any) -> dict[str, Any]:
    plain = {
        "level": "real",
        "study": "baseline",
        "test": "difference",
        "arms": ["new", "old"],
        "metric": "recall_at_1",
    }
    count = {"margin_reason": "", "n": 5, "assumed_sd": 2.0, "detectable": 3.4}
    return {**plain, "at": "selected", "direction": "greater", "margin": 1.0, **count, **changes}


def within(between: list[str], direction: str, **changes: Any) -> dict[str, Any]:
    plain = {key: value for key, value in difference().items() if key not in ("arms", "at")}
    return {**plain, "test": "within_run", "arm": "new", "between": between, "direction": direction, **changes}


def judge(criterion: dict[str, Any], records: list[dict[str, Any]]) -> Row:
    return evaluate(claim(criterion), {"baseline": records})[0]


OLD = [40.0, 55.0, 45.0, 60.0, 50.0]
