"""Models: a backbone, attention and learners composed; ``forward(images) -> Output``."""

from __future__ import annotations

import inspect

from torch import nn

from reproducible import registry
from reproducible.config import RunConfig
from reproducible.resources import UserError


def build_model(config: RunConfig) -> nn.Module:
    """The model of a run, with its pretrained trunk; new layers are initialised by ``training.seeding.initialise``.

    Raises:
        UserError: for an unknown backbone, stage, model or option, with the nearest known one; for a configuration that
            gives the model what it does not take.
    """
    backbone = registry.build("backbone", config.backbone.name, **config.backbone.options)
    if config.frozen:
        backbone.freeze(config.frozen)
    model = registry.build("model", config.model.name, backbone, **config.model.options)
    takes = inspect.signature(model.forward).parameters.values()
    for given, name, instead in ((config.data.boxes, "boxes", "false"), (config.data.view_size, "view_size", "0")):
        what = name.removesuffix("_size")
        if given and not any(one.name == what or one.kind is one.VAR_KEYWORD for one in takes):
            raise UserError(f"Model {config.model.name!r} takes no {what}; set data.{name} to {instead}.")
    return model
