"""Networks of torchvision and timm as chains: every stage against the network itself, which stays whole."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import get_model
from torchvision.transforms.v2 import functional as transforms

from reproducible import registry
from reproducible.backbones.published import _lite0_file
from reproducible.backbones.weights import read_tensors
from reproducible.data.archive import read_images
from reproducible.data.manifest import load_manifest, read_index
from reproducible.resources import UserError

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
RESNET = {"conv1": 64, "pool": 64, "layer1": 256, "layer2": 512, "layer3": 1024, "layer4": 2048}
GOOGLENET = {
    **{"conv1": 64, "pool1": 64, "conv2": 64, "conv3": 192, "pool2": 192, "3a": 256, "3b": 480, "pool3": 480},
    **{"4a": 512, "4b": 512, "4c": 512, "4d": 528, "4e": 832, "pool4": 832, "5a": 832, "5b": 1024},
}


def noise(*shape: int, seed: int = 0) -> Tensor:
    return 255 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def saved(network: nn.Module, folder: Path) -> str:
    """The network's tensors as a file, with statistics that are not the initial ones."""
    stream = torch.Generator().manual_seed(1)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(generator=stream)
            part.running_var.uniform_(0.5, 2, generator=stream)
            nn.init.uniform_(part.weight, 0.5, 1, generator=stream)
    path = folder / "net.pth"
    torch.save(network.state_dict(), path)
    return str(path)


@torch.no_grad()
def seen(network: nn.Module, images: Tensor, layers: list[str]) -> list[Tensor]:
    """What layers of a network put out, by hooks."""
    found: dict[str, Tensor] = {}
    for name in layers:
        network.get_submodule(name).register_forward_hook(lambda _, __, y, name=name: found.update({name: y.clone()}))
    network.eval()(images)
    return [found[name] for name in layers]


def agree(ours: Tensor, theirs: Tensor, what: str) -> None:
    largest = theirs.abs().max().item()
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5 * largest, msg=f"{what} differs")


def test_resnet_computes_what_torchvision_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = get_model("resnet50", weights=None)
    trunk = registry.build("backbone", "resnet50", weights=saved(network, tmp_path))
    assert trunk.channels == RESNET and trunk.last == "layer4" and trunk.source == tmp_path / "net.pth"
    images, layers = noise(2, 3, 97, 64), ["maxpool", "layer1", "layer2", "layer3", "layer4"]
    expected = seen(network, transforms.normalize(images / 255, MEAN, STD), layers)
    with torch.no_grad():
        maps = trunk(images, collect=tuple(RESNET))
    for name, wanted in zip(list(RESNET)[1:], expected, strict=True):
        agree(maps[name], wanted, name)


def test_googlenet_computes_what_torchvision_does(tmp_path: Path) -> None:
    """torchvision takes ImageNet's normalisation back inside the network; ours never applies it."""
    torch.manual_seed(0)
    wiring = {"aux_logits": False, "init_weights": False}
    network = get_model("googlenet", weights=None, transform_input=True, **wiring)
    trunk = registry.build("backbone", "googlenet", weights=saved(network, tmp_path))
    assert trunk.channels == GOOGLENET
    images, layers = noise(2, 3, 80, 64), ["maxpool3", "inception4b", "inception4e", "maxpool4", "inception5b"]
    expected = seen(network, transforms.normalize(images / 255, MEAN, STD), layers)
    with torch.no_grad():
        maps = trunk(images, collect=("pool3", "4b", "4e", "pool4", "5b"))
    for (name, found), wanted in zip(maps.items(), expected, strict=True):
        agree(found, wanted, name)


@pytest.mark.parametrize(
    ("architecture", "stages"),
    [
        ("resnet18", ["conv1", "pool", "layer1", "layer2", "layer3", "layer4"]),
        ("inception_v3", ["Conv2d_1a_3x3", "Mixed_5d", "Mixed_6e", "Mixed_7c"]),
        ("regnetx_002", ["stem", "s1", "s2", "s3", "s4"]),
        ("mobilenetv3_small_050", ["conv_stem", "blocks_0", "blocks_5"]),
    ],
)
def test_networks_of_timm_compute_what_timm_does(architecture: str, stages: list[str], tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = timm.create_model(architecture)
    trunk = registry.build("backbone", "timm", architecture=architecture, weights=saved(network, tmp_path))
    assert [stage for stage in trunk.stages if stage in stages] == stages and trunk.last == stages[-1]
    config = timm.data.resolve_data_config({}, model=network)
    images = noise(2, 3, 96, 96, seed=2)
    with torch.no_grad():
        ours = trunk.eval()(images)[trunk.last]
        wanted = network.eval().forward_features(
            transforms.normalize(images / 255, list(config["mean"]), list(config["std"]))
        )
    assert ours.shape[1] == trunk.channels[trunk.last]
    agree(ours, wanted, architecture)


@pytest.mark.parametrize("architecture", ["vit_tiny_patch16_224", "hrnet_w18_small"])
def test_other_wirings_are_refused(architecture: str) -> None:
    with pytest.raises(UserError, match=f"'{architecture}' is no chain of convolutional stages"):
        registry.build("backbone", "timm", architecture=architecture, pretrained=False)


def test_unknown_architecture_and_weights_of_another(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"timm has no network 'resnet_18'. Did you mean 'resnet18'\?"):
        registry.build("backbone", "timm", architecture="resnet_18", pretrained=False)
    path = saved(timm.create_model("resnet18"), tmp_path)
    with pytest.raises(UserError, match=r"net.pth: tensor 'layer1.0.conv1.weight' should have shape .*, found \(64,"):
        registry.build("backbone", "resnet50", weights=path)


def test_weights_of_a_deeper_network_are_refused(tmp_path: Path) -> None:
    """All that ResNet-18 asks for is in the file of ResNet-34, with the first blocks of each stage."""
    path = saved(timm.create_model("resnet34"), tmp_path)
    with pytest.raises(UserError, match=r"net.pth: is of another network; of its 218 tensors, 80 have no place .*more"):
        registry.build("backbone", "timm", architecture="resnet18", weights=path)


def test_weights_of_a_parallel_checkpoint_are_taken(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = timm.create_model("resnet18")
    plain = registry.build("backbone", "timm", architecture="resnet18", weights=saved(network, tmp_path))
    wrapped = {"model": {f"module.{name}": tensor for name, tensor in network.state_dict().items()}, "epoch": 1}
    torch.save(wrapped, tmp_path / "wrapped.pth")
    found = registry.build("backbone", "timm", architecture="resnet18", weights=str(tmp_path / "wrapped.pth"))
    assert all(torch.equal(*pair) for pair in zip(plain.parameters(), found.parameters(), strict=True))


def test_offline_weights_say_what_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr("pooch.retrieve", refuse)
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path))
    monkeypatch.delenv("REPRODUCIBLE_DATA", raising=False)
    for name, options, file in [
        ("resnet50", {}, "resnet50-0676ba61.pth"),
        ("timm", {"architecture": "inception_v3"}, "inception_v3.tv_in1k.safetensors"),
    ]:
        with pytest.raises(UserError, match=f"no network.*put it at {tmp_path / 'weights' / file}"):
            registry.build("backbone", name, **options)


@pytest.fixture(scope="module")
def lite0() -> nn.Module:
    return registry.build("backbone", "efficientnet_lite0")


def test_lite0_names_groceries_that_imagenet_knows(lite0: nn.Module) -> None:
    """Each tensor is in its place, or the classifier of the same file could not name a photograph."""
    known = {"Banana": 954, "Lemon": 951, "Orange": 950, "Granny-Smith": 948, "Pineapple": 953, "Pomegranate": 957}
    index = [r for r in read_index(load_manifest("groceries")) if r.class_name in known and r.part == "iconic"]
    assert len(index) == len(known)
    photographs = read_images("groceries", [row.path for row in index])
    squashed = [np.asarray(i.resize((224, 224), Image.Resampling.BICUBIC)) for i in photographs]
    images = torch.from_numpy(np.stack(squashed)).permute(0, 3, 1, 2).float()
    tensors = read_tensors(_lite0_file())
    with torch.no_grad():
        pooled = lite0.eval()(images)["conv_head"].mean(dim=(2, 3))
        logits = pooled @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    first = logits.topk(3, dim=1).indices.tolist()
    right = [known[row.class_name] in names for row, names in zip(index, first, strict=True)]
    assert sum(right) >= 5, [(row.class_name, names) for row, names in zip(index, first, strict=True)]


def test_lite0_computes_what_timm_does(lite0: nn.Module) -> None:
    assert list(lite0.stages) == ["conv_stem", *(f"blocks_{i}" for i in range(7)), "conv_head"]
    network = timm.create_model("tf_efficientnet_lite0")
    theirs = read_tensors(_lite0_file())
    network.load_state_dict(dict(zip(network.state_dict(), theirs.values(), strict=True)))
    images = noise(2, 3, 64, 96)
    with torch.no_grad():
        wanted = network.eval().forward_features(transforms.normalize(images / 255, [0.5] * 3, [0.5] * 3))
        agree(lite0.eval()(images)["conv_head"], wanted, "conv_head")


def test_lite0_from_timms_own_names(lite0: nn.Module, tmp_path: Path) -> None:
    network = timm.create_model("tf_efficientnet_lite0")
    path = saved(network, tmp_path)
    other = registry.build("backbone", "efficientnet_lite0", weights=path)
    assert torch.equal(other.stages["conv_head"][0].weight, network.conv_head.weight)


def test_statistics_are_frozen_in_heads_tails_and_copies(lite0: nn.Module) -> None:
    trunk, images = copy.deepcopy(lite0).train(), noise(4, 3, 64, 64)
    before = [b.clone() for name, b in trunk.named_buffers() if "running" in name]
    head, tail = trunk.part(until="blocks_3").train(), trunk.part("blocks_3").train()
    middle = head(images)["blocks_3"]
    torch.testing.assert_close(tail(middle)["conv_head"], trunk(images)["conv_head"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(trunk(images)["conv_head"], lite0.eval()(images)["conv_head"], rtol=0, atol=0)
    after = [b for name, b in trunk.named_buffers() if "running" in name]
    assert len(before) == 98 and all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    trunk(images)["conv_head"].square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in trunk.named_parameters() if "bn" in n)


def test_batch_statistics_move_where_asked_for() -> None:
    trunk = registry.build("backbone", "timm", architecture="resnet18", pretrained=False, batch_statistics=True)
    before = trunk.stages["conv1"][1].running_mean.clone()
    assert trunk.training
    trunk.train()(noise(2, 3, 64, 64))
    assert not torch.equal(trunk.stages["conv1"][1].running_mean, before)


@pytest.mark.parametrize(("name", "stage"), [("resnet50", "layer3"), ("googlenet", "4e"), ("googlenet", "pool3")])
def test_head_and_tail_compose_to_the_whole(name: str, stage: str) -> None:
    trunk, images = registry.build("backbone", name, pretrained=False), noise(1, 3, 64, 64)
    head, tail = trunk.part(until=stage), trunk.part(stage)
    with torch.no_grad():
        maps = trunk(images, collect=(stage, trunk.last))
        middle = head(images)[stage]
        torch.testing.assert_close(middle, maps[stage], rtol=0, atol=0)
        torch.testing.assert_close(tail(middle)[trunk.last], maps[trunk.last], rtol=0, atol=0)
    assert {*head.stages} | {*tail.stages} == {*trunk.stages} and not {*head.stages} & {*tail.stages}
