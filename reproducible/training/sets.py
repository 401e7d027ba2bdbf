"""Which stored images play which role in a run: training, validation, test and seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reproducible.config import DataConfig, RunConfig
from reproducible.data.augmentation import augmentation
from reproducible.data.photographs.plan import counted
from reproducible.data.splits import protocol, split
from reproducible.data.store import Store
from reproducible.data.transforms import crop_resize, object_squares, squares_in_windows
from reproducible.resources import UserError
from reproducible.training.seeding import generator
from reproducible.types import Batch

_BATCH = 256


@dataclass(frozen=True)
class Drawn:
    """What a step trains on.

    Attributes:
        indices: of the images in the store, int64, :math:`(N,)`.
        boxes: the windows, x0, y0, x1, y1 in stored pixels, :math:`(N, 4)`.
        flip: bool, which are mirrored, :math:`(N,)`.
        numbers: of the windows, int64, :math:`(N,)`, where they are fixed.
        pairs: where the sampler fixes them, as of :class:`reproducible.types.Batch`.
    """

    indices: Tensor
    boxes: Tensor
    flip: Tensor
    numbers: Tensor | None = None
    pairs: tuple[Tensor, ...] | None = None


@dataclass(frozen=True)
class Sets:
    """Indices into the store.

    Attributes:
        train: images that training draws from: all of the seen classes that the primary protocol uses.
        classes: the seen classes.
        evaluation: queries and gallery of the primary protocol by role: validation, test, seen.
        further: those of the test classes by protocol, for what is looked at once, at the selected checkpoint.
    """

    train: np.ndarray
    classes: tuple[int, ...]
    evaluation: dict[str, tuple[np.ndarray, np.ndarray]]
    further: dict[str, tuple[np.ndarray, np.ndarray]]


def build_sets(config: RunConfig, store: Store) -> Sets:
    """The roles of a run, by the primary protocol of the data set (page: benchmark and protocol).

    The seen curve uses at most ``evaluation.seen_images`` photographs of each seen class and part; profile smoke limits
    classes and photographs everywhere.

    Raises:
        UserError: a class that is trained on has a single image; no query of a role has anything to find.
    """
    side = store.images.shape[1]
    if round(config.data.crop * side) < 1:
        raise UserError(f"data.crop of {config.data.crop} leaves nothing of images of {side} pixels.")
    drawn = split(store, config.data.split, config.data.draw)
    roles = {"train": drawn.train, "validation": drawn.validation, "test": drawn.test}
    if config.data.limit_classes:
        roles = {role: classes[: config.data.limit_classes] for role, classes in roles.items()}
    few = config.data.limit_images
    queries, gallery = protocol(store, roles["train"])
    train = np.union1d(_first(store, queries, few), _first(store, gallery, few))
    seen = min(few, config.evaluation.seen_images) if few else config.evaluation.seen_images
    limits = {"validation": few, "test": few, "seen": seen}
    evaluation = {
        role: tuple(_first(store, part, limits[role]) for part in protocol(store, roles[classes]))
        for role, classes in (("validation", "validation"), ("test", "test"), ("seen", "train"))
    }
    _check(store, train, evaluation)
    primary = (next(iter(store.protocols)),) if config.evaluation.features else ()
    further = {
        name: tuple(_first(store, part, few) for part in protocol(store, roles["test"], name))
        for name in (*primary, *config.evaluation.protocols)
    }
    return Sets(train, tuple(roles["train"]), evaluation, further)


def _check(store: Store, train: np.ndarray, evaluation: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """That each class that is trained on has a pair, and each role a query with something to find.

    Raises:
        UserError: with the names of the classes and what to do.
    """
    out = "; leave such classes out (of a folder of your own with --exclude), or give them more photographs"
    numbers, counts = np.unique(store.labels[train], return_counts=True)
    alone = [store.class_names[number] for number in numbers[counts < 2]]
    if alone:
        said = counted("classes that are trained on have a single image and so no positive pair", alone)
        raise UserError(f"Data set {store.name!r}: {said}{out}.")
    for role, (queries, gallery) in evaluation.items():
        same = np.array_equal(queries, gallery)
        held = np.bincount(store.labels[gallery], minlength=len(store.class_names))[store.labels[queries]] - same
        if not (held > 0).any():
            classes = [store.class_names[number] for number in np.unique(store.labels[queries])]
            said = counted(f"{role} classes have nothing to be found: a single image each", classes)
            raise UserError(f"Data set {store.name!r}: {said}{out}.")


def images_of(store: Store, data: DataConfig, device: torch.device) -> Tensor:
    """All stored images on a device, uint8, :math:`(N, S, S, 3)`; cut to their objects, at the same size, where the
    configuration says that windows lie inside the object.

    Raises:
        UserError: if the data set does not know the objects' boxes.
    """
    images = torch.from_numpy(store.images)
    if data.inside == "object":
        side = images.shape[1]
        squares = object_squares(boxes_of(store, "data.inside to 'image'"), side, data.crop)
        parts = zip(images.split(_BATCH), squares.split(_BATCH), strict=True)
        cut = [crop_resize(part, square, side).round().byte().permute(0, 2, 3, 1) for part, square in parts]
        images = torch.cat(cut).contiguous()
    return images if device.type == "cpu" else images.to(device)


def cut_out(
    data: DataConfig,
    stored: Tensor,
    windows: Tensor,
    labels: Tensor,
    boxes: Tensor | None = None,
    flip: Tensor | None = None,
) -> Batch:
    """Windows of stored images as a model gets them: at the input's size and, where asked for, the view's, with the
    squares about their objects.

    Args:
        data: sizes and recipe.
        stored: uint8, :math:`(N, S, S, 3)`, on the device.
        windows: x0, y0, x1, y1 in pixels, :math:`(N, 4)`.
        labels: of the images, :math:`(N,)`.
        boxes: of the objects, likewise; None: no squares.
        flip: which windows are mirrored.
    """
    outside = augmentation(data).beyond
    images, *view = (crop_resize(stored, windows, size, flip, black_outside=outside) for size in data.sizes)
    squares = None if boxes is None else squares_in_windows(boxes, windows, flip).to(stored.device)
    return Batch(images, labels, boxes=squares, view=view[0] if view else None)


def fixed_windows(config: RunConfig, store: Store) -> Tensor:
    """The windows that each image of a data set is trained on, x0, y0, x1, y1 in stored pixels, :math:`(W, N, 4)`.

    They hang on data set, image and number, not on the seed of a run; a larger W only adds windows.
    """
    data, (n, side) = config.data, store.images.shape[:2]
    aspects = None if store.aspects is None else torch.from_numpy(store.aspects)
    recipe, streams = augmentation(data), (generator(0, "windows", number) for number in range(data.windows))
    drawn = [recipe.training(n, side, aspects, stream) for stream in streams]
    return torch.stack(drawn) if drawn else torch.empty(0, n, 4)


def boxes_of(store: Store, instead: str = "data.boxes to false") -> Tensor:
    """Box of the first object of each stored image, x0, y0, x1, y1 in pixels, :math:`(N, 4)`.

    Raises:
        UserError: if the data set does not know the objects' boxes, or not that of every image, with what to set
            ``instead``.
    """
    if store.boxes is None:
        raise UserError(f"Data set {store.name!r} knows no boxes of objects; set {instead}.")
    boxes = store.boxes[:, 0]
    without = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
    if len(without):
        raise UserError(
            f"Data set {store.name!r} knows no box of {len(without)} of its {len(boxes)} images, the first of them "
            f"{store.paths[without[0]]}; set {instead}."
        )
    return torch.from_numpy(boxes)


def _first(store: Store, indices: np.ndarray, few: int) -> np.ndarray:
    """The first ``few`` of each class and part (0: all), in the order of the classes."""
    chosen = []
    for label in np.unique(store.labels[indices]):
        of_class = indices[store.labels[indices] == label]
        for part in np.unique(store.parts[of_class]):
            of_part = of_class[store.parts[of_class] == part]
            chosen.append(of_part[: few or None])
    return np.concatenate(chosen)
