"""Pretraining of the compact backbone, on made-up images; tests/unit/backbones has those of the shipped weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import make_store
from torch import Tensor

from reproducible.backbones.compact import WEIGHTS, CompactGoogLeNet
from reproducible.cli import training as verbs
from reproducible.data import store as stores
from reproducible.data.store import Store
from reproducible.resources import UserError
from reproducible.training import pretraining
from reproducible.training.pretraining import FACTS, Pretraining, Recipe, hold_out, pretrain, random_windows, write

TINY = Recipe(steps=4, batch=16, warmup=2, size=32)


@pytest.fixture(scope="module")
def ten() -> Store:
    """81 classes of ten images."""
    return make_store(parts=("train",) * 10)


@pytest.fixture(scope="module")
def made(ten: Store) -> tuple[dict[str, Tensor], dict]:
    return pretrain(ten, TINY)


def same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def test_same_recipe_makes_the_same_weights(ten: Store, made: tuple[dict[str, Tensor], dict]) -> None:
    """Whatever the process has drawn before; another seed makes others."""
    torch.manual_seed(1234)
    weights, facts = pretrain(ten, TINY)
    assert same(weights, made[0])
    assert facts["first_losses"] == made[1]["first_losses"]
    other, _ = pretrain(ten, replace(TINY, seed=1))
    assert not any(torch.equal(other[n], weights[n]) for n in weights if n.endswith("0.weight"))


def test_held_out_images_are_not_trained_on(ten: Store, made: tuple[dict[str, Tensor], dict]) -> None:
    images = ten.images.copy()
    images[hold_out(ten.labels)[1]] = 0
    assert same(pretrain(replace(ten, images=images), TINY)[0], made[0])


def test_a_step_is_what_its_parts_say(ten: Store) -> None:
    """The loss of the first step, computed from the crops with the formula of smoothed cross-entropy."""
    run = Pretraining(ten, TINY)
    run.trunk.double()
    run.classifier.double()
    seen: list[Tensor] = []
    run.trunk.register_forward_hook(lambda _, inputs, output: seen.append(output["5b"]))
    original = run.logits
    run.logits = lambda images: original(images.double())  # type: ignore[method-assign]
    before = run.classifier.weight.detach().clone(), run.classifier.bias.detach().clone()
    order = torch.randperm(len(run.train), generator=pretraining.generator(0, "order", 1))[:16]
    labels = run.labels[run.train[order]]
    loss = run.step(1)
    scores = seen[0].mean(dim=(2, 3)) @ before[0].T + before[1]
    logs = scores - scores.logsumexp(dim=1, keepdim=True)
    target = 0.1 / 81 + 0.9 * torch.nn.functional.one_hot(labels, 81).double()
    assert loss == pytest.approx(-(target * logs).sum(dim=1).mean().item(), rel=1e-9)


def test_loss_falls(ten: Store) -> None:
    run = Pretraining(ten, replace(TINY, steps=60, batch=32))
    losses = [run.step(number) for number in range(1, 25)]
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])


def test_rate_rises_and_falls_to_zero() -> None:
    recipe = Recipe(steps=100, warmup=10)
    rates = [recipe.rate(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0, abs=0.03)
    assert rates.index(max(rates)) == 9
    assert rates[50] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0)
    assert rates[9:] == sorted(rates[9:], reverse=True)


def test_a_tenth_of_each_class_is_held_out() -> None:
    labels = np.array([0] * 12 + [1] * 30 + [0] * 18)
    kept, held = hold_out(labels)
    assert held.tolist() == [57, 58, 59, 39, 40, 41]
    assert sorted([*kept, *held]) == list(range(60))
    with pytest.raises(UserError, match="class 3 has 9 images; a held-out tenth needs 10"):
        hold_out(np.array([2] * 10 + [3] * 9))


def test_windows_lie_inside_and_have_all_sizes_and_places() -> None:
    boxes = random_windows(4000, 64, 0.5, torch.Generator().manual_seed(0))
    assert boxes.min() >= 0 and boxes.max() <= 64
    sides = boxes[:, 2:] - boxes[:, :2]
    torch.testing.assert_close(sides[:, 0], sides[:, 1], rtol=0, atol=1e-5)
    assert sides.mean() == pytest.approx(48, abs=0.5)
    assert sides.min() == pytest.approx(32, abs=0.1) and sides.max() == pytest.approx(64, abs=0.1)
    assert boxes.view(-1, 2, 2).mean(dim=(0, 1)).tolist() == pytest.approx([32, 32], abs=0.5)
    assert (boxes[:, 0] - boxes[:, 1]).abs().max() > 20  # drawn apart in the two directions


def test_facts(made: tuple[dict[str, Tensor], dict]) -> None:
    facts = json.loads(json.dumps(made[1]))
    assert facts["recipe"]["steps"] == 4 and facts["recipe"]["seed"] == 0
    assert facts["data"] == {
        "name": "groceries",
        "fingerprint": "noise",
        "classes": 81,
        "images": 729,
        "held_out": 81,
    }
    assert len(facts["first_losses"]) == 4
    assert facts["last_loss"] == pytest.approx(sum(facts["first_losses"]) / 4, abs=1e-4)
    assert list(facts["held_out_accuracy"]) == ["1.0", "0.875", "0.75", "0.625"]
    assert facts["environment"]["threads"] == 1 and facts["environment"]["precision"] == "fp32"


def test_written_weights_load(tmp_path: Path, made: tuple[dict[str, Tensor], dict]) -> None:
    write(tmp_path / "new", *made)
    assert json.loads((tmp_path / "new" / FACTS).read_text()) == json.loads(json.dumps(made[1]))
    trunk = CompactGoogLeNet(pretrained=False)
    trunk.load(load_file(tmp_path / "new" / WEIGHTS), WEIGHTS)
    assert same({name: tensor.float() for name, tensor in made[0].items()}, trunk.weights())
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        write(tmp_path / "file", *made)


def test_loss_that_is_not_finite_stops_it(ten: Store) -> None:
    with pytest.raises(UserError, match=r"pretraining: the loss is \S+ at step \d; lower the learning rate"):
        pretrain(ten, replace(TINY, lr=1e38))


def test_batch_larger_than_the_data(ten: Store) -> None:
    with pytest.raises(UserError, match="a batch of 800 from 729 training images"):
        Pretraining(ten, replace(TINY, batch=800))


def test_command_writes_both_files(
    ten: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(stores, "open_store", lambda name: (asked.append(name), ten)[1])
    monkeypatch.setattr(pretraining, "Recipe", lambda: TINY)
    verbs.pretrain(tmp_path / "made")
    assert asked == ["glyphs-pretraining"]
    assert {path.name for path in (tmp_path / "made").iterdir()} == {WEIGHTS, FACTS}
    assert "window 0.875  held-out accuracy" in capsys.readouterr().out
