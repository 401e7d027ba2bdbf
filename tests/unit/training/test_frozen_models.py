"""Models on maps of frozen stages: every model takes them, and computes what it computes from the images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_runs import TinyTrunk

from reproducible import registry
from reproducible.backbones.base import Backbone
from reproducible.backbones.compact import CompactGoogLeNet
from reproducible.config import Component, DataConfig, Term
from reproducible.data.store import Store
from reproducible.data.transforms import crop_resize
from reproducible.resources import UserError
from reproducible.training.evaluate import embed
from reproducible.training.loop import Training

MODELS = tuple(registry.REGISTRY["model"])  # before those of the tests are registered
DATA = DataConfig(input_size=32, limit_classes=6, classes_per_batch=4, images_per_class=2, windows=3)
Make = Callable[..., Training]


def test_images_give_what_their_maps_give(make: Make) -> None:
    """A model of a frozen run still takes images."""
    run = make(data=DATA, frozen="low")
    rows = run.sets.evaluation["validation"][0]
    cached = embed(run.model, run.maps, rows, run.config)
    torch.testing.assert_close(cached, embed(run.model, run.images, rows, run.config), atol=1e-3, rtol=0)


@pytest.mark.parametrize("stage, said", [("hihg", "Did you mean 'high'"), ("high", "nothing would be left to train")])
def test_a_stage_that_cannot_be_frozen(make: Make, stage: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        make(frozen=stage)


def test_a_stage_that_is_asked_for_below(store: Store) -> None:
    trunk = TinyTrunk()
    trunk.freeze("low")
    images = torch.rand(2, 3, 32, 32) * 255
    given = trunk.below(images)
    both = trunk(images, ("low", "high"))
    assert torch.equal(both["low"], given) and torch.equal(both["high"], trunk(given)["high"])
    assert torch.equal(given, given.half().float()) and not given.requires_grad
    assert trunk(given, ("low",)).keys() == {"low"}


DEML = {"scales": 2, "branches": 2, "dim": 16, "at": "low", "hidden": 4, "layers": ["high"]}
CUTTING = {
    "attention": Component("deml", DEML),
    "random": Component("deml", {**DEML, "zoom": "random"}),
    "zoomed": Component("zoomed", {"dim": 16, "layers": ["high"]}),
    "elsewhere": Component("zoomed", {"dim": 16, "layers": ["high"], "place": "elsewhere", "looks": "trained"}),
}
PLAIN = {
    "full": Component("deml", {**DEML, "zoom": "full"}),
    "one scale": Component("deml", {**DEML, "scales": 1}),
    "vem": Component("vem", {"dim": 16}),
    "untouched": Component("untouched"),
}


@pytest.mark.parametrize("name, view", [*((name, 0) for name in CUTTING | PLAIN), ("attention", 40), ("zoomed", 40)])
def test_every_model_runs_on_maps(make: Make, name: str, view: int) -> None:
    """And computes what it computes from the images, up to the rounding of a map that stands for them."""
    model = (CUTTING | PLAIN)[name]
    data = replace(DATA, view_size=view)
    loss = Term("binomial_deviance")
    run = make(data=data, frozen="low", model=model, objective=(loss,))
    batch = run.batch(1)
    assert (batch.maps is not None) == (name in CUTTING) and batch.images.shape[1] == (3 if name in CUTTING else 8)
    drawn = run.drawn(1)
    images = torch.from_numpy(run.store.images)[drawn.indices]
    seen = {"images": crop_resize(images, drawn.boxes, 32, drawn.flip)}
    if view:
        seen["view"] = crop_resize(images, drawn.boxes, view, drawn.flip)
    run.model.eval()
    with torch.no_grad():
        from_maps, from_images = run.model(**batch.inputs).embedding, run.model(**seen).embedding
    torch.testing.assert_close(from_maps, from_images, atol=2e-3, rtol=0)
    if name != "untouched":
        assert np.isfinite(
            make("b", data=data, frozen="low", model=model, objective=(loss,)).run()["curve"][-1]["loss"]
        )


@pytest.mark.parametrize("name", MODELS)
def test_every_registered_model_takes_maps_of_pool3(name: str) -> None:
    """On a trunk with the stages that gates stand at: to the bit, since images pass the frozen stages first."""
    trunk = CompactGoogLeNet()
    trunk.freeze("pool3")
    model = registry.build("model", name, trunk).train(False)
    images = 255 * torch.rand(3, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    maps = trunk.below(images)
    inputs = {"images": images, "maps": maps} if getattr(model, "cuts", False) else {"images": maps}
    found = model(**inputs).embedding
    assert torch.equal(found, model(images).embedding)
    found.square().mean().backward()
    fixed = {id(p) for stage in ("conv1", "3b") for part in trunk_parts(model, stage) for p in part.parameters()}
    assert fixed and all(p.grad is None for p in model.parameters() if id(p) in fixed)


def trunk_parts(model: torch.nn.Module, stage: str) -> list[torch.nn.Module]:
    """That stage of every trunk of a model."""
    return [part.stages[stage] for part in model.modules() if isinstance(part, Backbone) and stage in part.stages]
