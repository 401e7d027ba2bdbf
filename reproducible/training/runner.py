"""Run configurations: each once, on one process a core, with what is finished taken from the run cache."""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reproducible import registry
from reproducible.config import Component, EvaluationConfig, RunConfig, digest, to_dict
from reproducible.data.division import identity
from reproducible.data.manifest import PhotoManifest, load_manifest
from reproducible.data.splits import names_of, split
from reproducible.data.store import Store, open_store
from reproducible.models import build_model
from reproducible.processes import end_with_parent
from reproducible.records import check, finish, finished, read_json, run_folder, write_text
from reproducible.resources import UserError, cache_dir, check_device, checked_asset
from reproducible.training import checkpoint
from reproducible.training.checkpoint import Held
from reproducible.training.devices import choose_device, environment, keep_freed_memory, memory_for
from reproducible.training.evaluate import Embedder, describe, described_sets, evaluate
from reproducible.training.frozen import CachedMaps
from reproducible.training.keeping import check_kept, keep_files
from reproducible.training.loop import Training
from reproducible.training.sets import build_sets, images_of
from reproducible.types import RunRecord

log = logging.getLogger(__name__)


@cache
def _hash_of(backbone: str, options: str) -> str:
    asset, given = registry.entry("backbone", backbone).weights, json.loads(options)
    if asset and "weights" not in given:
        path = checked_asset(asset)
    else:  # only the builder knows which file it reads
        path = registry.build("backbone", backbone, **given).source
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path else "none"


def weights_hash(config: RunConfig) -> str:
    """Hash of the file that the trunk starts from; ``none`` for one without."""
    return _hash_of(config.backbone.name, json.dumps(dict(config.backbone.options), sort_keys=True))


def run_digest(config: RunConfig, store: Store) -> str:
    """The name of a run on this data."""
    return _name(config, identity(store))


def _name(config: RunConfig, data: str) -> str:
    return digest(config, data=data, weights=weights_hash(config), versions=registry.versions(config))


def digests(configs: Sequence[RunConfig]) -> list[str]:
    """The names of runs; each data set is opened once."""
    known = {name: identity(open_store(name)) for name in sorted({config.data.name for config in configs})}
    return [_name(config, known[config.data.name]) for config in configs]


def execute(
    config: RunConfig, *, profile: str, criteria: str, device: str = "auto", keep: Collection[str] = ()
) -> RunRecord:
    """Run a configuration, or return its record if it has been run; resume it if it was interrupted.

    A study that takes over another study's run judges it by its own criteria, as they stand.

    Args:
        config: what to run.
        profile: name of the profile it is run for.
        criteria: hash of the claims' criteria that stand now.
        device: ``auto``, ``cpu``, ``cuda``, ...
        keep: what stays beside the record: words of :data:`reproducible.training.keeping.FILES`.

    Returns:
        The record (:mod:`reproducible.records` documents it); it is also in the run's folder.

    Raises:
        UserError: if another process works on the run, a loss is not finite, or something cannot be read or written.
    """
    check_device(device)
    versions = registry.versions(config)  # an unknown name is refused before anything is prepared
    store = open_store(config.data.name)
    name = run_digest(config, store)
    labels = {"study": config.study, "arm": config.arm, "profile": profile}
    folder = run_folder(name)
    with checkpoint.lock(folder), memory_for(config.label):
        _sweep(folder, "*.partial")
        done = finished(name)
        if done is not None:
            _sweep(folder)
            check_kept(folder, keep)
            other = done["study"] != config.study
            return {**done, **labels, "criteria": criteria if other else done["criteria"]}
        where = choose_device(device)
        training = Training(config, store, folder, where)
        log.info("%s: run %s in %s", config.label, name, folder)
        result = training.run()
        keep_files(training, result["selected"]["step"], keep)
        seconds = result.pop("seconds")
        record: RunRecord = {
            **labels,
            "draw": config.data.draw,
            "seed": config.seed,
            "digest": name,
            "criteria": criteria,
            "config": to_dict(replace(config, study="", arm=""), sparse=True),
            "data": identity(store),
            "weights": weights_hash(config),
            "versions": versions,
            **result,
            "untouched": untouched(config, store, where) if config.steps else {},
            **described_sets(store, build_sets(config, store).evaluation["test"]),
            **classes_of(config, store),
            "environment": {
                **environment(where, config.precision),
                "threads": training.threads,
                "seconds": round(seconds, 1),
            },
        }
        check(record, str(folder))
        finish(record)
        _sweep(folder)
    return record


def classes_of(config: RunConfig, store: Store) -> dict[str, dict[str, list[str]]]:
    """``classes`` of a record: those of a reader's own folder by role, as no paper says which they are."""
    manifest = load_manifest(store.name)
    if not (isinstance(manifest, PhotoManifest) and manifest.layout == "folder"):
        return {}
    found = names_of(store, split(store, config.data.split, config.data.draw))
    return {"classes": {role: list(names[: config.data.limit_classes or None]) for role, names in found.items()}}


def _sweep(folder: Path, *patterns: str) -> None:
    """Remove what a finished run needs no more and what is left of processes that were killed, or files of these
    patterns; the caller holds the folder."""
    for pattern in patterns or ("checkpoint.pt", "weights_*.pt", "*.partial"):
        for leftover in folder.glob(pattern):
            leftover.unlink(missing_ok=True)


def selected_model(config: RunConfig, store: Store, device: torch.device) -> nn.Module:
    """The model of a run at its selected checkpoint; trains it without a look at the seen and the test classes.

    A run that was stopped goes on; one that is finished keeps its weights and is not trained again.

    Raises:
        UserError: as :func:`execute`.
    """
    config = replace(config, evaluation=EvaluationConfig(every=config.evaluation.every, test=False))
    folder = run_folder(run_digest(config, store))
    with checkpoint.lock(folder):
        training = Training(config, store, folder, device)
        step = training.run()["selected"]["step"]
        training.model.load_state_dict(checkpoint.load(training.weights_file(step), device))
    return training.model.eval()


def untouched(config: RunConfig, store: Store, device: torch.device) -> dict[str, Any]:
    """The pretrained trunk's pooled features on each role that the run looks at, before any training.

    Computed once for a class draw and input, whatever the arm.
    """
    plain = RunConfig(
        data=replace(config.data, view_size=0, boxes=False, windows=0),
        backbone=config.backbone,
        model=Component("unified"),
        evaluation=EvaluationConfig(seen_images=config.evaluation.seen_images, parts=config.evaluation.parts),
        precision=config.precision,
        frozen=config.frozen,
    )
    path = cache_dir() / "untouched" / f"{run_digest(plain, store)}.json"
    known = read_json(path, dict) if path.is_file() else {}
    sets = build_sets(config, store).evaluation
    wanted = [role for role in sets if role == "validation" or (config.evaluation.test and role not in known)]
    missing = [role for role in wanted if role not in known]
    if missing:
        model = build_model(plain)
        model.to(device, memory_format=torch.channels_last)
        images = images_of(store, config.data, device)
        seen = CachedMaps(model, images, store, plain) if plain.frozen else images
        embedder = Embedder(model, seen, store, plain, ("conv",))
        for role in missing:
            parts = role == "test" and plain.evaluation.parts
            found = evaluate(embedder, sets[role], feature="conv", parts=parts, neighbours=False)
            known[role] = describe(found, with_hits=role == "test")
        write_text(path, json.dumps(known))
    return {role: known[role] for role in sets if role in known and (config.evaluation.test or role == "validation")}


def _prepare_worker() -> None:
    end_with_parent()
    torch.set_num_threads(1)
    keep_freed_memory()


def execute_all(
    configs: Sequence[RunConfig],
    *,
    profile: str,
    criteria: str,
    device: str = "auto",
    workers: int = 1,
    shared: bool = False,
) -> Iterator[RunRecord]:
    """Run many configurations, yielding each record as it is finished.

    Args:
        configs: what to run, the most urgent first.
        profile, criteria, device: as in :func:`execute`.
        workers: processes; one thread each where there are several.
        shared: leave out, with a word of warning, what another process works on.

    Raises:
        UserError: as :func:`execute`; if a worker was killed.
    """
    for record in _each(configs, workers, profile=profile, criteria=criteria, device=device):
        if isinstance(record, Held) and not shared:
            raise record
        if isinstance(record, Held):
            log.warning("Left out: %s", record)
        else:
            yield record


def _attempt(config: RunConfig, **options: Any) -> RunRecord | Held:
    """The record of a run, or that another process works on it."""
    try:
        return execute(config, **options)
    except Held as error:
        return error


def _each(configs: Sequence[RunConfig], workers: int, **options: Any) -> Iterator[RunRecord | Held]:
    if workers == 1:
        yield from (_attempt(config, **options) for config in configs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker) as pool:
        jobs = [pool.submit(_attempt, config, **options) for config in configs]
        try:
            for job in as_completed(jobs):
                yield job.result()
        except BrokenProcessPool as error:
            left = [c.label for c, job in zip(configs, jobs, strict=True) if not job.done() or job.exception()]
            raise UserError(
                f"A worker process was killed, for want of memory perhaps; not finished: {', '.join(left)}. The same "
                "command goes on where they were; --workers 1 needs half the memory."
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
