"""What each recorded model puts out: ``python tests/unit/golden_models.py`` writes it to tests/golden/models.json.

The option sets are those of the committed records, so that no recorded variant can change unseen: its numbers move, and
``test_golden_models.py`` fails until the version in ``reproducible/registry.py`` is raised and the numbers are written
anew. All are built on the compact network, which has the stages that the options name, and those of :data:`WHOLE` on
BVLC GoogLeNet as well. What only other networks can be built with is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from recorded import configurations
from torch import Tensor, nn

from reproducible import registry
from reproducible.training.seeding import initialise
from reproducible.types import Output

FILE = Path(__file__).parents[1] / "golden" / "models.json"
TRUNK, OTHER = "compact_googlenet", "efficientnet_lite0"
INPUT, VIEW = 48, 64
TOLERANCE = 1e-4
SIZES = ("dim", "hidden")  # options that say how large a layer is, not what it computes; a dim of 0 is none
WHOLE = {  # on BVLC GoogLeNet as recorded, at a smaller input
    "deml": {"scales": 2, "branches": 1, "zoom": "attention"},
    "vem": {"gate": "inverse_variance"},
}
Case = dict[str, Any]
Numbers = dict[str, list[float]]


def recorded() -> dict[str, Case]:
    """Every recorded option set of a model with what it is called with, by a name; of sets that differ in
    :data:`SIZES` alone, the first."""
    found: dict[str, Case] = {}
    for config in configurations():
        model, backbone = config.get("model", {"name": "unified"}), config.get("backbone", {}).get("name")
        if backbone == OTHER and model.get("options", {}).get("stages"):
            continue
        data = config["data"]
        case = {
            "model": model["name"],
            "options": model.get("options", {}),
            "view": bool(data.get("view_size")),
            "boxes": bool(data.get("boxes")),
        }
        whole = backbone is None and WHOLE.get(model["name"], {None: None}).items() <= case["options"].items()
        for trunk in (TRUNK, "bvlc_googlenet") if whole else (TRUNK,):
            made = {**case, "trunk": trunk}
            found[json.dumps(made, sort_keys=True)] = made
    first: dict[str, str] = {}
    for name, case in sorted(found.items()):
        sizeless = {key: value for key, value in case["options"].items() if key not in SIZES or not value}
        first.setdefault(json.dumps({**case, "options": sizeless}, sort_keys=True), name)
    return {name: found[name] for name in sorted(first.values())}


def about(case: Mapping[str, Any]) -> str:
    """The name of a case, as in :func:`recorded`."""
    return json.dumps({name: case[name] for name in ("model", "options", "trunk", "view", "boxes")}, sort_keys=True)


def compute(case: Mapping[str, Any]) -> Case:
    """The case with its behaviour version and, for each tensor that the model puts out and for the gradient of them
    all, numbers that give it away (:func:`_numbers`)."""
    torch.manual_seed(0)
    options = {"batch_statistics": True} if case["trunk"] == TRUNK else {}
    model = registry.build(
        "model", case["model"], registry.build("backbone", case["trunk"], **options), **case["options"]
    )
    initialise(model, 3)
    images, view = (255 * draw(3, 3, side, side) for side in (INPUT, VIEW))
    boxes = torch.tensor([[0.1, 0.2, 0.6, 0.7]]).expand(3, 4)
    given = (images, view if case["view"] else None, boxes if case["boxes"] else None)
    output = model.train()(*given[: 3 if case["boxes"] else 1 + case["view"]])
    held = dict(tensors(output))
    trained = [p for p in model.parameters() if p.requires_grad]
    loss = sum((value * draw(*value.shape, seed=1)).sum() for value in held.values() if value.requires_grad)
    gradients = torch.autograd.grad(loss, trained, allow_unused=True) if trained else ()
    numbers = {name: _numbers(value) for name, value in held.items()}
    numbers["gradient"] = _norms([g for g in gradients if g is not None])
    return {**case, "version": registry.entry("model", case["model"]).version, "numbers": numbers}


def tensors(output: Output) -> Iterator[tuple[str, Tensor]]:
    """All that an output holds, by name."""
    yield "embedding", output.embedding
    for name in ("learners", "weights", "inputs"):
        for number, value in enumerate(getattr(output, name)):
            yield f"{name}_{number}", value
    for name in ("features", "attention", "penalties"):
        yield from getattr(output, name).items()


def draw(*shape: int, seed: int = 0) -> Tensor:
    """Numbers from 0 to 1; blotches of 8 x 8, so that maps differ from place to place, for images."""
    stream = torch.Generator().manual_seed(seed)
    if len(shape) == 4 and shape[1] == 3:
        coarse = torch.rand(*shape[:2], 8, 8, generator=stream)
        return nn.functional.interpolate(coarse, size=shape[2:], mode="bilinear")
    return torch.rand(shape, generator=stream)


def _numbers(value: Tensor) -> list[float]:
    """Its norm, and its product with a random direction of unit length."""
    flat = value.detach().double().flatten()
    direction = draw(len(flat), seed=2).double() - 0.5
    return _rounded(flat.norm(), flat @ direction / direction.norm())


def _norms(gradients: list[Tensor]) -> list[float]:
    """Of all parameters together, whatever their order and names: the 2- and the 4-norm."""
    flat = torch.cat([g.double().flatten() for g in gradients]) if gradients else torch.zeros(1, dtype=torch.double)
    return _rounded(flat.norm(2), flat.norm(4))


def _rounded(*values: Tensor) -> list[float]:
    return [float(f"{value.item():.7g}") for value in values]


def complaint(found: Case, golden: Case) -> str:
    """What is wrong, or nothing."""
    about = f"model {found['model']!r} with {found['options']} on {found['trunk']}"
    again = "python tests/unit/golden_models.py"
    if found["version"] != golden["version"]:
        return f"{about}: version {found['version']} has no golden numbers; write them with: {again}"
    names = {name for side in (found, golden) for name in side["numbers"]}
    for name in sorted(names):
        if (name in found["numbers"]) != (name in golden["numbers"]):
            return f"{about}: {name} is put out in one version alone; raise its version in reproducible/registry.py"
        here, there = found["numbers"][name], golden["numbers"][name]
        if max(abs(a - b) for a, b in zip(here, there, strict=True)) > TOLERANCE * max(there[0], 1e-8):
            return (
                f"{about}: {name} is {here}, was {there}; raise its version in reproducible/registry.py, then: {again}"
            )
    return ""


if __name__ == "__main__":
    lines = (json.dumps(compute(case), sort_keys=True) for case in recorded().values())
    FILE.write_text("[\n" + ",\n".join(lines) + "\n]\n")
