"""The head: U_d, DeML(1, J), ABE and the four strategies of DIABLO are points of it, each against its own equations."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from tiny_runs import TinyTrunk
from torch import Tensor, nn

from reproducible import registry
from reproducible.attention.channel import ChannelGates
from reproducible.attention.dictionary import DictionaryGates
from reproducible.attention.fixed import FixedGates
from reproducible.attention.object import object_map
from reproducible.attention.sigmoid import SigmoidGates
from reproducible.backbones.compact import CompactGoogLeNet
from reproducible.models.branches import POST, PRE, Branches, Place
from reproducible.models.ensemble import Ensemble, Zoom
from reproducible.models.unified import Unified
from reproducible.resources import UserError
from reproducible.training.seeding import initialise
from reproducible.types import Output

N = 3


def pictures(side: int = 48) -> Tensor:
    coarse = 255 * torch.rand(N, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, size=(side, side), mode="bilinear")


def started(model: nn.Module) -> nn.Module:
    initialise(model, 3)
    return model.eval()


def same(one: nn.Module, other: nn.Module, images: Tensor) -> None:
    """Outputs, and gradients whatever their parameters' names, bit for bit."""
    outputs: list[Output] = [model(images) for model in (one, other)]
    for name in ("learners", "weights", "inputs"):
        pairs = zip(*(getattr(output, name) for output in outputs), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs), name
    assert torch.equal(outputs[0].embedding, outputs[1].embedding)
    gradients = []
    for model, output in zip((one, other), outputs, strict=True):
        trained = [p for p in model.parameters() if p.requires_grad]
        found = torch.autograd.grad(output.embedding.cumsum(1).square().sum(), trained)
        gradients.append(sorted(g.double().square().sum().item() for g in found))
    assert gradients[0] == gradients[1]


def test_u_d_is_one_branch_without_a_gate() -> None:
    same(started(Unified(TinyTrunk(), 24)), started(Ensemble([Branches(TinyTrunk(), 1, 24)])), pictures())


@pytest.mark.parametrize("shared", [True, False])
def test_deml_1_j_is_one_scale_of_pooled_gates(shared: bool) -> None:
    gate = partial(ChannelGates, hidden=16)
    head = Ensemble([Branches(CompactGoogLeNet(), 4, 32, gate, Place("pool3", "pool3"), shared)])
    options = {"scales": 1, "branches": 4, "dim": 128, "hidden": 16, "shared_learner": shared}
    same(started(head), started(registry.build("model", "deml", CompactGoogLeNet(), **options)), pictures())


def test_abe_is_one_scale_of_gates_that_look_through_stages_of_their_own() -> None:
    """As the recorded option set has it."""
    head = started(Ensemble([Branches(CompactGoogLeNet(), 8, 16, SigmoidGates, PRE)]))
    options = {"scales": 1, "branches": 8, "dim": 128, "gate": "trunk"}
    same(head, started(registry.build("model", "deml", CompactGoogLeNet(), **options)), pictures())
    same(head, started(registry.build("model", "abe", CompactGoogLeNet(), dim=128)), pictures())


@pytest.mark.parametrize("place", ["pre", "post"])
@pytest.mark.parametrize("per", ["feature", "dimension"])
def test_diablo_is_its_dictionary_its_merge_and_its_learners(per: str, place: str) -> None:
    model = started(registry.build("model", "diablo", CompactGoogLeNet(), dim=24, branches=3, per=per, place=place))
    output, trunk, stages = model(pictures()), CompactGoogLeNet().eval(), {"pre": PRE, "post": POST}[place]
    seen = trunk(pictures(), (stages.looks, stages.gates))
    entries = model.scales[0].gates.entries.view(3, -1, trunk.channels[stages.through])  # of phi(f), m numbers each
    phi = F.normalize(trunk.walk(seen[stages.looks], stages.looks, (stages.through,))[stages.through], dim=1)
    factors = torch.einsum("jkm,nmhw->jnkhw", F.normalize(entries, dim=2), phi).mul(10).softmax(dim=0)
    torch.testing.assert_close(output.scales[0].factors, factors)
    assert factors.shape[2] == (1 if per == "feature" else trunk.channels[stages.gates])
    torch.testing.assert_close(output.attention["gate_1"], factors.mean((3, 4)).transpose(0, 1))
    for j in range(3):
        gated = seen[stages.gates] * factors[j]
        last = gated if place == "post" else trunk.walk(gated, "pool3")["5b"]
        torch.testing.assert_close(output.inputs[j], last.mean((2, 3)))
        torch.testing.assert_close(output.learners[j], output.inputs[j] @ output.weights[j].T)
    assert len({id(weight) for weight in output.weights}) == 3
    units = torch.cat([F.normalize(x, dim=1) for x in output.learners], dim=1)
    torch.testing.assert_close(output.embedding, F.normalize(units, dim=1))


def test_gates_stages_are_copies_that_train_apart_from_the_trunk() -> None:
    model = started(registry.build("model", "diablo", CompactGoogLeNet(), dim=24, branches=3, place="post")).train()
    own, trunk = model.scales[0].own, model.scales[0].trunk
    assert list(own.stages) == ["5b"]  # the compact network has no 5a
    assert torch.equal(own.stages["5b"].project[0].weight, trunk.stages["5b"].project[0].weight)
    model(pictures()).embedding.cumsum(1).square().sum().backward()
    ours, theirs = (of.stages["5b"].project[0].weight.grad for of in (own, trunk))
    assert ours.abs().sum() > 0 and not torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("deml", {"scales": 1, "branches": 2, "dim": 16}),
        ("deml", {"scales": 2, "branches": 1, "dim": 16, "zoom": "full"}),
        ("abe", {"dim": 16, "branches": 2}),
        ("diablo", {"dim": 16, "branches": 2, "per": "dimension"}),
        ("diablo", {"dim": 16, "branches": 2, "place": "post"}),
    ],
)
def test_models_run_from_the_maps_of_a_stage(name: str, options: dict) -> None:
    """Where the trunk begins behind pool3, its maps stand for images."""
    whole = CompactGoogLeNet().eval()
    models = [started(registry.build("model", name, trunk, **options)) for trunk in (whole, whole.part("pool3"))]
    maps = whole(pictures(), ("pool3",))["pool3"]
    for a, b in zip(models[0](pictures()).learners, models[1](maps).learners, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_attention_looks_at_gated_maps_of_the_last_stage() -> None:
    """Gates on the last map leave no stage behind them; the map itself is looked at, branch by branch."""
    trunks = [CompactGoogLeNet() for _ in range(2)]
    scales = [Branches(trunk, 2, 8, partial(DictionaryGates, per="dimension"), POST) for trunk in trunks]
    model = started(Ensemble(scales, Zoom("attention", ("5b",), "mean")))
    output = model(pictures())
    gated = trunks[0](pictures())["5b"] * output.scales[0].factors
    torch.testing.assert_close(output.attention["map_1_5b"], object_map(gated.mean(0)))
    torch.testing.assert_close(output.inputs[1], gated[1].mean((2, 3)))


def test_initial_values_are_those_of_equal_places() -> None:
    """Learners of ABE and DIABLO start from the same weights as those of DeML, whatever the gates are."""
    heads = [
        Ensemble([Branches(TinyTrunk(), 2, 8, gate, Place("low", "low"), shared_learner=False)])
        for gate in (FixedGates, SigmoidGates, DictionaryGates, None)
    ]
    weights = [torch.stack(started(head)(pictures(32)).weights) for head in heads]
    assert all(torch.equal(weights[0], other) for other in weights[1:])


def test_what_does_not_fit() -> None:
    with pytest.raises(UserError, match=r"4e give \(C, H, W\) = \(120, 6, 6\); the map of 3b is \(120, 12, 12\)"):
        Ensemble([Branches(CompactGoogLeNet(), 2, 8, SigmoidGates, Place("pool3", "3b", "4e"))])(pictures())
    with pytest.raises(UserError, match="Stage '3b' of CompactGoogLeNet does not lie behind 'pool3'"):
        Branches(CompactGoogLeNet(), 2, 8, SigmoidGates, Place("pool3", "pool3", "3b"))
    with pytest.raises(UserError, match=r"no stage 'pool5'\. Did you mean"):
        Branches(CompactGoogLeNet(), 2, 8, ChannelGates, Place("pool3", "pool5"))
    with pytest.raises(UserError, match="at least 1 branch of 1 dimension, got 8 of 0"):
        registry.build("model", "abe", CompactGoogLeNet(), dim=7)
    with pytest.raises(UserError, match=r"Head.place must be one of pre, post, got 'pos'. Did you mean 'post'\?"):
        registry.build("model", "diablo", CompactGoogLeNet(), place="pos")
