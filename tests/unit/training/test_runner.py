"""Carrying out configurations: records, the run cache, what is computed once, workers."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_runs import TinyTrunk, spied, tiny_config, without_machine

from reproducible import records, registry, resources
from reproducible.config import Component, EvaluationConfig, RunConfig, Term, from_dict
from reproducible.data.splits import split
from reproducible.data.store import Store
from reproducible.data.transforms import center_boxes, crop_resize
from reproducible.encoding import expand
from reproducible.resources import UserError
from reproducible.training import checkpoint, runner
from reproducible.training.runner import execute, execute_all, run_digest
from reproducible.training.sets import build_sets

CRITERIA = "c" * 64
FORK = multiprocessing.get_context("fork")


def run(config: RunConfig, profile: str = "standard") -> dict[str, Any]:
    return execute(config, profile=profile, criteria=CRITERIA, device="cpu")


def keys(value: Any) -> Iterator[str]:
    """Every key of nested dictionaries."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def test_record_holds_what_was_run(store: Store) -> None:
    config = tiny_config(seed=2)
    record = run(config)
    records.check(record, "here")
    assert (record["study"], record["arm"], record["profile"]) == ("tiny", "plain", "standard")
    assert (record["draw"], record["seed"], record["criteria"]) == (0, 2, CRITERIA)
    assert record["digest"] == run_digest(config, store)
    assert from_dict(RunConfig, record["config"]) == replace(config, study="", arm="")
    assert (record["data"], record["weights"]) == ("noise", "none")
    assert set(record["versions"]) == {
        *("backbone/tiny", "model/unified", "loss/binomial_deviance", "loss/unit_rows"),
    }
    assert record["environment"]["device"]
    assert record["environment"]["seconds"] > 0
    assert json.loads(json.dumps(record)) == record
    queries, gallery = build_sets(config, store).evaluation["test"]
    assert expand(record["queries"]).tolist() == store.labels[queries].tolist()
    assert expand(record["gallery"]).tolist() == store.labels[gallery].tolist()
    assert expand(record["gallery"], column=1).tolist() == store.coarse[gallery].tolist()
    assert records.verify(record) == {}
    for point in (record["untouched"], record["selected"], record["last"], record["curve"][1]):
        assert records.queries_first(record, point).mean() == pytest.approx(point["test"]["recall_at_1"], abs=1e-3)


def test_finished_run_is_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_config()
    first = run(config)
    folder = records.run_folder(first["digest"])
    assert sorted(p.name for p in folder.iterdir()) == ["record.json", "record.sha256"]
    monkeypatch.setattr(runner, "Training", None)
    now = {"profile": "quick", "criteria": "d" * 64, "device": "cpu"}
    assert execute(replace(config, arm="another"), **now) == {**first, "arm": "another", "profile": "quick"}
    again = execute(replace(config, study="other"), **now)  # judged by what the other study asks
    assert again == {**first, "study": "other", "profile": "quick", "criteria": "d" * 64}
    assert records.finished(first["digest"]) == first


def test_another_configuration_is_another_run() -> None:
    assert run(tiny_config())["digest"] != run(tiny_config(seed=1))["digest"]


def test_trials_leave_no_trace_of_the_test_classes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from reproducible.training import evaluate as module

    embedded = spied(monkeypatch, module, "embed_all", lambda model, images, indices, *rest: indices)
    record = run(tiny_config(evaluation=EvaluationConfig(every=4, test=False)))
    for part in ("curve", "selected", "last", "untouched"):
        assert "test" not in set(keys(record[part])), part
        assert not {"hits", "neighbours"} & set(keys(record[part])), part
    classes = set(store.labels[np.concatenate(embedded)].tolist())
    assert classes == set(split(store, "half", 0).validation[:6])
    assert records.verify(record) == {}


def test_untouched_is_computed_once_for_a_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = spied(monkeypatch, runner, "evaluate", lambda *arguments, **options: options["feature"])
    first = run(tiny_config())
    assert looks == ["conv"] * 3  # validation, test, seen
    other = run(tiny_config(model=Component("unified", {"dim": 3}), objective=(Term("binomial_deviance"),), seed=4))
    assert len(looks) == 3
    assert first["untouched"] == other["untouched"]
    third = run(tiny_config(data=replace(tiny_config().data, draw=4)))
    assert len(looks) == 6
    assert third["untouched"]["test"] != first["untouched"]["test"]


def test_untouched_after_a_trial_adds_the_test_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = spied(monkeypatch, runner, "evaluate", lambda *arguments, **options: None)
    trial = run(tiny_config(evaluation=EvaluationConfig(every=4, test=False, seen_images=2)))
    assert set(trial["untouched"]) == {"validation"}
    whole = run(tiny_config())
    assert set(whole["untouched"]) == {"validation", "test", "seen"}
    assert whole["untouched"]["validation"] == trial["untouched"]["validation"]
    assert len(looks) == 3


def test_untouched_is_the_pooled_features_of_the_trunk(store: Store) -> None:
    config = tiny_config()
    record = run(config)
    queries, gallery = build_sets(config, store).evaluation["test"]
    images = torch.from_numpy(store.images[np.concatenate([queries, gallery])])
    with torch.no_grad():
        windows = crop_resize(images, center_boxes(len(images), 40, 0.875), 32)
        pooled = TinyTrunk()(windows)["high"].mean(dim=(2, 3)).double()
    unit = (pooled / pooled.norm(dim=1, keepdim=True)).numpy()
    first = np.argmax(unit[: len(queries)] @ unit[len(queries) :].T, axis=1)
    hit = store.labels[gallery][first] == store.labels[queries]
    assert records.queries_first(record, record["untouched"]).astype(bool).tolist() == hit.tolist()


def test_run_that_another_process_holds(store: Store) -> None:
    config = tiny_config()
    folder = records.run_folder(run_digest(config, store))
    with checkpoint.lock(folder), pytest.raises(UserError, match="another process works on this run"):
        run(config)


def test_device_that_is_not_there() -> None:
    with pytest.raises(UserError, match="There is no device 'gpu9'"):
        execute(tiny_config(), profile="standard", criteria=CRITERIA, device="gpu9")


def test_full_disk_when_the_record_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost: the checkpoint stays, and the next call writes the record without another step."""
    config = tiny_config()
    original = Path.write_bytes

    def fail(path: Path, content: bytes) -> int:
        if path.name.startswith("record.json"):
            original(path, content[:100])
            raise OSError(28, "No space left on device")
        return original(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fail)
        with pytest.raises(UserError, match=r"record.json: disk full, .* nothing was changed\. .*REPRODUCIBLE_CACHE"):
            run(config)
    batches = spied(monkeypatch, runner.Training, "batch", lambda training, step: step)
    record = run(config)
    assert batches == []
    assert records.verify(record) == {}


def test_workers_give_the_records_of_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two processes, here forked so that they know the small trunk; they finish in any order."""
    configs = [tiny_config(seed=seed) for seed in (0, 1, 2)]
    options = {"profile": "standard", "criteria": CRITERIA, "device": "cpu"}
    alone = {r["digest"]: without_machine(r) for r in execute_all(configs, **options)}
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "another"))
    monkeypatch.setattr(runner.multiprocessing, "get_context", lambda _: FORK)
    together = {r["digest"]: without_machine(r) for r in execute_all(configs, workers=2, **options)}
    assert together == alone
    assert len(alone) == 3


def test_worker_that_fails_is_reported_and_the_others_records_stay(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = tiny_config(), tiny_config(model=Component("unified", {"dims": 3}))
    monkeypatch.setattr(runner.multiprocessing, "get_context", lambda _: FORK)
    found = []
    with pytest.raises(UserError, match="model 'unified' has no option 'dims'"):
        for record in execute_all([good, bad], profile="standard", criteria=CRITERIA, device="cpu", workers=2):
            found.append(record)
    assert len(found) <= 1
    folder = records.run_folder(run_digest(good, store))
    for _ in range(600):  # the other worker goes on to the end
        if (folder / "record.json").is_file():
            break
        time.sleep(0.1)
    assert records.verify(records.finished(folder.name)) == {}


def test_worker_that_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the runs that are not finished and says how to go on."""
    monkeypatch.setattr(runner.multiprocessing, "get_context", lambda _: FORK)
    monkeypatch.setattr(runner, "Training", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(UserError, match=r"killed.* not finished: tiny/plain draw 0 seed 0, .*seed 1. The same command"):
        configs = [tiny_config(), tiny_config(seed=1)]
        list(execute_all(configs, profile="standard", criteria=CRITERIA, device="cpu", workers=2))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text[:12], "damaged (SHA-256 expected"),
        (lambda text: text.replace('"step": 8', '"step": 9', 1), "damaged (SHA-256 expected"),
        (lambda text: "", "damaged (SHA-256 expected"),
    ],
)
def test_record_in_the_cache_that_was_changed(spoil: Any, said: str) -> None:
    """It is named, with what to delete; then the run is made again."""
    first = run(tiny_config())
    path = records.run_folder(first["digest"]) / "record.json"
    path.write_text(spoil(path.read_text()))
    with pytest.raises(UserError, match=rf"{path}: {re.escape(said)} .*Delete it, and the run is made again"):
        run(tiny_config())
    path.unlink()
    assert without_machine(run(tiny_config())) == without_machine(first)


def test_record_in_the_cache_is_checked_like_a_committed_one() -> None:
    """Also where no hash lies beside it, as of older versions: another run's, one that states what it does not hold."""
    first, other = run(tiny_config()), run(tiny_config(seed=1))
    folder = records.run_folder(first["digest"])
    (folder / "record.sha256").unlink()
    assert records.finished(first["digest"]) == first
    wrong = json.loads(json.dumps(first))
    wrong["selected"]["test"]["map_at_r"] += 1
    step = next(point for point in wrong["curve"] if point["step"] == wrong["selected"]["step"])
    step["test"] = wrong["selected"]["test"]
    if wrong["last"]["step"] == step["step"]:
        wrong["last"]["test"] = step["test"]
    for record, said in (
        (other, rf"it is the record of run {other['digest']}"),
        (wrong, "map_at_r is stated as"),
        (first | {"selected": "x"}, "selected: must be a mapping"),
        (first | {"seed": 4}, "seed must be 0"),
        ([], "must be a mapping"),
    ):
        (folder / "record.json").write_text(json.dumps(record))
        with pytest.raises(
            UserError, match=rf"record.json: damaged \(.*{said}.*\)\. Delete it, and the run is made again"
        ):
            run(tiny_config())


def test_run_that_another_process_holds_is_left_out_where_many_share_the_work(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    configs = [tiny_config(seed=seed) for seed in (0, 1)]
    folder = records.run_folder(run_digest(configs[0], store))
    options = {"profile": "standard", "criteria": CRITERIA, "device": "cpu"}
    with checkpoint.lock(folder):
        assert [r["seed"] for r in execute_all(configs, shared=True, **options)] == [1]
        assert "another process works on this run" in caplog.text
        with pytest.raises(UserError, match="another process works on this run"):
            list(execute_all(configs, **options))
    assert not folder.exists(), "nothing is left of a run that was not begun"
    assert [r["seed"] for r in execute_all(configs, shared=True, **options)] == [0, 1]


def test_refused_run_leaves_nothing_behind() -> None:
    with pytest.raises(UserError):
        run(tiny_config(model=Component("unified", {"dims": 3})))
    assert not list((resources.cache_dir() / "runs").iterdir())


def test_half_written_files_of_a_killed_process_go_at_the_next_start(store: Store) -> None:
    """Before anything else, so that a refusal leaves an empty folder, which goes as well."""
    config = tiny_config(model=Component("unified", {"dims": 3}))
    folder = records.run_folder(run_digest(config, store))
    folder.mkdir(parents=True)
    for name in ("record.json.99999.partial", "checkpoint.pt.partial"):
        (folder / name).write_bytes(b"half of it")
    with pytest.raises(UserError, match="no option 'dims'"):
        run(config)
    assert not folder.exists()


def test_weights_are_what_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trunk file that was cut or exchanged is named before a run starts from it."""
    real = resources.shipped()
    assert resources.checked_asset("bvlc_googlenet.safetensors").is_file()
    monkeypatch.setattr(resources, "shipped", lambda: {**real, "bvlc_googlenet.safetensors": "0" * 64})
    with pytest.raises(UserError, match=rf"bvlc_googlenet.safetensors: wrong checksum. SHA-256 expected {'0' * 64}"):
        registry.build("backbone", "bvlc_googlenet")
