"""DIABLO as a model against Eq. 1 to 13 written out, in double precision: outputs and gradients to 1e-12."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from reproducible.attention.dictionary import DictionaryGates, hard_assignment
from reproducible.backbones.base import Backbone
from reproducible.models.head import head
from reproducible.training.seeding import initialise
from tests.reference import diablo as written

BRANCHES, ALPHA = 3, 7.0


class Few(Backbone):
    """Stages with GoogLeNet's names, one 1x1 convolution with a rectifier each."""

    def __init__(self) -> None:
        widths = {"pool3": 3, "4e": 4, "pool4": 4, "5a": 3, "5b": 5}
        stages, before = {}, 3
        for name, width in widths.items():
            stages[name] = nn.Sequential(nn.Conv2d(before, width, 1), nn.Softplus())
            before = width
        super().__init__(stages, widths, mean=(0.0, 0.0, 0.0), bgr=False)
        stream = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            nn.init.normal_(parameter, generator=stream)


def as_written(stage: nn.Sequential, maps: written.Map) -> list[list[list[Tensor]]]:
    """One such stage, position by position."""
    weight, bias = stage[0].weight[:, :, 0, 0], stage[0].bias
    return [
        [[torch.log1p(torch.exp(sum(w * x for w, x in zip(row, feature, strict=True)) + b))
          for row, b in zip(weight, bias, strict=True)] for feature in line]
        for line in maps
    ]  # fmt: skip


def through(trunk: Backbone, maps: written.Map, *stages: str) -> written.Map:
    for name in stages:
        maps = as_written(trunk.stages[name], maps)
    return maps


@pytest.mark.parametrize("place", ["pre", "post"])
@pytest.mark.parametrize("per", ["feature", "dimension"])
def test_model_is_the_equations(per: str, place: str) -> None:
    model = head(Few(), 6, BRANCHES, gate=per, place=place, alpha=ALPHA).double()
    initialise(model, 1)
    with torch.no_grad():
        model.scales[0].gates.entries.mul_(1.7)  # of any length
        for parameter in model.scales[0].own.parameters():
            parameter.mul_(1.1)  # apart from the trunk's
    images = torch.rand(2, 3, 2, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    scale = model.scales[0]
    found = model(images).embedding
    rows = []
    for image in images:
        seen = through(scale.trunk, list(image.permute(1, 2, 0)), "pool3")
        if place == "pre":
            phi, channels = through(scale.own, seen, "4e"), 3
        else:
            seen = through(scale.trunk, seen, "4e", "pool4")
            phi, channels = through(scale.own, seen, "5a", "5b"), 5
        entries = scale.gates.entries.view(BRANCHES, -1, scale.gates.entries.shape[1])
        attention = written.select(phi, entries, channels, ALPHA)
        behind = ("4e", "pool4", "5a", "5b") if place == "pre" else ("5a", "5b")
        maps = getattr(written, place)(
            seen, attention, lambda given, behind=behind: through(scale.trunk, given, *behind)
        )
        rows.append(torch.stack(written.embedded(maps, [learner.weight for learner in scale.learners])))
    expected = torch.stack(rows)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    trained = list(model.parameters())
    gradients = [torch.autograd.grad(value.cumsum(1).square().sum(), trained) for value in (found, expected)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    assert all(gradient.abs().sum() > 0 for gradient in gradients[0])


def test_kronecker_products_are_the_merging() -> None:
    """Eq. 9 and 13 say what Eq. 8 and 12 do, entry after entry."""
    stream = torch.Generator().manual_seed(3)
    feature, weights = (list(torch.rand(n, generator=stream, dtype=torch.float64)) for n in (4, 3))
    wise = [list(torch.rand(4, generator=stream, dtype=torch.float64)) for _ in range(3)]
    merged = written.merge([[feature]], [[[[a] * 4]] for a in weights])
    assert written.kronecker(weights, feature) == [x for maps in merged for x in maps[0][0]]
    merged = written.merge([[feature]], [[[of_entry]] for of_entry in wise])
    assert written.duplicated(feature, wise) == [x for maps in merged for x in maps[0][0]]


def test_hard_assignment_is_eq_6() -> None:
    torch.manual_seed(0)
    gates = DictionaryGates(4, 5, BRANCHES, "feature").double()
    maps = torch.randn(1, 4, 3, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    found, entries = hard_assignment(gates(maps)), list(gates.entries[:, :, 0, 0])
    for i in range(3):
        for j in range(2):
            assert found[:, 0, 0, i, j].tolist() == written.hard(list(maps[0, :, i, j]), entries)
