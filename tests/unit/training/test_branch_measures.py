"""What gates share out, what other grounds leave of recall, how two gradients stand: each computed again by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from few_glyphs import MINI, write_variants
from tiny_runs import training

from reproducible import registry
from reproducible.config import Component, DataConfig, EvaluationConfig, Term
from reproducible.data.glyphs.plan import glyphs_of
from reproducible.data.glyphs.render import ground_of, render
from reproducible.data.glyphs.source import grounds
from reproducible.data.manifest import load_manifest
from reproducible.data.store import Store, prepare
from reproducible.resources import UserError
from reproducible.training import measures
from reproducible.training.evaluate import embed
from reproducible.training.loop import Training
from reproducible.training.measures.background import on_other_grounds
from reproducible.training.measures.entries import entropy, parts_on, shared
from reproducible.training.measures.gradients import elsewhere

HEAD = Component("head", {"dim": 12, "branches": 3, "gate": "feature", "place": "post"})
DATA = DataConfig("glyphs", input_size=48, limit_classes=12, classes_per_batch=4, images_per_class=2, flip=False)


@pytest.fixture(scope="module")
def glyphs(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("glyphs")
    path = write_variants(folder, few={**MINI, "images": {"image": 4}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRODUCIBLE_CACHE", str(folder / "cache"))
        return replace(prepare(load_manifest(path), progress=False), name="glyphs")


def looked(folder: Path, store: Store, model: Component, *names: str, terms: tuple[Term, ...] = ()) -> Training:
    """A run of no steps that has measured its model as it starts."""
    run = training(
        folder,
        store,
        data=DATA,
        backbone=Component("compact_googlenet"),
        model=model,
        objective=terms or (Term("binomial_deviance"),),
        evaluation=EvaluationConfig(every=1, measures=names),
    )
    run.kept = measures.check(run.embedder, run.sets)
    run.refresh(0)
    run.found = measures.at_end(run.embedder, run.sets)
    return run


def test_even_factors_have_all_entropy_and_one_hot_ones_none() -> None:
    even = torch.full((4, 2, 1, 3, 3), 0.7)
    assert entropy(shared(even)).numpy() == pytest.approx(np.ones((2, 1, 3, 3)))
    hard = F.one_hot(torch.tensor([[[[0, 1]]]]), 4).movedim(-1, 0).float()
    assert entropy(shared(hard)).abs().max() < 1e-9
    two = torch.tensor([0.5, 0.5, 0.0, 0.0]).view(4, 1, 1, 1, 1)
    assert entropy(shared(two)).item() == pytest.approx(math.log(2) / math.log(4))


def test_entries(tmp_path: Path, glyphs: Store) -> None:
    run = looked(tmp_path, glyphs, HEAD, "entries")
    found, test = run.found, run.sets.evaluation["test"][0]
    output = run.embedder.output(test[:64])
    given = [F.normalize(x, dim=1) for x in output.inputs]
    cosines = [(given[i] * given[j]).sum(1).mean().item() for i in range(3) for j in range(i + 1, 3)]
    assert found["gated_map_cosine"] == pytest.approx(100 * np.mean(cosines), abs=1e-3)
    factors = output.scales[0].factors.double()
    by_hand = -(factors * factors.log()).sum(0).mean().item() / math.log(3)
    assert found["attention_entropy"] == pytest.approx(100 * by_hand, abs=1e-3)
    for number in range(2):
        shown = np.array(found[f"attention_map_{number}"])
        assert found["attention_images"][number] == test[number]
        assert shown == pytest.approx(100 * factors[:, number, 0].numpy(), abs=0.051)
        assert shown.sum(axis=0) == pytest.approx(100 * np.ones((6, 6)), abs=0.2)
    parts = parts_on(run.embedder, test, 6)
    assert parts.sum(1).numpy() == pytest.approx(np.ones((len(test), 6, 6)), abs=1e-5)
    table = np.array(found["attention_on_parts"])
    assert table.shape == (3, 4)
    assert table.mean(axis=0) == pytest.approx(100 * np.ones(4), abs=0.1), "entries share each part out"
    on_base = (factors[1, :, 0] * parts[:, 1]).sum() / parts[:, 1].sum()
    assert table[1, 1] == pytest.approx(300 * on_base.item(), abs=0.06)


def test_models_without_what_is_measured(tmp_path: Path, glyphs: Store, store: Store) -> None:
    heads = Component("head", {"dim": 12, "branches": 3, "gate": "none"})
    with pytest.raises(UserError, match=r"has no gates that share a map out; set evaluation.measures without entries"):
        looked(tmp_path / "heads", glyphs, heads, "entries")
    with pytest.raises(
        UserError, match=r"has no branches that could diverge; set evaluation.measures without gradients"
    ):
        looked(tmp_path / "plain", glyphs, Component("unified", {"dim": 6}), "gradients")
    with pytest.raises(UserError, match=r"'groceries' has no grounds without objects; set .* without background"):
        run = training(tmp_path / "photographs", store, evaluation=EvaluationConfig(every=1, measures=("background",)))
        measures.check(run.embedder, run.sets)


def test_ground_is_what_the_object_is_painted_on() -> None:
    """Away from the object, and where nothing stands in front, the image is its ground."""
    variant = load_manifest("glyphs").variant
    compared = 0
    for number in range(6):
        glyph = glyphs_of(variant)[number]
        image, mask, _, attributes = render(glyph, 0, variant.seed, variant.side, variant.difficulty)
        if attributes[-1]:
            continue
        ground = ground_of(glyph, 0, variant.seed, variant.side, variant.difficulty)
        near = F.max_pool2d(torch.from_numpy((mask > 0).astype(np.float32))[None], 13, 1, 6)[0].numpy() > 0
        assert (image[~near] == ground[~near]).all()
        assert np.abs(image[mask > 0].astype(int) - ground[mask > 0]).mean() > 20
        compared += 1
    assert compared
    each = sum(variant.images.values())
    assert np.array_equal(grounds(variant, np.array([5 * each]))[0], ground_of(glyphs_of(variant)[5], 0, variant.seed))


def test_background_robustness(tmp_path: Path, glyphs: Store) -> None:
    run = looked(tmp_path, glyphs, Component("unified", {"dim": 24}), "background")
    test = run.sets.evaluation["test"][0]
    variant = load_manifest("glyphs").variant
    others = np.roll(test, -(len(test) // 2))
    assert (glyphs.labels[others] != glyphs.labels[test]).all()
    moved = on_other_grounds(glyphs, test)
    seen = glyphs.masks[test] > 0
    assert (moved[seen] == glyphs.images[test][seen]).all()
    assert (moved[~seen] == grounds(variant, others)[~seen]).all()
    gallery = embed(run.model, run.images, test, run.config)
    recalls = []
    for rows in (gallery, embed(run.model, torch.from_numpy(moved), np.arange(len(test)), run.config)):
        cosines = rows @ gallery.T
        cosines.fill_diagonal_(-2)
        nearest = test[cosines.argmax(1).numpy()]
        recalls.append((glyphs.labels[nearest] == glyphs.labels[test]).mean())
    assert run.found["other_ground_recall"] == pytest.approx(100 * recalls[1], abs=1e-3)
    assert run.found["background_robustness"] == pytest.approx(100 * recalls[1] / recalls[0], abs=1e-3)


def test_outputs_of_other_images_stand_beside_each_other() -> None:
    points = torch.arange(12.0).view(3, 4, 1)
    assert elsewhere(points, 2)[:, :, 0].tolist() == [[0, 1, 2, 3], [6, 7, 4, 5], [8, 9, 10, 11]]


def test_gradients_oppose_and_agree_where_they_have_to(tmp_path: Path, glyphs: Store) -> None:
    """A loss that is itself the divergence agrees with it wholly; its negative opposes it wholly."""
    model = Component("head", {"dim": 12, "branches": 3, "gate": "pooled", "hidden": 4, "shared_learner": True})
    run = looked(tmp_path, glyphs, model, "gradients")
    found = run.found
    assert found["divergence_active_share"] == 100
    assert -100 < found["metric_divergence_gradient_cosine"] < 100
    from reproducible.training.measures import gradients

    for sign in (1, -1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gradients, "build_objective", lambda _, sign=sign: Divergent(sign))
            again = measures.at_end(run.embedder, run.sets)
        assert again["metric_divergence_gradient_cosine"] == pytest.approx(100 * sign, abs=1e-2)
        assert abs(again["metric_divergence_gradient_null"]) < 99


class Divergent(torch.nn.Module):
    def __init__(self, sign: int) -> None:
        super().__init__()
        self.loss, self.sign = registry.build("loss", "divergence"), sign

    def forward(self, output: object, batch: object) -> dict[str, torch.Tensor]:
        return {"divergence": self.sign * self.loss(output, batch)}
