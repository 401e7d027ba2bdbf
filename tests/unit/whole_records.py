"""Records that are whole: of any configuration, made up without a run; every query finds its class first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reproducible import encoding, registry
from reproducible.config import RunConfig, digest, to_dict
from reproducible.records.schema import RETRIEVED
from reproducible.types import Asked

CLASSES, PER_CLASS = 3, 4
LABELS = np.repeat(np.arange(CLASSES), PER_CLASS)
SETS: dict[str, Any] = {"queries": encoding.run_lengths(LABELS, LABELS), "gallery": []}
RELEVANT = np.full(len(LABELS), PER_CLASS - 1)
MATCHES = np.arange(8) < RELEVANT[:, None]
ORDER = [
    np.r_[np.setdiff1d(np.flatnonzero(c == LABELS), [i]), np.flatnonzero(c != LABELS)] for i, c in enumerate(LABELS)
]
KEPT = {
    "neighbours": lambda: encoding.encode_neighbours(np.stack(ORDER)[:, :8], RELEVANT),
    "matches": lambda: encoding.encode_matches(MATCHES, RELEVANT),
    "first": lambda: encoding.encode_first(MATCHES),
}
MACHINE = {
    **{"python": "3.11.7", "torch": "2.13.0", "platform": "Linux x86_64", "device": "AVX2", "threads": 1},
    **{"precision": "fp32", "peak_memory_mb": 400, "seconds": 60.0},
}


def asked(study: str) -> Asked:
    """What no claim asks of a study."""
    return Asked(study.encode().hex().rjust(64, "0")[:64], frozenset())


def look(hits: bool = False, parts: bool = False) -> dict[str, Any]:
    """A look at a role that found everything."""
    packed = encoding.encode_hits(np.ones(len(LABELS), bool))
    found: dict[str, Any] = dict.fromkeys(RETRIEVED, 100.0)
    found |= {"hits": packed} if hits else {}
    return found | ({"recall_at_1_within": 100.0, "hits_within": packed} if parts else {})


def whole(config: RunConfig, validation: Sequence[float] = (), selected: int = 0, **labels: Any) -> dict[str, Any]:
    """The record of a run of a configuration.

    Args:
        config: with the labels of study and arm.
        validation: MAP@R at each look at validation classes, in per cent; none: that of :func:`look`.
        selected: number of the look that is selected.
        labels: other values of ``profile``, ``criteria``, ``environment`` ... of the record.
    """
    looks, plain = config.evaluation, replace(config, study="", arm="")
    steps = list(range(0 if looks.start or not config.steps else looks.every, config.steps + 1, looks.every))
    curve: list[dict[str, Any]] = []
    for number, step in enumerate(steps):
        point = {"step": step, "loss": 1.5, "terms": {"binomial_deviance": 1.5}, "validation": look()}
        if len(validation):
            point["validation"]["map_at_r"] = validation[number]
        ends = looks.test and number in (selected, len(steps) - 1)
        if ends or (looks.test_every and step % looks.test_every == 0):
            point["test"] = look(True, looks.parts) | ({"nmi": 100.0, "f1": 100.0} if looks.measures else {})
        if looks.seen_every and (ends or step % looks.seen_every == 0):
            point["seen"] = look()
        curve.append(point)
    chosen, final = curve[selected], curve[-1]
    stuck = bool(config.steps) and chosen is final
    point = {"not_converged": stuck, **{key: chosen[key] for key in ("step", "test") if key in chosen}}
    if looks.test:
        point[looks.keep] = KEPT[looks.keep]()
        if "clusters" in looks.measures:
            point["clusters"] = encoding.encode_clusters(LABELS)
        features = {"embedding": {"test": look(True), "matches": KEPT["matches"]()}}
        near = {name: value for name, value in look().items() if name not in ("r_precision", "map_at_r")}
        features |= {name: {"test": near, "first": KEPT["first"]()} for name in looks.features}
        protocols = (*(("all_to_all",) if looks.features else ()), *looks.protocols)
        if protocols:
            point["further"] = {name: {**SETS, "features": features} for name in protocols}
    roles = ("validation", "test", "seen") if looks.test else ("validation",)
    untouched = {role: look(role == "test", role == "test" and looks.parts) for role in roles if config.steps}
    parts = {"data": "made-up", "weights": "none", "versions": registry.versions(config)}
    return {
        **{"study": config.study, "arm": config.arm, "profile": "standard", "draw": config.data.draw},
        **{"seed": config.seed, "digest": digest(config, **parts), "criteria": "0" * 64},
        **{"config": to_dict(plain, sparse=True), **parts, "curve": curve, "untouched": untouched, "selected": point},
        **{"last": {key: final[key] for key in ("step", "test") if key in final}, **SETS},
        **{"environment": {**MACHINE, "precision": config.precision}, **labels},
    }
