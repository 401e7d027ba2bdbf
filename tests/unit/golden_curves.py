"""What every component computes, written down: ``python tests/unit/golden_curves.py`` writes tests/golden/curves.json.

The digest of a run holds the behaviour version of each component. A component that computes something else under the
same version would make old records stand for new computations; its numbers move, and ``test_golden.py`` fails until the
version in ``reproducible/registry.py`` is raised and the numbers are written anew.

Each component is there as it is by itself, by ``kind/name``, and backbones and losses in every form that the committed
records have of them, by ``kind/name {options}``, so that no recorded variant can change unseen; those of models are in
``golden_models.py``. Backbones, models and losses are driven by plain gradient descent for five steps, so that a curve
depends on no other component; ``training`` is the loop with all that belongs to it, ``maps`` the loop behind a frozen
stage. Networks of other packages with initial values of their own are left out: they have no records.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from at_hand import at_hand
from few_glyphs import MINI, write_variants
from recorded import configurations
from tiny_runs import TinyTrunk, make_store, register, tiny_config, training
from torch import Tensor

from reproducible import registry
from reproducible.config import Component, DataConfig, EvaluationConfig, Term
from reproducible.data.augmentation import augmentation
from reproducible.data.manifest import load_manifest
from reproducible.data.sampler import build_sampler
from reproducible.data.store import prepare
from reproducible.losses.objective import build_objective
from reproducible.training import measures
from reproducible.training.seeding import initialise
from reproducible.types import Batch, Output, Scale

FILE = Path(__file__).parents[1] / "golden" / "curves.json"
STEPS = 5
TOLERANCE = 1e-4
Golden = dict[str, Any]
Options = Mapping[str, Any]
OPTIONS: dict[str, dict[str, Any]] = {  # where the defaults are not for the small trunk and two learners of size 4
    "deml": {"scales": 2, "branches": 2, "dim": 16, "at": "low", "hidden": 4, "layers": ["high"]},
    "abe": {"dim": 16, "branches": 2},
    "diablo": {"dim": 16, "branches": 2},
    "head": {"dim": 16, "branches": 2, "own_tails": True},
    "zoomed": {"dim": 16, "layers": ["high"]},
    "sgml": {"dim": 6, "hidden": 10, "attributes": 4},
    "adversary": {"dim": 4, "branches": 2, "rise": 4},
    "push_apart": {"branches": 2},
    "divergence": {"margin": 3.0},
    "penalty": {"name": "L_var"},
    "pml": {"name": "ContrastiveLoss"},
}
PLACED = ("abe", "diablo", "head")  # their gates stand at stages of GoogLeNet
SAMPLERS: dict[str, tuple[int, int]] = {"pk": (3, 4), "image_wise": (4, 3)}  # P and K
_VEM = Component("vem", {"dim": 6, "std": 1.0})
_DEML = Component("deml", {"scales": 2, "branches": 3, "dim": 24, "at": "low", "hidden": 3, "layers": ["high"]})
MEASURED = {  # models that the measures look at
    **dict.fromkeys(("clusters", "gate", "variances"), _VEM),
    **dict.fromkeys(("branches", "windows", "attributes", "entries", "gradients"), _DEML),
    "background": Component("unified", {"dim": 16}),
    "granularity": Component("sgml", OPTIONS["sgml"]),
}


def draw(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def descend(parameters: Iterable[Tensor], value: Callable[[], Tensor], share: float) -> list[float]:
    """The value at each step while the parameters go down its gradient, by a ``share`` of their own norm a step."""
    found, moved = [], list(parameters)
    for _ in range(STEPS):
        loss = value()
        gradients = torch.autograd.grad(loss, moved, materialize_grads=True)  # some terms leave learners alone
        found.append(loss.item())
        with torch.no_grad():
            size = torch.stack([p.norm() for p in moved]).norm() / torch.stack([g.norm() for g in gradients]).norm()
            for parameter, gradient in zip(moved, gradients, strict=True):
                parameter -= share * size * gradient
    return found


def backbone_curve(name: str, options: Options) -> list[float]:
    """Every stage enters: mean square over the last map."""
    network = registry.build("backbone", name, **options).double()
    images = 255 * draw(2, 3, 64, 64, seed=1)
    return descend(network.parameters(), lambda: network(images)[network.last].square().mean(), share=0.001)


def model_curve(name: str, options: Options) -> list[float]:
    """All that an output holds enters, on the small trunk or, for models with fixed places, on the compact one."""
    small = name not in PLACED
    trunk = TinyTrunk() if small else registry.build("backbone", "compact_googlenet")
    model = registry.build("model", name, trunk, **options)
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


def loss_curve(name: str, options: Options) -> list[float]:
    """Two learners of size 4, or as many of the size that the options say, over six images of three classes, with
    gates, a penalty and attributes; the same chance in every step."""
    objective = build_objective([Term(name, options)]).double()
    initialise(objective, 3)
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    scales, branches, dim = options.get("scales", 1), options.get("branches", 2), options.get("dim", 4)
    inputs = tuple(draw(6, 8, seed=10 + j) - 0.3 for j in range(scales * branches))
    weights = tuple((draw(dim, 8, seed=20 + j) - 0.5).requires_grad_() for j in range(scales * branches))
    batch = Batch(torch.empty(6, 3, 1, 1), labels, attributes=(draw(6, 2 * dim, seed=30) < 0.4).float())

    def scale(learners: tuple[Tensor, ...], part: slice) -> Scale:
        gates = torch.sigmoid(torch.stack(learners[part]))[..., None, None]
        return Scale(learners[part], inputs[part], weights[part], gates)

    def value() -> Tensor:
        learners = tuple(x @ w.T for x, w in zip(inputs, weights, strict=True))
        penalties = {"L_var": sum(x.var(dim=0).mean() for x in learners)}
        parts = tuple(scale(learners, slice(i * branches, (i + 1) * branches)) for i in range(scales))
        attributes = torch.cat(learners[:2], dim=1)
        torch.manual_seed(5)
        output = Output(F.normalize(learners[0]), parts, attributes=attributes, penalties=penalties)
        return sum(objective(output, batch).values())

    return descend([*weights, *objective.parameters()], value, share=0.05)


def drawn(name: str, options: Options) -> list[float]:
    """Indices and pairs of two batches from classes of 2 to 6 images."""
    labels = np.repeat(np.arange(5), np.arange(2, 7))
    p, k = SAMPLERS[name]
    data = DataConfig(sampler=Component(name, options), classes_per_batch=p, images_per_class=k)
    sampler, chance = build_sampler(data, labels, range(5)), torch.Generator().manual_seed(7)
    batches = [sampler.draw(chance) for _ in range(2)]
    return [float(x) for indices, pairs in batches for part in (indices, *(pairs or ())) for x in part.tolist()]


def boxes(name: str, options: Options) -> list[float]:
    """Windows of training and of evaluation in a square, a wide and a tall image."""
    recipe, aspects = augmentation(DataConfig(augmentation=name)), torch.tensor([1.0, 1.7, 0.6], dtype=torch.float64)
    found = recipe.training(3, 160, aspects, torch.Generator().manual_seed(7)), recipe.evaluation(3, 160, aspects)
    return torch.cat(found).flatten().tolist()


def measured(name: str, options: Options) -> list[float]:
    """All numbers of a model that has not been trained, by the order of their names."""
    numbers = given_by(name)
    return [float(x) for key in sorted(numbers) for x in np.ravel(numbers[key])]


def given_by(name: str) -> dict[str, Any]:
    """What a measure says of a model that has not been trained."""
    store, evaluation, changes = make_store(), EvaluationConfig(every=1, measures=(name,)), {}
    if name == "attributes":
        parts = tuple((str(number // 3), ("", "acute", "grave")[number % 3], "dot") for number in range(81))
        store = replace(store, class_parts=parts)
    if name == "granularity":
        bits = (np.arange(len(store.labels))[:, None] >> np.arange(4) & 1).astype(np.float32)
        store = replace(store, attributes=bits, attribute_names=tuple("abcd"))
    with tempfile.TemporaryDirectory() as folder:
        if name == "background":
            path = write_variants(Path(folder), few={**MINI, "images": {"image": 4}})
            store = replace(prepare(load_manifest(path), progress=False), name="glyphs")
            data = DataConfig("glyphs", input_size=48, limit_classes=12, flip=False)
            changes |= {"data": data, "backbone": Component("compact_googlenet")}
        run = training(Path(folder), store, model=MEASURED[name], evaluation=evaluation, **changes)
        run.kept = measures.check(run.embedder, run.sets)
        run.refresh(0)
        numbers, _ = measures.at_look(run.embedder, run.sets)
        return numbers | measures.at_end(run.embedder, run.sets)


def training_curve(**changes: Any) -> list[float]:
    """Loss and validation MAP@R: order, crops, initial values, optimiser, schedule, evaluation."""
    with tempfile.TemporaryDirectory() as folder:
        evaluation = EvaluationConfig(every=1)
        curve = training(Path(folder), make_store(), steps=STEPS, evaluation=evaluation, **changes).run()["curve"]
    return [point["loss"] for point in curve] + [point["validation"]["map_at_r"] for point in curve]


def maps_curve() -> list[float]:
    """The same of fixed windows behind a frozen stage."""
    return training_curve(frozen="low", data=replace(tiny_config().data, windows=3))


KINDS: dict[str, Callable[[str, Options], list[float]]] = {
    "backbone": backbone_curve,
    "model": model_curve,
    "loss": loss_curve,
    "sampler": drawn,
    "augmentation": boxes,
    "measure": measured,
}
RUNS = {"training": (lambda: registry.LOOP, training_curve), "maps": (lambda: registry.MAPS, maps_curve)}
DESCENDED = ("backbone", "model", "loss")


def names() -> list[str]:
    """Every registered component as it is by itself, ``kind/name``, and the loop."""
    found = [(kind, name) for kind in KINDS for name in registry.REGISTRY[kind]]
    return [f"{kind}/{name}" for kind, name in found if kind != "backbone" or at_hand(name)] + [*RUNS]


def recorded() -> list[str]:
    """``kind/name {options}`` of every backbone and loss of the committed records that has options."""
    found = set()
    for config in configurations():
        losses = [("loss", term) for term in config.get("objective", ())]
        for kind, part in [("backbone", config.get("backbone", {})), *losses]:
            if part.get("options"):
                found.add(f"{kind}/{part['name']} {json.dumps(part['options'], sort_keys=True)}")
    return sorted(found)


def compute(component: str) -> Golden:
    """Version and numbers of a component as they are now."""
    if component in RUNS:
        entry, curve = RUNS[component]
        return {"version": entry().version, "curve": curve()}
    named, _, options = component.partition(" ")
    kind, name = named.split("/")
    given = json.loads(options) if options else OPTIONS.get(name, {})
    return {"version": registry.entry(kind, name).version, "curve": KINDS[kind](name, given)}


def complaint(component: str, now: Golden, golden: Golden) -> str:
    """What is wrong with a component whose numbers were written down before; empty if nothing is."""
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
    """Write all of them."""
    torch.set_num_threads(1)
    components = [*names(), *recorded()]  # without the small trunk, which is not the library's
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as cache:
        patch.setenv("REPRODUCIBLE_PROGRESS", "0")
        patch.setenv("REPRODUCIBLE_CACHE", cache)
        register(patch)
        lines = [f" {json.dumps(name)}: {json.dumps(compute(name))}" for name in components]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
