"""Models that zoom: the view of a batch in training and evaluation, and losses with parameters of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_runs import CPU, SIDE, tiny_config, training

from reproducible.config import Component, DataConfig, Term, to_dict
from reproducible.data.store import Store
from reproducible.data.transforms import crop_resize, random_boxes, random_flips, squares_in_windows
from reproducible.resources import UserError
from reproducible.training.evaluate import embed
from reproducible.training.runner import untouched
from reproducible.training.seeding import generator

VIEW = 48
ZOOM = Component(
    "deml", {"scales": 2, "branches": 2, "dim": 8, "at": "low", "hidden": 3, "layers": ["high"], "source": "mean"}
)
OBJECT = Component("deml", {"scales": 2, "branches": 1, "dim": 8, "gate": "none", "zoom": "object"})
GAME = (Term("binomial_deviance"), Term("adversary", {"dim": 2, "scales": 2, "branches": 2, "rise": 12}))


def changes(**more: Any) -> dict[str, Any]:
    data = DataConfig(input_size=32, view_size=VIEW, limit_classes=6, classes_per_batch=4, images_per_class=2)
    return {"data": data, "model": ZOOM, "objective": GAME, **more}


def test_view_is_the_same_window_at_another_size(tmp_path: Path, store: Store) -> None:
    run = training(tmp_path / "a", store, **changes())
    batch, plain = run.batch(3), training(tmp_path / "b", store).batch(3)
    assert torch.equal(batch.images, plain.images)
    assert plain.view is None
    chance = generator(0, "augmentation", 3)
    boxes, flip = random_boxes(8, SIDE, 0.875, chance), random_flips(8, chance)
    chosen = torch.from_numpy(run.sets.train[run.sampler.draw(generator(0, "order", 3))[0]])
    assert torch.equal(batch.view, crop_resize(run.images[chosen], boxes, VIEW, flip))


def test_no_view_leaves_digests_as_they_are() -> None:
    assert "view_size" not in to_dict(tiny_config(), sparse=True)["data"]
    with pytest.raises(UserError, match=r"DataConfig.view_size must be 0 \(none\) or at least 32 pixels, got 16"):
        DataConfig(view_size=16)


def test_game_goes_on_where_it_was_interrupted(tmp_path: Path, store: Store) -> None:
    """Weights of the rivals, their batch statistics and the rise of the reversal are in the checkpoint."""
    whole = training(tmp_path / "whole", store, **changes())
    result = whole.run()
    assert set(result["curve"][0]["terms"]) == {"binomial_deviance", "adversary"}
    assert whole.objective.terms["adversary"].step.item() == 12

    class Stop(Exception):
        pass

    broken = training(tmp_path / "broken", store, save_every=0.0, **changes())
    losses = broken.losses

    def stop_at_seven(batch: Any) -> Any:
        if broken.step == 6:
            raise Stop
        return losses(batch)

    broken.losses = stop_at_seven
    with pytest.raises(Stop):
        broken.run()
    again = training(tmp_path / "broken", store, **changes())
    again.run()
    for name, value in whole.objective.state_dict().items():
        assert torch.equal(again.objective.state_dict()[name], value), name
    for name, value in whole.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], value), name


def test_rivals_start_from_a_stream_of_their_own(tmp_path: Path, store: Store) -> None:
    torch.manual_seed(0)
    first = training(tmp_path / "a", store, **changes())
    torch.manual_seed(1)
    second = training(tmp_path / "b", store, **changes())
    for one, other in zip(first.objective.parameters(), second.objective.parameters(), strict=True):
        assert torch.equal(one, other)


def test_evaluation_shows_the_view_too(tmp_path: Path, store: Store) -> None:
    run = training(tmp_path / "a", store, **changes())
    rows = run.sets.evaluation["validation"][0][:5]
    seen: list[tuple[int, ...]] = []
    run.model.register_forward_pre_hook(
        lambda _, args, inputs: seen.extend(tuple(x.shape) for x in inputs.values()), with_kwargs=True
    )
    assert embed(run.model, run.images, rows, run.config).shape == (5, 8)
    assert seen == [(5, 3, 32, 32), (5, 3, VIEW, VIEW)]


def bright(store: Store, box: tuple[int, int, int, int]) -> Store:
    """Black images with one bright object."""
    x0, y0, x1, y1 = box
    images = np.zeros_like(store.images)
    images[:, y0:y1, x0:x1] = 255
    boxes = np.tile(np.array(box, store.images.dtype).astype(np.int16), (len(images), 1, 1))
    return replace(store, images=images, boxes=boxes)


def test_squares_lie_about_the_objects_in_training_and_evaluation(tmp_path: Path, store: Store) -> None:
    """Against the bright pixels of the pictures themselves, mirrored or not, and of half-hidden objects."""
    for number, box in enumerate([(12, 15, 30, 21), (0, 0, 9, 12), (33, 20, 40, 40)]):
        data = DataConfig(input_size=80, boxes=True, limit_classes=6, classes_per_batch=4, images_per_class=2)
        known = bright(store, box)
        run = training(tmp_path / str(number), known, **changes(data=data, model=OBJECT, objective=GAME[:1]))
        seen: list[Any] = []
        run.model.register_forward_pre_hook(lambda _, args, inputs, seen=seen: seen.append(inputs), with_kwargs=True)
        embed(run.model, run.images, run.sets.train[:5], run.config, store=known)
        batches = [run.batch(step).inputs for step in range(1, 5)]
        for inputs in (*batches, seen[0]):
            assert sorted(inputs) == ["boxes", "images"]
            for image, square in zip(inputs["images"], inputs["boxes"], strict=True):
                rows, columns = ((image[0] > 127).any(dim=d).nonzero().flatten() for d in (1, 0))
                low = torch.stack([columns[0], rows[0]]).clamp(min=0)
                high = torch.stack([columns[-1], rows[-1]]) + 1
                assert (80 * square[:2] <= low + 1.01).all()
                assert (80 * square[2:] >= high - 1.01).all()
                sides = 80 * (square[2:] - square[:2])
                torch.testing.assert_close(sides, (high - low).max().expand(2).float(), rtol=0, atol=2)


def test_boxes_of_a_store_that_knows_none(tmp_path: Path, store: Store) -> None:
    data = DataConfig(input_size=32, boxes=True, limit_classes=6, classes_per_batch=4, images_per_class=2)
    with pytest.raises(UserError, match=r"knows no boxes of objects; set data\.boxes to false"):
        training(tmp_path, replace(store, boxes=None), **changes(data=data, model=OBJECT, objective=GAME[:1]))


def test_window_that_shows_nothing_of_its_object() -> None:
    square = squares_in_windows(torch.tensor([[0, 0, 4, 4]]), torch.tensor([[8.0, 8, 16, 16]]))
    assert square.tolist() == [[0, 0, 1, 1]]


def test_untouched_trunk_is_asked_without_the_view(store: Store) -> None:
    assert untouched(tiny_config(**changes()), store, CPU) == untouched(tiny_config(), store, CPU)
