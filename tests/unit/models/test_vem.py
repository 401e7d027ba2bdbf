"""VEM and its controls on a small trunk: the embedding of a plain head, and where each arm differs from another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_runs import TinyTrunk, make_store, register, training
from torch import Tensor

from reproducible import registry
from reproducible.config import Component, Term
from reproducible.models.unified import Unified
from reproducible.models.vem import VEM
from reproducible.resources import UserError
from reproducible.training.seeding import initialise
from reproducible.types import Output

STATIC = [
    (gate, place)
    for gate in ("variance", "inverse_variance", "fixed", "none")
    for place in ("pooled", "maps", "embedding")
]
EVERY = [*STATIC, ("variance", "positions"), ("squeeze_excitation", "pooled"), ("squeeze_excitation", "embedding")]


def images(n: int = 4) -> Tensor:
    return 255 * torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def model(gate: str = "variance", place: str = "pooled", std: float = 2.0, **options: Any) -> VEM:
    """With 16 positions of 12 channels to 5 dimensions; the gate starts far from 1/2."""
    made = VEM(TinyTrunk(), 5, gate, place, 16 if place == "positions" else 0, std, **options)
    initialise(made, 0)
    return made


def parts(made: VEM) -> tuple[Tensor, Tensor, Tensor]:
    """Map, learner's weight and predicted variances, in double precision."""
    maps = made.backbone(images())["high"]
    return maps.detach().double(), made.learner.weight.detach().double(), made.attention.predicted.detach().double()


def literal(place: str, maps: Tensor, weight: Tensor, predicted: Tensor) -> tuple[Tensor, Tensor]:
    """Embedding before normalisation, and L_var, as the places are described, in loops over images."""
    gate = 1 / (1 + torch.exp(-predicted))
    pooled = torch.stack([m.flatten(1).mean(dim=1) for m in maps])
    if place == "positions":
        learned = [weight @ (m.flatten(1) * gate).mean(dim=1) for m in maps]
        samples = maps.flatten(2).flatten(0, 1)  # (N C, positions)
    elif place == "embedding":
        learned = [gate * (weight @ v) for v in pooled]
        samples = torch.stack([weight @ v for v in pooled])
    else:
        learned = [weight @ (gate * v) for v in pooled]
        samples = pooled if place == "pooled" else maps.permute(0, 2, 3, 1).flatten(0, 2)
    actual = ((samples - samples.mean(dim=0)) ** 2).mean(dim=0)
    return torch.stack(learned), ((actual - predicted) ** 2).mean()


@pytest.mark.parametrize("place", ["pooled", "maps", "positions", "embedding"])
def test_each_reading_is_that_written_out(place: str) -> None:
    made = model(place=place)
    output = made(images())
    learned, penalty = literal(place, *parts(made))
    torch.testing.assert_close(output.learners[0].double(), learned, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(output.embedding.double(), F.normalize(learned), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(output.penalties["L_var"].double(), penalty, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("gate", "place"), STATIC)
def test_folded_model_is_a_plain_head_with_the_same_embedding(gate: str, place: str) -> None:
    """To 1e-6 of each embedding in double precision; in single precision to its rounding."""
    made = model(gate, place)
    plain = made.fold()
    assert type(plain) is Unified
    torch.testing.assert_close(plain(images()).embedding, made(images()).embedding, rtol=1e-4, atol=1e-5)
    made.double()
    plain = made.fold().double()
    with torch.no_grad():
        ours, folded = (m(images().double()).learners[0] for m in (made, plain))
    assert ours.dtype == torch.float64
    assert ((ours - folded).norm(dim=1) / ours.norm(dim=1)).max() < 1e-12


@pytest.mark.parametrize("gate", ["variance", "inverse_variance"])
def test_prediction_at_a_scale_and_its_inverse(gate: str) -> None:
    """Ten times a parameter of a tenth is the same model, and moves ten times as far in a step of the same size."""
    plain, fast = model(gate), model(gate, std=0.2, scale=10.0)
    for made in (plain, fast):
        made.attention.predicted.data = torch.linspace(-2, 2, 12) / made.attention.scale
    one, other = plain(images()), fast(images())
    torch.testing.assert_close(one.embedding, other.embedding)
    torch.testing.assert_close(one.penalties["L_var"], other.penalties["L_var"])
    torch.testing.assert_close(fast.predicted_variance(), torch.linspace(-2, 2, 12))
    sign = -1 if gate == "inverse_variance" else 1
    torch.testing.assert_close(one.attention["gate"], torch.sigmoid(sign * torch.linspace(-2, 2, 12)))
    gradients = [
        torch.autograd.grad(o.penalties["L_var"], m.attention.predicted)[0] for o, m in ((one, plain), (other, fast))
    ]
    torch.testing.assert_close(10 * gradients[0], gradients[1])


def test_gates_that_do_not_fold() -> None:
    for gate, place in (("variance", "positions"), ("squeeze_excitation", "pooled")):
        with pytest.raises(UserError, match=f"gate '{gate}' at '{place}' of model 'vem' does not fold"):
            model(gate, place).fold()


def test_squeeze_and_excitation_depends_on_the_image_and_a_gate_of_variances_does_not() -> None:
    for gate, differs in (("variance", False), ("fixed", False), ("squeeze_excitation", True)):
        made = model(gate)
        conv, given = (getattr(made(images()), name) for name in ("features", "inputs"))
        factor = given[0] / conv["conv"]
        assert (factor.std(dim=0).nan_to_num().max() > 1e-4) == differs


def test_constant_and_random_gates_stay_as_they_are() -> None:
    constant, chance = model("fixed", std=0.0), model("fixed", std=1.0)
    assert torch.equal(constant(images()).attention["gate"], torch.full((12,), 0.5))
    assert chance(images()).attention["gate"].std() > 0.1
    for made in (constant, chance):
        output = made(images())
        assert not output.penalties
        output.learners[0].square().sum().backward()
        assert made.attention.predicted.grad is None


def test_predicting_without_gating_is_the_plain_model_to_the_bit() -> None:
    """While the gradient of L_var stops at the features; without the stop it reaches the trunk."""
    plain = Unified(TinyTrunk(), 5)
    initialise(plain, 0)
    outputs: dict[str, Output] = {}
    trunks: dict[str, list[Tensor]] = {}
    for name, made in (("plain", plain), ("stop", model("none")), ("flow", model("none", detach_variance=False))):
        outputs[name] = output = made(images())
        (output.learners[0].square().sum() + sum(output.penalties.values())).backward()
        trunks[name] = [p.grad for p in made.backbone.parameters()] + [made.learner.weight.grad]
    for name in ("stop", "flow"):
        assert torch.equal(outputs[name].embedding, outputs["plain"].embedding)
    assert all(torch.equal(a, b) for a, b in zip(trunks["stop"], trunks["plain"], strict=True))
    assert not torch.equal(trunks["flow"][0], trunks["plain"][0])


def test_gradient_that_stops_before_the_prediction() -> None:
    for stops in (False, True):
        made = model(detach_gate=stops)
        made(images()).learners[0].sum().backward()
        assert (made.attention.predicted.grad is None) == stops


@pytest.mark.parametrize(("gate", "place"), EVERY)
def test_every_arm_embeds_and_computes_no_variance_in_a_test(gate: str, place: str) -> None:
    made = model(gate, place)
    assert set(made(images()).penalties) == ({"L_var"} if gate in ("variance", "inverse_variance", "none") else set())
    made.eval()
    output = made(images(1))
    assert not output.penalties
    assert output.embedding.norm().item() == pytest.approx(1, abs=1e-6)


def test_learner_starts_as_that_of_the_plain_model() -> None:
    plain = Unified(TinyTrunk(), 5)
    initialise(plain, 0)
    for gate, place in EVERY:
        assert torch.equal(model(gate, place).learner.weight, plain.learner.weight)


def test_options_that_make_no_sense() -> None:
    trunk = TinyTrunk()
    with pytest.raises(
        UserError, match=r"option 'gate' of model 'vem' cannot be 'variances'. Did you mean 'variance'\?"
    ):
        registry.build("model", "vem", trunk, gate="variances")
    with pytest.raises(UserError, match=r"option 'place' of model 'vem' cannot be 'map'. Did you mean 'maps'\?"):
        registry.build("model", "vem", trunk, place="map")
    with pytest.raises(UserError, match="'positions' of model 'vem' is 49, but the last map has 4 x 4 = 16"):
        VEM(trunk, 5, place="positions", positions=49)(images())


def test_runs_from_its_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The document's objective: margin loss on sampled negatives, L_var, both weights 1; and the control without."""
    register(monkeypatch)
    monkeypatch.setenv("REPRODUCIBLE_PROGRESS", "0")
    store, vem = make_store(), Component("vem", {"dim": 6})
    both = (Term("margin", {"learn_beta": True, "classes": 81}), Term("penalty", {"name": "L_var"}))
    runs = {}
    for name, objective in (("both", both), ("again", both), ("gate", both[:1])):
        runs[name] = training(tmp_path / name, store, model=vem, objective=objective, steps=4)
        runs[name].result = runs[name].run()
    assert set(runs["both"].result["curve"][0]["terms"]) == {"margin", "L_var"}
    assert runs["both"].result["curve"] == runs["again"].result["curve"]
    predicted = {name: run.model.attention.predicted.detach() for name, run in runs.items()}
    assert torch.equal(predicted["both"], predicted["again"])
    assert not torch.equal(predicted["both"], predicted["gate"])
    beta = runs["both"].objective.terms["margin"].beta
    assert len(beta.unique()) > 1
