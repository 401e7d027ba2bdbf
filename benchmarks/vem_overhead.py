"""What VEM costs: a training step and an embedding with and without it, side by side in one run.

    python benchmarks/vem_overhead.py            writes the study ``vem`` of data_manifests/measurements.csv

Batch, input and network of the study. A step takes seconds and varies by a tenth, the module takes microseconds. So
what differs, everything behind the trunk, is timed by itself on the maps of one batch, by turns, many times; a ratio is
the whole step without VEM plus that difference, over the whole step. All are medians of processor time on one thread;
the machine should have nothing else to do all the same, since its cores share their memory. Memory is what the forward
pass keeps for the backward pass, counted tensor by tensor.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from training_step import machine, medians, step

from reproducible.config import RunConfig
from reproducible.data.store import open_store
from reproducible.records import save_measurements
from reproducible.studies import study
from reproducible.training.devices import keep_freed_memory
from reproducible.training.loop import Training
from reproducible.types import Batch

MANY = 300


def config(name: str) -> RunConfig:
    """The arm at the first candidate of its tuning, whose values cost no time."""
    vem = study("vem")
    return vem.build(vem.params(vem.arm(name), untuned=True))


def kept(training: Training, batch: Batch) -> int:
    """Bytes that a forward pass keeps for the backward pass, each storage once."""
    storages: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        losses = training.losses(batch)
    assert losses
    return sum(storages.values())


def embedding(model: nn.Module, batch: Batch) -> Callable[[], object]:
    """An embedding as in a test."""
    model = model.eval()

    def run() -> object:
        with torch.no_grad():
            return model(batch.images)

    return run


class Given(nn.Module):
    """A trunk that has been computed: the same maps for any images."""

    def __init__(self, trunk: nn.Module, images: torch.Tensor) -> None:
        super().__init__()
        self.last, self.channels = trunk.last, trunk.channels
        with torch.no_grad():
            self.maps = trunk(images)[trunk.last]

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Maps that want a gradient where one is asked for."""
        return {self.last: self.maps.detach().requires_grad_(torch.is_grad_enabled())}


def main() -> None:
    """Measure, write and print."""
    torch.set_num_threads(1)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        sides = [
            Training(config(name), open_store("groceries"), Path(folder), torch.device("cpu"))
            for name in ("margin", "margin-vem")
        ]
        batch = sides[0].batch(1)
        memory = [kept(side, batch) for side in sides]
        parameters = [sum(p.numel() for p in side.model.parameters()) for side in sides]
        (whole_step,) = medians(step(sides[0], batch), clock=time.process_time)
        (whole_test,) = medians(embedding(sides[0].model, batch), clock=time.process_time)
        for side in sides:
            side.model.train()
            side.model.backbone = Given(side.model.backbone, batch.images)
        plain, vem = medians(*(step(side, batch) for side in sides), clock=time.process_time, repeats=MANY)
        models = [sides[0].model, sides[1].model, sides[1].model.fold()]
        tests = [embedding(model, batch) for model in models]
        without, gated, folded = medians(*tests, clock=time.process_time, repeats=MANY)
    found = {
        "train_time_ratio": 1 + (vem - plain) / whole_step,
        "train_memory_ratio": memory[1] / memory[0],
        "test_time_ratio": 1 + (gated - without) / whole_test,
        "folded_test_time_ratio": 1 + (folded - without) / whole_test,
        "extra_parameter_share": 100 * (parameters[1] / parameters[0] - 1),
    }
    print(save_measurements("vem", found, machine(sides[0])).read_text(), end="")


if __name__ == "__main__":
    main()
