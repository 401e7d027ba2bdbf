"""What to run: frozen dataclasses that resolve, validate and digest a run. Imports no torch.

A run is named by its digest (design: the digest is the only key of a run): the SHA-256 of the resolved configuration,
the fingerprint of the data, the hash of the weights it starts from and the behaviour version of every component it
uses. Labels (study, arm) stay out of it, so that two studies that ask for the same computation share one run. A field
that equals its default is left out as well: a field that is added later, with the old behaviour as its default,
changes no digest.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any

from reproducible.resources import UserError, nearest_name

PRECISIONS = ("fp32", "bf16")
KEPT = ("neighbours", "matches")
INSIDE = ("image", "object")
READ = ("learners", "embedding", "output")
IMAGES = "images"  # what a whole network trains from, in place of a stage
WINDOWS = 8  # fixed windows of an image, where nothing else is said
LARGEST = 10**9  # number of a draw, a seed or a step
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
NAMED = "a name of small letters, digits, hyphens, dots and underscores"
SPLITS = ("half", "canonical", "staged", "staged_control")


def _require(condition: bool, owner: object, name: str, rule: str) -> None:
    if not condition:
        raise UserError(f"{type(owner).__name__}.{name} must be {rule}, got {getattr(owner, name)!r}.")


@dataclass(frozen=True)
class Component:
    """A registered part by name, with the keyword options its builder takes."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Term(Component):
    """A loss of the objective.

    Attributes:
        on: what it reads: each of the ``learners``, the ``embedding`` that they make together, or the whole ``output``;
            empty: what the registry says of the loss.
        weight: its factor, beside any that the loss has among its options.
        label: what it is called in curves; empty: its option ``name``, if it has one, or the loss.
    """

    on: str = ""
    weight: float = 1.0
    label: str = ""

    def __post_init__(self) -> None:
        _require(self.on in ("", *READ), self, "on", f"one of {', '.join(READ)}")
        _require(0 < self.weight < math.inf, self, "weight", "above 0 and finite")
        _require(re.fullmatch(r"[\w-]*", self.label) is not None, self, "label", "of letters, digits, _ and -")

    @property
    def known_as(self) -> str:
        """The key of its curve."""
        return self.label or self.options.get("name", self.name)


def labels_of(terms: Sequence[Term]) -> tuple[str, ...]:
    """What the terms of an objective are called in curves.

    Raises:
        UserError: if two are called the same.
    """
    labels = tuple(term.known_as for term in terms)
    for label in labels:
        if labels.count(label) > 1:
            raise UserError(f"RunConfig.objective has two terms called {label!r}; give one of them another label.")
    return labels


@dataclass(frozen=True)
class DataConfig:
    """Which images, which classes, and how a batch is drawn from them (page: benchmark and protocol)."""

    name: str = "groceries"
    split: str = "half"
    draw: int = 0
    input_size: int = 112
    view_size: int = 0  # side of a second rendering of the same window, for models that zoom into it; 0: none
    crop: float = 0.875  # side of the training window and of the central test window, as a fraction of the stored side
    classes_per_batch: int = 8  # P
    images_per_class: int = 4  # K
    limit_classes: int = 0  # 0: all; profile smoke keeps the first so many of each role
    limit_images: int = 0  # 0: all; profile smoke keeps the first so many of each class and part
    inside: str = "image"  # what windows lie in; "object": the square around its known box, which the test window fits
    boxes: bool = False  # models also get the least square about each known object, for zooms that look there
    augmentation: str = "window"  # a registered recipe; "window" is the random square of ``crop``
    flip: bool = True  # mirror half of the training images; False where a mirror image is something else, as of letters
    sampler: Component = Component("pk")  # draws the batches; "pk": P classes of K images each
    attribute_threshold: float = 0.5  # share from which on an attribute counts as present, where it is one of a class
    windows: int = 0  # W fixed windows of each training image, one of them drawn each time; 0: a fresh one each time

    def __post_init__(self) -> None:
        _require(self.split in SPLITS, self, "split", f"one of {', '.join(SPLITS)}")
        _require(self.draw >= 0, self, "draw", "0 or more")
        _require(self.draw <= LARGEST, self, "draw", f"{LARGEST} at most")
        _require(self.input_size >= 32, self, "input_size", "at least 32 pixels")
        _require(self.view_size == 0 or self.view_size >= 32, self, "view_size", "0 (none) or at least 32 pixels")
        _require(self.inside in INSIDE, self, "inside", f"one of {', '.join(INSIDE)}")
        _require(0 < self.crop <= 1, self, "crop", "above 0 and at most 1")
        _require(self.classes_per_batch >= 2, self, "classes_per_batch", "at least 2 (negative pairs need two classes)")
        _require(self.images_per_class >= 2, self, "images_per_class", "at least 2 (positive pairs need two images)")
        _require(0 < self.attribute_threshold <= 1, self, "attribute_threshold", "above 0 and at most 1")
        _require(self.limit_classes >= 0, self, "limit_classes", "0 (all) or more")
        _require(self.limit_images >= 0, self, "limit_images", "0 (all) or more")
        _require(self.windows >= 0, self, "windows", "0 (a fresh one each time) or more")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides of the pictures that a model gets of each image: the input and, where there is one, the view."""
        return (self.input_size, self.view_size) if self.view_size else (self.input_size,)


@dataclass(frozen=True)
class OptimiserConfig:
    """Adam with coupled weight decay (none on biases) and a multiplier for the newly initialised layers."""

    lr: float = 1e-4
    head_multiplier: float = 1.0
    weight_decay: float = 2e-4
    decay_factor: float = 1.0  # the rate is multiplied by this ...
    decay_every: int = 0  # ... every so many steps; 0: constant rate

    def __post_init__(self) -> None:
        _require(self.lr > 0, self, "lr", "positive")
        _require(self.head_multiplier > 0, self, "head_multiplier", "positive")
        _require(self.weight_decay >= 0, self, "weight_decay", "0 or more")
        _require(0 < self.decay_factor <= 1, self, "decay_factor", "above 0 and at most 1")
        _require(self.decay_every >= 0, self, "decay_every", "0 (constant) or more")


@dataclass(frozen=True)
class EvaluationConfig:
    """When validation, test and seen classes are looked at, in steps; 0 leaves a set out of the curve. What has a curve
    is also looked at at the selected checkpoint."""

    every: int = 50
    test_every: int = 0
    seen_every: int = 0
    start: bool = False  # also look at step 0, the model as it is initialised, which can be selected
    seen_images: int = 8  # photographs a seen class and part, so that the seen curve stays cheap
    test: bool = True  # False for tuning trials, which never look at the test classes
    parts: bool = False  # test classes: also recall among images of the same coarse class, and probes of each part
    features: tuple[str, ...] = ()  # of the model's output, searched beside the embedding at the selected checkpoint
    protocols: tuple[str, ...] = ()  # searched beside the primary one at the selected checkpoint
    keep: str = "neighbours"  # of the selected checkpoint; "matches": only which of them are of the query's class
    window: int = 3  # evaluations that the selection averages over
    measures: tuple[str, ...] = ()  # registered ones, of the test classes, beyond retrieval

    def __post_init__(self) -> None:
        _require(self.every >= 1, self, "every", "at least 1 step")
        for name in ("test_every", "seen_every"):
            value = getattr(self, name)
            _require(value >= 0 and value % self.every == 0, self, name, f"a multiple of every = {self.every}")
        _require(self.test or self.test_every == 0, self, "test_every", "0 where test is off")
        _require(self.keep in KEPT, self, "keep", f"one of {', '.join(KEPT)}")
        _require(self.seen_images >= 1, self, "seen_images", "at least 1")
        _require(self.window >= 1 and self.window % 2 == 1, self, "window", "odd")
        _require(self.test or not self.measures, self, "measures", "empty where test is off")


@dataclass(frozen=True)
class RunConfig:
    """One training run, complete: the same value gives the same result."""

    study: str = ""
    arm: str = ""
    data: DataConfig = DataConfig()
    backbone: Component = Component("bvlc_googlenet")
    model: Component = Component("unified")
    objective: tuple[Term, ...] = (Term("binomial_deviance"),)
    optimiser: OptimiserConfig = OptimiserConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    steps: int = 400  # 0: the network as it is
    seed: int = 0
    precision: str = "fp32"
    compiled: bool = False  # the model through torch.compile: minutes at the start, then faster steps on a GPU
    deterministic: bool = False  # only algorithms that add in a fixed order: on a GPU, slower and the same every time
    frozen: str = ""  # the trunk stays as it is up to and with this stage, whose maps are rounded to half precision

    def __post_init__(self) -> None:
        _require(self.steps >= 0, self, "steps", "0 (measure the network as it is) or more")
        for label in ("study", "arm"):
            _require(NAME.fullmatch(getattr(self, label) or "x") is not None, self, label, NAMED)
        _require(self.seed >= 0, self, "seed", "0 or more")
        for number in ("seed", "steps"):
            _require(getattr(self, number) <= LARGEST, self, number, f"{LARGEST} at most")
        _require(self.precision in PRECISIONS, self, "precision", f"one of {', '.join(PRECISIONS)}")
        _require(len(self.objective) > 0, self, "objective", "at least one loss")
        _require(all(isinstance(term, Term) for term in self.objective), self, "objective", "made of terms")
        labels_of(self.objective)
        _require(self.steps % self.evaluation.every == 0, self, "steps", f"a multiple of {self.evaluation.every}")

    @property
    def label(self) -> str:
        """``study/arm draw d seed s``, for messages and progress bars."""
        return f"{self.study}/{self.arm} draw {self.data.draw} seed {self.seed}"

    def components(self) -> tuple[tuple[str, str], ...]:
        """Kind and name of every component: backbone, model, the losses, sampler, augmentation and the measures."""
        parts = (("backbone", self.backbone), ("model", self.model), *(("loss", term) for term in self.objective))
        named = tuple((kind, part.name) for kind, part in parts)
        drawn = (("sampler", self.data.sampler.name), ("augmentation", self.data.augmentation))
        return (*named, *drawn, *(("measure", name) for name in self.evaluation.measures))


def to_dict(value: Any, *, sparse: bool = False) -> Any:
    """Plain dictionaries, lists and scalars of a configuration; ``sparse`` leaves out fields at their default."""
    if is_dataclass(value):
        items = ((f, getattr(value, f.name)) for f in fields(value))
        return {f.name: to_dict(v, sparse=sparse) for f, v in items if not (sparse and v == _default(f))}
    if isinstance(value, Mapping):
        return {str(k): to_dict(v, sparse=sparse) for k, v in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [to_dict(v, sparse=sparse) for v in value]
    return value


def _default(f: dataclasses.Field[Any]) -> Any:
    return f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def from_dict(cls: type, values: Mapping[str, Any], where: str = "") -> Any:
    """Build a configuration dataclass from plain values.

    Raises:
        UserError: for an unknown field (with the nearest known one), a missing one, or a value of the wrong type; the
            message names the field by its full path.
    """
    hints = _hints(cls)
    if not isinstance(values, Mapping):
        raise UserError(f"{where or cls.__name__} must be a mapping of fields, got {values!r}.")
    for name in values:
        if name not in hints:
            raise UserError(f"{where or cls.__name__} has no field {name!r}.{nearest_name(name, hints)}")
    made = {name: convert(hints[name], value, f"{where}.{name}".lstrip(".")) for name, value in values.items()}
    missing = [f.name for f in fields(cls) if f.name not in made and _default(f) is dataclasses.MISSING]
    if missing:
        raise UserError(f"{where or cls.__name__} lacks the field {missing[0]!r}.")
    return cls(**made)


def convert(hint: Any, value: Any, where: str) -> Any:
    """A plain value as the type that a field or an option is declared with.

    Raises:
        UserError: if it does not fit; ``where`` names the field.
    """
    if is_dataclass(hint):
        return from_dict(typing.cast(type, hint), value, where)
    origin = typing.get_origin(hint)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise UserError(f"{where} must be a list, got {value!r}.")
        return tuple(convert(typing.get_args(hint)[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise UserError(f"{where} must be a mapping, got {value!r}.")
        return dict(value)
    wanted = (int, float) if hint is float else hint
    if (
        isinstance(hint, types.UnionType)
        or (isinstance(value, bool) and hint is not bool)
        or not isinstance(value, wanted)
    ):
        raise UserError(f"{where} must be of type {getattr(hint, '__name__', hint)}, got {value!r}.")
    return float(value) if hint is float else value


def override(config: RunConfig, path: str, value: Any) -> RunConfig:
    """A copy with one field changed, ``path`` as in ``optimiser.lr``; validated like every configuration.

    Raises:
        UserError: if the path names no field, or the value does not fit it.
    """
    plain = to_dict(config)
    node, *rest = path.split(".")
    target = plain
    for name in rest:
        if not isinstance(target.get(node), dict):
            raise UserError(f"{path!r} names no field: {node!r} is not a section.{nearest_name(node, target)}")
        target, node = target[node], name
    target[node] = value
    return from_dict(RunConfig, plain)


def from_stage(config: RunConfig, stage: str) -> RunConfig:
    """The run that trains behind a stage only: the stages before stay as they are, and their maps of :data:`WINDOWS`
    fixed windows of each image, or of as many as the configuration says, are computed once and kept.

    Args:
        config: of a run.
        stage: by name; ``images``: the whole network, in a fresh window each time.
    """
    windows = 0 if stage == IMAGES else config.data.windows or WINDOWS
    data = dataclasses.replace(config.data, windows=windows)
    return dataclasses.replace(config, data=data, frozen="" if stage == IMAGES else stage)


def digest(config: RunConfig | Mapping[str, Any], *, data: str, weights: str, versions: Mapping[str, int]) -> str:
    """The name of a run: 16 hexadecimal digits over all that decides its result.

    Args:
        config: the resolved configuration, or the plain values that a record keeps of it.
        data: fingerprint of the prepared data set.
        weights: hash of the pretrained weights.
        versions: behaviour version of each component used, by ``kind/name``.
    """
    plain = to_dict(config, sparse=True)
    plain.pop("study", None)
    plain.pop("arm", None)
    plain.get("backbone", {}).get("options", {}).pop("weights", None)  # where the file lies; its hash says what it is
    canonical = {"config": plain, "data": data, "weights": weights, "versions": dict(sorted(versions.items()))}
    return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()[:16]
