"""Do two devices, or two precisions, compute the same? Every backbone, model and loss of the registry, one by one.

A component gets the same images, initial values and labels on both sides; compared are what it puts out and the
gradient of it, as the norm of the difference over the norm. ``reproducible doctor`` compares the CPU with the GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible import registry
from reproducible.config import Term
from reproducible.losses.objective import build_objective
from reproducible.training.seeding import generator, initialise
from reproducible.types import Batch, Output, Scale

TOLERANCES = {"backbone": 2e-3, "model": 2e-3, "loss": 1e-4}
"""Largest relative difference between two devices in fp32 that counts as agreement. Sums of thousands of products in
another order differ by 1e-6 to 1e-4; a rectifier near zero may switch and moves gradients more than values."""
OPTIONS: dict[str, dict[str, Any]] = {
    "margin": {"sampling": "all"},
    "penalty": {"name": "L_var"},
    "adversary": {"dim": 16, "branches": 2},
    "push_apart": {"branches": 2},
    "divergence": {"margin": 4.0},
    "pml": {"name": "ContrastiveLoss"},
}
"""Options of losses that lack a default, or need another for two learners of 16. Margin takes all pairs, since devices
would draw different ones."""
BORROWED = {"timm": "timm", "pml": "pytorch_metric_learning"}
"""Components of other packages; left out where those are not installed."""
_TRUNK = "compact_googlenet"  # under each model: it ships, and is fast


@dataclass(frozen=True)
class Side:
    """Where to compute: a device, and ``fp32`` or ``bf16`` (autocast)."""

    device: torch.device
    precision: str = "fp32"


@dataclass(frozen=True)
class Agreement:
    """What one comparison found: relative differences of the values and of their gradient."""

    component: str
    values: float
    gradient: float
    tolerance: float

    @property
    def ok(self) -> bool:
        """True within the tolerance; numbers that are not finite are never."""
        return max(self.values, self.gradient) <= self.tolerance


def compare(kind: str, name: str, one: Side, other: Side, tolerance: float | None = None) -> Agreement:
    """Compute a component on both sides.

    Args:
        kind, name: as in the registry.
        one, other: the sides.
        tolerance: None: that of two devices in fp32.
    """
    with _exact_products():
        sides = [_computed(kind, name, side) for side in (one, other)]
    values, gradient = (_difference(a, b) for a, b in zip(*sides, strict=True))
    return Agreement(f"{kind}/{name}", values, gradient, TOLERANCES[kind] if tolerance is None else tolerance)


def compare_all(one: Side, other: Side) -> Iterator[Agreement]:
    """Every backbone, model and loss that can be built here, in turn."""
    for kind in TOLERANCES:
        for name in registry.REGISTRY[kind]:
            if name in BORROWED and find_spec(BORROWED[name]) is None:
                continue
            yield compare(kind, name, one, other)


def _computed(kind: str, name: str, side: Side) -> tuple[Tensor, Tensor]:
    """Values and gradient, each as one vector on the CPU."""
    module, values = _BUILDERS[kind](name, side)
    moved = [p for p in module.parameters() if p.requires_grad]
    weights = torch.randn(values.shape, generator=generator(0, "selfcheck", "weights")).to(side.device)
    gradients = torch.autograd.grad((values * weights).sum(), moved, allow_unused=True)
    return values.detach().cpu().flatten(), torch.cat([g.cpu().flatten() for g in gradients if g is not None])


def _images(side: Side, pixels: int) -> Tensor:
    return (255 * torch.rand(4, 3, pixels, pixels, generator=generator(0, "selfcheck", "images"))).to(side.device)


def _on(side: Side) -> torch.autocast:
    return torch.autocast(side.device.type, torch.bfloat16, enabled=side.precision == "bf16")


def _backbone(name: str, side: Side) -> tuple[nn.Module, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ships = registry.entry("backbone", name).weights
        trunk = registry.build("backbone", name, **({} if ships else {"pretrained": False})).to(side.device)
    with _on(side):
        return trunk, trunk(_images(side, 64))[trunk.last].float()


def _model(name: str, side: Side) -> tuple[nn.Module, Tensor]:
    model = registry.build("model", name, registry.build("backbone", _TRUNK))
    initialise(model, 0)
    with _on(side):
        return model, model.to(side.device)(_images(side, 48)).embedding


class _Learners(nn.Module):
    """Two learners over pooled features, for a loss to look at."""

    def __init__(self) -> None:
        super().__init__()
        self.learners = nn.ModuleList(nn.Linear(32, 16, bias=False) for _ in range(2))

    def forward(self, pooled: Tensor) -> Output:
        learned = tuple(learner(pooled).float() for learner in self.learners)
        weights = tuple(learner.weight for learner in self.learners)
        gates = torch.sigmoid(torch.stack(learned))[..., None, None]
        return Output(
            embedding=F.normalize(torch.cat([F.normalize(x, dim=1) for x in learned], dim=1), dim=1),
            scales=(Scale(learned, (pooled, pooled), weights, gates),),
            features={"emb": learned[0], "conv": pooled},
            attributes=learned[1],
            penalties={"L_var": learned[0].var(dim=0).mean()},
        )


def _loss(name: str, side: Side) -> tuple[nn.Module, Tensor]:
    module = nn.ModuleList([_Learners(), build_objective([Term(name, OPTIONS.get(name, {}))])])
    initialise(module, 0)
    module.to(side.device)
    pooled = torch.randn(12, 32, generator=generator(0, "selfcheck", "pooled")).to(side.device)
    labels = torch.arange(4, device=side.device).repeat_interleave(3)
    with _on(side):
        output = module[0](pooled)
    batch = Batch(pooled, labels, attributes=(pooled[:, :16] > 0).float())
    return module, torch.stack(list(module[1](output, batch).values()))


_BUILDERS = {"backbone": _backbone, "model": _model, "loss": _loss}


def _difference(a: Tensor, b: Tensor) -> float:
    a, b = a.double(), b.double()
    return float((a - b).norm() / a.norm()) if a.norm() else float((a - b).norm())


@contextmanager
def _exact_products() -> Iterator[None]:
    """Products in fp32, not in the shorter TF32 that GPUs use for convolutions unless told otherwise."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
