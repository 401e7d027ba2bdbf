"""Registered backbones without a network: with weights where they ship or are installed, else with initial values."""

from __future__ import annotations

import torch

from reproducible import registry
from reproducible.backbones.base import Backbone


def at_hand(name: str) -> bool:
    """Whether the weights of a backbone are here: shipped, installed, or those of the small trunk of these tests."""
    return bool(registry.entry("backbone", name).weights) or name in ("efficientnet_lite0", "tiny")


def backbone(name: str) -> Backbone:
    """The backbone in its default form, or, where its weights would have to be downloaded, with values that are always
    the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return registry.build("backbone", name, **({} if at_hand(name) else {"pretrained": False}))
