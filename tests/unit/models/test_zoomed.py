"""A network behind a window: the window is DeML's, the network behind it is U_d or the pretrained one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_runs import TinyTrunk
from torch import Tensor

from reproducible.attention.boxes import object_boxes
from reproducible.attention.object import object_map
from reproducible.config import OptimiserConfig
from reproducible.models.unified import Unified
from reproducible.models.untouched import Untouched
from reproducible.models.zoomed import Zoomed
from reproducible.resampling import crop_resize
from reproducible.resources import UserError
from reproducible.training.optim import build_optimiser
from reproducible.training.seeding import initialise

SIDE, VIEW = 32, 48


def pictures(side: int) -> Tensor:
    coarse = 255 * torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    return F.interpolate(coarse, size=(side, side), mode="bilinear").contiguous(memory_format=torch.channels_last)


def zoomed(**options: Any) -> Zoomed:
    model = Zoomed(TinyTrunk(), **{"dim": 8, "layers": ("low", "high"), **options})
    initialise(model, 3)
    return model.eval()


def windows(maps: dict[str, Tensor], side: int) -> Tensor:
    return object_boxes([object_map(maps["low"]), object_map(maps["high"])], side)[0]


def test_the_network_sees_the_object_cut_out_of_the_view_and_nothing_else() -> None:
    model, view = zoomed(), pictures(VIEW)
    trunk = TinyTrunk()
    boxes = windows(trunk(view, ("low", "high")), VIEW)
    assert (boxes[:, 2:] - boxes[:, :2]).float().mean() < 0.95 * VIEW  # there is something to zoom into
    plain = Unified(trunk, 8)
    plain.learner.load_state_dict(model.inner.learner.state_dict())
    wanted = plain(crop_resize(view.permute(0, 2, 3, 1), boxes.float(), SIDE))
    found = model(pictures(SIDE), view)
    torch.testing.assert_close(found.embedding, wanted.embedding, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.attention["window_2"] * VIEW, boxes.float())
    other = model(torch.rand(5, 3, SIDE, SIDE), view)
    assert torch.equal(other.embedding, found.embedding)


def test_it_starts_from_the_values_that_u_d_starts_from() -> None:
    plain = Unified(TinyTrunk(), 8)
    initialise(plain, 3)
    assert torch.equal(zoomed().inner.learner.weight, plain.learner.weight)


def test_without_a_view_attention_looks_at_the_input() -> None:
    images = pictures(SIDE)
    assert torch.equal(zoomed()(images).embedding, zoomed()(images, images).embedding)


def test_elsewhere_is_as_large_and_hangs_on_the_image_alone() -> None:
    images, view = pictures(SIDE), pictures(VIEW)
    here, there = (zoomed(place=place)(images, view).attention["window_2"] for place in ("object", "elsewhere"))
    torch.testing.assert_close(there[:, 2:] - there[:, :2], here[:, 2:] - here[:, :2])
    assert there.min() >= 0
    assert there.max() <= 1
    moved = (there - here).abs().amax(dim=1)
    assert (moved > 0.01).sum() >= 3
    alone = zoomed(place="elsewhere")(images[2:3], view[2:3]).attention["window_2"]
    torch.testing.assert_close(alone, there[2:3])


def test_untouched_and_both_are_the_pooled_features_of_image_and_window() -> None:
    images, view = pictures(SIDE), pictures(VIEW)
    trunk = TinyTrunk()
    boxes = windows(trunk(view, ("low", "high")), VIEW)
    network = Untouched(trunk)
    whole, part = (
        network(images).embedding,
        network(crop_resize(view.permute(0, 2, 3, 1), boxes.float(), SIDE)).embedding,
    )
    torch.testing.assert_close(zoomed(dim=0)(images, view).embedding, part, rtol=1e-5, atol=1e-6)
    both = zoomed(dim=0, both=True)(images, view).embedding
    torch.testing.assert_close(both.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(both @ both.T, (whole @ whole.T + part @ part.T) / 2, rtol=1e-5, atol=1e-6)


def test_the_network_that_attention_looks_through_stays_pretrained_or_is_the_trained_one() -> None:
    frozen, own = zoomed(), zoomed(looks="trained")
    images = pictures(SIDE)
    before = frozen(images).attention["window_2"]
    for model in (frozen, own):
        optimiser = build_optimiser(model, torch.nn.Module(), OptimiserConfig(lr=0.3))
        held = {id(p) for group in optimiser.param_groups for p in group["params"]}
        assert held == {id(p) for p in model.inner.parameters()}
        for parameter in model.inner.backbone.parameters():
            parameter.data.neg_()
    assert torch.equal(frozen(images).attention["window_2"], before)
    assert not torch.equal(own(images).attention["window_2"], before)
    assert not frozen.train().looker.training
    assert frozen.inner.training


def test_no_gradient_passes_through_the_window() -> None:
    model = zoomed(looks="trained").train()
    images = pictures(SIDE).requires_grad_()
    output = model(images)
    assert not output.attention["window_2"].requires_grad
    assert not output.attention["map_1_low"].requires_grad
    output.embedding.sum().backward()
    assert model.inner.learner.weight.grad is not None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"place": "objects"}, "object, elsewhere"),
        ({"looks": "own"}, "pretrained, trained"),
        ({"form": "row"}, "rows"),
        ({"both": True}, "dim must be 0 where both is true, got 8"),
        ({"layers": ("lower",)}, "low"),
        ({"layers": ()}, "layers must be at least one stage"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        zoomed(**options)
