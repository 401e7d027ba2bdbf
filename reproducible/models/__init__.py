"""Models: a backbone, attention and learners composed; ``forward(images) -> Output``."""

from __future__ import annotations

import inspect
from dataclasses import replace

from torch import nn

from reproducible import registry
from reproducible.config import IMAGES, RunConfig, from_stage
from reproducible.resources import UserError

SIZE = 224
STAGE = "pool3"


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


def elsewhere(config: RunConfig, data: str, small: bool = False) -> RunConfig:
    """The same method on another data set of photographs, on the classes that it says itself, at the papers' size; from
    pool3 on, with what lies before as it is, where the backbone has that stage.

    Args:
        config: of a run.
        data: name of the data set.
        small: keep the size of the input, as profile smoke has it.

    Raises:
        UserError: for an unknown backbone or option, with the nearest known one.
    """
    size = config.data.input_size if small else SIZE
    chosen = replace(config.data, name=data, split="canonical", draw=0, input_size=size)
    backbone = registry.build("backbone", config.backbone.name, **config.backbone.options)
    return from_stage(replace(config, data=chosen), STAGE if STAGE in backbone.stages else IMAGES)
