"""The compact backbone: its stages, its preprocessing, frozen and moving statistics, its file of weights."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from reproducible import registry
from reproducible.backbones.bvlc import BVLCGoogLeNet
from reproducible.backbones.compact import WEIGHTS, CompactGoogLeNet
from reproducible.resources import UserError, asset
from tests.reference import compact_googlenet

STAGES = {
    **{"conv1": 24, "pool1": 24, "conv2": 48, "3a": 64, "3b": 120, "pool3": 120},
    **{"4a": 128, "4b": 128, "4e": 208, "pool4": 208, "5b": 256},
}


@pytest.fixture(scope="module")
def network() -> CompactGoogLeNet:
    return CompactGoogLeNet().eval()


@pytest.fixture(scope="module")
def shipped() -> dict[str, Tensor]:
    return load_file(asset(WEIGHTS))


def noise(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return 255 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def statistics(network: nn.Module) -> list[Tensor]:
    return [b.clone() for name, b in network.named_buffers() if "running" in name]


def test_stages_and_channels(network: CompactGoogLeNet) -> None:
    assert network.channels == STAGES
    assert list(network.stages) == list(STAGES)
    assert network.last == "5b"
    assert sum(p.numel() for p in network.parameters()) == 228_792


def test_stages_are_those_of_googlenet_in_its_order(network: CompactGoogLeNet) -> None:
    theirs = list(BVLCGoogLeNet(pretrained=False).stages)
    assert [name for name in theirs if name in network.stages] == list(network.stages)
    assert {"pool3", "4a", "4b", "4e", "pool4", "5b"} <= set(network.stages)  # where the documents split


@pytest.mark.parametrize(
    ("side", "sides"),
    [
        (32, {"conv1": 16, "pool1": 8, "3b": 8, "pool3": 4, "4e": 4, "pool4": 4, "5b": 4}),
        (33, {"conv1": 17, "pool1": 9, "3b": 9, "pool3": 5, "4e": 5, "pool4": 5, "5b": 5}),
        (48, {"conv1": 24, "pool1": 12, "3b": 12, "pool3": 6, "4e": 6, "pool4": 6, "5b": 6}),
        (64, {"conv1": 32, "pool1": 16, "3b": 16, "pool3": 8, "4e": 8, "pool4": 8, "5b": 8}),
    ],
)
def test_spatial_sizes(network: CompactGoogLeNet, side: int, sides: dict[str, int]) -> None:
    with torch.no_grad():
        maps = network(noise(1, 3, side, side), collect=tuple(sides))
    assert {name: tuple(found.shape) for name, found in maps.items()} == {
        name: (1, STAGES[name], wanted, wanted) for name, wanted in sides.items()
    }


def test_equals_the_network_written_out(shipped: dict[str, Tensor]) -> None:
    """Every stage in double precision, at two sizes, one of them odd."""
    network = CompactGoogLeNet().double().eval()
    for side in (48, 37):
        images = noise(2, 3, side, side, dtype=torch.float64)
        with torch.no_grad():
            ours = network(images, collect=tuple(STAGES))
        literal = compact_googlenet.maps(images, shipped)
        assert list(literal) == list(STAGES)
        for name, expected in literal.items():
            torch.testing.assert_close(ours[name], expected, rtol=1e-10, atol=1e-10, msg=f"{name} at {side}")


def test_single_precision_is_as_close_as_rounding_allows(network: CompactGoogLeNet, shipped: dict[str, Tensor]) -> None:
    images = noise(2, 3, 48, 48)
    with torch.no_grad():
        found = network(images)["5b"]
    torch.testing.assert_close(
        found.double(), compact_googlenet.maps(images.double(), shipped)["5b"], rtol=0, atol=1e-4
    )


def test_gradient_is_the_slope() -> None:
    """Along a random direction of the images and of the parameters, frozen as in training."""
    network, images = CompactGoogLeNet().double(), noise(2, 3, 32, 32, dtype=torch.float64).requires_grad_()
    moved = [images, *network.parameters()]
    weights = noise(2, 256, 4, 4, dtype=torch.float64, seed=1)

    def value() -> Tensor:
        return (network(images)["5b"] * weights).mean()

    gradients = torch.autograd.grad(value(), moved)
    stream = torch.Generator().manual_seed(2)
    directions = [torch.randn(t.shape, generator=stream, dtype=torch.float64) for t in moved]
    expected = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True))
    ends = []
    with torch.no_grad():
        for shift in (1e-8, -2e-8):
            for tensor, direction in zip(moved, directions, strict=True):
                tensor += shift * direction
            ends.append(value())
    torch.testing.assert_close((ends[0] - ends[1]) / 2e-8, expected, rtol=1e-4, atol=0)


def test_channels_last_computes_the_same(network: CompactGoogLeNet) -> None:
    images = noise(2, 3, 48, 48)
    last = CompactGoogLeNet().eval().to(memory_format=torch.channels_last)
    with torch.no_grad():
        plain, found = network(images)["5b"], last(images.contiguous(memory_format=torch.channels_last))["5b"]
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-4)


def test_half_precision_trunk_is_close(network: CompactGoogLeNet) -> None:
    images = noise(4, 3, 48, 48)
    with torch.no_grad():
        exact = network(images)["5b"].mean(dim=(2, 3))
        with torch.autocast("cpu", torch.bfloat16):
            rounded = network(images)["5b"].float().mean(dim=(2, 3))
    assert nn.functional.cosine_similarity(exact, rounded).min() > 0.999


@pytest.mark.parametrize("stage", ["pool1", "pool3", "4a", "4b", "4e", "pool4"])
def test_head_and_tail_compose_to_the_whole(network: CompactGoogLeNet, stage: str) -> None:
    images = noise(1, 3, 48, 48)
    head, tail = network.part(until=stage), network.part(stage)
    with torch.no_grad():
        middle = head(images)[stage]
        maps = network(images, collect=(stage, "5b"))
        torch.testing.assert_close(middle, maps[stage], rtol=0, atol=0)
        torch.testing.assert_close(tail(middle)["5b"], maps["5b"], rtol=0, atol=0)
    assert sum(p.numel() for part in (head, tail) for p in part.parameters()) == sum(
        p.numel() for p in network.parameters()
    )


def test_unknown_stage(network: CompactGoogLeNet) -> None:
    with pytest.raises(UserError, match=r"CompactGoogLeNet has no stage 'pool33'. Did you mean 'pool3'\?"):
        network.part("pool33")


def test_preprocessing_keeps_red_first(network: CompactGoogLeNet) -> None:
    image = torch.tensor([0.0, 127.5, 255.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    assert network.preprocess(image)[0, :, 0, 0].tolist() == [-2, 0, 2]
    assert image[0, :, 0, 0].tolist() == [0, 127.5, 255]


def test_frozen_statistics_make_training_the_same_network_as_evaluation(network: CompactGoogLeNet) -> None:
    images, training = noise(4, 3, 48, 48), CompactGoogLeNet().train()
    before = statistics(training)
    torch.testing.assert_close(training(images)["5b"], network(images)["5b"], rtol=0, atol=0)
    alone = torch.cat([training(image[None])["5b"] for image in images])
    torch.testing.assert_close(training(images)["5b"], alone, rtol=1e-4, atol=1e-4)  # whatever else is in the batch
    for kept, now in zip(before, statistics(training), strict=True):
        torch.testing.assert_close(kept, now, rtol=0, atol=0)


def test_frozen_statistics_leave_scales_and_shifts_to_train() -> None:
    network = CompactGoogLeNet().train()
    network(noise(2, 3, 48, 48))["5b"].square().mean().backward()
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 26
    assert all(m.weight.grad.abs().sum() > 0 and m.bias.grad.abs().sum() > 0 for m in norms)


def test_frozen_statistics_hold_in_a_copied_tail() -> None:
    """A model may keep a tail of its own, outside the trunk, and switch it to training."""
    network = CompactGoogLeNet().eval()
    own = nn.ModuleList([network.part("pool3")]).train()
    before, middle = statistics(own), noise(3, 120, 6, 6) / 255
    torch.testing.assert_close(own[0](middle)["5b"], network.walk(middle, "pool3")["5b"], rtol=0, atol=0)
    for kept, now in zip(before, statistics(own), strict=True):
        torch.testing.assert_close(kept, now, rtol=0, atol=0)


def test_batch_statistics_move_in_training_only() -> None:
    network, images = registry.build("backbone", "compact_googlenet", batch_statistics=True), noise(6, 3, 48, 48)
    stem = network.stages["conv1"][:2]
    trained = stem.train()(network.preprocess(images))
    norm = stem[1]
    standard = (trained - norm.bias.view(1, -1, 1, 1)) / norm.weight.view(1, -1, 1, 1)
    torch.testing.assert_close(standard.mean(dim=(0, 2, 3)), torch.zeros(24), rtol=0, atol=1e-4)
    torch.testing.assert_close(standard.var(dim=(0, 2, 3), correction=0), torch.ones(24), rtol=0, atol=1e-3)
    before = statistics(network)
    network.eval()(images)
    assert all(torch.equal(kept, now) for kept, now in zip(before, statistics(network), strict=True))
    network.train()(images)
    assert not any(torch.equal(kept, now) for kept, now in zip(before, statistics(network), strict=True))


def test_shipped_tensors_are_the_trunk_in_half_precision(shipped: dict[str, Tensor]) -> None:
    assert {t.dtype for t in shipped.values()} == {torch.float16}
    assert sum(t.numel() for t in shipped.values()) == 228_792 + 2 * 1_216
    assert all(torch.isfinite(t).all() for t in shipped.values())
    assert asset(WEIGHTS).stat().st_size < 1e6


def test_weights_are_the_shipped_ones_widened(network: CompactGoogLeNet, shipped: dict[str, Tensor]) -> None:
    ours = network.weights()
    assert set(ours) == set(shipped)
    for name, tensor in ours.items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, shipped[name].float(), rtol=0, atol=0)


def test_without_pretrained_weights_it_differs(network: CompactGoogLeNet) -> None:
    fresh = CompactGoogLeNet(pretrained=False)
    assert not torch.equal(fresh.stages["5b"].three[0].weight, network.stages["5b"].three[0].weight)


def test_missing_surplus_and_misshapen_tensors(shipped: dict[str, Tensor]) -> None:
    network = CompactGoogLeNet(pretrained=False)
    before = {name: tensor.clone() for name, tensor in network.weights().items()}
    name = "stages.4b.three.1.running_var"
    lacking = {key: tensor for key, tensor in shipped.items() if key != name}
    with pytest.raises(UserError, match=rf"my.file: tensor '{name}' should have shape \(56,\), found None"):
        network.load(lacking, "my.file")
    with pytest.raises(UserError, match=r"tensor 'fc.weight' should have shape None, found \(300, 256\)"):
        network.load({**shipped, "fc.weight": torch.zeros(300, 256)}, "my.file")
    with pytest.raises(UserError, match=rf"'{name}' should have shape \(56,\), found \(55,\)"):
        network.load({**shipped, name: torch.zeros(55)}, "my.file")
    for key, tensor in network.weights().items():
        torch.testing.assert_close(tensor, before[key], rtol=0, atol=0)
