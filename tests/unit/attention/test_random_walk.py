"""Object attention: the four walks against literal loops, closed forms and eigenvalues of numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from reproducible.attention.boxes import object_boxes
from reproducible.attention.object import (
    LOCALITY,
    UNIFORM,
    dissimilarity,
    grey_levels,
    object_map,
    smallest_eigenvalue,
    uniform,
    walk,
)
from reproducible.resources import UserError
from tests.reference import object_attention as literal


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Features as behind a ReLU."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype).relu()


def literal_maps(features: Tensor, locality: float) -> np.ndarray:
    return np.stack([literal.released_map(f.double().numpy(), locality=locality) for f in features])


@pytest.mark.parametrize("locality", [0.0, LOCALITY])
@pytest.mark.parametrize(("channels", "side"), [(7, 3), (832, 10), (1024, 7)])
def test_released_map_is_the_literal_loop(channels: int, side: int, locality: float) -> None:
    features = draw(3, channels, side, side, seed=side)
    found = object_map(features, locality=locality).numpy()
    wanted = literal_maps(features, locality)
    assert np.abs(found - wanted).max() < 1e-5 * wanted.max()
    scaled = [(m - m.min((1, 2), keepdims=True)) / np.ptp(m, axis=(1, 2), keepdims=True) for m in (found, wanted)]
    np.testing.assert_allclose(*scaled, atol=1e-4 if channels > 7 else 1e-5)


def test_edges_are_distances() -> None:
    features = draw(2, 5, 3, 4, dtype=torch.float64)
    points = features.flatten(2).transpose(1, 2)
    torch.testing.assert_close(dissimilarity(features), (points[:, :, None] - points[:, None]).norm(dim=3))


def test_equal_features_are_exactly_at_distance_zero() -> None:
    """The expansion |a|^2 + |b|^2 - 2ab alone would leave a thousandth of the norm."""
    features = draw(1, 200, 4, 4)
    features[..., 2:] = features[..., :1, :1] + 100
    edges = dissimilarity(features)[0]
    same = torch.arange(16).view(4, 4)[:, 2:].flatten()
    assert edges[same][:, same].abs().max() == 0
    assert edges.diagonal().abs().max() == 0
    assert torch.equal(edges, edges.T)


@pytest.mark.parametrize("steps", [1, 2, 10, 11])
@pytest.mark.parametrize(("channels", "side"), [(480, 7), (832, 14), (1024, 7)])
def test_literal_walk_leaves_the_uniform_map_unchanged(channels: int, side: int, steps: int) -> None:
    """Eq. 3 as printed: in fp32 rounding spreads the map by 1e-7 to 2e-6, which the tolerance takes for constant."""
    mass = object_map(draw(4, channels, side, side), form="rows", steps=steps)
    spread = (mass.amax((1, 2)) - mass.amin((1, 2))) * side**2
    assert spread.max() < UNIFORM / 3
    assert uniform(mass).all()
    assert not uniform(object_map(draw(4, channels, side, side), steps=steps)).any()
    boxes, whole = object_boxes([mass], 64)
    assert whole.all()
    assert boxes.tolist() == [[0, 0, 64, 64]] * 4


def test_printed_form_is_the_literal_loop() -> None:
    features = draw(1, 6, 4, 4, dtype=torch.float64)
    found = object_map(features, form="rows")[0].numpy()
    np.testing.assert_allclose(found, literal.printed_map(features[0].numpy()), atol=1e-14)
    np.testing.assert_allclose(found, 1 / 16, atol=1e-14)


def test_mass_is_conserved_and_not_negative() -> None:
    for form in ("rows", "columns", "degree"):
        mass = object_map(draw(3, 20, 5, 6), form=form)
        assert mass.shape == (3, 5, 6)
        assert (mass >= 0).all()
        torch.testing.assert_close(mass.sum((1, 2)), torch.ones(3))


def test_stationary_map_is_degree_centrality() -> None:
    features = draw(3, 20, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(object_map(features, steps=500), object_map(features, form="degree"))
    points = features[0].flatten(1).T
    degree = torch.cdist(points, points).sum(1)
    torch.testing.assert_close(object_map(features, form="degree")[0].flatten(), degree / degree.sum())


def test_smallest_eigenvalue_is_that_of_the_transition_matrix() -> None:
    edges = dissimilarity(draw(3, 4, 3, 3, dtype=torch.float64))
    transition = (edges / edges.sum(1, keepdim=True)).numpy()
    wanted = [np.linalg.eigvals(t).real.min() for t in transition]
    assert smallest_eigenvalue(edges).tolist() == pytest.approx(wanted, abs=1e-10)


def test_two_tight_clusters_do_not_converge_in_ten_steps() -> None:
    """A nearly bipartite graph: at T = 10 the map is nearly uniform again, at T = 11 it is the opposite extreme."""
    features = 0.001 * draw(1, 8, 5, 5, dtype=torch.float64)
    features[..., 1:3, 1:3] += 1  # an object of 4 cells before a background of 21
    edges = dissimilarity(features)
    assert smallest_eigenvalue(edges).item() < -0.99
    mass = [walk(edges, steps).view(5, 5)[1:3, 1:3].sum().item() for steps in (0, 9, 10, 11)]
    assert mass[0] == pytest.approx(4 / 25)
    assert mass[2] == pytest.approx(4 / 25, abs=0.03)
    assert mass[1] == pytest.approx(21 / 25, abs=0.03)
    assert mass[3] == pytest.approx(21 / 25, abs=0.03)
    assert walk(edges, form="degree").view(5, 5)[1:3, 1:3].sum().item() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("form", ["rows", "columns", "degree"])
@pytest.mark.parametrize("value", [0.0, 1.0, 1e4])
def test_constant_features_keep_the_whole_image(form: str, value: float) -> None:
    """Also where the features differ by rounding only."""
    features = torch.full((2, 100, 6, 6), value)
    features[1] *= 1 + 1e-7 * draw(100, 6, 6)
    mass = object_map(features, form=form, locality=LOCALITY)
    assert torch.isfinite(mass).all()
    assert uniform(mass).all()
    assert grey_levels(mass).abs().max() == 0


def test_map_is_differentiable_and_equal_features_have_no_gradient() -> None:
    maps = torch.randn(1, 3, 2, 3, generator=torch.Generator().manual_seed(0)).double()
    for form in ("columns", "degree"):
        assert torch.autograd.gradcheck(lambda x, form=form: object_map(x, form), maps.clone().requires_grad_())
    maps[:, :, 0, 0] = maps[:, :, 1, 2]
    maps.requires_grad_()
    edge = dissimilarity(maps)[0, 0, 5]
    assert edge == 0
    edge.backward()
    assert maps.grad.eq(0).all()


def test_map_of_zeros_is_uniform() -> None:
    zeros = torch.zeros(2, 4, 4)
    assert uniform(zeros).all()
    assert grey_levels(zeros).abs().max() == 0


@pytest.mark.parametrize("form", ["rows", "columns", "degree"])
def test_graph_without_edges_has_a_finite_gradient(form: str) -> None:
    edges = torch.stack([torch.zeros(3, 3), 1 - torch.eye(3)]).requires_grad_()
    mass = walk(edges, form=form)
    torch.testing.assert_close(mass, torch.full((2, 3), 1 / 3))
    (gradient,) = torch.autograd.grad(mass[:, 0].sum(), edges)
    assert torch.isfinite(gradient).all()


def test_locality_is_in_sides_of_maps_that_are_not_square() -> None:
    """Each axis in its own side, so that a map on its side has the same edges."""
    features = draw(2, 5, 3, 6, dtype=torch.float64)
    rows, columns = (v.flatten() for v in torch.meshgrid(torch.arange(3), torch.arange(6), indexing="ij"))
    square = ((rows[:, None] - rows) / 3) ** 2 + ((columns[:, None] - columns) / 6) ** 2
    wanted = dissimilarity(features) * torch.exp(-square.double() / (2 * LOCALITY**2))
    torch.testing.assert_close(dissimilarity(features, LOCALITY), wanted, rtol=1e-6, atol=1e-9)
    turned = object_map(features.transpose(2, 3), locality=LOCALITY)
    torch.testing.assert_close(object_map(features, locality=LOCALITY), turned.transpose(1, 2))


def test_unknown_form() -> None:
    with pytest.raises(UserError, match=r"no form 'column' of the walk. Did you mean 'columns'\?"):
        walk(torch.ones(1, 2, 2), form="column")


def test_halves_are_widened_first() -> None:
    features = draw(1, 30, 4, 4).bfloat16()
    torch.testing.assert_close(object_map(features), object_map(features.float()))
