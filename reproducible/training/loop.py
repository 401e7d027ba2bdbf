"""The training loop: read it top to bottom.

A run lives in one folder, named by its digest. It can be killed at any moment, also while it writes a checkpoint, and
goes on to bit-identical weights: batches, crops and initial values come from streams keyed by the step, and
everything else is in the checkpoint. When it is finished, ``record.json`` stays and the checkpoints go.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reproducible.config import KEPT, RunConfig
from reproducible.data.attributes import attributes_of
from reproducible.data.augmentation import augmentation
from reproducible.data.sampler import build_sampler
from reproducible.data.store import Store
from reproducible.data.transforms import random_flips
from reproducible.encoding import encode_matches, encode_neighbours
from reproducible.evaluation.selection import select
from reproducible.losses.objective import build_objective
from reproducible.models import build_model
from reproducible.progress import progress
from reproducible.resources import UserError
from reproducible.training import checkpoint, measures
from reproducible.training.devices import arithmetic, threads_kept
from reproducible.training.evaluate import (
    EMBEDDING,
    Embedder,
    Evaluation,
    describe,
    evaluate,
    evaluate_further,
    looked_at,
)
from reproducible.training.frozen import CachedMaps
from reproducible.training.optim import build_optimiser, build_schedule
from reproducible.training.seeding import generator, initialise, stream_seed
from reproducible.training.sets import Drawn, boxes_of, build_sets, cut_out, fixed_windows, images_of
from reproducible.types import Batch

_STORED = (*KEPT, "clusters")  # of a point, for the selected checkpoint alone
_STATE = ("run", "step", "seconds", "curve", "since", "model", "objective", "optimiser", "schedule")  # of a checkpoint
_CHECK_EVERY = 10  # steps between looks at the losses, each of which waits for the device


class Training:
    """One run on one device.

    Args:
        config: what to run.
        store: the prepared data set.
        folder: where its state goes.
        device: where it computes.
        save_every: seconds between checkpoints; one is also written at every evaluation.
    """

    def __init__(
        self, config: RunConfig, store: Store, folder: Path, device: torch.device, save_every: float = 120.0
    ) -> None:
        self.config, self.store, self.folder, self.device = config, store, folder, device
        self.save_every = save_every
        self.sets = build_sets(config, store)
        self.sampler = build_sampler(config.data, store.labels[self.sets.train], self.sets.classes)
        self.augmentation = augmentation(config.data)
        self.images = images_of(store, config.data, device)
        self.boxes = boxes_of(store) if config.data.boxes else None
        known = attributes_of(store, config.data.attribute_threshold)
        self.attributes = None if known is None else torch.from_numpy(known.present).to(device, torch.float32)
        self.windows = fixed_windows(config, store)
        self.model = build_model(config)
        initialise(self.model, config.seed)
        self.model.to(device, memory_format=torch.channels_last).train()
        self.maps = CachedMaps(self.model, self.images, store, config) if config.frozen else None
        self.forward = torch.compile(self.model) if config.compiled else self.model
        self.objective = build_objective(config.objective)
        self.objective.check_labels(torch.from_numpy(store.labels[self.sets.train]))
        initialise(self.objective, config.seed)
        self.objective.to(device)
        self.optimiser = build_optimiser(self.model, self.objective, config.optimiser)
        self.schedule = build_schedule(self.optimiser, config.optimiser)
        self.step = 0
        self.seconds, self.threads = 0.0, torch.get_num_threads()
        self.curve: list[dict[str, Any]] = []
        self.kept = (EMBEDDING, *config.evaluation.features)  # of what the model puts out for an image
        self.refresh(0)

    def drawn(self, step: int) -> Drawn:
        """What a step trains on: images and pairs from the stream ``order``, windows and mirroring from
        ``augmentation``."""
        data = self.config.data
        places, pairs = self.sampler.draw(generator(self.config.seed, "order", step))
        indices = torch.from_numpy(self.sets.train[places])
        chance, n, numbers = generator(self.config.seed, "augmentation", step), len(indices), None
        if data.windows:
            numbers = torch.randint(0, data.windows, (n,), generator=chance)
            boxes = self.windows[numbers, indices]
        else:
            aspects = None if self.store.aspects is None else torch.from_numpy(self.store.aspects)[indices]
            boxes = self.augmentation.training(n, self.images.shape[1], aspects, chance)
        flip = random_flips(n, chance) if data.flip else torch.zeros(n, dtype=torch.bool)
        return Drawn(indices, boxes, flip, numbers, pairs)

    def batch(self, step: int) -> Batch:
        """The batch of a step; where windows are fixed and stages frozen, of maps that are kept."""
        drawn = self.drawn(step)
        labels = torch.from_numpy(self.store.labels)[drawn.indices].to(self.device)
        if self.maps is not None and drawn.numbers is not None:
            batch = self.maps.batch(drawn, labels)
        else:
            stored = self.images[drawn.indices.to(self.images.device)]
            known = None if self.boxes is None else self.boxes[drawn.indices]
            batch = cut_out(self.config.data, stored, drawn.boxes, labels, known, drawn.flip)
        return replace(
            batch,
            attributes=None if self.attributes is None else self.attributes[drawn.indices.to(self.device)],
            pairs=None if drawn.pairs is None else tuple(part.to(self.device) for part in drawn.pairs),
        )

    def needed(self) -> np.ndarray:
        """Rows of the maps that all steps train on, unless windows are fresh, and that looks will look at."""
        assert self.maps is not None
        config = self.config
        steps = range(1, config.steps + 1) if config.data.windows else ()
        looks = {"validation": True, "test": config.evaluation.test, "seen": config.evaluation.seen_every > 0}
        looked = [self.maps.views(looked_at(self.sets.evaluation[role])) for role, wanted in looks.items() if wanted]
        return np.unique(np.concatenate([self.maps.rows(d) for d in (*map(self.drawn, steps), *looked)]))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Named losses of a batch; the trunk in the precision of the configuration, everything behind it in fp32.

        Model and losses that draw, such as dropout and the sampling of negatives, draw from torch's own generators,
        which get a stream each and step: ``model`` and ``objective``.
        """
        torch.manual_seed(stream_seed(self.config.seed, "model", self.step + 1))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            output = self.forward(**batch.inputs)
        torch.manual_seed(stream_seed(self.config.seed, "objective", self.step + 1))
        return self.objective(output, batch)

    def run(self) -> dict[str, Any]:
        """Train from the last checkpoint to the end.

        Returns:
            ``curve``, ``selected`` and ``last`` of a record, and ``seconds`` spent in steps and evaluations.

        Raises:
            UserError: if the model or the data set has not what is to be measured; if there is no space for the maps of
                frozen stages; if a loss, a weight or a map of object attention is not finite: names step and arm, and
                keeps the last good checkpoint.
        """
        with arithmetic(self.config.deterministic), threads_kept():
            try:
                if self.maps is not None:
                    rows = self.needed()
                    self.maps.file.require(rows)
                    self.maps.file.fill(rows, f"maps of {self.config.label}")
                self.kept = measures.check(self.embedder, self.sets)
                return self._train() if self.config.steps else self._measure()
            except FloatingPointError as error:
                raise self.not_finite(f"{error} after step {self.step}") from error

    def _measure(self) -> dict[str, Any]:
        """A run of no steps: look at the network as it is."""
        started = time.monotonic()
        self.look([])
        return {**self.finish(), "seconds": time.monotonic() - started}

    def _train(self) -> dict[str, Any]:
        since = self.resume()  # losses since the last evaluation
        waiting: list[dict[str, Tensor]] = []  # losses since the last look
        saved = started = time.monotonic()
        if self.config.evaluation.start and not self.curve:
            self.look([])
        steps = range(self.step + 1, self.config.steps + 1)
        for step in progress(steps, desc=self.config.label, total=self.config.steps, initial=self.step):
            losses = self.losses(self.batch(step))
            self.optimiser.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()
            self.optimiser.step()
            self.schedule.step()
            self.step = step
            waiting.append({name: loss.detach() for name, loss in losses.items()})
            evaluating = step % self.config.evaluation.every == 0
            due = time.monotonic() - saved >= self.save_every
            if evaluating or due or step % _CHECK_EVERY == 0:
                since += self.check(waiting)
                waiting = []
            if evaluating:
                self.look(since)
                since = []
            if evaluating or due:
                now = time.monotonic()
                self.seconds, saved, started = self.seconds + now - started, now, now
                self.save(since)
        return self.finish()

    def check(self, waiting: list[dict[str, Tensor]]) -> list[dict[str, float]]:
        """The losses of the last steps as numbers; one wait for the device.

        Raises:
            UserError: at the first one that is not finite.
        """
        table = torch.stack([torch.stack(list(losses.values())) for losses in waiting]).tolist()
        numbers = [dict(zip(losses, row, strict=True)) for losses, row in zip(waiting, table, strict=True)]
        for step, losses in enumerate(numbers, start=self.step - len(numbers) + 1):
            bad = [name for name, value in losses.items() if not math.isfinite(value)]
            if bad:
                raise self.not_finite(f"{bad[0]} is {losses[bad[0]]} at step {step}")
        return numbers

    def not_finite(self, what: str) -> UserError:
        """The error of a run that went astray."""
        return UserError(
            f"{self.config.label}: {what}. The last good checkpoint is kept in {self.folder}; lower optimiser.lr or "
            "look at the loss's options."
        )

    def look(self, since: list[dict[str, float]]) -> None:
        """Add a point to the curve and keep the weights, in case validation selects them."""
        evaluation = self.config.evaluation
        names = since[0] if since else ()
        means = {name: round(sum(losses[name] for losses in since) / len(since), 6) for name in names}
        point: dict[str, Any] = {"step": self.step, "loss": round(sum(means.values()), 6), "terms": means}
        self.refresh(self.step)
        point["validation"] = describe(self.evaluate("validation"))
        if evaluation.test_every and self.step % evaluation.test_every == 0:
            point |= self.look_at_test()
        if evaluation.seen_every and self.step % evaluation.seen_every == 0:
            point["seen"] = describe(self.evaluate("seen"))
        self.curve.append(point)
        checkpoint.save(self.model.state_dict(), self.weights_file(self.step))

    def refresh(self, step: int) -> None:
        """Forget what images were embedded as: the model has the weights of this step now."""
        self.embedded_at = step
        self.embedder = Embedder(self.model, self.maps or self.images, self.store, self.config, self.kept)

    def go_back(self, step: int) -> None:
        """Load the weights of an evaluated step, unless they are those that were looked at last."""
        if step != self.embedded_at:
            self.model.load_state_dict(checkpoint.load(self.weights_file(step), self.device))
            self.refresh(step)

    def evaluate(self, role: str) -> Evaluation:
        """Look at one role with the weights of the last :meth:`refresh`."""
        sets = self.sets.evaluation[role]
        if not torch.isfinite(self.embedder.rows(looked_at(sets))).all():
            raise self.not_finite(f"an embedding of the {role} images is not finite at step {self.embedded_at}")
        looks, test = self.config.evaluation, role == "test"
        return evaluate(self.embedder, sets, parts=test and looks.parts, neighbours=test and looks.keep == "neighbours")

    def look_at_test(self) -> dict[str, Any]:
        """The test classes' part of a point: metrics, and the neighbours they come from, or which of them match."""
        found = self.evaluate("test")
        relevant = found.result.relevant
        if self.config.evaluation.keep == "matches":
            kept = {"matches": encode_matches(found.result.matches, relevant)}
        else:
            kept = {"neighbours": encode_neighbours(found.neighbours, relevant)}
        more, clusters = measures.at_look(self.embedder, self.sets)
        return {"test": describe(found, with_hits=True) | more, **kept, **clusters}

    def look_further(self) -> dict[str, Any]:
        """The test classes under further protocols, and by further features."""
        features = (EMBEDDING, *self.config.evaluation.features)
        return evaluate_further(self.embedder, self.sets.further, features)

    def finish(self) -> dict[str, Any]:
        """Select a checkpoint on the validation classes; look at the test classes there and at the last step.

        Where there is a curve on seen classes, both are looked at there as well.
        """
        best = select([p["validation"]["map_at_r"] for p in self.curve], self.config.evaluation.window)
        chosen, final = self.curve[best], self.curve[-1]
        further = {}
        if self.config.evaluation.test:
            for point in [final] if chosen is final else [final, chosen]:
                self.go_back(point["step"])
                if "test" not in point:
                    point |= self.look_at_test()
                if self.config.evaluation.seen_every and "seen" not in point:
                    point["seen"] = describe(self.evaluate("seen"))
                point["test"] |= measures.at_end(self.embedder, self.sets)
                if point is chosen and self.sets.further:
                    further = {"further": self.look_further()}
        kept = ("step", "test", *_STORED)
        converged = chosen is not final or not self.config.steps
        selected = {"not_converged": not converged, **{key: chosen[key] for key in kept if key in chosen}, **further}
        last = {key: final[key] for key in kept[:2] if key in final}
        for point in self.curve:
            for name in _STORED:
                point.pop(name, None)
        return {"curve": self.curve, "selected": selected, "last": last, "seconds": self.seconds}

    def weights_file(self, step: int) -> Path:
        """Where the weights of an evaluated step are kept until the run is finished."""
        return self.folder / f"weights_{step:06d}.pt"

    def save(self, since: list[dict[str, float]]) -> None:
        """Write the checkpoint.

        Raises:
            UserError: if a weight or a running statistic is not finite; the checkpoint before stays.
        """
        held = {**self.model.state_dict(), **self.objective.state_dict()}
        finite = torch.stack([torch.isfinite(value).all() for value in held.values()])
        if not finite.all():
            raise self.not_finite(f"{[*held][int(finite.int().argmin())]} is not finite after step {self.step}")
        state = {
            "run": self.folder.name,
            "step": self.step,
            "seconds": self.seconds,
            "threads": self.threads,
            "curve": self.curve,
            "since": since,
            "model": self.model.state_dict(),
            "objective": self.objective.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
        }
        checkpoint.save(state, self.folder / "checkpoint.pt")

    def resume(self) -> list[dict[str, float]]:
        """Go back to the last checkpoint, if there is one; returns the losses since the last evaluation."""
        path = self.folder / "checkpoint.pt"
        if not path.is_file():
            return []
        state = checkpoint.load(path, self.device, _STATE)
        if state["run"] != self.folder.name:
            raise UserError(
                f"{path}: is of run {state['run']}; delete the folder {self.folder} to start this run anew."
            )
        self.step, self.seconds, self.curve = state["step"], state["seconds"], state["curve"]
        self.threads = state.get("threads", self.threads)  # on which sums depend
        torch.set_num_threads(self.threads)
        self.model.load_state_dict(state["model"])
        self.objective.load_state_dict(state["objective"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        return state["since"]
