"""Models: a backbone, attention and learners composed; ``forward(images) -> Output``."""

from __future__ import annotations

from torch import nn

from reproducible import registry
from reproducible.config import RunConfig


def build_model(config: RunConfig) -> nn.Module:
    """The model of a run, with its pretrained trunk; new layers are initialised by ``training.seeding.initialise``.

    Raises:
        UserError: for an unknown backbone, stage, model or option, with the nearest known one.
    """
    backbone = registry.build("backbone", config.backbone.name, **config.backbone.options)
    if config.frozen:
        backbone.freeze(config.frozen)
    return registry.build("model", config.model.name, backbone, **config.model.options)
