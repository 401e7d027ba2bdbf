"""Training runs that take a second: a trunk of two small stages, noise images with the classes of groceries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible import registry
from reproducible.backbones.base import Backbone
from reproducible.config import Component, DataConfig, EvaluationConfig, OptimiserConfig, RunConfig, Term
from reproducible.data.manifest import load_manifest, read_classes
from reproducible.data.store import Store
from reproducible.models.unified import Learner
from reproducible.training import checkpoint
from reproducible.training.loop import Training
from reproducible.types import Output, Scale

SIDE = 40
PARTS = ("train", "train", "train", "train", "val", "test", "test", "test", "iconic")
CPU = torch.device("cpu")


class TinyTrunk(Backbone):
    """Two stages whose "pretrained" weights are always the same."""

    def __init__(self, pretrained: bool = True) -> None:
        stages = {
            "low": nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU()),
            "high": nn.Sequential(nn.Conv2d(8, 12, 2, 2), nn.ReLU()),
        }
        super().__init__(stages, {"low": 8, "high": 12}, mean=(104.0, 117.0, 123.0), bgr=True)
        stream = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.05 if parameter.ndim > 1 else 0.01, generator=stream)


class Gated(nn.Module):
    """U_d with one module more, which stands before the learner and draws chance of its own in every step."""

    def __init__(self, backbone: Backbone, dim: int = 512) -> None:
        super().__init__()
        channels = backbone.channels[backbone.last]
        self.backbone = backbone
        self.gate = nn.Sequential(nn.Linear(channels, channels), nn.Sigmoid(), nn.Dropout())
        self.learner = Learner(channels, dim)

    def forward(self, images: Tensor) -> Output:
        pooled = self.backbone(images)[self.backbone.last].mean(dim=(2, 3))
        learned = self.learner(pooled * self.gate(pooled))
        scale = Scale((learned,), (pooled,), (self.learner.weight,))
        return Output(F.normalize(learned, dim=1), (scale,), {"conv": pooled})


def register(patch: pytest.MonkeyPatch) -> None:
    """Make the trunk known under the name ``tiny``, the model under ``gated``."""
    patch.setitem(registry.REGISTRY["backbone"], "tiny", registry.Entry("tiny_runs:TinyTrunk"))
    patch.setitem(registry.REGISTRY["model"], "gated", registry.Entry("tiny_runs:Gated"))


def make_store(side: int = SIDE, parts: Sequence[str] = PARTS) -> Store:
    """The classes of groceries with images of a colour of their own, blotches and noise."""
    classes = read_classes(load_manifest("groceries"))
    draw = np.random.default_rng(0)
    images = np.empty((len(classes) * len(parts), side, side, 3), np.uint8)
    cells = -(-side // 8)
    for number in range(len(images)):
        if number % len(parts) == 0:
            colour = draw.integers(88, 168, 3)
        blotches = draw.normal(0, 40, (cells, cells, 3)).repeat(8, 0).repeat(8, 1)[:side, :side]
        images[number] = np.clip(colour + blotches + draw.normal(0, 5, (side, side, 3)), 0, 255)
    labels = np.repeat([c.id for c in classes], len(parts)).astype(np.int64)
    return Store(
        name="groceries",
        fingerprint="noise",
        images=images,
        labels=labels,
        coarse=np.repeat([c.coarse_id for c in classes], len(parts)).astype(np.int64),
        parts=np.array(list(parts) * len(classes)),
        paths=tuple(f"{c.id}/{number}" for c in classes for number in range(len(parts))),
        class_names=tuple(c.name for c in classes),
        coarse_names=load_manifest("groceries").coarse,
        kinds=tuple(c.kind for c in classes),
        protocols=load_manifest("groceries").protocols,
    )


def tiny_config(**changes: Any) -> RunConfig:
    """Twelve steps of 4 x 2 images on six classes, with a look every four; ``changes`` replace fields."""
    plain = RunConfig(
        study="tiny",
        arm="plain",
        data=DataConfig(input_size=32, limit_classes=6, classes_per_batch=4, images_per_class=2),
        backbone=Component("tiny"),
        model=Component("unified", {"dim": 6}),
        objective=(Term("binomial_deviance"), Term("unit_rows", {"weight": 0.01})),
        optimiser=OptimiserConfig(lr=1e-3, head_multiplier=10.0, decay_factor=0.5, decay_every=5),
        evaluation=EvaluationConfig(every=4, test_every=8, seen_every=4, seen_images=2),
        steps=12,
    )
    return replace(plain, **changes)


def training(folder: Path, store: Store, save_every: float = 120.0, **changes: Any) -> Training:
    """A run of :func:`tiny_config` in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return Training(tiny_config(**changes), store, folder, CPU, save_every)


def kept_state(run: Training) -> dict[str, Any]:
    """Weights and optimiser state after the last step (the run itself ends with the selected weights loaded)."""
    found = checkpoint.load(run.folder / "checkpoint.pt", run.device)
    return {key: found[key] for key in ("step", "model", "optimiser", "schedule")}


def without_machine(record: dict[str, Any]) -> dict[str, Any]:
    """A record, or the result of a run, without what differs from machine to machine and from time to time."""
    return {key: value for key, value in record.items() if key not in ("environment", "seconds")}


def spied(patch: pytest.MonkeyPatch, owner: Any, name: str, note: Callable[..., Any]) -> list[Any]:
    """Everything that ``note(*arguments)`` makes of each call of ``owner.name``, which still does its work."""
    original, seen = getattr(owner, name), []

    def call(*arguments: Any, **options: Any) -> Any:
        seen.append(note(*arguments, **options))
        return original(*arguments, **options)

    patch.setattr(owner, name, call)
    return seen
