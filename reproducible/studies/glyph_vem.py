"""VEM and its controls on glyphs (page: vem).

Arms are named as in the study ``vem``, after the document's dimensions; the compact network has a quarter of
GoogLeNet's channels, so 32 stands for 128, and 16, 64 and 128 for 64, 256 and 512.
"""

from __future__ import annotations

from reproducible.config import Component, DataConfig, EvaluationConfig, OptimiserConfig, RunConfig
from reproducible.studies import vem
from reproducible.studies.base import Arm, Params, Study, Tuning

TRAINED = {"batch_statistics": True, "classes": 16, "steps": 300}
POSITIONS = 36  # of the compact network's last map at 48 pixels


def build(params: Params) -> RunConfig:
    """A run on glyphs; ``params`` as of :func:`reproducible.studies.vem.build` (``dim`` is the document's),
    ``batch_statistics`` of the compact backbone, ``classes`` (of four images, a batch) and ``steps``."""
    looks = 50 if params["curves"] else 0
    return RunConfig(
        data=DataConfig(
            name="glyphs", input_size=48, classes_per_batch=params["classes"], images_per_class=4, flip=False
        ),
        backbone=Component(params["backbone"], {"batch_statistics": params["batch_statistics"]}),
        model=vem.model(params, params["dim"] // 4),
        objective=vem.objective(params),
        optimiser=OptimiserConfig(lr=params["lr"], head_multiplier=params["head"], weight_decay=params["decay"]),
        evaluation=EvaluationConfig(
            every=params["steps"] // 6,
            test_every=looks,
            seen_every=looks,
            keep=params["keep"],
            measures=params["measures"],
        ),
        steps=params["steps"],
    )


_ALL = {
    **vem.CONTROLS,
    **vem.VARIANTS,
    **vem.dimensions((64, 256, 512)),
    "margin-vem-positions": ("VEM on positions", {**vem.VEM, "place": "positions", "positions": POSITIONS}),
}
_BRIEF = {
    **{"loss": "binomial_deviance", "gamma": 5.0, "lr": 3e-3, "head": 1.0, "decay": 0.0},
    **{"classes": 24, "steps": 60, "dim": 512, "batch_statistics": True},
}
"""The settings of the prototype in which VEM gained, brief and fast."""
_BRIEFLY = {
    "brief": ("brief: without", {}),
    "brief-vem": ("brief: VEM", vem.VEM | vem.GATE),
    "brief-vem-attached": ("brief: VEM, L_var moves the trunk too", vem.VEM | vem.GATE | {"detach_variance": False}),
    "brief-lvar-only": ("brief: L_var only", vem.CONTROLS["margin-lvar-only"][1]),
    "brief-lact": ("brief: L_act in its place", vem.PRINTED_LACT),
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
    defaults={**vem.DEFAULTS, "backbone": "compact_googlenet", "lr": 1e-3, **TRAINED},
    arms=(
        Arm("margin-vem", "margin + VEM", {**vem.VEM, **vem.WATCHED}, vem.BASE, draws=10, minutes=1.5),
        Arm("margin", "margin", vem.LOOKED_AT, vem.BASE, draws=10, minutes=1.5),
        *vem.arms({name: _ALL[name] for name in _READ}, 1.1, draws=10),
        *vem.arms({name: _ALL[name] for name in _ALL if name not in _READ}, 1.1),
        *vem.arms({name: (title, _BRIEF | params) for name, (title, params) in _BRIEFLY.items()}, 0.5, draws=10),
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
