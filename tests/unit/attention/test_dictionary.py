"""The dictionary of attention against its equations written out, and what follows from them."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from reproducible.attention.dictionary import PER, DictionaryGates, hard_assignment
from reproducible.backbones.compact import CompactGoogLeNet
from reproducible.models.head import head
from reproducible.resources import UserError
from reproducible.training.seeding import initialise
from tests.reference.dictionary import attention

M, C, J, N, H, W = 6, 4, 3, 2, 3, 5


def gates(per: str, alpha: float = 10.0) -> DictionaryGates:
    torch.manual_seed(0)
    return DictionaryGates(M, C, J, per, alpha).double()


def maps() -> Tensor:
    return torch.randn(N, M, H, W, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("alpha", [1.0, 10.0])
@pytest.mark.parametrize(("per", "channels"), [("feature", 1), ("dimension", C)])
def test_factors_are_eq_5_to_11(per: str, channels: int, alpha: float) -> None:
    module, given = gates(per, alpha), maps()
    with torch.no_grad():
        module.entries.mul_(torch.rand_like(module.entries) + 0.5)  # of any length
    found = module(given)
    assert found.shape == (J, N, channels, H, W)
    entries = module.entries.view(J, channels, M).tolist()
    for n in range(N):
        wanted = torch.tensor(attention(given[n].permute(1, 2, 0).tolist(), entries, alpha), dtype=torch.float64)
        torch.testing.assert_close(found[:, n], wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("per", ["feature", "dimension"])
def test_weights_of_a_position_sum_to_one_over_entries(per: str) -> None:
    sums = gates(per)(maps()).sum(dim=0)
    torch.testing.assert_close(sums, torch.ones_like(sums), rtol=1e-12, atol=1e-12)


def test_temperature_goes_from_even_to_one_for_all() -> None:
    share = [gates("dimension", alpha)(maps()).amax(dim=0).mean().item() for alpha in (0.01, 1.0, 10.0, 1000.0)]
    assert share == sorted(share)
    assert share[0] == pytest.approx(1 / J, abs=0.01) and share[-1] > 0.99


@pytest.mark.parametrize("per", ["feature", "dimension"])
def test_entropy_of_the_gates_falls_with_alpha(per: str) -> None:
    """Its slope is -alpha times the variance of the cosines under the gates, which is never above zero (claim B17)."""
    module, given = gates(per), maps()
    entropies = []
    for alpha in (0.5, 1.0, 10.0, 100.0):
        module.alpha = torch.tensor(alpha, dtype=torch.float64, requires_grad=True)
        weights = module(given)
        entropy = -torch.xlogy(weights, weights).sum(dim=0)
        (slope,) = torch.autograd.grad(entropy.sum(), module.alpha)
        cosine = weights.detach().log() / alpha  # up to a constant of the position, which changes no variance
        mean = (weights * cosine).sum(dim=0)
        variance = (weights * (cosine - mean).square()).sum(dim=0)
        torch.testing.assert_close(slope, -alpha * variance.sum(), rtol=1e-9, atol=1e-12)
        entropies.append(entropy.detach())
    for smaller, larger in pairwise(entropies):
        assert (larger < smaller).all(), "at every position"


def test_lengths_count_for_nothing() -> None:
    module, given = gates("feature"), maps()
    before = module(given)
    with torch.no_grad():
        module.entries.mul_(7)
    torch.testing.assert_close(module(3 * given), before)


def test_entries_start_as_directions_at_random() -> None:
    module = DictionaryGates(832, 480, 8, "dimension")
    assert module.entries.shape == (8 * 480, 832, 1, 1)
    torch.testing.assert_close(module.entries.norm(dim=1), torch.ones(8 * 480, 1, 1))
    cosines = module.entries[:480, :, 0, 0] @ module.entries[480:960, :, 0, 0].T
    assert cosines.std().item() == pytest.approx(832**-0.5, rel=0.02)


@pytest.mark.parametrize("per", ["feature", "dimension"])
def test_gradients(per: str) -> None:
    module, given = gates(per), maps()[:1, :, :1, :2].requires_grad_()
    entries = module.entries.detach().clone().requires_grad_()

    def factors(x: Tensor, d: Tensor) -> Tensor:
        return torch.func.functional_call(module, {"entries": d}, (x,))

    assert torch.autograd.gradcheck(factors, (given, entries))


def test_position_without_a_feature_is_shared_out_evenly() -> None:
    """All of phi(f) may be zero behind a rectifier."""
    module, given = gates("dimension"), maps()
    given[0, :, 1, 2] = 0
    given.requires_grad_()
    found = module(given)
    torch.testing.assert_close(found[:, 0, :, 1, 2], torch.full((J, C), 1 / J, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(found.square().sum(), given)
    assert torch.isfinite(gradient).all()


def test_options_out_of_range() -> None:
    with pytest.raises(UserError, match=r"DictionaryGates.per must be one of feature, dimension, got 'features'. Did"):
        DictionaryGates(M, C, J, "features")
    with pytest.raises(UserError, match=r"DictionaryGates.alpha must be above 0, got 0"):
        DictionaryGates(M, C, J, alpha=0)


def test_euclidean_likeness_is_half_the_squared_distance() -> None:
    module, given = DictionaryGates(M, C, J, "dimension", 2.0, "euclidean").double(), maps()
    with torch.no_grad():
        module.entries.mul_(torch.rand_like(module.entries) + 0.5)
    found, entries = module(given), module.entries.view(J, C, M)
    for j in range(J):
        distances = (given[1, :, 2, 3] - entries).square().sum(dim=2)  # (J, C)
        wanted = (-2.0 * distances / 2).softmax(dim=0)[j]
        torch.testing.assert_close(found[j, 1, :, 2, 3], wanted)


def test_on_the_unit_sphere_likenesses_agree() -> None:
    """Squared distances are 2 - 2 cos there; NetVLAD's weights start from the entries and no bias."""
    given = torch.nn.functional.normalize(maps(), dim=1)
    torch.manual_seed(0)
    found = []
    for likeness in ("cosine", "euclidean", "linear"):
        torch.manual_seed(0)
        found.append(DictionaryGates(M, C, J, "feature", 10.0, likeness).double()(given))
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])


def test_linear_likeness_learns_lengths_and_biases() -> None:
    module = DictionaryGates(M, C, J, "feature", 10.0, "linear").double()
    before = module(maps())
    with torch.no_grad():
        module.bias[1] += 0.5
    changed = module(maps())
    assert (changed[1] > before[1]).all() and (changed[0] < before[0]).all()
    torch.testing.assert_close(
        (changed[1] / changed[0]) / (before[1] / before[0]), torch.full_like(changed[0], 5).exp()
    )


def test_directions_count_by_their_log_sum_exp() -> None:
    module, given = DictionaryGates(M, C, J, "feature", 4.0, directions=3).double(), maps()
    with torch.no_grad():
        unit = torch.nn.functional.normalize(given, dim=1)[1, :, 2, 3]
        likeness = (4.0 * (module.entries[:, :, 0, 0] @ unit)).exp().view(J, 3).sum(dim=1)
    torch.testing.assert_close(module(given)[:, 1, 0, 2, 3], likeness / likeness.sum())
    assert sum(p.numel() for p in module.parameters()) == J * 3 * M


def test_rescaled_factors_leave_the_map_as_it_is_where_they_are_even() -> None:
    sums = DictionaryGates(M, C, J, "dimension", rescale=True).double()(maps()).sum(dim=0)
    torch.testing.assert_close(sums, torch.full_like(sums, J))


def test_hard_assignment_is_eq_6() -> None:
    module, given = gates("dimension"), maps()
    found = hard_assignment(module(given))
    entries = torch.nn.functional.normalize(module.entries.view(J, C, M), dim=2)
    for k in range(C):
        nearest = (entries[:, k] @ torch.nn.functional.normalize(given[0, :, 1, 4], dim=0)).argmax().item()
        assert found[:, 0, k, 1, 4].tolist() == [float(n == nearest) for n in range(J)]
    sharp = gates("dimension", alpha=1e5)(given)
    torch.testing.assert_close(found, sharp, rtol=0, atol=1e-3)


@pytest.mark.parametrize("read_at_random", [True, False])
def test_softmax_gates_can_give_identical_branches(read_at_random: bool) -> None:
    """Equal entries have equal logits: all gates are 1/N, and branches that share what follows are one (B12)."""
    model = head(CompactGoogLeNet(), 24, 3, gate="dimension", shared_learner=True)
    initialise(model, 1)
    model.eval()
    if not read_at_random:
        entries = model.scales[0].gates.entries
        with torch.no_grad():
            entries.copy_(entries.chunk(3)[0].repeat(3, 1, 1, 1))
    images = 255 * torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(2))
    output = model(images)
    same = all(torch.allclose(learnt, output.learners[0], atol=1e-5) for learnt in output.learners)
    assert same != read_at_random
    if same:
        torch.testing.assert_close(output.scales[0].factors, torch.full_like(output.scales[0].factors, 1 / 3))


@pytest.mark.parametrize("branches", [2, 4, 8, 16])
def test_dictionary_parameters_grow_with_the_number_of_entries(branches: int) -> None:
    """N c m of them dimension-wise in front of 4a, at GoogLeNet's 480 and 832 channels; none is shared (B15)."""
    count = {per: sum(p.numel() for p in DictionaryGates(832, 480, branches, per).parameters()) for per in PER}
    assert count == {"feature": branches * 832, "dimension": branches * 480 * 832}
    assert count["dimension"] > 3.5e6 or branches <= 8
