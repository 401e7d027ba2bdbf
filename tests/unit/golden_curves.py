"""Five steps of every component, written down: ``python tests/unit/golden_curves.py`` writes tests/golden/curves.json.

The digest of a run holds the behaviour version of each component. A component that computes something else under the
same version would make old records stand for new computations; its curve moves, and ``test_golden.py`` fails until the
version in ``reproducible/registry.py`` is raised and the curves are written anew. Each component is driven by plain
gradient descent, so that its curve depends on no other one; ``training`` is the loop with all that belongs to it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from at_hand import backbone
from tiny_runs import TinyTrunk, make_store, register, training
from torch import Tensor

from reproducible import registry
from reproducible.config import EvaluationConfig, Term
from reproducible.losses.objective import build_objective
from reproducible.training.seeding import initialise
from reproducible.types import Batch, Output, Scale

FILE = Path(__file__).parents[1] / "golden" / "curves.json"
STEPS = 5
TOLERANCE = 1e-4
Golden = dict[str, Any]
OPTIONS: dict[str, dict[str, Any]] = {  # where the defaults are not for the small trunk and two learners of size 4
    "deml": {"scales": 2, "branches": 2, "dim": 16, "at": "low", "hidden": 4, "layers": ["high"]},
    "abe": {"dim": 16, "branches": 2},
    "diablo": {"dim": 16, "branches": 2},
    "zoomed": {"dim": 16, "layers": ["high"]},
    "sgml": {"dim": 6, "hidden": 10, "attributes": 4},
    "adversary": {"dim": 4, "branches": 2, "rise": 4},
    "push_apart": {"branches": 2},
    "divergence": {"margin": 3.0},
    "penalty": {"name": "L_var"},
    "pml": {"name": "ContrastiveLoss"},
}
PLACED = ("abe", "diablo")  # their gates stand at stages of GoogLeNet


def draw(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def descend(parameters: Iterable[Tensor], value: Callable[[], Tensor], share: float) -> list[float]:
    """The value at each step while the parameters go down its gradient, by a ``share`` of their own norm a step."""
    found, moved = [], list(parameters)
    for _ in range(STEPS):
        loss = value()
        gradients = torch.autograd.grad(loss, moved)
        found.append(loss.item())
        with torch.no_grad():
            size = torch.stack([p.norm() for p in moved]).norm() / torch.stack([g.norm() for g in gradients]).norm()
            for parameter, gradient in zip(moved, gradients, strict=True):
                parameter -= share * size * gradient
    return found


def backbone_curve(name: str) -> list[float]:
    """Every stage enters: mean square over the last map."""
    network = backbone(name).double()
    images = 255 * draw(2, 3, 64, 64, seed=1)
    return descend(network.parameters(), lambda: network(images)[network.last].square().mean(), share=0.001)


def model_curve(name: str) -> list[float]:
    """All that an output holds enters, on the small trunk or, for models with fixed places, on the compact one."""
    small = name not in PLACED
    trunk = TinyTrunk() if small else registry.build("backbone", "compact_googlenet")
    model = registry.build("model", name, trunk, **OPTIONS.get(name, {}))
    initialise(model, 3)
    side = 32 if small else 48
    images = 255 * draw(3, 3, side, side, seed=2, dtype=torch.float32)

    def value() -> Tensor:
        output = model(images)
        held = [output.embedding, *output.learners, *output.weights, *output.inputs, *output.features.values()]
        held += [*output.attention.values(), *output.penalties.values()]
        held += [] if output.attributes is None else [output.attributes]
        weights = [draw(*h.shape, seed=number, dtype=h.dtype) for number, h in enumerate(held)]
        return sum((h * w).sum() for h, w in zip(held, weights, strict=True))

    trained = [p for p in model.parameters() if p.requires_grad]
    return descend(trained, value, share=0.05 if small else 0.005)


def loss_curve(name: str) -> list[float]:
    """Two learners over six images of three classes, with gates, a penalty and attributes; the same chance in every
    step."""
    objective = build_objective([Term(name, OPTIONS.get(name, {}))]).double()
    initialise(objective, 3)
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    inputs = tuple(draw(6, 8, seed=10 + j) - 0.3 for j in range(2))
    weights = tuple((draw(4, 8, seed=20 + j) - 0.5).requires_grad_() for j in range(2))
    batch = Batch(torch.empty(6, 3, 1, 1), labels, attributes=(draw(6, 8, seed=30) < 0.4).float())

    def value() -> Tensor:
        learners = tuple(x @ w.T for x, w in zip(inputs, weights, strict=True))
        penalties = {"L_var": sum(x.var(dim=0).mean() for x in learners)}
        gates = torch.sigmoid(torch.stack(learners))[..., None, None]
        scales = (Scale(learners, inputs, weights, gates),)
        output = Output(F.normalize(learners[0]), scales, attributes=torch.cat(learners, dim=1), penalties=penalties)
        torch.manual_seed(5)
        return sum(objective(output, batch).values())

    return descend([*weights, *objective.parameters()], value, share=0.05)


def training_curve() -> list[float]:
    """Loss and validation MAP@R: order, crops, initial values, optimiser, schedule, evaluation."""
    with tempfile.TemporaryDirectory() as folder:
        evaluation = EvaluationConfig(every=1)
        curve = training(Path(folder), make_store(), steps=STEPS, evaluation=evaluation).run()["curve"]
    return [point["loss"] for point in curve] + [point["validation"]["map_at_r"] for point in curve]


CURVES = {"backbone": backbone_curve, "model": model_curve, "loss": loss_curve}


def names() -> list[str]:
    """``kind/name`` of every registered component, and the loop."""
    return [f"{kind}/{name}" for kind in CURVES for name in registry.REGISTRY[kind]] + ["training"]


def compute(component: str) -> Golden:
    """Version and curve of a component as they are now."""
    if component == "training":
        return {"version": registry.LOOP.version, "curve": training_curve()}
    kind, name = component.split("/")
    return {"version": registry.entry(kind, name).version, "curve": CURVES[kind](name)}


def complaint(component: str, now: Golden, golden: Golden) -> str:
    """What is wrong with a component whose curve was written down before; empty if nothing is."""
    same = now["curve"] == pytest.approx(golden["curve"], rel=TOLERANCE)
    if now["version"] != golden["version"]:
        return f"{component} has version {now['version']}: write its curve with python {Path(__file__).name}"
    if same:
        return ""
    return (
        f"{component} computes {now['curve']} where version {golden['version']} computed {golden['curve']}: "
        "raise its version in reproducible/registry.py, or undo the change"
    )


def main() -> None:
    """Write all curves."""
    torch.set_num_threads(1)
    components = names()  # without the small trunk, which is not the library's
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRODUCIBLE_PROGRESS", "0")
        register(patch)
        found = {name: compute(name) for name in components}
    FILE.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
