"""VEM and its controls on glyphs (page: vem).

Arms are named as in the study ``vem``, after the document's dimensions; the compact network has a quarter of
GoogLeNet's channels, so 32 stands for 128, and 16, 64 and 128 for 64, 256 and 512.
"""

from __future__ import annotations

from reproducible.config import Component, DataConfig, EvaluationConfig, OptimiserConfig, RunConfig
from reproducible.studies import vem
from reproducible.studies.base import Arm, Params, Study, Tuning

POSITIONS = 36  # of the compact network's last map at 48 pixels


def build(params: Params) -> RunConfig:
    """A run on glyphs; ``params`` as of :func:`reproducible.studies.vem.build` (``dim`` is the document's) and
    ``batch_statistics`` of the compact backbone."""
    looks = 50 if params["curves"] else 0
    return RunConfig(
        data=DataConfig(name="glyphs", input_size=48, classes_per_batch=16, images_per_class=4, flip=False),
        backbone=Component(params["backbone"], {"batch_statistics": params["batch_statistics"]}),
        model=vem.model(params, params["dim"] // 4),
        objective=vem.objective(params),
        optimiser=OptimiserConfig(lr=params["lr"], head_multiplier=params["head"], weight_decay=params["decay"]),
        evaluation=EvaluationConfig(
            every=50, test_every=looks, seen_every=looks, keep=params["keep"], measures=params["measures"]
        ),
        steps=300,
    )


_ALL = {
    **vem.CONTROLS,
    **vem.VARIANTS,
    **vem.dimensions((64, 256, 512)),
    "margin-vem-positions": ("VEM on positions", {**vem.VEM, "place": "positions", "positions": POSITIONS}),
}
_READ = (
    "margin-inverse-variance-gate",
    "margin-vem-after",
    "margin-se",
    "margin-vem-d64",
    "margin-d64",
    "margin-vem-d512",
)
"""Arms that a criterion reads, beside the decisive pair."""

STUDY = Study(
    name="glyph_vem",
    title="VEM and its controls on glyphs",
    build=build,
    defaults={**vem.DEFAULTS, "backbone": "compact_googlenet", "lr": 1e-3, "batch_statistics": True},
    arms=(
        Arm("margin-vem", "margin + VEM", {**vem.VEM, **vem.WATCHED}, vem.BASE, draws=10, minutes=1.5),
        Arm("margin", "margin", vem.LOOKED_AT, vem.BASE, draws=10, minutes=1.5),
        *vem.arms({name: _ALL[name] for name in _READ}, 1.1, draws=10),
        *vem.arms({name: _ALL[name] for name in _ALL if name not in _READ}, 1.1),
    ),
    tunings=(
        Tuning(
            "baseline",
            "margin",
            (
                {"lr": 1e-3, "head": 1.0},
                {"lr": 1e-3, "head": 10.0},
                {"lr": 2e-3, "head": 1.0},
                {"lr": 3e-4, "head": 1.0},
                {"lr": 3e-4, "head": 10.0},
                {"lr": 1e-3, "head": 1.0, "batch_statistics": False},
            ),
        ),
    ),
    live=("margin-vem", "margin"),
    live_steps=50,
    trial_steps=200,
)
