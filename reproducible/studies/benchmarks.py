"""What a benchmark fixes, whatever the method: data, network, sizes, batch, length, looks. Declarations only.

What is said here are parameters like a method's own: an arm may change them, and a method may have its own defaults.
A further benchmark is one more entry (page: protocol).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from reproducible.config import Component, DataConfig, EvaluationConfig, OptimiserConfig, RunConfig, Term

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Benchmark:
    """Images, the network that is trained on them, and how.

    Attributes:
        data: name of the data set.
        backbone: name of the pretrained network.
        size: side of the input, in pixels.
        view: side of the pictures that a zoom looks at and cuts from: that of the stored images.
        batch: classes, and images of each.
        steps: length of a run.
        looks: steps between looks at validation, test and seen classes, the last two where an arm has ``curves``.
        divisor: of the documents' dimensions and inner layers, which are made for 1,024 channels: 1,024 by the
            network's own.
        batch_statistics: whether batch normalisation follows the batches; None: the network has no such option.
        frozen: the stage up to which the network stays as it is; empty: all of it is trained.
        windows: fixed windows of each training image; 0: a fresh one each time.
        start: whether step 0, the model as it is initialised, is looked at and can be selected.
        split, crop, augmentation, flip: as of :class:`reproducible.config.DataConfig`.
        parts, protocols: as of :class:`reproducible.config.EvaluationConfig`.
        draws: class draws that an arm runs unless its plan says how many.
        ships: whether the data set ships with the package.
    """

    data: str
    backbone: str
    size: int
    view: int
    batch: tuple[int, int]
    steps: int
    looks: tuple[int, int, int] = (50, 100, 100)
    divisor: int = 1
    batch_statistics: bool | None = None
    frozen: str = ""
    windows: int = 0
    start: bool = False
    split: str = "half"
    crop: float = 0.875
    augmentation: str = "window"
    flip: bool = True
    parts: bool = False
    protocols: tuple[str, ...] = ()
    draws: int = 5
    ships: bool = True

    @property
    def params(self) -> Params:
        """All that an arm may change, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("draws", "ships")}


GROCERIES = Benchmark(data="groceries", backbone="bvlc_googlenet", size=112, view=160, batch=(8, 3), steps=400)
GLYPHS = Benchmark(
    data="glyphs",
    backbone="compact_googlenet",
    batch_statistics=True,
    divisor=4,
    size=48,
    view=64,
    batch=(16, 4),
    flip=False,  # a mirrored letter is another one
    steps=300,
    parts=True,
)
GROCERIES_224 = replace(
    GROCERIES, size=224, view=288, steps=100, looks=(25, 25, 100), frozen="pool3", windows=8, start=True
)
"""The papers' size, 14 x 14 positions at pool3 to 4e and 7 x 7 at 5b; trained from pool3 on, on maps that are computed
once. The photographs are stored at 160 x 160 pixels, so 224 are a finer sampling of the same. The length is what the
validation classes ask for: of trials of 200 steps, one is within 0.1 points of the best MAP@R of all at step 50, and
falls from there."""
GROCERIES_HALVES = replace(
    GROCERIES, split="canonical", steps=600, protocols=("photo_to_photo", "photo_to_iconic"), draws=1
)
"""The first and the second half of the classes, as the papers divide theirs."""
CARS = replace(GROCERIES_HALVES, data="cars196_cropped", protocols=(), ships=False)
CUB = replace(CARS, data="cub100_cropped")

TRAINING: Params = {"lr": 1e-4, "head": 1.0, "decay": 2e-4, "curves": False, "keep": "matches"}
"""What every method decides beside: rate, its multiplier for new layers, weight decay; whether test and seen classes
are looked at along the way; what a record keeps of the selected checkpoint."""


def run(
    params: Params,
    model: Component,
    objective: tuple[Term, ...],
    *,
    zooms: bool = False,
    features: tuple[str, ...] = (),
    measures: tuple[str, ...] = (),
) -> RunConfig:
    """A run of a model and an objective on a benchmark.

    Args:
        params: what the benchmark fixes, and :data:`TRAINING`.
        model, objective: the method's.
        zooms: whether the model looks at pictures of side ``view`` as well.
        features, measures: as of :class:`reproducible.config.EvaluationConfig`.
    """
    classes, images = params["batch"]
    every, tested, seen = params["looks"]
    statistics = params["batch_statistics"]
    return RunConfig(
        data=DataConfig(
            name=params["data"],
            split=params["split"],
            input_size=params["size"],
            view_size=params["view"] if zooms else 0,
            crop=params["crop"],
            classes_per_batch=classes,
            images_per_class=images,
            augmentation=params["augmentation"],
            flip=params["flip"],
            windows=params["windows"],
        ),
        backbone=Component(params["backbone"], {} if statistics is None else {"batch_statistics": statistics}),
        model=model,
        objective=objective,
        optimiser=OptimiserConfig(lr=params["lr"], head_multiplier=params["head"], weight_decay=params["decay"]),
        evaluation=EvaluationConfig(
            every=every,
            start=params["start"],
            test_every=tested if params["curves"] else 0,
            seen_every=seen if params["curves"] else 0,
            parts=params["parts"],
            features=features,
            protocols=params["protocols"],
            keep=params["keep"],
            measures=measures,
        ),
        steps=params["steps"],
        frozen=params["frozen"],
    )
