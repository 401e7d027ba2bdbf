"""One protocol, three data sets: untouched ImageNet networks at every stage, and U512 with and without activation
decay, on groceries, Cars-196 and CUB-200 (page: three-sets).

Cars and CUB do not ship, so their runs belong to profile ``large`` and enter the book as records. Classes are the
papers' halves. What two CPU cores train is declared as reduced: 112 pixels, batch 24, 600 steps; L_act stands there at
the printed weight and at the released code's, which won the trials on groceries. The arms of tier B are the same pair
at DeML's own settings, for one GPU.
"""

from __future__ import annotations

from typing import Any

from reproducible.config import Component, DataConfig, EvaluationConfig, OptimiserConfig, RunConfig
from reproducible.studies import baseline
from reproducible.studies.base import Arm, Params, Study, Tuning

STAGES = {
    "bvlc_googlenet": ("pool3", "4b", "4e", "pool4", "5b"),
    "efficientnet_lite0": ("blocks_1", "blocks_2", "blocks_3", "blocks_4", "conv_head"),
}
"""Of each network, the stages that are measured untouched; of GoogLeNet those that the documents cut at or pool."""
OTHER_PROTOCOLS = {"groceries": ("photo_to_photo", "photo_to_iconic")}
SETS = {"groceries": "groceries", "cars": "cars196_cropped", "cub": "cub100_cropped"}


def build(params: Params) -> RunConfig:
    """A run on one of the three sets.

    Args:
        params: as of :func:`reproducible.studies.baseline.build`; ``data``, ``backbone``; ``untouched`` (measure its
            stages on whole images, train nothing); ``size`` (input side in pixels), ``batch`` (classes, images of
            each), ``augmentation``, ``steps``, ``every`` (steps between looks).
    """
    classes, images = params["batch"]
    untouched = params["untouched"]
    data = DataConfig(
        name=params["data"],
        split="canonical",
        input_size=params["size"],
        crop=1.0 if untouched else 0.875,
        classes_per_batch=classes,
        images_per_class=images,
        augmentation=params["augmentation"],
    )
    stages = STAGES[params["backbone"]] if untouched else ()
    return RunConfig(
        data=data,
        backbone=Component(params["backbone"]),
        model=Component("untouched", {"stages": list(stages)})
        if untouched
        else Component("unified", {"dim": params["dim"]}),
        objective=baseline.objective(params),
        optimiser=OptimiserConfig(lr=params["lr"], head_multiplier=params["head"], weight_decay=params["decay"]),
        evaluation=EvaluationConfig(
            every=params["every"],
            features=stages[:-1],  # the last is the embedding
            protocols=OTHER_PROTOCOLS.get(params["data"], ()),
            keep="matches",
        ),
        steps=0 if untouched else params["steps"],
    )


MINUTES = {
    **{("bvlc_googlenet", "cars"): 22, ("bvlc_googlenet", "cub"): 9, ("bvlc_googlenet", "groceries"): 7},
    **{("efficientnet_lite0", name): cost for name, cost in (("cars", 11), ("cub", 3), ("groceries", 3))},
}
"""Measured cost of an untouched network on a data set, on a core that had other work beside."""


def _untouched() -> tuple[Arm, ...]:
    short = {"bvlc_googlenet": "googlenet", "efficientnet_lite0": "lite0"}
    return tuple(
        Arm(
            f"untouched-{short[backbone]}-{name}",
            f"untouched {short[backbone]}, {name}",
            {"untouched": True, "backbone": backbone, "data": data, "size": 224},
            draws=1,
            minutes=MINUTES[backbone, name],
            ships=name == "groceries",
        )
        for backbone in STAGES
        for name, data in SETS.items()
    )


def _away(name: str, title: str, params: Params, tuned: tuple[str, ...] = (), **options: Any) -> Arm:
    """An arm on data that do not ship: one run, on the papers' halves."""
    return Arm(name, title, params, tuned, draws=1, ships=False, **{"minutes": 22, **options})


def _trained() -> tuple[Arm, ...]:
    cars, cub = {"data": SETS["cars"]}, {"data": SETS["cub"]}
    weak = {"lact": baseline.LACT_RELEASED, **baseline.ROWS}
    groceries = {"data": SETS["groceries"], "gamma": 5.0, "steps": 400}  # what the study baseline tuned there
    return (
        _away("u512-cars", "U512, Cars", cars, baseline.BASE),
        _away("u512-lact-printed-cars", "U512 + L_act, printed, Cars", cars | baseline.PRINTED, baseline.BASE),
        _away("u512-lact-weak-cars", "U512 + L_act, released weight, Cars", cars | weak, baseline.BASE, tier="B"),
        Arm("u512-groceries", "U512, groceries", groceries, draws=1, minutes=12),
        _away("u512-cub", "U512, CUB", cub, baseline.BASE),
    )


def _printed() -> tuple[Arm, ...]:
    """DeML's own settings: 227 of 256 pixels, 65 classes x 2, 25,000 iterations on Cars."""
    settings = {
        **{"data": SETS["cars"], "augmentation": "deml", "size": 227, "batch": (65, 2)},
        **{"gamma": 25.0, "lr": 1e-5, "head": 10.0, "steps": 25_000, "every": 500},
    }
    return tuple(
        _away(name, f"{title}, Cars, DeML's settings", settings | extra, tier="B", minutes=11_000)
        for name, title, extra in (
            ("u512-cars-paper", "U512", {}),
            ("u512-lact-printed-cars-paper", "U512 + L_act, printed", baseline.PRINTED),
        )
    )


STUDY = Study(
    name="three_sets",
    title="One protocol, three data sets",
    build=build,
    defaults={
        **baseline.DEFAULTS,
        **{"data": "groceries", "backbone": "bvlc_googlenet", "untouched": False, "size": 112, "batch": (8, 3)},
        **{"augmentation": "window", "steps": 600, "every": 50},
    },
    arms=(*_trained(), *_untouched(), *_printed()),
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
