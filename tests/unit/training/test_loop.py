"""The loop: what a curve says, which checkpoint is selected, two runs bit for bit, and what goes wrong."""

from __future__ import annotations

import errno
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_runs import TinyTrunk, spied, tiny_config, training, without_machine

from reproducible.config import Component, DataConfig, EvaluationConfig, OptimiserConfig
from reproducible.data.store import Store
from reproducible.data.transforms import center_boxes, crop_resize
from reproducible.encoding import decode_neighbours
from reproducible.resources import UserError
from reproducible.training import checkpoint
from reproducible.training.evaluate import Embedder, embed, evaluate
from reproducible.training.loop import Training, select

Make = Callable[..., Training]


def state(run: Training) -> dict[str, Any]:
    """Weights and optimiser state after the last step (the run itself ends with the selected weights loaded)."""
    found = checkpoint.load(run.folder / "checkpoint.pt", run.device)
    return {key: found[key] for key in ("step", "model", "optimiser", "schedule")}


@pytest.mark.parametrize(
    ("values", "window", "expected"),
    [
        ([1.0, 5.0, 2.0, 3.0], 1, 1),
        ([1.0, 5.0, 1.0, 4.0, 4.0, 3.0], 3, 4),  # means 3, 7/3, 10/3, 3, 11/3, 7/2
        ([9.0, 1.0, 4.0, 4.0], 3, 0),  # at the ends the window is cut: 5, 14/3, 3, 4
        ([0.0, 0.0, 2.0, 3.0], 3, 3),  # 0, 2/3, 5/3, 5/2
        ([3.0, 1.0, 3.0], 1, 0),  # the earliest of equals
        ([1.0, 3.0, 2.0], 5, 0),  # a window over everything
        ([7.0], 3, 0),
    ],
)
def test_select_takes_the_best_moving_average(values: list[float], window: int, expected: int) -> None:
    assert select(values, window) == expected


def test_a_run_is_its_steps_written_out(make: Make) -> None:
    """The curve's losses and the last weights against a literal loop over the same batches."""
    run, literal = make("run"), make("literal")
    result = run.run()
    sums: dict[str, float] = {}
    means = []
    for step in range(1, 13):
        losses = literal.losses(literal.batch(step))
        literal.optimiser.zero_grad()
        sum(losses.values()).backward()
        literal.optimiser.step()
        literal.schedule.step()
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + loss.item() / 4
        if step % 4 == 0:
            means.append(sums)
            sums = {}
    assert [point["step"] for point in result["curve"]] == [4, 8, 12]
    for point, mean in zip(result["curve"], means, strict=True):
        assert point["terms"] == pytest.approx(mean, abs=2e-6)
        assert point["loss"] == pytest.approx(sum(mean.values()), abs=2e-6)
    torch.testing.assert_close(state(run)["model"], literal.model.state_dict(), rtol=0, atol=0)


def test_two_runs_are_bit_identical(make: Make) -> None:
    first, second = make("first"), make("second")
    torch.manual_seed(7)
    a = without_machine(first.run())
    torch.manual_seed(8)
    b = without_machine(second.run())
    assert a == b
    torch.testing.assert_close(state(first), state(second), rtol=0, atol=0)


def test_two_runs_of_the_real_network_are_bit_identical(make: Make) -> None:
    """Two steps with BVLC GoogLeNet, whose convolutions have more than one algorithm to choose from."""
    weights = []
    for name in ("first", "second"):
        data = replace(tiny_config().data, input_size=64)
        run = make(name, backbone=Component("bvlc_googlenet"), data=data)
        for step in (1, 2):
            sum(run.losses(run.batch(step)).values()).backward()
            run.optimiser.step()
        weights.append(run.model.state_dict())
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)


def test_looks_happen_when_they_should(make: Make) -> None:
    evaluation = EvaluationConfig(every=2, test_every=6, seen_every=4, seen_images=2)
    result = make(evaluation=evaluation).run()
    curve, chosen = result["curve"], result["selected"]["step"]
    assert [p["step"] for p in curve] == [2, 4, 6, 8, 10, 12]
    assert {p["step"] for p in curve if "test" in p} == {6, 12, chosen}
    assert {p["step"] for p in curve if "seen" in p} == {4, 8, 12, chosen}
    assert all("hits" in p["test"] for p in curve if "test" in p)
    assert not any("neighbours" in p for p in curve)


def test_the_selected_checkpoint_is_on_the_curve_of_the_seen_classes(make: Make) -> None:
    """Whenever that curve has its looks, and with the weights of the selected step."""
    seldom = make("seldom", evaluation=EvaluationConfig(every=2, seen_every=12, seen_images=2)).run()
    often = make("often", evaluation=EvaluationConfig(every=2, seen_every=2, seen_images=2)).run()
    chosen = seldom["selected"]["step"]
    assert chosen < 12
    assert {p["step"] for p in seldom["curve"] if "seen" in p} == {chosen, 12}
    for a, b in zip(seldom["curve"], often["curve"], strict=True):
        assert "seen" not in a or a["seen"] == b["seen"]


def test_looking_changes_nothing(make: Make) -> None:
    often = make("often", evaluation=EvaluationConfig(every=1, test_every=1, seen_every=1))
    seldom = make("seldom", evaluation=EvaluationConfig(every=12))
    a, b = often.run(), seldom.run()
    torch.testing.assert_close(state(often)["model"], state(seldom)["model"], rtol=0, atol=0)
    assert a["last"]["test"] == b["last"]["test"]


def test_selected_and_last_are_measured_with_their_own_weights(make: Make, store: Store) -> None:
    """Whether the test classes were looked at during training or only at the end."""
    during = make("during", evaluation=EvaluationConfig(every=2, test_every=2))
    after = make("after", evaluation=EvaluationConfig(every=2))
    a, b = during.run(), after.run()
    assert a["selected"] == b["selected"]
    assert a["last"] == b["last"]
    chosen = select([p["validation"]["map_at_r"] for p in a["curve"]], 3)
    assert a["selected"]["step"] == a["curve"][chosen]["step"]
    assert a["selected"]["test"] == a["curve"][chosen]["test"]
    assert a["last"] == {"step": 12, "test": a["curve"][-1]["test"]}
    weights = checkpoint.load(during.weights_file(a["selected"]["step"]), during.device)
    during.model.load_state_dict(weights)
    found = evaluate(Embedder(during.model, during.images, store, during.config), during.sets.evaluation["test"])
    ids = decode_neighbours(a["selected"]["neighbours"], found.result.relevant)
    for row, kept, relevant in zip(ids, found.neighbours, found.result.relevant, strict=True):
        count = max(relevant, 8)
        assert row[:count].tolist() == kept[:count].tolist()


@pytest.mark.parametrize(("scores", "step", "not_converged"), [([1, 2, 9], 12, True), ([9, 2, 1], 4, False)])
def test_not_converged_says_that_the_selected_is_the_last(
    make: Make, monkeypatch: pytest.MonkeyPatch, scores: list[float], step: int, not_converged: bool
) -> None:
    run = make(evaluation=EvaluationConfig(every=4, window=1))
    original = run.look

    def look(since: list[dict[str, float]]) -> None:
        original(since)
        run.curve[-1]["validation"]["map_at_r"] = float(scores[len(run.curve) - 1])

    monkeypatch.setattr(run, "look", look)
    selected = run.run()["selected"]
    assert (selected["step"], selected["not_converged"]) == (step, not_converged)


def test_embeddings_are_of_the_central_window_and_leave_the_model_as_it_was(make: Make) -> None:
    run = make()
    index = np.array([3, 70, 71, 8])
    run.model.train()
    found = embed(run.model, run.images, index, run.config)
    assert run.model.training
    windows = crop_resize(run.images[torch.from_numpy(index)], center_boxes(4, 40, 0.875), 32)
    run.model.eval()
    with torch.no_grad():
        torch.testing.assert_close(found, run.model(windows).embedding, rtol=0, atol=0)
    pooled = TinyTrunk()(windows)["high"].mean(dim=(2, 3))
    torch.testing.assert_close(embed(run.model, run.images, index, run.config, feature="conv"), pooled.detach())


def test_evaluation_is_that_of_a_full_sort(make: Make, store: Store) -> None:
    run = make()
    queries, gallery = run.sets.evaluation["seen"]
    both = embed(run.model, run.images, np.concatenate([queries, gallery]), run.config).double().numpy()
    similarity = both[: len(queries)] @ both[len(queries) :].T
    order = np.argsort(-similarity, axis=1, kind="stable")
    hit = store.labels[gallery][order] == store.labels[queries][:, None]
    result = evaluate(run.embedder, (queries, gallery)).result
    for k in (1, 2, 4, 8):
        assert result.recall[k] == pytest.approx(hit[:, :k].any(axis=1).mean())
    assert 0 < result.recall[1] < 1


# --- what goes wrong -------------------------------------------------------------------------------------------------


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
    kept = state(run)
    assert kept["step"] == 4
    assert all(torch.isfinite(t).all() for t in kept["model"].values())
    again, whole = make(), make("whole")
    assert without_machine(again.run()) == without_machine(whole.run())
    torch.testing.assert_close(state(again), state(whole), rtol=0, atol=0)


def test_rate_that_is_far_too_high(make: Make) -> None:
    with pytest.raises(
        UserError, match=r"tiny/plain draw 0 seed 0: \w+ is (nan|inf) at step 2\. .* lower optimiser.lr"
    ):
        make(optimiser=OptimiserConfig(lr=1e30)).run()


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
    for error in (
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("PytorchStreamWriter failed writing file"),
    ):

        def fail(state: object, file: Any, error: Exception = error) -> None:
            file.write(b"half of it")
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(checkpoint.torch, "save", fail)
            with pytest.raises(UserError, match=r"checkpoint.pt: the checkpoint could not be written .* is kept"):
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
        with pytest.raises(UserError, match="could not be written"):
            checkpoint.save({"step": 2, "model": torch.zeros(1_000_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty"])
def test_checkpoint_that_cannot_be_read(make: Make, damage: str) -> None:
    run = make()
    run.run()
    path = run.folder / "checkpoint.pt"
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "garbage": b"\x00garbage" * 100, "empty": b""}[damage])
    with pytest.raises(
        UserError, match=r"checkpoint.pt: unreadable checkpoint \(\w+\); delete the file to start this run anew"
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
