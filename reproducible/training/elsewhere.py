"""A study's arm on another data set than its own: what the data set itself decides, and what does not fit it.

Explained on page: reproduce.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from reproducible import registry
from reproducible.config import IMAGES, RunConfig, from_stage
from reproducible.data.manifest import PhotoManifest, load_manifest
from reproducible.data.splits import declared, split
from reproducible.data.store import Store

SIZE = 224
STAGE = "pool3"


def elsewhere(config: RunConfig, data: str, small: bool = False) -> RunConfig:
    """The same method on another data set of photographs, on the classes that it says itself, at the papers' size; from
    pool3 on, with what lies before as it is, where the backbone has that stage.

    Args:
        config: of a run.
        data: name of the data set.
        small: keep the size of the input, as profile smoke has it.

    Raises:
        UserError: for an unknown data set, backbone or option, with the nearest known one.
    """
    size = config.data.input_size if small else SIZE
    chosen = replace(config.data, name=data, split=declared(data), draw=0, input_size=size)
    backbone = registry.build("backbone", config.backbone.name, **config.backbone.options)
    return from_stage(replace(config, data=chosen), STAGE if STAGE in backbone.stages else IMAGES)


def fitted(config: RunConfig, store: Store, asked: Container[str] = ()) -> tuple[RunConfig, list[str]]:
    """A configuration of another data set as this one allows it.

    Photographs that a reader brings are trained on by the division that they declare, and the network as it is
    initialised can be selected; protocols that the data set lacks are left out; a batch has no more classes than there
    are.

    Args:
        config: names the data set; the rest is of a study on another one.
        store: of the data set.
        asked: fields, as ``data.split``, that were asked for and stay as they are.

    Returns:
        The configuration, and a line for each thing that was left out or is smaller.
    """
    data, looks, said = config.data, config.evaluation, []
    if isinstance(load_manifest(data.name), PhotoManifest):
        if "data.split" not in asked and data.split != declared(data.name):
            data = replace(data, split=declared(data.name), draw=0)
        if "evaluation.start" not in asked:
            looks = replace(looks, start=True)
    lacking = [name for name in looks.protocols if name not in store.protocols]
    if lacking and "evaluation.protocols" not in asked:
        looks = replace(looks, protocols=tuple(name for name in looks.protocols if name in store.protocols))
        said.append(f"protocols that {data.name} does not have, left out: {', '.join(lacking)}")
    there = len(split(store, data.split, data.draw).train)
    there = min(there, data.limit_classes or there)
    if there < data.classes_per_batch and "data.classes_per_batch" not in asked:
        said.append(f"classes a batch: {there}, all that there are to train on, instead of {data.classes_per_batch}")
        data = replace(data, classes_per_batch=there)
    return replace(config, data=data, evaluation=looks), said
