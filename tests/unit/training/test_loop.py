"""The loop: what a curve says, which checkpoint is selected, two runs bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_runs import TinyTrunk, kept_state, tiny_config, without_machine

from reproducible.config import Component, EvaluationConfig, OptimiserConfig
from reproducible.data.store import Store
from reproducible.data.transforms import center_boxes, crop_resize
from reproducible.encoding import decode_neighbours
from reproducible.evaluation.selection import select
from reproducible.training import checkpoint
from reproducible.training.evaluate import Embedder, embed, evaluate
from reproducible.training.loop import Training

Make = Callable[..., Training]


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
    torch.testing.assert_close(kept_state(run)["model"], literal.model.state_dict(), rtol=0, atol=0)


def test_two_runs_are_bit_identical(make: Make) -> None:
    first, second = make("first"), make("second")
    torch.manual_seed(7)
    a = without_machine(first.run())
    torch.manual_seed(8)
    b = without_machine(second.run())
    assert a == b
    torch.testing.assert_close(kept_state(first), kept_state(second), rtol=0, atol=0)


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


def test_the_start_is_looked_at_and_can_be_selected_and_changes_nothing_else(make: Make) -> None:
    plain = make("plain", evaluation=EvaluationConfig(every=2, test_every=2)).run()
    looked = make("looked", evaluation=EvaluationConfig(every=2, test_every=2, start=True, window=1)).run()
    first, *others = looked["curve"]
    assert (first["step"], first["terms"]) == (0, {}) and "test" in first
    assert others == plain["curve"]
    frozen = EvaluationConfig(every=2, start=True, window=1)
    still = make("still", evaluation=frozen, optimiser=OptimiserConfig(lr=1e-12)).run()
    assert still["selected"]["step"] == 0, "the earliest of equal looks"


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
    torch.testing.assert_close(kept_state(often)["model"], kept_state(seldom)["model"], rtol=0, atol=0)
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
    ids = decode_neighbours(a["selected"]["neighbours"], found.result.relevant, found.neighbours.shape[1])
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
