"""What the studies declare, for tests of their declarations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reproducible.config import RunConfig, to_dict
from reproducible.evaluation.localised import ARMS as LOOKED_AT
from reproducible.studies import STUDIES, Arm, Study
from reproducible.verdicts.criteria import load_claims
from reproducible.verdicts.schema import Criterion


def arms_of(criterion: Criterion) -> list[str]:
    """The arms whose runs a criterion reads."""
    pairs = [*criterion.get("pairs", []), *criterion.get("pool", [])]
    named = [
        *criterion.get("arms", []),
        *(arm for pair in pairs for arm in pair),
        *([criterion["arm"]] if "arm" in criterion else []),
    ]
    return [name.partition("/")[0] for name in named]


def served() -> Iterator[tuple[str, Criterion, Study]]:
    """Claim, criterion and study for every criterion that reads the runs of a declared study, and not the looks at
    frozen networks, which need none."""
    for claim in load_claims().claims:
        for criterion in claim.criteria:
            if criterion.get("study") in STUDIES and not set(arms_of(criterion)) & set(LOOKED_AT):
                yield claim.id, criterion, STUDIES[criterion["study"]]


def untuned(of: Study, arm: Arm) -> RunConfig:
    """The arm's configuration with the first candidate of each tuning."""
    return of.build(of.params(arm, untuned=True))


def differences(a: RunConfig, b: RunConfig) -> set[str]:
    """Paths of the fields in which two configurations differ."""

    def walk(x: Any, y: Any, path: str) -> Iterator[str]:
        if isinstance(x, dict) and isinstance(y, dict):
            for key in x.keys() | y.keys():
                yield from walk(x.get(key), y.get(key), f"{path}.{key}".lstrip("."))
        elif x != y:
            yield path

    return {path for path in walk(to_dict(a), to_dict(b), "") if path not in ("study", "arm")}
