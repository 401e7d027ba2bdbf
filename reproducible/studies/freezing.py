"""What the regime at 224 pixels changes beside the size: the trunk frozen below pool3, and eight fixed windows of each
image in place of fresh ones. Measured at 112 pixels, where the whole network is trained as well (page: protocol).

The fourth corner of the comparison, the whole network on fresh windows, is ``u512`` of the study ``baseline``. DIABLO's
dimension-wise post-attention stands for a method: does freezing change its difference from U512?
"""

from __future__ import annotations

from dataclasses import replace

from reproducible.config import Component, RunConfig
from reproducible.studies import baseline
from reproducible.studies.arms import Arm, first, planned
from reproducible.studies.base import Study
from reproducible.studies.benchmarks import GROCERIES, Params, run

FIXED = replace(GROCERIES, windows=8)
FROZEN = replace(FIXED, frozen="pool3")


def build(params: Params) -> RunConfig:
    """A run of U_d, or of DIABLO's dimension-wise post-attention with the same loss on its concatenated embedding.

    Args:
        params: as of :func:`reproducible.studies.baseline.build`; ``branches`` (0: U_d).
    """
    if not params["branches"]:
        return baseline.build(params)
    options = {"dim": params["dim"], "branches": params["branches"], "per": "dimension", "place": "post"}
    return run(params, Component("diablo", options), baseline.objective(params))


BRANCHED = {"branches": 8}
ARMS = (
    Arm("u512-fixed", "U512, whole network, fixed windows", baseline.CURVES, baseline.BASE),
    Arm("u512-frozen", "U512, from pool3, fixed windows", baseline.CURVES, baseline.BASE),
    Arm("dimension-post-8-fixed", "DIABLO(8), whole network, fixed windows", BRANCHED, baseline.BASE),
    Arm("dimension-post-8-frozen", "DIABLO(8), from pool3, fixed windows", BRANCHED, baseline.BASE),
)

FREEZING = Study(
    name="freezing",
    title="Frozen below pool3, and fixed windows",
    build=build,
    defaults={**baseline.DEFAULTS, "branches": 0},
    arms=(
        *planned(FROZEN, ARMS, first("u512-frozen", 5)),
        *planned(FIXED, ARMS, first("u512-fixed", 12), smoke=""),
        *planned(FROZEN, ARMS, first("dimension-post-8-frozen", 6), smoke=""),
        *planned(FIXED, ARMS, first("dimension-post-8-fixed", 12), smoke=""),
    ),
    tunings=(),
    tuned_by=baseline.ON_GROCERIES,
    live=(),
)
STUDIES = (FREEZING,)
