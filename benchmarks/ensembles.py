"""What DIABLO costs: parameters and operations against what the document prints, and a training step against its parts.

    python benchmarks/ensembles.py               writes the study ``diablo`` of data_manifests/measurements.csv
    python benchmarks/ensembles.py --counts      only what is counted, on any machine

Counted: parameters of DIABLO-8 beyond U512 (claim B15), and multiply-adds of GoogLeNet and of its stages 4a to 5b for
an image of 224 pixels, each once (claim B22). Measured: a step of DIABLO-8, dimension-wise in front of 4a, from maps of
pool3, over the sum of its passes, one of phi and eight of psi, each forwards and backwards, and over a step of ABE-8.
Batch, input and network of the study, one thread, medians of processor time taken in turns; the machine should have
nothing else to do all the same, since its cores share their memory.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from training_step import machine, medians, step

from reproducible.backbones.base import Backbone
from reproducible.backbones.bvlc import BVLCGoogLeNet
from reproducible.data.store import open_store
from reproducible.records import measurements, save_measurements
from reproducible.report.branches import cost_of
from reproducible.studies import study
from reproducible.training.devices import keep_freed_memory
from reproducible.training.loop import Training

SIDE = 224


def multiply_adds(trunk: Backbone, given: Tensor) -> float:
    """Of the convolutions of a pass, in thousands of millions; local response normalisation, which is computed as one
    here, is none of the network's."""
    counted = []

    def count(layer: nn.Conv2d, _: object, out: Tensor) -> None:
        counted.append(out.numel() * layer.weight[0].numel())

    hooks = [part.register_forward_hook(count) for part in trunk.modules() if isinstance(part, nn.Conv2d)]
    with torch.no_grad():
        trunk(given)
    for hook in hooks:
        hook.remove()
    return sum(counted) / 1e9


def counts() -> dict[str, float]:
    """What needs no clock."""
    diablo, whole = study("diablo"), BVLCGoogLeNet().eval()
    ours, plain = (diablo.params(diablo.arm(name), untuned=True) for name in ("dimension-pre-8", "binomial"))
    image = torch.zeros(1, 3, SIDE, SIDE)
    maps = whole(image, ("pool3",))["pool3"]
    own, base = (cost_of(diablo.build(params))[0] for params in (ours, plain))
    return {
        "extra_parameters_millions_n8": (own - base) / 1e6,
        "gflop_inception_4_and_5": multiply_adds(whole.part("pool3"), maps),
        "gflop_inception_4": multiply_adds(whole.part("pool3", "4e"), maps),
        "gflop_googlenet": multiply_adds(whole, image),
    }


def forth_and_back(trunk: Backbone, maps: Tensor) -> Callable[[], None]:
    """A pass of a piece of the trunk and its gradients, of its weights and of what it is given."""

    def run() -> None:
        given = maps.detach().requires_grad_()
        trunk(given)[trunk.last].mean().backward()

    return run


def times() -> tuple[dict[str, float], str]:
    """Ratios of steps, and the machine."""
    torch.set_num_threads(1)
    keep_freed_memory()
    diablo, store = study("diablo"), open_store("groceries")
    with tempfile.TemporaryDirectory() as folder:
        ours, abe = (
            Training(
                diablo.build(diablo.params(diablo.arm(name), untuned=True)), store, Path(folder), torch.device("cpu")
            )
            for name in ("dimension-pre-8", "abe-8")
        )
        batch = ours.batch(1)
        scale = ours.model.scales[0]
        maps = scale.trunk(batch.images, ("pool3",))["pool3"]
        psi = scale.trunk.part("pool3")
        passes = forth_and_back(scale.own, maps), forth_and_back(psi, maps.repeat(8, 1, 1, 1))
        seconds = medians(step(ours, batch), step(abe, batch), *passes, clock=time.process_time)
    whole, rival, once, eightfold = seconds
    ratios = {"step_over_its_passes": whole / (once + eightfold), "step_over_abe_8": whole / rival}
    return ratios, machine(ours)


def main() -> None:
    """Count, measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", action="store_true")
    known = {row["quantity"]: float(row["value"]) for row in measurements() if row["study"] == "diablo"}
    ratios, where = ({}, "counted") if parser.parse_args().counts else times()
    found = counts() | ratios
    print(save_measurements("diablo", known | found, where).read_text(), end="")


if __name__ == "__main__":
    main()
