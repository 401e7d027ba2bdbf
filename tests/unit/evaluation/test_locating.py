"""All methods on features with a planted object whose place is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reproducible.attention.object import LOCALITY, dissimilarity, object_map
from reproducible.evaluation import locating
from reproducible.evaluation.locating import GRAPHS, METHODS, RANDOM, Seen, graphs, locate, picture

SIDE = 64


def planted(noise: float = 0.02) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """Maps of two layers in which an object of a quarter of the side has other and longer features than its ground."""
    stream = torch.Generator().manual_seed(0)
    maps = {}
    for layer, cells, channels in (("4e", 16, 12), ("5b", 8, 20)):
        ground, thing = torch.zeros(channels), torch.zeros(channels)
        ground[0], thing[1] = 1.0, 6.0
        values = ground[None, :, None, None].repeat(3, 1, cells, cells)
        quarter = cells // 4
        values[:, :, quarter : 2 * quarter, 2 * quarter : 3 * quarter] = thing[:, None, None]
        maps[layer] = (values + noise * torch.randn(values.shape, generator=stream)).relu()
    boxes = torch.tensor([[32.0, 16.0, 48.0, 32.0]]).repeat(3, 1)
    masks = torch.zeros(3, SIDE, SIDE, dtype=torch.bool)
    masks[:, 16:32, 32:48] = True
    return maps, boxes, masks


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, torch.Tensor]]:
    maps, boxes, masks = planted()
    return locate(Seen(maps), SIDE, (boxes, masks), torch.Generator().manual_seed(0))


def test_features_show_the_object_and_the_centre_does_not(found: dict[str, dict[str, torch.Tensor]]) -> None:
    for name in ("object attention", "degree", "feature norm", "embedding activation"):
        assert (found[name]["iou"] > 0.4).all(), name
        assert (found[name]["hit"] == 1).all(), name
    assert (found["centre prior"]["iou"] < 0.3).all()
    assert set(found) == {*METHODS, RANDOM}


def test_the_printed_form_chooses_nothing(found: dict[str, dict[str, torch.Tensor]]) -> None:
    printed = {name: values.tolist() for name, values in found["as printed"].items()}
    assert printed["area"] == [1, 1, 1]
    assert printed["hit"] == [0, 0, 0]
    for name in ("iou", "in_box", "in_object", "scaled_in_object"):
        assert printed[name] == pytest.approx([1 / 16] * 3, abs=1e-6), name


def test_the_stationary_mass_of_a_bipartite_graph_is_half_on_the_object(
    found: dict[str, dict[str, torch.Tensor]],
) -> None:
    assert found["degree"]["in_object"].tolist() == pytest.approx([0.5] * 3, abs=0.05)
    swing = [found[name]["in_object"].mean().item() for name in ("T = 9", "object attention", "T = 11")]
    assert swing[1] < min(swing[0], swing[2])


def test_scaling_takes_the_ground_away(found: dict[str, dict[str, torch.Tensor]]) -> None:
    for name in ("degree", "feature norm"):
        assert (found[name]["scaled_in_object"] > found[name]["in_object"]).all()


def test_random_boxes_have_the_size_of_those_found(found: dict[str, dict[str, torch.Tensor]]) -> None:
    assert torch.equal(found[RANDOM]["area"], found["object attention"]["area"])
    assert set(found[RANDOM]) == {"area", "iou"}


def test_without_a_truth_there_are_areas_only(found: dict[str, dict[str, torch.Tensor]]) -> None:
    alone = locate(Seen(planted()[0]), SIDE, None, torch.Generator().manual_seed(0), ("object attention", "4e only"))
    assert list(alone) == ["object attention", "4e only", RANDOM]
    assert all(set(values) == {"area"} for values in alone.values())
    assert torch.equal(alone["4e only"]["area"], found["4e only"]["area"])


def test_boxes_without_masks_say_all_but_what_lies_on_the_object(found: dict[str, dict[str, torch.Tensor]]) -> None:
    maps, boxes, _ = planted()
    boxed = locate(Seen(maps), SIDE, (boxes, None), torch.Generator().manual_seed(0))
    for name, values in boxed.items():
        assert set(values) == set(found[name]) - {"in_object", "scaled_in_object"}
        assert all(torch.equal(found[name][quantity], value) for quantity, value in values.items())


def test_each_graph_is_computed_once_and_masses_are_those_of_object_map(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, computed = Seen(planted(0.4)[0]), []

    def counted(maps: torch.Tensor, locality: float) -> torch.Tensor:
        computed.append((maps.shape[1], locality))
        return dissimilarity(maps, locality)

    monkeypatch.setattr(locating, "dissimilarity", counted)
    masses = {name: method(seen) for name, method in METHODS.items()}
    graphs(seen)
    assert sorted(computed) == [(12, 0.0), (20, 0.0), (20, LOCALITY)]
    options = {"object attention": {}, "T = 9": {"steps": 9}, "T = 11": {"steps": 11}, "degree": {"form": "degree"}}
    for name, changes in (options | {"as printed": {"form": "rows"}}).items():
        wanted = [object_map(seen.maps[layer], **changes) for layer in ("4e", "5b")]
        assert all(torch.equal(a, b) for a, b in zip(masses[name], wanted, strict=True)), name
    for layer in ("4e", "5b"):
        assert torch.equal(masses[f"{layer} only"][0], object_map(seen.maps[layer]))
    assert torch.equal(masses["released"][0], object_map(seen.maps["5b"], locality=LOCALITY))


def test_picture_adds_the_layers() -> None:
    masses = [torch.rand(2, 4, 4), torch.rand(2, 8, 8)]
    both = picture(masses, SIDE)
    assert torch.equal(both, picture(masses[:1], SIDE) + picture(masses[1:], SIDE))
    assert both.amax() <= 510


def test_graphs_are_those_of_numpy() -> None:
    """Transition matrix, stationary vector and walk in double precision, by eigenvectors and matrix powers."""
    maps, *_ = planted(0.4)
    found = graphs(Seen(maps))
    for name, (layer, locality) in GRAPHS.items():
        cells = maps[layer].shape[2]
        grid = np.stack(np.unravel_index(np.arange(cells**2), (cells, cells)), 1)
        near = ((grid[:, None] - grid[None]) ** 2).sum(2)
        for image, points in enumerate(maps[layer].double().flatten(2).transpose(1, 2).numpy()):
            edges = np.linalg.norm(points[:, None] - points[None], axis=2)
            edges *= np.exp(-near / (2 * (locality * cells) ** 2)) if locality else 1.0
            step = edges / edges.sum(0)
            values, vectors = np.linalg.eig(step)
            stationary = np.abs(vectors[:, values.real.argmax()].real)
            after = np.linalg.matrix_power(step, 10) @ np.full(cells**2, 1 / cells**2)
            variation = np.abs(after - stationary / stationary.sum()).sum() / 2
            assert found[name]["variation"][image].item() == pytest.approx(variation, abs=1e-5)
            assert found[name]["eigenvalue"][image].item() == pytest.approx(values.real.min(), abs=1e-4)
