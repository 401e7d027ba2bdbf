"""Named random streams: each use of chance has its own generator, keyed by what it is for.

Order of the batches, crops, initial values and what a loss draws depend on (seed, stream, step or module name) alone,
never on how many numbers something else has drawn. So an arm with one module more sees the same batches, the same crops
and the same shared initial values as its control, and a resumed run needs no generator state to go on bit for bit.
"""

from __future__ import annotations

import hashlib

import torch
from torch import nn

from reproducible.backbones.base import Backbone


def stream_seed(seed: int, stream: str, key: int | str = 0) -> int:
    """A 63-bit seed for one use of chance."""
    text = f"{seed}/{stream}/{key}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, stream: str, key: int | str = 0) -> torch.Generator:
    """A CPU generator for one use of chance.

    Args:
        seed: the seed of the run.
        stream: what it is for: ``order``, ``augmentation``.
        key: which one of it: the step.
    """
    return torch.Generator().manual_seed(stream_seed(seed, stream, key))


def initialise(model: nn.Module, seed: int) -> None:
    """Give every layer outside pretrained trunks its initial values, each from a stream named after the layer. Where a
    module has an attribute ``stream``, that stands for its own name and the beginning of its parts' names: layers of
    that name in other models start from the same values."""
    trunks = [name for name, part in model.named_modules() if isinstance(part, Backbone)]
    streams: dict[str, str] = {}
    for name, part in model.named_modules():  # a module comes before its parts
        above, _, own = name.rpartition(".")
        streams[name] = getattr(part, "stream", f"{streams[above]}.{own}" if above else own)
        inside = any(name == trunk or name.startswith(f"{trunk}.") for trunk in trunks)
        if not inside and hasattr(part, "reset_parameters"):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(stream_seed(seed, "initialisation", streams[name]))
                part.reset_parameters()
