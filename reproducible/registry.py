"""Names of components, by kind, and where their builders are. Imports no torch.

Each entry has a behaviour version. It is raised whenever the component computes something else than before; the golden
curves of ``tests/unit/training/test_golden.py`` fail when behaviour changes and the version does not.
"""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reproducible.config import RunConfig, convert
from reproducible.resources import UserError, nearest_name


@dataclass(frozen=True)
class Entry:
    """A component: ``target`` is ``module:attribute``, ``version`` its behaviour version, ``weights`` the asset that
    it starts from unless its options say otherwise, ``on`` what a term of this loss reads unless it says otherwise."""

    target: str
    version: int = 1
    weights: str | None = None
    on: str = "learners"


REGISTRY: Mapping[str, Mapping[str, Entry]] = {
    "backbone": {
        "bvlc_googlenet": Entry("reproducible.backbones.bvlc:BVLCGoogLeNet", weights="bvlc_googlenet.safetensors"),
        "compact_googlenet": Entry(
            "reproducible.backbones.compact:CompactGoogLeNet", weights="compact_googlenet.safetensors"
        ),
        "googlenet": Entry("reproducible.backbones.published:googlenet"),
        "resnet50": Entry("reproducible.backbones.published:resnet50"),
        "resnet101": Entry("reproducible.backbones.published:resnet101"),
        "efficientnet_lite0": Entry("reproducible.backbones.published:efficientnet_lite0"),
        "timm": Entry("reproducible.backbones.published:timm_network"),
    },
    "model": {
        "unified": Entry("reproducible.models.unified:Unified"),
        "untouched": Entry("reproducible.models.untouched:Untouched"),
        "vem": Entry("reproducible.models.vem:VEM"),
        "deml": Entry("reproducible.models.deml:deml"),
        "abe": Entry("reproducible.models.abe:abe"),
        "diablo": Entry("reproducible.models.diablo:diablo"),
        "head": Entry("reproducible.models.head:head"),
        "sgml": Entry("reproducible.models.sgml:SGML"),
        "zoomed": Entry("reproducible.models.zoomed:Zoomed", version=2),
    },
    "loss": {
        "binomial_deviance": Entry("reproducible.losses.binomial_deviance:BinomialDeviance"),
        "margin": Entry("reproducible.losses.margin:MarginLoss"),
        "contrastive": Entry("reproducible.losses.contrastive:Contrastive"),
        "triplet": Entry("reproducible.losses.triplet:TripletLoss"),
        "soft_binomial": Entry("reproducible.losses.soft_binomial:SoftBinomialDeviance"),
        "attribute_bce": Entry("reproducible.losses.attribute_bce:AttributeBCE", on="output"),
        "pml": Entry("reproducible.losses.pml:PML"),
        "activation_decay": Entry("reproducible.losses.activation_decay:ActivationDecay", on="output"),
        "unit_rows": Entry("reproducible.losses.unit_rows:UnitRows", on="output"),
        "orthogonality": Entry("reproducible.losses.orthogonality:Orthogonality", on="output"),
        "penalty": Entry("reproducible.losses.penalty:Penalty", on="output"),
        "adversary": Entry("reproducible.losses.adversary:Adversary", on="output"),
        "push_apart": Entry("reproducible.losses.push_apart:PushApart", on="output"),
        "divergence": Entry("reproducible.losses.divergence:Divergence", on="output"),
        "gate_repulsion": Entry("reproducible.losses.gate_repulsion:GateRepulsion", on="output"),
    },
    "sampler": {
        "pk": Entry("reproducible.data.sampler:PKSampler"),
        "image_wise": Entry("reproducible.data.sampler:ImageWise"),
    },
    "augmentation": {
        "window": Entry("reproducible.data.augmentation:Window"),
        "deml": Entry("reproducible.data.augmentation:deml"),
        "deml_letterbox": Entry("reproducible.data.augmentation:deml_letterbox"),
        "diablo": Entry("reproducible.data.augmentation:diablo"),
        "vem": Entry("reproducible.data.augmentation:vem"),
        "sgml": Entry("reproducible.data.augmentation:sgml"),
    },
    "measure": {
        "clusters": Entry("reproducible.training.measures.clusters:Clusters"),
        "gate": Entry("reproducible.training.measures.gate:Gate"),
        "variances": Entry("reproducible.training.measures.variances:Variances"),
        "branches": Entry("reproducible.training.measures.branches:Branches"),
        "windows": Entry("reproducible.training.measures.windows:Windows"),
        "attributes": Entry("reproducible.training.measures.attributes:Attributes"),
        "granularity": Entry("reproducible.training.measures.granularity:Granularity"),
        "entries": Entry("reproducible.training.measures.entries:Entries"),
        "background": Entry("reproducible.training.measures.background:Background"),
        "gradients": Entry("reproducible.training.measures.gradients:Gradients"),
    },
}
"""By kind and name. What stands behind a builder:

- ``backbone``, ``loss`` and ``measure``: nothing; ``model``: the backbone.
- ``sampler``: the labels of the images, the classes to draw from, P and K; it draws indices and, where it fixes them,
  pairs (:class:`reproducible.data.sampler.PKSampler`).
- ``augmentation``: the configuration of the data (:class:`reproducible.data.augmentation.Augmentation`).
"""

LATER = ("sampler", "augmentation", "measure")
"""Kinds that got versions of their own after the first records: a first version stays out of what names a run."""
LOOP = Entry("reproducible.training.loop:Training")
"""What every run uses beside its components: mirroring, optimiser, schedule, evaluation, selection."""

MAPS = Entry("reproducible.training.frozen:CachedMaps")
"""What runs with fixed windows or frozen stages use: where the windows lie, and how maps are computed and rounded."""


def entry(kind: str, name: str) -> Entry:
    """The entry of a component.

    Raises:
        UserError: if the kind has no such name, with the nearest one.
    """
    known = REGISTRY[kind]
    if name not in known:
        raise UserError(f"There is no {kind} named {name!r}.{nearest_name(name, known)}")
    return known[name]


def build(kind: str, name: str, /, *args: Any, **options: Any) -> Any:
    """Build a component by name.

    Args:
        kind: a key of :data:`REGISTRY`, which says what the builders of each kind take.
        name: its registered name.
        args: positional arguments of the builder.
        options: keyword options of the builder.

    Raises:
        UserError: for an unknown name or an option that the builder does not take, with the nearest known one; for one
            that is missing, or of the wrong type, where the builder declares types (that of another library may not).
    """
    module, attribute = entry(kind, name).target.split(":")
    builder: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    signature = list(inspect.signature(builder).parameters.values())
    parameters = [p.name for p in signature]
    for option in options:
        if option not in parameters[len(args) :]:
            raise UserError(f"{kind} {name!r} has no option {option!r}.{nearest_name(option, parameters[len(args) :])}")
    needed = [p.name for p in signature[len(args) :] if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    missing = [option for option in needed if option not in options]
    if missing:
        raise UserError(f"{kind} {name!r} needs the option {missing[0]!r}.")
    hints = typing.get_type_hints(builder.__init__ if inspect.isclass(builder) else builder)
    for key in options.keys() & hints.keys():
        options[key] = convert(hints[key], options[key], f"option {key!r} of {kind} {name!r}")
    return builder(*args, **options)


def versions(config: RunConfig) -> dict[str, int]:
    """Behaviour version of each component that a run uses, by ``kind/name``; of the kinds in :data:`LATER`, and of the
    loop as ``training``, from the second version on, so that runs of the first keep their names; of ``maps`` where
    windows are fixed or stages frozen.

    Raises:
        UserError: if a component has no entry, with the nearest one.
    """
    found = {(kind, name): entry(kind, name).version for kind, name in config.components()}
    named = {f"{kind}/{name}": version for (kind, name), version in found.items() if version > 1 or kind not in LATER}
    named |= {"maps": MAPS.version} if config.frozen or config.data.windows else {}
    return named | ({"training": LOOP.version} if LOOP.version > 1 else {})
