"""Named random streams: what an arm draws depends on the seed and the step, never on what else is there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch_metric_learning.losses import ProxyNCALoss
from tiny_runs import TinyTrunk, make_store, spied, tiny_config, training, without_machine
from torch import nn

from reproducible import registry
from reproducible.config import Component, DataConfig, Term
from reproducible.data.sampler import PKSampler
from reproducible.data.store import Store
from reproducible.losses.pairs import Pairs
from reproducible.models.unified import Learner
from reproducible.training import sets
from reproducible.training.loop import Training
from reproducible.training.seeding import generator, initialise, stream_seed
from reproducible.types import Batch

Make = Callable[..., Training]
DRAWING = {"model": Component("gated", {"dim": 6}), "objective": (Term("margin"),)}  # dropout, sampled negatives


def train(run: Training, steps: int) -> None:
    """Steps of the loop without its looks and checkpoints."""
    for step in range(1, steps + 1):
        sum(run.losses(run.batch(step)).values()).backward()
        run.optimiser.step()


def test_arm_with_one_module_more_sees_the_same(make: Make) -> None:
    """The gate draws chance when it is made and, by its dropout, in every step; nothing shared may notice."""
    plain = make("plain")
    more = make("more", model=Component("gated", {"dim": 6}), objective=(Term("binomial_deviance"),))
    ours, theirs = plain.model.state_dict(), more.model.state_dict()
    assert set(theirs) - set(ours) == {"gate.0.weight", "gate.0.bias"}
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=0, msg=name)
    for step in range(1, 6):
        a, b = plain.batch(step), more.batch(step)
        torch.testing.assert_close(a.images, b.images, rtol=0, atol=0)
        torch.testing.assert_close(a.labels, b.labels, rtol=0, atol=0)
        more.losses(b)["binomial_deviance"].backward()


def test_objective_with_parameters_of_its_own_changes_nothing_shared(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.REGISTRY["loss"], "proxies", registry.Entry(f"{ProxyNCALoss.__module__}:ProxyNCALoss"))
    proxies = Term("proxies", {"num_classes": 81, "embedding_size": 6})
    plain, more = make("plain"), make("more", objective=(Term("binomial_deviance"), proxies))
    torch.testing.assert_close(plain.model.state_dict(), more.model.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(plain.batch(3).images, more.batch(3).images, rtol=0, atol=0)


class InPairs:
    """The first two images of each of two classes are a pair of one class, and across classes pairs of two."""

    def __init__(self, labels: np.ndarray, classes: Sequence[int], p: int, k: int) -> None:
        self.inner = PKSampler(labels, classes, 2, k)

    def draw(self, generator: torch.Generator) -> tuple[np.ndarray, Pairs]:
        indices, _ = self.inner.draw(generator)
        return indices, tuple(torch.tensor(part) for part in ([0, 2], [1, 3], [0, 1], [2, 3]))


def test_pairs_that_a_sampler_fixes_are_those_of_the_losses(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.REGISTRY["sampler"], "in_pairs", registry.Entry("test_streams:InPairs"))
    monkeypatch.setitem(sys.modules, "test_streams", sys.modules[__name__])
    data = replace(tiny_config().data, sampler=Component("in_pairs"))
    run = make("run", data=data, objective=(Term("binomial_deviance"), Term("margin")))
    batch = run.batch(1)
    assert len(batch.labels) == 4 and len(batch.labels.unique()) == 2
    assert [part.tolist() for part in batch.pairs] == [[0, 2], [1, 3], [0, 1], [2, 3]]
    assert all(part.dtype == torch.int64 for part in batch.pairs)
    seen = [spied(monkeypatch, term, "forward", lambda *given: given[2]) for term in run.objective.terms.values()]
    run.run()
    assert [len(given) for given in seen] == [12, 12]
    for pairs in (*seen[0], *seen[1]):
        assert [part.tolist() for part in pairs] == [[0, 2], [1, 3], [0, 1], [2, 3]]


def test_without_mirroring_the_windows_stay_the_same(make: Make) -> None:
    """``flip`` False leaves out the mirroring and moves nothing else: same images, same windows."""
    plain, upright = make("plain"), make("upright", data=replace(tiny_config().data, flip=False))
    turned = 0
    for step in range(1, 6):
        a, b = plain.batch(step), upright.batch(step)
        assert a.labels.tolist() == b.labels.tolist()
        for one, other in zip(a.images, b.images, strict=True):
            mirrored = not torch.equal(one, other)
            turned += mirrored
            torch.testing.assert_close(one.flip(2) if mirrored else one, other, rtol=0, atol=1e-3)
    assert 8 < turned < 32  # of 40


def test_batches_do_not_depend_on_what_was_drawn_before(make: Make) -> None:
    fresh, used = make("fresh"), make("used")
    train(used, 3)
    torch.manual_seed(99)
    used.batch(7)
    torch.testing.assert_close(fresh.batch(4).images, used.batch(4).images, rtol=0, atol=0)


def test_what_model_and_loss_draw_comes_from_the_run(make: Make) -> None:
    """Dropout and sampled negatives: the same for the same seed and step, others for others."""
    batch = make("batch").batch(1)
    found = []
    for name, seed, step in (("first", 0, 0), ("again", 0, 0), ("later", 0, 1), ("other", 1, 0)):
        run = make(name, seed=seed, **DRAWING)
        run.model.load_state_dict(make("weights", **DRAWING).model.state_dict())
        run.step = step
        torch.manual_seed(len(found))
        found.append(run.losses(batch)["margin"].item())
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_arm_whose_model_draws_samples_the_same_negatives(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = spied(monkeypatch, torch, "rand", lambda *_, **__: torch.get_rng_state().sum().item())
    for model in ("unified", "gated"):
        run = make(model, model=Component(model, {"dim": 6}), objective=(Term("margin"),))
        run.losses(run.batch(1))
    assert len(chance) == 2
    assert chance[0] == chance[1]


def test_resumed_run_draws_what_it_would_have_drawn(make: Make) -> None:
    whole, cut = make("whole", **DRAWING), make("cut", **DRAWING)
    batch = cut.batch

    def stop(step: int) -> Batch:
        if step == 7:
            raise KeyboardInterrupt
        return batch(step)

    cut.batch = stop
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    torch.manual_seed(99)
    assert without_machine(make("cut", **DRAWING).run()) == without_machine(whole.run())


def test_seeds_steps_and_streams_differ(make: Make) -> None:
    zero, one = make("zero"), make("one", seed=1)
    assert not torch.equal(zero.model.learner.weight, one.model.learner.weight)
    assert not torch.equal(zero.batch(1).images, one.batch(1).images)
    assert not torch.equal(zero.batch(1).images, zero.batch(2).images)
    seeds = {stream_seed(s, stream, key) for s in (0, 1) for stream in ("order", "augmentation") for key in (0, 1, "1")}
    assert len(seeds) == 2 * 2 * 2  # step 1 is one key, written as number or text
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_order_does_not_depend_on_augmentation(make: Make) -> None:
    """The same photographs whatever the window, and the same windows whatever the photographs."""
    config = tiny_config().data
    narrow = make("narrow", data=replace(config, crop=0.5))
    wide = make("wide")
    torch.testing.assert_close(narrow.batch(2).labels, wide.batch(2).labels, rtol=0, atol=0)


def test_streams_are_what_they_always_were() -> None:
    """Old records can be run again only while these stay."""
    assert stream_seed(0, "order", 1) == 4_489_457_307_835_839_548
    assert torch.randint(0, 1000, (4,), generator=generator(3, "augmentation", 7)).tolist() == [310, 842, 563, 744]


def test_layers_are_initialised_by_name_not_by_order() -> None:
    class Model(nn.Module):
        def __init__(self, names: tuple[str, ...]) -> None:
            super().__init__()
            for name in names:
                self.add_module(name, Learner(8, 4) if name != "trunk" else TinyTrunk())

    one, other = Model(("first", "second", "trunk")), Model(("trunk", "second", "extra", "first"))
    before = torch.get_rng_state()
    initialise(one, 5)
    initialise(other, 5)
    torch.testing.assert_close(torch.get_rng_state(), before, rtol=0, atol=0)
    for name in ("first", "second"):
        torch.testing.assert_close(getattr(one, name).weight, getattr(other, name).weight, rtol=0, atol=0)
    assert not torch.equal(one.first.weight, one.second.weight)
    torch.testing.assert_close(one.trunk.state_dict(), TinyTrunk().state_dict(), rtol=0, atol=0)


def test_learners_start_with_orthonormal_rows(make: Make) -> None:
    weight = make().model.learner.weight.detach()
    torch.testing.assert_close(weight @ weight.T, torch.eye(6), rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def numbered() -> Store:
    """A store whose images say which they are: red and green hold their number, blue a ramp from left to right."""
    store = make_store()
    images = np.empty_like(store.images)
    number = np.arange(len(images))
    images[..., 0] = (number % 250)[:, None, None]
    images[..., 1] = (number // 250)[:, None, None]
    images[..., 2] = 5 * np.arange(images.shape[2])
    return replace(store, images=images)


def test_batch_holds_p_classes_with_k_photographs_of_the_seen_classes(numbered: Store, tmp_path: Path) -> None:
    data = DataConfig(input_size=32, draw=1, classes_per_batch=5, images_per_class=3)
    run = training(tmp_path, numbered, data=data)
    seen, drawn, mirrored = set(), [], []
    for step in range(1, 41):
        batch = run.batch(step)
        assert batch.images.shape == (15, 3, 32, 32)
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        red, green = (batch.images[:, c].mean(dim=(1, 2)).round().long() for c in (0, 1))
        index = (red + 250 * green).numpy()
        assert (numbered.labels[index] == batch.labels.numpy()).all()
        assert set(numbered.parts[index]) <= {"train", "val", "test"}
        assert len(set(index.tolist())) == 15
        by_class = batch.labels.view(5, 3)
        assert bool((by_class == by_class[:, :1]).all())
        assert len(by_class[:, 0].unique()) == 5
        seen |= set(by_class[:, 0].tolist())
        mirrored += (batch.images[:, 2, 0, 0] > batch.images[:, 2, 0, -1]).tolist()
        drawn += batch.images[:, 2].mean(dim=(1, 2)).round(decimals=1).tolist()
    assert seen == set(run.sets.classes)
    assert 0.35 < np.mean(mirrored) < 0.65
    assert len(set(drawn)) == 6  # windows of 35 of 40 pixels begin at one of six columns


def test_windows_and_mirroring_come_from_the_stream(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = spied(monkeypatch, sets, "crop_resize", lambda images, boxes, size, flip, **_: (boxes, size, flip))
    make("a").batch(9)
    make("b", objective=(Term("unit_rows"),)).batch(9)
    (boxes, size, flip), (again, _, flip_again) = calls
    assert size == 32
    assert (boxes[:, 2:] - boxes[:, :2]).unique().tolist() == [35.0]
    torch.testing.assert_close(boxes, again, rtol=0, atol=0)
    assert flip.tolist() == flip_again.tolist()
