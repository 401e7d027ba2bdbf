"""A run that goes astray says so and keeps its last good checkpoint; a failing disk or process costs no more."""

from __future__ import annotations

import errno
import json
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_runs import kept_state, spied, training, without_machine

from reproducible import records
from reproducible.config import Component, DataConfig, EvaluationConfig, OptimiserConfig
from reproducible.data.store import Store
from reproducible.encoding import pack_lines
from reproducible.resources import UserError
from reproducible.training import checkpoint
from reproducible.training.loop import Training
from reproducible.types import Batch

Make = Callable[..., Training]


def broken(run: Training, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """From step ``at`` on the second loss is not a number."""
    original = run.losses

    def losses(batch: object) -> dict[str, torch.Tensor]:
        found = original(batch)
        bad = float("nan") if run.step + 1 >= at else 1.0
        return {**found, "unit_rows": found["unit_rows"] * bad}

    monkeypatch.setattr(run, "losses", losses)


def test_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make()
    broken(run, monkeypatch, at=6)
    with pytest.raises(UserError) as error:
        run.run()
    assert "tiny/plain draw 0 seed 0: unit_rows is nan at step 6." in str(error.value)
    assert str(run.folder) in str(error.value)
    kept = kept_state(run)
    assert kept["step"] == 4
    assert all(torch.isfinite(t).all() for t in kept["model"].values())
    again, whole = make(), make("whole")
    assert without_machine(again.run()) == without_machine(whole.run())
    torch.testing.assert_close(kept_state(again), kept_state(whole), rtol=0, atol=0)


def test_rate_that_is_far_too_high(make: Make) -> None:
    with pytest.raises(
        UserError, match=r"tiny/plain draw 0 seed 0: \w+ is (nan|inf) at step 2\. .* lower optimiser.lr"
    ):
        make(optimiser=OptimiserConfig(lr=1e30)).run()


def test_maps_of_object_attention_that_are_not_finite_name_step_and_arm(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step that spoils the weights has a finite loss; the next one finds no window, and comes to no loss."""
    options = {"scales": 2, "branches": 1, "dim": 8, "at": "low", "hidden": 4, "layers": ["high"]}
    run = make(model=Component("deml", options))
    original = run.losses

    def losses(batch: Batch) -> dict[str, torch.Tensor]:
        if run.step == 5:
            next(run.model.parameters()).data.fill_(float("nan"))
        return original(batch)

    monkeypatch.setattr(run, "losses", losses)
    said = r"tiny/plain draw 0 seed 0: object attention's map 0 of image 0 .* holds NaN or infinity after step 5\."
    with pytest.raises(UserError, match=said):
        run.run()
    assert kept_state(run)["step"] == 4


def test_embeddings_that_are_not_finite_name_step_and_arm(make: Make) -> None:
    """The loss of step 1 is finite; what the step makes of the weights is not, and validation sees it first."""
    run = make(optimiser=OptimiserConfig(lr=1e30), evaluation=EvaluationConfig(every=1))
    said = r"tiny/plain draw 0 seed 0: an embedding of the validation images is not finite at step 1\."
    with pytest.raises(UserError, match=said):
        run.run()
    assert not (run.folder / "checkpoint.pt").exists()


def test_weights_that_are_not_finite_replace_no_checkpoint(make: Make) -> None:
    """The losses until then were finite, and no evaluation is due: only the weights tell."""
    run = make()
    run.save([])
    before = (run.folder / "checkpoint.pt").read_bytes()
    with torch.no_grad():
        run.model.learner.weight[0, 0] = float("nan")
    with pytest.raises(UserError, match=r"tiny/plain draw 0 seed 0: learner.weight is not finite after step 0\."):
        run.save([])
    with torch.no_grad():
        run.model.learner.weight[0, 0] = 0.0
        run.objective.register_buffer("running", torch.tensor(float("inf")))
    with pytest.raises(UserError, match=r"tiny/plain draw 0 seed 0: running is not finite after step 0\."):
        run.save([])
    assert (run.folder / "checkpoint.pt").read_bytes() == before


def test_an_evaluation_that_cannot_be_is_no_divergence(make: Make) -> None:
    """Queries that have no other image of their class are the data's fault, not the rate's."""
    run = make()
    queries, gallery = run.sets.evaluation["validation"]
    other = gallery[run.store.labels[gallery] != run.store.labels[queries[0]]]
    run.sets.evaluation["validation"] = queries[:1], other
    with pytest.raises(ValueError, match="has another item of its class in the gallery"):
        run.evaluate("validation")


def test_full_disk_keeps_the_checkpoint_before(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make("run")
    run.run()
    path = run.folder / "checkpoint.pt"
    before = path.read_bytes()
    for error, said in (
        (OSError(errno.ENOSPC, "No space left on device"), "disk full, 1 MB are needed; the one before it is kept"),
        (RuntimeError("failed writing file"), "the checkpoint could not be written .*; the one before it is kept"),
    ):

        def fail(state: object, file: Any, error: Exception = error) -> None:
            file.write(b"half of it")
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(checkpoint.torch, "save", fail)
            with pytest.raises(UserError, match=f"checkpoint.pt: {said}"):
                run.save([])
        assert path.read_bytes() == before
        assert not list(run.folder.glob("*.partial"))


def test_system_that_refuses_to_write_on(tmp_path: Path) -> None:
    """The same with a real limit of the system, reached in the middle of the file."""
    path = tmp_path / "checkpoint.pt"
    checkpoint.save({"step": 1}, path)
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"cannot be written \(File too large\); the one before it is kept"):
            checkpoint.save({"step": 2, "model": torch.zeros(1_000_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["checkpoint.pt", "weights_000012.pt"])
def test_bit_that_flipped_is_noticed(make: Make, name: str) -> None:
    """Within each tensor in turn, where torch reads the file as if nothing were."""
    run = make()
    run.run()
    path = run.folder / name
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        tensors = [archive.read(entry) for entry in archive.namelist() if "/data/" in entry]
    for tensor in tensors:
        content = bytearray(whole)
        content[whole.index(tensor) + len(tensor) // 2] ^= 16
        path.write_bytes(content)
        torch.load(path, weights_only=True)
        remedy = f"delete the folder {run.folder} to start this run anew"
        with pytest.raises(UserError, match=rf"{name}: unreadable checkpoint .*; {remedy}"):
            checkpoint.load(path, run.device)
    assert len(tensors) > 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: [state], r"checkpoint of another version \(without 'run'\)"),
        (lambda state: {k: v for k, v in state.items() if k != "since"}, r".*version \(without 'since'\)"),
        (lambda state: state | {"run": "0" * 16}, r"is of run 0{16}"),
    ],
)
def test_checkpoint_of_another_version_or_run(make: Make, change: Callable[[Any], Any], said: str) -> None:
    run = make()
    run.run()
    path = run.folder / "checkpoint.pt"
    checkpoint.save(change(checkpoint.load(path, run.device)), path)
    with pytest.raises(
        UserError, match=rf"checkpoint.pt: {said}; delete the folder {run.folder} to start this run anew"
    ):
        make().run()


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty"])
def test_checkpoint_that_cannot_be_read(make: Make, damage: str) -> None:
    run = make()
    run.run()
    path = run.folder / "checkpoint.pt"
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "garbage": b"\x00garbage" * 100, "empty": b""}[damage])
    with pytest.raises(
        UserError, match=rf"checkpoint.pt: unreadable checkpoint \(\w+\); delete the folder {run.folder} "
    ):
        make().run()


class Intruder:
    """An object that would run a program when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_nothing_but_plain_values_is_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"step": Intruder(tmp_path / "trace")}, path)
    with pytest.raises(UserError, match="unreadable checkpoint"):
        checkpoint.load(path, torch.device("cpu"))
    assert not (tmp_path / "trace").exists()


def test_two_processes_on_one_run(tmp_path: Path) -> None:
    with checkpoint.lock(tmp_path / "run"):
        with (
            pytest.raises(UserError, match="run: another process works on this run"),
            checkpoint.lock(tmp_path / "run"),
        ):
            pass
        with checkpoint.lock(tmp_path / "other"):
            pass
    with checkpoint.lock(tmp_path / "run"):
        pass


def test_more_classes_a_batch_than_there_are(store: Store, tmp_path: Path) -> None:
    data = DataConfig(input_size=32, limit_classes=3, classes_per_batch=4)
    with pytest.raises(UserError, match="p = 4 classes a batch, but there are 3"):
        training(tmp_path, store, data=data)


def test_trials_never_embed_a_photograph_of_the_test_classes(
    make: Make, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reproducible.data.splits import split
    from reproducible.training import evaluate as module

    embedded = spied(monkeypatch, module, "embed_all", lambda model, images, indices, *rest: indices)
    run = make(evaluation=EvaluationConfig(every=4, seen_every=4, test=False))
    result = run.run()
    classes = set(store.labels[np.concatenate(embedded)].tolist())
    assert classes
    assert not classes & set(split(store, "half", 0).test)
    assert not any("test" in point for point in (*result["curve"], result["selected"], result["last"]))
    assert "neighbours" not in result["selected"]


def test_resumed_run_keeps_the_threads_that_it_began_with(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of floats depend on them; afterwards the process has its own again, and the record says the run's."""
    run = make()
    run.threads = 3  # as if it had begun so
    run.step = 4
    run.save([])
    seen = spied(monkeypatch, Training, "batch", lambda *_: torch.get_num_threads())
    before = torch.get_num_threads()
    again = make()
    again.run()
    assert set(seen) == {3} and again.threads == 3 and torch.get_num_threads() == before != 3


def test_checkpoint_without_threads_goes_on_with_those_there_are(make: Make) -> None:
    run = make()
    run.save([])
    state = torch.load(run.folder / "checkpoint.pt", weights_only=True)
    del state["threads"]
    checkpoint.save(state, run.folder / "checkpoint.pt")
    again = make()
    assert again.resume() == [] and again.threads == torch.get_num_threads()


fixed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def spoil(data: st.DataObject, folder: Path) -> None:
    """A checkpoint, a cached record or an archive of records cut short, or with another byte somewhere, is what it was
    or refused in words."""
    made = folder / "made"
    if not made.is_dir():
        made.mkdir()
        checkpoint.save({"step": 3, "model": {"a": torch.arange(20.0)}}, made / "checkpoint.pt")
        (made / "state.json").write_text(json.dumps({"test": {"recall_at_1": 50.0}}))
        records.write_bytes(made / "arm.jsonl.xz", pack_lines([{"study": "a"}]))
    source = data.draw(st.sampled_from(sorted(made.iterdir())))
    content = bytearray(source.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
    path = folder / source.name
    path.write_bytes(bytes(content))
    reader = {
        ".pt": lambda: checkpoint.load(path, torch.device("cpu"), ("step", "model")),
        ".json": lambda: records.read_json(path, dict),
        ".xz": lambda: records.read(path),
    }[source.suffix]
    try:
        found = reader()
    except UserError as error:
        assert path.name in str(error)
    else:
        if source.suffix == ".pt":  # a bit between its parts; what they hold is what it was
            assert found["step"] == 3 and torch.equal(found["model"]["a"], torch.arange(20.0))


@settings(fixed, max_examples=30)
@given(data=st.data())
def test_spoilt_files_of_a_run_end_in_words(data: st.DataObject, tmp_path: Path) -> None:
    spoil(data, tmp_path)


@pytest.mark.slow
@settings(fixed, max_examples=2000)
@given(data=st.data())
def test_spoilt_files_of_a_run_end_in_words_many(data: st.DataObject, tmp_path: Path) -> None:
    spoil(data, tmp_path)
