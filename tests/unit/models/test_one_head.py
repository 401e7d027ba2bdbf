"""ABE, DIABLO and DeML's channel attention, each written out on a trunk, are one head with switches (claim X06); what
the head costs in parameters and memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.backbones.bvlc import BVLCGoogLeNet
from reproducible.backbones.compact import CompactGoogLeNet
from reproducible.models.head import head
from reproducible.models.unified import Unified
from reproducible.training.seeding import initialise

N, J, D = 3, 4, 8


def pictures(count: int = N) -> Tensor:
    coarse = 255 * torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, size=(48, 48), mode="bilinear")


def abe(model: nn.Module, seen: Tensor) -> list[Tensor]:
    """Kim et al., section 3: G(S(x) * A_m(S(x))), A_m a trunk that all share, a 1x1 convolution and a sigmoid."""
    scale, found = model.scales[0], []
    inside = scale.own.walk(seen, "pool3", ("4e",))["4e"]
    size = len(scale.gates.excite.weight) // J
    for m in range(J):
        rows = slice(m * size, (m + 1) * size)
        attention = torch.sigmoid(F.conv2d(inside, scale.gates.excite.weight[rows], scale.gates.excite.bias[rows]))
        pooled = scale.trunk.walk(seen * attention, "pool3")["5b"].mean((2, 3))
        found.append(pooled @ scale.learners[0].weight.T)
    return found


def diablo(model: nn.Module, seen: Tensor) -> list[Tensor]:
    """Section 3: a softmax over entries of the cosine with phi, for each channel; a learner for each branch."""
    scale, found = model.scales[0], []
    phi = F.normalize(scale.own.walk(seen, "pool3", ("4e",))["4e"], dim=1)
    entries = F.normalize(scale.gates.entries.view(J, seen.shape[1], -1), dim=2)
    attention = torch.einsum("jkm,nmhw->jnkhw", entries, phi).mul(10).softmax(0)
    for n in range(J):
        pooled = scale.trunk.walk(seen * attention[n], "pool3")["5b"].mean((2, 3))
        found.append(pooled @ scale.learners[n].weight.T)
    return found


def channel_attention(model: nn.Module, seen: Tensor) -> list[Tensor]:
    """DeML section 3.2: sigma(W2 delta(W1 pooled)), a factor a channel; one learner."""
    scale, found = model.scales[0], []
    squeeze, excite = (w.view(J, -1, w.shape[1]) for w in (scale.gates.squeeze, scale.gates.excite))
    for j in range(J):
        factors = torch.sigmoid(F.relu(seen.mean((2, 3)) @ squeeze[j].T) @ excite[j].T)
        pooled = scale.trunk.walk(seen * factors[:, :, None, None], "pool3")["5b"].mean((2, 3))
        found.append(pooled @ scale.learners[0].weight.T)
    return found


@pytest.mark.parametrize(
    ("switches", "written_out"),
    [
        ({"gate": "sigmoid", "shared_learner": True}, abe),
        ({"gate": "dimension", "alpha": 10.0}, diablo),
        ({"gate": "pooled", "hidden": 16, "shared_learner": True}, channel_attention),
    ],
    ids=["abe", "diablo", "channel attention"],
)
def test_abe_diablo_and_channel_attention_are_one_head_with_switches(
    switches: dict[str, object], written_out: Callable[[nn.Module, Tensor], list[Tensor]]
) -> None:
    model = head(CompactGoogLeNet(), J * D, J, **switches)
    initialise(model, 1)
    model.eval()
    found = model(pictures()).learners
    wanted = written_out(model, model.scales[0].trunk(pictures(), ("pool3",))["pool3"])
    assert len(found) == len(wanted) == J
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found[0], found[1], atol=1e-3)


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("branches", [2, 4, 8, 16])
def test_parameters_of_diablo_on_googlenet(branches: int) -> None:
    """Beside U512: phi, 4a to 4e, 2.81 million; the dictionary, N c m; learners of 512/N dimensions add none."""
    trunk = BVLCGoogLeNet(pretrained=False)
    phi = count(trunk.part("pool3", "4e"))
    assert phi == pytest.approx(2.81e6, rel=2e-3)
    extra = count(head(trunk, 512, branches, gate="dimension")) - count(Unified(BVLCGoogLeNet(pretrained=False), 512))
    assert extra == phi + branches * 480 * 832
    if branches == 8:
        assert extra == pytest.approx(6.0e6, rel=5e-3), "printed: 3.5 million, all of phi"


def kept(run: Callable[[], object]) -> int:
    """Bytes that a forward pass keeps for the backward pass, each storage once."""
    storages: dict[int, int] = {}

    def pack(saved: Tensor) -> Tensor:
        storages[saved.untyped_storage().data_ptr()] = saved.untyped_storage().nbytes()
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        held = run()
    assert held is not None
    return sum(storages.values())


def test_memory_of_sixteen_entries_is_that_of_what_is_inevitable() -> None:
    """The activations of phi once and of psi sixteen times, and the weights of attention once."""
    model = head(CompactGoogLeNet(batch_statistics=True), 128, 16, gate="dimension").train()
    initialise(model, 1)
    scale, images = model.scales[0], pictures(4)
    with torch.no_grad():
        maps, factors = scale.look(images)
    gated = (maps * factors).flatten(0, 1).requires_grad_()
    inevitable = kept(lambda: scale.trunk.walk(gated, "pool3"))
    inevitable += kept(lambda: scale.own(maps)) + kept(lambda: scale.trunk(images, ("pool3",)))
    inevitable += factors.numel() * factors.element_size()
    whole = kept(lambda: model(images))
    assert 0.9 < whole / inevitable < 1.3
    assert whole / inevitable == pytest.approx(1.07, abs=0.01), "as page diablo says"
