"""Whether the divergence of learners pulls against the metric loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reproducible.backbones.base import as_tested
from reproducible.data.sampler import build_sampler
from reproducible.losses.divergence import divergence
from reproducible.losses.objective import Objective, build_objective
from reproducible.training.evaluate import Embedder, views
from reproducible.training.measures.base import Measure, branched, refuse
from reproducible.training.seeding import generator, initialise
from reproducible.training.sets import Sets
from reproducible.types import Batch, Output

BATCHES = 8
DIVERSITY = ("divergence", "push_apart", "adversary", "gate_repulsion")


class Gradients(Measure):
    """Of the selected and of the last checkpoint, over 8 batches of training images as an evaluation sees them, in per
    cent (claim B13):

    - ``metric_divergence_gradient_cosine``: mean cosine of the gradients that the run's losses, without what makes
      branches differ, and ABE's divergence have for all weights that train;
    - ``metric_divergence_gradient_null``: the same for a divergence of outputs that are not of one image: those of
      learner j are moved on by j classes of the batch. It asks for distance as much, but not for a difference between
      branches: two gradients of losses of one network need not be at right angles;
    - ``divergence_active_share``: of the batches that the divergence has a gradient in. A cosine counts as 0 where it
      has none.
    """

    def check(self, embedder: Embedder, output: Output) -> None:
        """As of :class:`Measure`."""
        if not branched(output):
            raise refuse(f"{type(embedder.model).__name__} has no branches that could diverge", "gradients")

    def at_end(self, embedder: Embedder, sets: Sets) -> dict[str, Any]:
        """As of :class:`Measure`."""
        config, device = embedder.config, next(embedder.model.parameters()).device
        metric = build_objective([term for term in config.objective if term.name not in DIVERSITY])
        initialise(metric, config.seed)
        metric.to(device)
        trained = [p for p in embedder.model.parameters() if p.requires_grad]
        step = config.data.images_per_class
        rows = []
        with as_tested(embedder.model), torch.enable_grad():
            for batch in _batches(embedder, sets, device):
                output = embedder.model(**batch.inputs)
                rows.append(_compared(output, batch, metric, trained, step))
        cosines, nulls, active = np.mean(rows, axis=0)
        return {
            "metric_divergence_gradient_cosine": round(100 * float(cosines), 4),
            "metric_divergence_gradient_null": round(100 * float(nulls), 4),
            "divergence_active_share": round(100 * float(active), 4),
        }


def _batches(embedder: Embedder, sets: Sets, device: torch.device) -> Iterator[Batch]:
    """Batches as the run draws them, of at most 64 images each."""
    config, store = embedder.config, embedder.store
    sampler = build_sampler(config.data, store.labels[sets.train], sets.classes)
    for number in range(BATCHES):
        places, _ = sampler.draw(generator(config.seed, "measures", number))
        indices = sets.train[places]
        batch = next(views(embedder.images, indices, config, store, device))
        labels = torch.from_numpy(store.labels[indices[: len(batch.labels)]])
        yield replace(batch, labels=labels.to(device))


def _compared(
    output: Output, batch: Batch, metric: Objective, trained: Sequence[Tensor], step: int
) -> tuple[float, float, bool]:
    """Cosines of the metric gradient with that of the divergence and of its null, and whether the first has any."""
    losses: dict[str, Callable[[], Tensor]] = {
        "metric": lambda: torch.stack(list(metric(output, batch).values())).sum(),
        "divergence": lambda: divergence([torch.stack(scale.learnt) for scale in output.scales]),
        "null": lambda: divergence([elsewhere(torch.stack(scale.learnt), step) for scale in output.scales]),
    }
    flat = {name: _gradient(loss(), trained) for name, loss in losses.items()}
    one, other = (cosine(flat["metric"], flat[name]) for name in ("divergence", "null"))
    return one, other, bool(flat["divergence"].any())


def elsewhere(points: Tensor, step: int) -> Tensor:
    """Outputs of learner j, moved on by j times ``step`` images: (J, N, d)."""
    return torch.stack([rows.roll(-j * step, dims=0) for j, rows in enumerate(points)])


def cosine(a: Tensor, b: Tensor) -> float:
    """Of two vectors; 0 where one is zero."""
    size = a.norm() * b.norm()
    return (a @ b / size).item() if size > 0 else 0.0


def _gradient(loss: Tensor, trained: Sequence[Tensor]) -> Tensor:
    found = torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in found])
