"""How the weights of the compact backbone are made: softmax over characters that no benchmark class contains.

From scratch the metric losses stay at chance on glyphs; the documents too start from a network that was trained to
classify (ImageNet). Here it is trained on the data set ``glyphs-pretraining``, on one thread, in minutes: a batch of
distinct images a step, seen through windows of many sizes (a zoomed crop is an input of object attention as much as the
whole image is), never mirrored, because a mirrored character is another one. A tenth of the images of each class is
held out, and the accuracy on them is among the facts. Windows from 0.6 of the side instead of 0.5 gave 65, 69, 67 and
55 % there instead of 63, 63, 62 and 55 % (central windows of 1, 0.875, 0.75 and 0.625); 0.5 stays, for the sake of
crops.

All chance comes from the named streams, so the same machine makes the same file byte for byte; on others rounding
differs, and so do, after a thousand steps, the weights, but not what they achieve. Explained on page: glyphs.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn

from reproducible.backbones.compact import WEIGHTS, CompactGoogLeNet
from reproducible.data.store import Store
from reproducible.data.transforms import center_boxes, crop_resize
from reproducible.progress import progress
from reproducible.records import write_bytes, write_text
from reproducible.resources import UserError
from reproducible.training.devices import environment, keep_freed_memory
from reproducible.training.seeding import generator, initialise

DATA = "glyphs-pretraining"
FACTS = "compact_googlenet.json"
WINDOWS = (1.0, 0.875, 0.75, 0.625)  # sides of the central windows of the held-out accuracy
FIRST = 5  # steps whose losses the facts keep, so that a test can compute them again
_EVALUATION_BATCH = 100


@dataclass(frozen=True)
class Recipe:
    """How the network is trained.

    Attributes:
        steps, batch: number of steps, images a step.
        lr, weight_decay: of AdamW; no decay on scales, shifts and biases. The rate rises over ``warmup`` steps and
            then falls to zero along a cosine.
        smoothing: of the labels.
        smallest: smallest side of a training window over the side of the image; the side is drawn uniformly.
        size: side of the input in pixels.
        seed: of initial values, order and windows.
    """

    steps: int = 1000
    batch: int = 96
    lr: float = 3e-3
    weight_decay: float = 0.02
    warmup: int = 50
    smoothing: float = 0.1
    smallest: float = 0.5
    size: int = 48
    seed: int = 0

    def rate(self, step: int) -> float:
        """Factor of the learning rate at a step, counted from 0."""
        return min(1.0, (step + 1) / self.warmup) * 0.5 * (1 + math.cos(math.pi * step / self.steps))


def hold_out(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the training images and of the held-out ones: the last tenth of each class, in the store's order.

    Raises:
        UserError: if a class has fewer than ten images.
    """
    kept: list[np.ndarray] = []
    held: list[np.ndarray] = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        cut = len(members) - len(members) // 10
        if cut == len(members):
            raise UserError(f"pretraining: class {label} has {len(members)} images; a held-out tenth needs 10.")
        kept.append(members[:cut])
        held.append(members[cut:])
    return np.concatenate(kept), np.concatenate(held)


def random_windows(n: int, side: int, smallest: float, chance: torch.Generator) -> Tensor:
    """Square windows of many sizes: (n, 4) float32, x0, y0, x1, y1.

    Args:
        n: number of windows.
        side: side of the images in pixels.
        smallest: smallest side of a window over ``side``; the largest is the whole image, drawn uniformly, as is the
            place among those inside the image. Neither is a whole number of pixels.
        chance: source of randomness, on the CPU.
    """
    drawn = torch.rand(n, 3, generator=chance)
    window = side * (smallest + (1 - smallest) * drawn[:, :1])
    corner = (side - window) * drawn[:, 1:]
    return torch.cat([corner, (corner + window).clamp(max=side)], dim=1)


class Pretraining:
    """The network, its classifier and the optimiser.

    Args:
        store: images and labels; labels count from 0.
        recipe: how to train.
    """

    def __init__(self, store: Store, recipe: Recipe) -> None:
        self.recipe = recipe
        self.images = torch.from_numpy(store.images)
        self.labels = torch.from_numpy(store.labels)
        self.train, self.held = (torch.from_numpy(part) for part in hold_out(store.labels))
        if len(self.train) < recipe.batch:
            raise UserError(f"pretraining: a batch of {recipe.batch} from {len(self.train)} training images.")
        self.trunk = CompactGoogLeNet(pretrained=False, batch_statistics=True)
        self.classifier = nn.Linear(self.trunk.channels[self.trunk.last], int(self.labels.max()) + 1)
        trained = nn.ModuleDict({"stages": self.trunk.stages, "classifier": self.classifier})
        initialise(trained, recipe.seed)
        trained.to(memory_format=torch.channels_last)
        kernels = [p for p in trained.parameters() if p.ndim > 1]
        others = [p for p in trained.parameters() if p.ndim == 1]
        groups = [{"params": kernels, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.lr, fused=True)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, recipe.rate)

    def logits(self, images: Tensor) -> Tensor:
        """Class scores of images, RGB, 0 to 255, float, :math:`(N, 3, H, W)`: :math:`(N, classes)`."""
        return self.classifier(self.trunk(images)[self.trunk.last].mean(dim=(2, 3)))

    def step(self, number: int) -> float:
        """One step; ``number`` counts from 1 and keys the streams. Returns the loss."""
        recipe = self.recipe
        order = torch.randperm(len(self.train), generator=generator(recipe.seed, "order", number))
        chosen = self.train[order[: recipe.batch]]
        chance = generator(recipe.seed, "augmentation", number)
        boxes = random_windows(recipe.batch, self.images.shape[1], recipe.smallest, chance)
        scores = self.logits(crop_resize(self.images[chosen], boxes, recipe.size))
        loss = F.cross_entropy(scores, self.labels[chosen], label_smoothing=recipe.smoothing)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.schedule.step()
        return loss.item()

    @torch.no_grad()
    def accuracy(self, window: float) -> float:
        """Held-out images classified rightly, in per cent, through the central window of that side."""
        self.trunk.eval()
        right = 0
        for part in self.held.split(_EVALUATION_BATCH):
            boxes = center_boxes(len(part), self.images.shape[1], window)
            scores = self.logits(crop_resize(self.images[part], boxes, self.recipe.size))
            right += int((scores.argmax(dim=1) == self.labels[part]).sum())
        self.trunk.train()
        return 100 * right / len(self.held)


def pretrain(store: Store, recipe: Recipe) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Train from scratch on one thread of the CPU.

    Args:
        store: the data set ``glyphs-pretraining``, or another whose classes have ten images or more.
        recipe: how.

    Returns:
        The weights in half precision, and the facts about them: recipe, data with its digest, the first losses, the
        mean loss of the last hundred steps, held-out accuracy (of the weights in half precision), machine, seconds.

    Raises:
        UserError: if the data do not fit, or the loss is not finite.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    keep_freed_memory()
    try:
        started = time.monotonic()
        run = Pretraining(store, recipe)
        losses: list[float] = []
        for number in progress(range(1, recipe.steps + 1), desc="pretraining", total=recipe.steps):
            losses.append(run.step(number))
            if not math.isfinite(losses[-1]):
                raise UserError(f"pretraining: the loss is {losses[-1]} at step {number}; lower the learning rate.")
        seconds = time.monotonic() - started
        weights = {name: tensor.half().contiguous() for name, tensor in run.trunk.weights().items()}
        run.trunk.load(weights, "the rounded weights")
        facts = {
            "recipe": asdict(recipe),
            "data": {
                "name": store.name,
                "fingerprint": store.fingerprint,
                "classes": run.classifier.out_features,
                "images": len(run.train),
                "held_out": len(run.held),
            },
            "first_losses": losses[:FIRST],
            "last_loss": round(sum(losses[-100:]) / len(losses[-100:]), 4),
            "held_out_accuracy": {str(window): round(run.accuracy(window), 2) for window in WINDOWS},
            "environment": {**environment(torch.device("cpu"), "fp32"), "numpy": np.__version__},
            "seconds": round(seconds),
        }
    finally:
        torch.set_num_threads(threads)
    return weights, facts


def write(folder: Path, weights: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write the weights and, beside them, the facts, under the names that the package ships them by.

    Raises:
        UserError: if the folder cannot be written.
    """
    write_bytes(folder / WEIGHTS, save(weights))
    write_text(folder / FACTS, json.dumps(facts, indent=1) + "\n")
