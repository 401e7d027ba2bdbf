"""One protocol, three data sets: untouched ImageNet networks at every stage, and U512 with and without activation
decay, on groceries, Cars-196 and CUB-200 (page: three-sets).

Cars and CUB do not ship, so their runs belong to profile ``large`` and enter the book as records. Classes are the
papers' halves. What two CPU cores train is declared as reduced: 112 pixels, batch 24, 600 steps; L_act stands there at
the printed weight and at the released code's, which won the trials on groceries. The arms of tier B are the same pair
at DeML's own settings, for one GPU.
"""

from __future__ import annotations

from reproducible.config import Component, RunConfig
from reproducible.studies import baseline
from reproducible.studies.arms import Arm, Tuning, first, later, planned
from reproducible.studies.base import Study
from reproducible.studies.benchmarks import CARS, CUB, GROCERIES_HALVES, Params, run

STAGES = {
    "bvlc_googlenet": ("pool3", "4b", "4e", "pool4", "5b"),
    "efficientnet_lite0": ("blocks_1", "blocks_2", "blocks_3", "blocks_4", "conv_head"),
}
"""Of each network, the stages that are measured untouched; of GoogLeNet those that the documents cut at or pool."""


def build(params: Params) -> RunConfig:
    """A run of U_d, or a look at every stage of the untouched network.

    Args:
        params: as of :func:`reproducible.studies.baseline.build`; ``untouched``.
    """
    losses = baseline.objective(params)
    if not params["untouched"]:
        return run(params, baseline.model(params), losses)
    stages = STAGES[params["backbone"]]
    return run(params, Component("untouched", {"stages": list(stages)}), losses, features=stages[:-1])


UNTOUCHED = {"untouched": True, "size": 224, "crop": 1.0, "steps": 0}
WEAK = {"lact": baseline.LACT_RELEASED, **baseline.ROWS}
PAPER = {
    **{"augmentation": "deml", "size": 227, "batch": (65, 2), "steps": 25_000, "looks": (500, 1000, 1000)},
    **{"gamma": 25.0, "lr": 1e-5, "head": 10.0},
}
"""DeML's own settings: 227 of 256 pixels, 65 classes x 2, 25,000 iterations on Cars."""
TUNED_ON_GROCERIES = {"gamma": 5.0, "steps": 400}  # as by the study baseline

ARMS = (
    Arm("u512-cars", "U512, Cars", {}, baseline.BASE),
    Arm("u512-lact-printed-cars", "U512 + L_act, printed, Cars", baseline.PRINTED, baseline.BASE),
    Arm("u512-lact-weak-cars", "U512 + L_act, released weight, Cars", WEAK, baseline.BASE),
    Arm("u512-groceries", "U512, groceries", TUNED_ON_GROCERIES),
    Arm("u512-cub", "U512, CUB", {}, baseline.BASE),
    *(
        Arm(f"untouched-{short}-{name}", f"untouched {short}, {name}", {**UNTOUCHED, "backbone": backbone})
        for short, backbone in (("googlenet", "bvlc_googlenet"), ("lite0", "efficientnet_lite0"))
        for name in ("groceries", "cars", "cub")
    ),
    Arm("u512-cars-paper", "U512, Cars, DeML's settings", PAPER),
    Arm("u512-lact-printed-cars-paper", "U512 + L_act, printed, Cars, DeML's settings", {**PAPER, **baseline.PRINTED}),
)

THREE_SETS = Study(
    name="three_sets",
    title="One protocol, three data sets",
    build=build,
    defaults=baseline.DEFAULTS,
    arms=(
        *planned(CARS, ARMS, first("u512-cars u512-lact-printed-cars", 22), later("u512-lact-weak-cars", 22)),
        *planned(GROCERIES_HALVES, ARMS, first("u512-groceries", 12)),
        *planned(CUB, ARMS, first("u512-cub", 22)),
        *planned(GROCERIES_HALVES, ARMS, first("untouched-googlenet-groceries", 7), smoke=""),
        *planned(CARS, ARMS, first("untouched-googlenet-cars", 22)),
        *planned(CUB, ARMS, first("untouched-googlenet-cub", 9)),
        *planned(GROCERIES_HALVES, ARMS, first("untouched-lite0-groceries", 3)),
        *planned(CARS, ARMS, first("untouched-lite0-cars", 11)),
        *planned(CUB, ARMS, first("untouched-lite0-cub", 3)),
        *planned(CARS, ARMS, later("u512-cars-paper u512-lact-printed-cars-paper", 11_000)),
    ),
    tunings=(
        Tuning(
            "baseline",
            "u512-cars",
            (
                {"lr": 1e-4, "head": 1.0, "gamma": 25.0},
                {"lr": 1e-4, "head": 1.0, "gamma": 5.0},
                {"lr": 3e-4, "head": 1.0, "gamma": 5.0},
                {"lr": 1e-5, "head": 10.0, "gamma": 35.0},  # as DeML prints it
            ),
        ),
    ),
    live=(),
    trial_steps=200,
    profile="large",
)
STUDIES = (THREE_SETS,)
