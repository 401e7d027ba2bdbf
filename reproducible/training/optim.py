"""Optimiser groups: the trunk at the base rate, everything new at a multiple of it, no weight decay on biases."""

from __future__ import annotations

import torch
from torch import nn

from reproducible.backbones.base import Backbone
from reproducible.config import OptimiserConfig


def build_optimiser(model: nn.Module, objective: nn.Module, config: OptimiserConfig) -> torch.optim.Adam:
    """Adam (betas 0.9, 0.999) with coupled L2 weight decay, as DeML section 4 states it.

    Args:
        model: trunks are recognised as :class:`Backbone`; all other parameters count as new.
        objective: its parameters, if any, count as new.
        config: base rate, multiplier of the new layers, weight decay.
    """
    trunk = {id(p) for part in model.modules() if isinstance(part, Backbone) for p in part.parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in [*model.parameters(), *objective.parameters()]:
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in trunk, parameter.ndim > 1), []).append(parameter)
    return torch.optim.Adam(
        [
            {
                "params": parameters,
                "lr": config.lr * (1.0 if in_trunk else config.head_multiplier),
                "weight_decay": config.weight_decay if decays else 0.0,
            }
            for (in_trunk, decays), parameters in groups.items()
        ],
        fused=True,
    )


def build_schedule(optimiser: torch.optim.Optimizer, config: OptimiserConfig) -> torch.optim.lr_scheduler.LRScheduler:
    """A step schedule, or a constant rate where ``decay_every`` is 0."""
    every = config.decay_every
    return torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: config.decay_factor ** (step // every) if every else 1.0
    )
