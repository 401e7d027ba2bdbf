"""DeML(I, J): what it shares, what it costs, where its scales look; U_d is DeML(1, 1) without its gate."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_runs import TinyTrunk
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from reproducible import registry
from reproducible.attention.boxes import object_boxes
from reproducible.attention.object import object_map
from reproducible.backbones.base import Backbone
from reproducible.models.deml import deml as build
from reproducible.models.ensemble import Ensemble, Zoom
from reproducible.models.unified import Unified
from reproducible.resampling import crop_resize
from reproducible.resources import UserError
from reproducible.training.seeding import initialise
from reproducible.types import Output

N, SIDE = 4, 32


def pictures(side: int = SIDE, count: int = N) -> Tensor:
    """Blotches, so that maps differ from place to place."""
    coarse = 255 * torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, size=(side, side), mode="bilinear").contiguous(memory_format=torch.channels_last)


def deml(**options: Any) -> Ensemble:
    plain = {"dim": 24, "at": "low", "hidden": 4, "layers": ("low", "high")}
    plain |= {} if options.get("gate") == "none" else {"layers": ("high",)}
    model = build(TinyTrunk(), **{**plain, **options})
    initialise(model, 3)
    return model.eval()


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def halves(trunk: Backbone) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Images to the maps that gates stand behind, and those to the last."""
    head, tail = trunk.part(until="low").eval(), trunk.part("low").eval()
    return lambda images: head(images)["low"], lambda maps: tail(maps)["high"]


def window(image: Tensor, fractions: Tensor, size: int = SIDE) -> Tensor:
    """Windows of images as the data path would cut them."""
    return crop_resize(image.permute(0, 2, 3, 1), fractions * image.shape[2], size)


def test_unified_is_deml_1_1_without_its_gate() -> None:
    unified, plain = Unified(TinyTrunk(), 24), deml(scales=1, branches=1, gate="none")
    initialise(unified, 5)
    plain.scales[0].learners[0].load_state_dict(unified.learner.state_dict())
    wanted, found = unified(pictures()), plain(pictures())
    assert torch.equal(found.embedding, wanted.embedding)
    for name in ("learners", "weights", "inputs"):
        assert all(torch.equal(a, b) for a, b in zip(getattr(found, name), getattr(wanted, name), strict=True))
    for name, feature in wanted.features.items():
        assert torch.equal(found.features[name], feature)
    assert count(unified) == count(plain)
    gradients = [
        torch.autograd.grad(out.learners[0].sum(), m.parameters()) for m, out in ((unified, wanted), (plain, found))
    ]
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_deml_1_1_starts_from_the_learner_of_u_d() -> None:
    unified, gated = Unified(TinyTrunk(), 24), deml(scales=1, branches=1)
    initialise(unified, 3)  # the seed of deml()
    assert torch.equal(gated.scales[0].learners[0].weight, unified.learner.weight)


def test_each_branch_is_its_gate_the_tail_and_its_learner() -> None:
    model = deml(scales=1, branches=3, shared_learner=False)
    output = model(pictures())
    head, tail = halves(model.scales[0].trunk)
    low = head(pictures())
    gates = model.scales[0].gates(low)
    for j, learned in enumerate(output.learners):
        pooled = tail(low * gates[j]).mean((2, 3))
        torch.testing.assert_close(output.inputs[j], pooled)
        torch.testing.assert_close(learned, pooled @ output.weights[j].T)
    torch.testing.assert_close(output.attention["gate_1"], gates[..., 0, 0].transpose(0, 1))


@pytest.mark.parametrize(("scales", "branches", "size"), [(1, 1, 24), (2, 2, 6), (3, 3, 2), (1, 5, 4)])
def test_embedding_is_the_unit_learners_side_by_side(scales: int, branches: int, size: int) -> None:
    output = deml(scales=scales, branches=branches)(pictures())
    assert [tuple(x.shape) for x in output.learners] == [(N, size)] * (scales * branches)
    joined = torch.cat([F.normalize(x, dim=1) for x in output.learners], dim=1)
    torch.testing.assert_close(output.embedding, F.normalize(joined, dim=1))
    of_scale = torch.cat([F.normalize(x, dim=1) for x in output.learners[-branches:]], dim=1)
    torch.testing.assert_close(output.features[f"scale_{scales}"], F.normalize(of_scale, dim=1))


def test_what_is_shared() -> None:
    own, one = deml(scales=2, branches=2), deml(scales=2, branches=2, shared_trunk=True)
    assert one.scales[0].trunk is one.scales[1].trunk
    trunks = [list(scale.trunk.parameters()) for scale in own.scales]
    assert all(a is not b and torch.equal(a, b) for a, b in zip(*trunks, strict=True))  # the same start
    shared, separate = own(pictures()).weights, deml(scales=2, branches=2, shared_learner=False)(pictures()).weights
    assert shared[0] is shared[1]
    assert shared[0] is not shared[2]
    assert len({id(w) for w in separate}) == 4


def test_plain_heads_see_the_same_features() -> None:
    output = deml(scales=1, branches=3, gate="none", shared_learner=False)(pictures())
    assert all(torch.equal(given, output.inputs[0]) for given in output.inputs)
    assert not torch.allclose(output.learners[0], output.learners[1])


def test_deml_on_a_trunk_that_is_no_googlenet() -> None:
    """EfficientNet-Lite0 with initial values: gates at a sixteenth of the side, attention there and at the last map."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trunk = registry.build("backbone", "efficientnet_lite0", pretrained=False)
    with pytest.raises(UserError, match=r"has no stage 'pool3'\..* Known: blocks_0, .*, conv_head"):
        build(trunk, 2, 2, dim=32)
    model = build(trunk, 2, 2, dim=32, at="blocks_3", layers=("blocks_4", "conv_head"))
    initialise(model, 3)
    output = model.train()(pictures(64), pictures(128))
    found = output.attention
    assert found["gate_2"].shape == (N, 2, trunk.channels["blocks_3"])
    masses = [found["map_1_blocks_4"], found["map_1_conv_head"]]
    assert [mass.shape for mass in masses] == [(N, 8, 8), (N, 4, 4)]
    torch.testing.assert_close(128 * found["window_2"], object_boxes(masses, 128)[0].float())
    assert (found["window_2"][:, 2:] - found["window_2"][:, :2]).mean() < 0.95
    assert output.embedding.shape == (N, 32)
    torch.testing.assert_close(output.embedding.norm(dim=1), torch.ones(N))
    sum(x.square().mean() for x in output.learners).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def flops(model: Ensemble, *inputs: Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(*inputs)
    return counter.get_total_flops()


def test_branches_cost_at_most_their_tail_passes() -> None:
    """One head for all: what J branches add to one is J - 1 gates, tails and learners."""
    one = deml(scales=1, branches=1, dim=4)
    _, tail = halves(one.scales[0].trunk)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        tail(torch.zeros(N, 8, 8, 8))
    tail_cost = counter.get_total_flops()
    gate_cost, learner_cost = N * 2 * (2 * 8 * 4), N * 2 * 12 * 4
    for branches in (4, 8):
        added = flops(deml(scales=1, branches=branches, dim=4 * branches), pictures()) - flops(one, pictures())
        assert added <= (branches - 1) * (tail_cost + gate_cost + learner_cost)


@pytest.mark.parametrize("source", ["first", "mean"])
def test_second_scale_sees_the_box_of_the_first_one_s_maps(source: str) -> None:
    model = deml(scales=2, branches=2, source=source)
    output = model(pictures())
    head, tail = halves(model.scales[0].trunk)
    low = head(pictures())
    branches = [tail(low * gate) for gate in model.scales[0].gates(low)]
    maps = object_map(branches[0] if source == "first" else sum(branches) / 2)
    torch.testing.assert_close(output.attention["map_1_high"], maps)
    boxes, whole = object_boxes([maps], SIDE)
    torch.testing.assert_close(output.attention["window_2"], boxes / SIDE)
    assert output.attention["whole_2"].flatten().tolist() == whole.float().tolist() == [0.0] * N
    assert not output.attention["map_1_high"].requires_grad
    seen = window(pictures(), boxes / SIDE)
    second = deml(scales=1, branches=2, dim=12)
    second.scales[0].load_state_dict(model.scales[1].state_dict())
    torch.testing.assert_close(second(seen).learners[1], output.learners[3])


def test_third_scale_looks_inside_the_second_one_s_window() -> None:
    found = deml(scales=3, branches=1)(pictures()).attention
    second, third = found["window_2"], found["window_3"]
    assert (third[:, :2] >= second[:, :2] - 1e-6).all()
    assert (third[:, 2:] <= second[:, 2:] + 1e-6).all()
    assert not torch.allclose(second, third)


def test_view_is_what_attention_looks_at_and_zooms_into() -> None:
    model, view = deml(scales=2, branches=2), pictures(64)
    output = model(pictures(), view)
    first = deml(scales=1, branches=2, dim=12)
    first.scales[0].load_state_dict(model.scales[0].state_dict())
    head, tail = halves(first.scales[0].trunk)
    low = head(view)
    maps = object_map(tail(low * first.scales[0].gates(low)[0]))
    torch.testing.assert_close(output.attention["map_1_high"], maps)
    boxes, _ = object_boxes([maps], 64)
    torch.testing.assert_close(output.attention["window_2"], boxes / 64)
    torch.testing.assert_close(output.learners[0], model(pictures()).learners[0])  # the first scale sees the images
    second = deml(scales=1, branches=2, dim=12)
    second.scales[0].load_state_dict(model.scales[1].state_dict())
    torch.testing.assert_close(second(window(view, boxes / 64)).learners[0], output.learners[2])


@pytest.mark.parametrize("zoom", ["full", "centre", "random"])
def test_control_streams(zoom: str) -> None:
    output: Output = deml(scales=2, branches=1, zoom=zoom, gate="none")(pictures())
    if zoom == "full":
        assert torch.equal(output.inputs[0], output.inputs[1])  # trunks start alike
        return
    found = output.attention["window_2"]
    torch.testing.assert_close(found[:, 2:] - found[:, :2], torch.full((N, 2), 0.75))
    assert (found >= 0).all()
    assert (found <= 1).all()
    if zoom == "centre":
        assert found.tolist() == [[0.125, 0.125, 0.875, 0.875]] * N
    else:
        assert len({tuple(row) for row in found.tolist()}) == N
    torch.testing.assert_close(
        output.inputs[1], TinyTrunk()(window(pictures(), found))["high"].mean((2, 3)), atol=1e-5, rtol=1e-5
    )


def test_zoom_on_the_known_object() -> None:
    boxes = torch.tensor([[0.25, 0.0, 0.75, 0.5]]).expand(N, 4)
    model = deml(scales=2, branches=1, zoom="object", gate="none")
    output, view = model(pictures(), pictures(48), boxes), pictures(48)
    assert torch.equal(output.attention["window_2"], boxes)
    alone = Unified(model.scales[1].trunk, 12)
    alone.learner = model.scales[1].learners[0]
    torch.testing.assert_close(output.features["scale_2"], alone.eval()(window(view, boxes)).embedding)
    with pytest.raises(UserError, match=r"needs the boxes of the objects; set data\.boxes to true"):
        model(pictures())


def test_look_leaves_no_trace_in_running_statistics() -> None:
    """Of a trunk with batch normalisation; the view is larger than the input."""
    trunk = TinyTrunk()
    trunk.stages["low"] = nn.Sequential(trunk.stages["low"], nn.BatchNorm2d(trunk.channels["low"]))
    looking = build(trunk, 2, 1, 8, at="low", hidden=4, layers=("high",))
    initialise(looking, 0)
    blind = copy.deepcopy(looking)
    blind.zoom = Zoom("full")
    looking.train()(pictures(), pictures(48))
    blind.train()(pictures(), pictures(48))
    first, second = (dict(model.scales[0].trunk.named_buffers()) for model in (looking, blind))
    assert int(first["stages.low.1.num_batches_tracked"]) == 1
    for name, value in first.items():
        assert torch.equal(value, second[name])
    assert looking.training
    assert looking.scales[0].trunk.stages["low"].training


def test_random_window_hangs_on_the_image_alone_and_lies_anywhere() -> None:
    model, images = deml(scales=2, branches=1, zoom="random"), pictures(count=64)
    together = model(images).attention["window_2"]
    torch.testing.assert_close(model(images[5:6]).attention["window_2"], together[5:6], atol=1e-3, rtol=0)
    assert (4 * together[:, :2]).mean(0).tolist() == pytest.approx([0.5, 0.5], abs=0.15)
    assert (4 * together[:, :2]).std(0).tolist() == pytest.approx([12**-0.5] * 2, abs=0.08)


@pytest.mark.parametrize("zoom", ["full", "attention"])
def test_double_precision_stays(zoom: str) -> None:
    model = deml(scales=2, branches=2, zoom=zoom)
    wanted, found = model(pictures()), model.double()(pictures().double())
    assert found.embedding.dtype == found.inputs[0].dtype == found.attention["gate_1"].dtype == torch.float64
    torch.testing.assert_close(found.embedding.float(), wanted.embedding, rtol=1e-3, atol=1e-4)


def test_constant_images_stay_whole_and_are_counted() -> None:
    images = pictures()
    images[1] = 90.0
    found = deml(scales=2, branches=1, gate="none")(images).attention
    assert found["whole_2"].tolist() == [[0.0], [1.0], [0.0], [0.0]]
    assert found["window_2"][1].tolist() == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"gate": "pool"},
            r"DeML.gate must be one of pooled, unpooled, .*, none, got 'pool'. Did you mean 'pooled'\?",
        ),
        ({"zoom": "center"}, r"DeML.zoom must be one of .* Did you mean 'centre'\?"),
        ({"form": "row"}, r"DeML.form must be .* Did you mean 'rows'\?"),
        ({"source": "last"}, r"DeML.source must be one of first, mean, got 'last'"),
        ({"scales": 0}, r"DeML.scales must be at least 1, got 0"),
        ({"branches": 5, "dim": 9}, r"DeML.dim must be at least scales x branches = 10, got 9"),
        ({"training": "none"}, r"DeML.training must be one of usual, trained, frozen, got 'none'"),
        ({"gate": "none", "branches": 2}, r"DeML.shared_learner must be false for ungated heads"),
        ({"at": "middle"}, r"TinyTrunk has no stage 'middle'"),
        ({"layers": ("low",)}, r"DeML.layers must be behind the gates at low, got 'low'"),
        ({"layers": ()}, r"DeML.layers must be at least one stage, got \(\)"),
        ({"at": "high", "scales": 1}, r"DeML.at must be a stage before the last, high, got 'high'"),
        ({"gate": "trunk"}, r"TinyTrunk has no stage '4e'"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        build(TinyTrunk(), **{"scales": 2, "branches": 1, "dim": 24, "at": "low", "layers": ("high",), **options})
