"""BVLC GoogLeNet: its stages, its preprocessing, its weights, and Caffe's network written out as oracle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from reproducible.backbones.bvlc import BVLCGoogLeNet
from reproducible.backbones.weights import read_tensors
from reproducible.data.archive import read_images
from reproducible.resources import UserError, asset
from tests.reference import caffe_googlenet

STAGES = {
    **{"conv1": 64, "pool1": 64, "conv2": 192, "pool2": 192, "3a": 256, "3b": 480, "pool3": 480},
    **{"4a": 512, "4b": 512, "4c": 512, "4d": 528, "4e": 832, "pool4": 832, "5a": 832, "5b": 1024},
}


@pytest.fixture(scope="module")
def network() -> BVLCGoogLeNet:
    return BVLCGoogLeNet().eval()


@pytest.fixture(scope="module")
def shipped() -> dict[str, Tensor]:
    return load_file(asset("bvlc_googlenet.safetensors"))


def photographs(side: int) -> Tensor:
    """Two photographs of the shipped archive, (2, 3, side, side), 0 to 255."""
    index = asset("grocery81.index.csv").read_text().splitlines()[1:]
    paths = [line.split(",")[0] for line in (index[100], index[4000])]
    squashed = [np.asarray(i.resize((side, side), Image.Resampling.BICUBIC)) for i in read_images("groceries", paths)]
    return torch.from_numpy(np.stack(squashed)).permute(0, 3, 1, 2).float()


def noise(*shape: int) -> Tensor:
    return 255 * torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def test_stages_and_channels(network: BVLCGoogLeNet) -> None:
    assert network.channels == STAGES
    assert list(network.stages) == list(STAGES)
    assert network.last == "5b"
    assert sum(p.numel() for p in network.parameters()) == 5_973_552


@pytest.mark.parametrize(
    ("side", "sides"),
    [
        (112, {"conv1": 56, "pool1": 28, "pool2": 14, "pool3": 7, "4e": 7, "pool4": 3, "5b": 3}),
        (160, {"conv1": 80, "pool1": 40, "pool2": 20, "pool3": 10, "4e": 10, "pool4": 5, "5b": 5}),
        (224, {"conv1": 112, "pool1": 56, "pool2": 28, "pool3": 14, "4e": 14, "pool4": 7, "5b": 7}),
        (227, {"conv1": 114, "pool1": 57, "pool2": 28, "pool3": 14, "4e": 14, "pool4": 7, "5b": 7}),
    ],
)
def test_spatial_sizes(network: BVLCGoogLeNet, side: int, sides: dict[str, int]) -> None:
    with torch.no_grad():
        maps = network(noise(1, 3, side, side), collect=tuple(sides))
    assert {name: tuple(found.shape) for name, found in maps.items()} == {
        name: (1, STAGES[name], wanted, wanted) for name, wanted in sides.items()
    }


def test_equals_caffes_network_written_out(network: BVLCGoogLeNet, shipped: dict[str, Tensor]) -> None:
    """Every stage, on two photographs at 224 pixels and at a side where the pools round up."""
    for side in (224, 131):
        images = photographs(side)
        with torch.no_grad():
            ours = network(images, collect=tuple(STAGES))
            literal = caffe_googlenet.blobs(images, shipped)
        assert list(literal) == list(STAGES)
        for name, expected in literal.items():
            largest = expected.abs().max().item()
            torch.testing.assert_close(ours[name], expected, rtol=1e-4, atol=1e-5 * largest, msg=f"{name} at {side}")


def test_equals_caffes_network_in_fp64(shipped: dict[str, Tensor]) -> None:
    network, images = BVLCGoogLeNet().double().eval(), photographs(64).double()
    with torch.no_grad():
        ours = network(images)["5b"]
    torch.testing.assert_close(ours, caffe_googlenet.blobs(images, shipped)["5b"], rtol=1e-11, atol=1e-11)


def test_channels_last_computes_the_same(network: BVLCGoogLeNet) -> None:
    images = noise(2, 3, 64, 64)
    last = BVLCGoogLeNet().to(memory_format=torch.channels_last)
    with torch.no_grad():
        plain, found = network(images)["5b"], last(images.contiguous(memory_format=torch.channels_last))["5b"]
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-4)


def test_collecting_one_stage_or_all_is_the_same(network: BVLCGoogLeNet) -> None:
    images = noise(1, 3, 64, 64)
    with torch.no_grad():
        together = network(images, collect=tuple(STAGES))
        for name in STAGES:
            torch.testing.assert_close(network(images, collect=(name,))[name], together[name], rtol=0, atol=0)


def test_nothing_behind_the_deepest_stage_is_computed(network: BVLCGoogLeNet) -> None:
    ran: list[str] = []
    hooks = [s.register_forward_hook(lambda *_, name=n: ran.append(name)) for n, s in network.stages.items()]
    network(noise(1, 3, 64, 64), collect=("pool2", "3a"))
    for hook in hooks:
        hook.remove()
    assert ran == ["conv1", "pool1", "conv2", "pool2", "3a"]


@pytest.mark.parametrize("stage", ["pool1", "pool3", "4b", "4e"])
def test_head_and_tail_compose_to_the_whole(network: BVLCGoogLeNet, stage: str) -> None:
    images = noise(1, 3, 64, 64)
    head, tail = network.part(until=stage), network.part(stage)
    with torch.no_grad():
        middle = head(images)[stage]
        maps = network(images, collect=(stage, "5b"))
        torch.testing.assert_close(middle, maps[stage], rtol=0, atol=0)
        torch.testing.assert_close(tail(middle)["5b"], maps["5b"], rtol=0, atol=0)
    assert sum(p.numel() for part in (head, tail) for p in part.parameters()) == sum(
        p.numel() for p in network.parameters()
    )


def test_unknown_stage(network: BVLCGoogLeNet) -> None:
    with pytest.raises(UserError, match=r"BVLCGoogLeNet has no stage 'pool33'. Did you mean 'pool3'\?"):
        network.part("pool33")
    with pytest.raises(UserError, match="no stage 'inception'"):
        network(noise(1, 3, 64, 64), collect=("inception",))


def test_preprocessing_puts_blue_first_and_subtracts_its_means(network: BVLCGoogLeNet) -> None:
    red, green, blue = 10.0, 20.0, 30.0
    image = torch.tensor([red, green, blue]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    found = network.preprocess(image)[0, :, 0, 0].tolist()
    assert found == [blue - 104, green - 117, red - 123]
    assert image[0, :, 0, 0].tolist() == [red, green, blue]


def test_shipped_tensors_are_the_trunk_in_half_precision(shipped: dict[str, Tensor]) -> None:
    assert len(shipped) == 114
    assert {t.dtype for t in shipped.values()} == {torch.float16}
    assert not any(name.startswith("loss") for name in shipped)
    assert sum(t.numel() for t in shipped.values()) == 5_973_552


def test_weights_are_the_shipped_ones_widened(network: BVLCGoogLeNet, shipped: dict[str, Tensor]) -> None:
    pairs = {
        "inception_4e_5x5_reduce_w": network.stages["4e"].five[0][0].weight,
        "inception_5b_pool_proj_b": network.stages["5b"].pool[1][0].bias,
        "conv2_3x3_reduce_w": network.stages["conv2"][0].weight,
        "conv2_3x3_b": network.stages["conv2"][2].bias,
        "conv1_7x7_s2_w": network.stages["conv1"][0].weight,
    }
    for name, parameter in pairs.items():
        assert parameter.dtype == torch.float32
        torch.testing.assert_close(parameter.detach(), shipped[name].float(), rtol=0, atol=0)


def test_without_pretrained_weights_it_differs() -> None:
    a, b = BVLCGoogLeNet(pretrained=False), BVLCGoogLeNet()
    assert not torch.equal(a.stages["5b"].one[0].weight, b.stages["5b"].one[0].weight)


def test_missing_and_misshapen_tensors(shipped: dict[str, Tensor]) -> None:
    network = BVLCGoogLeNet(pretrained=False)
    before = {name: p.clone() for name, p in network.named_parameters()}
    lacking = {name: t for name, t in shipped.items() if name != "inception_4b_3x3_w"}
    with pytest.raises(UserError, match=r"my.npz: has no tensor 'inception_4b_3x3_w' of shape"):
        network.load_caffe(lacking, "my.npz")
    wrong = {**shipped, "conv1_7x7_s2_b": torch.zeros(63)}
    with pytest.raises(UserError, match=r"'conv1_7x7_s2_b' should have shape \(64,\), found \(63,\)"):
        network.load_caffe(wrong, "my.npz")
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.detach(), before[name].detach(), rtol=0, atol=0)


def test_npz_with_caffes_names(tmp_path: Path, shipped: dict[str, Tensor], network: BVLCGoogLeNet) -> None:
    path = tmp_path / "weights.npz"
    np.savez(path, **{name: t.numpy() for name, t in shipped.items()}, loss3_classifier_b=np.zeros(1000, np.float32))
    other = BVLCGoogLeNet(weights=str(path))
    assert other.source == path and network.source is None
    for ours, theirs in zip(other.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(ours.detach(), theirs.detach(), rtol=0, atol=0)


def test_full_precision_weights_round_to_the_shipped_ones(data_folder: Path, shipped: dict[str, Tensor]) -> None:
    full = read_tensors(data_folder / "bvlc_googlenet.npz")
    for name, tensor in shipped.items():
        torch.testing.assert_close(tensor, full[name].half(), rtol=0, atol=0)


def test_every_layer_but_pools_and_norms_has_parameters_that_train(network: BVLCGoogLeNet) -> None:
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 57
    assert all(c.bias is not None and c.weight.requires_grad for c in convolutions)
