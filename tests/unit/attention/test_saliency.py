"""The maps that object attention is compared with: autograd, loops, and the places of random boxes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reproducible.attention.saliency import centre_prior, embedding_activation, feature_norm, moved


def features(seed: int = 0) -> torch.Tensor:
    return torch.randn(3, 8, 4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_feature_norm_is_the_length_at_each_position() -> None:
    maps = features()
    literal = np.linalg.norm(maps.numpy(), axis=1)
    np.testing.assert_allclose(feature_norm(maps), literal / literal.sum((1, 2), keepdims=True))


def test_embedding_activation_is_grad_cam_of_the_length_of_the_embedding() -> None:
    """The gradient of the length is the mean column, everywhere; Gaussian features, so that ReLU does cut."""
    maps = features(1)
    cam = torch.einsum("bchw,bc->bhw", maps, maps.mean(dim=(2, 3))).relu()
    assert (cam == 0).any()
    with torch.no_grad():
        found = embedding_activation(maps)
    assert not found.requires_grad
    torch.testing.assert_close(found, cam / cam.sum(dim=(1, 2), keepdim=True))


@pytest.mark.parametrize("map_of", [feature_norm, embedding_activation])
def test_no_activation_gives_equal_mass(map_of: object) -> None:
    assert map_of(torch.zeros(2, 8, 3, 4)).tolist() == torch.full((2, 3, 4), 1 / 12).tolist()


def test_centre_prior_falls_with_the_distance_from_the_middle() -> None:
    prior = centre_prior(7, 9)
    assert prior.sum().item() == pytest.approx(1)
    torch.testing.assert_close(prior, prior.flip(1, 2))
    assert prior.flatten().argmax() == 7 * 9 // 2
    ratio = (prior[0, 3, 8] / prior[0, 3, 4]).item()
    assert ratio == pytest.approx(np.exp(-((4 / 9) ** 2) / (2 * 0.25**2)))


def test_moved_boxes_keep_their_size_stay_inside_and_go_everywhere() -> None:
    boxes = torch.tensor([[3, 4, 7, 9], [0, 0, 10, 10]]).repeat(500, 1)
    found = moved(boxes, 10, torch.Generator().manual_seed(0))
    assert torch.equal(found[:, 2:] - found[:, :2], boxes[:, 2:] - boxes[:, :2])
    assert found.min() >= 0 and found.max() <= 10
    assert set(found[::2, 0].tolist()) == set(range(7)) and set(found[::2, 1].tolist()) == set(range(6))
    assert torch.equal(found, moved(boxes, 10, torch.Generator().manual_seed(0)))
    assert not torch.equal(found, moved(boxes, 10, torch.Generator().manual_seed(1)))
