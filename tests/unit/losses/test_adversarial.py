"""The adversary and its substitute against Eq. 4 and the released formula written out pair by pair."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from reproducible.losses.adversarial import (
    Adversary,
    Discriminator,
    GateRepulsion,
    PushApart,
    push_apart,
    ramp,
    reverse_gradient,
)
from reproducible.losses.objective import Objective
from reproducible.resources import UserError
from reproducible.types import Batch, Output, Scale

N, D = 6, 5
BATCH = Batch(torch.empty(N, 3, 1, 1), torch.zeros(N, dtype=torch.int64))


def learners(count: int, seed: int = 0) -> list[Tensor]:
    stream = torch.Generator().manual_seed(seed)
    return [torch.randn(N, D, generator=stream, dtype=torch.float64).requires_grad_() for _ in range(count)]


def output(found: list[Tensor]) -> Output:
    return Output(F.normalize(found[0]), (Scale(tuple(found)),))


def test_gradient_is_reversed_and_scaled() -> None:
    x = torch.ones(3, requires_grad=True)
    y = reverse_gradient(x, torch.tensor(0.25))
    assert torch.equal(y, x)
    (y * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [-0.25, -0.5, -0.75]


def test_ramp_is_the_schedule_of_the_released_layer() -> None:
    for p in (0.0, 0.1, 0.5, 1.0):
        assert ramp(torch.tensor(p)).item() == pytest.approx(2 / (1 + math.exp(-10 * p)) - 1, abs=1e-6)


@pytest.mark.parametrize(("squared", "plain"), [(True, False), (False, False), (True, True)])
def test_adversary_is_eq_4_as_a_mean(squared: bool, plain: bool) -> None:
    """Of directions, or as written, of the outputs as they are."""
    loss = Adversary(D, scales=2, branches=3, weight=0.7, squared=squared, plain=plain).double()
    found = learners(6)
    total = []
    for scale in range(2):
        group = torch.cat(found[3 * scale : 3 * scale + 3])
        group = group if plain else F.normalize(group, dim=1)
        raw = loss.rivals[scale].layers(group)
        judged = (raw if plain else F.normalize(raw, dim=1)).split(N)
        for j in range(3):
            for other in range(j + 1, 3):
                distance = (judged[j] - judged[other]).square().sum(1)
                total.append(distance.mean() if squared else distance.sqrt().mean())
    torch.testing.assert_close(loss(output(found), BATCH), 0.7 * torch.stack(total).mean())


def test_network_ascends_where_the_rival_descends() -> None:
    """Both sides of the game in one backward pass: minus the gradient before F, plus in F."""
    found = learners(2)
    game, plain = Adversary(D, branches=2, rise=0).double(), Adversary(D, branches=2, rise=0).double()
    plain.load_state_dict(game.state_dict())
    game(output(found), BATCH).backward()
    reversed_gradients = [x.grad for x in found]
    unit = F.normalize(torch.cat(found), dim=1)
    one, other = plain.rivals[0](unit).split(N)
    wanted = torch.autograd.grad((one - other).square().sum(1).mean(), [*found, *plain.parameters()])
    for reversed_gradient, gradient in zip(reversed_gradients, wanted[:2], strict=True):
        torch.testing.assert_close(reversed_gradient, -gradient)
    for parameter, gradient in zip(game.parameters(), wanted[2:], strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_reversal_rises_with_the_steps_of_training_only() -> None:
    loss, found = Adversary(D, branches=2, rise=4).double(), learners(2)
    constant = Adversary(D, branches=2, rise=0).double()
    constant.load_state_dict(loss.state_dict())

    def size(of: Adversary) -> float:
        return torch.autograd.grad(of(output(found), BATCH), found[0])[0].norm().item()

    full = size(constant)
    shares = [size(loss) / full for _ in range(6)]
    assert shares == pytest.approx([2 / (1 + math.exp(-10 * min(s / 4, 1))) - 1 for s in range(6)], abs=1e-6)
    assert loss.step.item() == 6
    loss.eval()
    size(loss)
    assert loss.step.item() == 6
    assert "step" in loss.state_dict()  # a resumed run goes on


def test_rival_cannot_win_by_shrinking() -> None:
    """Without normalisation F = 0 minimises Eq. 4; here the scale of its last layer changes nothing."""
    rival = Discriminator(D).double()
    x = F.normalize(learners(1)[0].detach())
    before = rival(x)
    with torch.no_grad():
        rival.layers[3].weight.mul_(1e3)
    torch.testing.assert_close(rival(x), before, atol=1e-3, rtol=0)
    torch.testing.assert_close(before.norm(dim=1), torch.ones(N, dtype=torch.float64))


def test_adversary_sees_directions_only() -> None:
    loss = Adversary(D, branches=2).double()
    found = learners(2)
    scaled = [3 * found[0], 0.1 * found[1]]
    torch.testing.assert_close(loss(output(found), BATCH), loss(output(scaled), BATCH))
    plain = Adversary(D, branches=2, plain=True).double()
    doubled = [2 * x for x in found]
    assert plain(output(doubled), BATCH).item() > 2 * plain(output(found), BATCH).item()


def test_push_apart_is_the_released_formula() -> None:
    found = learners(6)
    total = 0.0
    for scale in range(2):
        for j in range(3):
            for other in range(j + 1, 3):
                for n in range(N):
                    a, b = (F.normalize(found[3 * scale + k][n], dim=0) for k in (j, other))
                    total += max(0.0, 2 - (a - b).norm().item()) ** 2 / (2 * N) / 2  # mean over scales
    assert push_apart(found, 3).item() == pytest.approx(total)
    assert PushApart(3)(output(found), BATCH).item() == pytest.approx(0.2 * total)


@pytest.mark.parametrize("margin", [1.0, 4.0])
def test_push_apart_of_squares(margin: float) -> None:
    """ABE's divergence at a margin of 1; at 4, the sum of 1 + cosine over the pairs, in the mean over images."""
    found = learners(3)
    total, cosines = 0.0, 0.0
    for j in range(3):
        for other in range(j + 1, 3):
            for n in range(N):
                a, b = (F.normalize(found[k][n], dim=0) for k in (j, other))
                total += max(0.0, margin - (a - b).square().sum().item()) / (2 * N)
                cosines += (1 + (a @ b).item()) / N
    assert PushApart(3, 1.0, margin, squares=True)(output(found), BATCH).item() == pytest.approx(total)
    assert (total == pytest.approx(cosines)) == (margin == 4.0)


def test_rival_without_normalisation_wins_by_shrinking() -> None:
    rival = Discriminator(D, plain=True).double()
    x = F.normalize(learners(1)[0].detach())
    before = rival(x)
    with torch.no_grad():
        rival.layers[2].weight.mul_(0.1)
        rival.layers[2].bias.mul_(0.1)
    torch.testing.assert_close(rival(x), 0.1 * before)
    loss = Adversary(D, branches=2, plain=True).double()
    with torch.no_grad():
        for parameter in loss.rivals.parameters():
            parameter.zero_()
    assert loss(output(learners(2)), BATCH).item() == 0


def test_rival_without_a_shift_cannot_send_all_to_one_point() -> None:
    x = torch.cat([F.normalize(x.detach()) for x in learners(3)])
    with_shift, without = Discriminator(D).double(), Discriminator(D, shifted=False).double()
    with torch.no_grad():
        with_shift.layers[4].weight.zero_()
        with_shift.layers[4].bias.fill_(1)
    torch.testing.assert_close(with_shift(x), torch.full((3 * N, 128), 128**-0.5, dtype=torch.float64))
    assert not list(without.layers[4].parameters())
    for scale in (1e-2, 1.0, 1e2):
        with torch.no_grad():
            without.layers[3].weight.mul_(scale)
        assert without.layers(x).mean(0).abs().max().item() < 1e-9
        assert (without(x) @ without(x).T).mean().item() < 0.5


def test_gate_repulsion_is_the_mean_cosine_of_pairs_of_gates() -> None:
    """Of gates of channels, and of those of channels and positions in their mean over positions."""
    gates = [torch.rand(3, N, 7, 1, 1, dtype=torch.float64), torch.rand(3, N, 7, 2, 4, dtype=torch.float64)]
    pairs = [
        F.cosine_similarity(of[j, n].mean((1, 2)), of[other, n].mean((1, 2)), dim=0).item()
        for of in gates
        for n in range(N)
        for j, other in ((0, 1), (0, 2), (1, 2))
    ]
    found = Output(torch.empty(0), (*(Scale((), factors=of) for of in gates), Scale(())))
    assert GateRepulsion(0.5)(found, BATCH).item() == pytest.approx(0.5 * sum(pairs) / len(pairs))
    for scale in (Scale(()), Scale((), factors=gates[0][:1])):
        with pytest.raises(UserError, match="GateRepulsion needs a model with two gates or more a scale"):
            GateRepulsion()(Output(torch.empty(0), (scale,)), BATCH)


def test_push_apart_leads_three_learners_to_a_mutual_cosine_of_minus_a_half() -> None:
    x = torch.stack(learners(3)).detach().requires_grad_()
    descent = torch.optim.Adam([x], lr=0.05)
    for _ in range(300):
        descent.zero_grad()
        push_apart(list(x), 3).backward()
        descent.step()
    unit = F.normalize(x.detach(), dim=2)
    assert (unit[0] * unit[1]).sum(1).tolist() == pytest.approx([-0.5] * N, abs=0.01)


def test_equal_learners_give_finite_gradients() -> None:
    x = learners(1)[0]
    for loss in (PushApart(2), Adversary(D, branches=2, rise=0, squared=False).double()):
        (gradient,) = torch.autograd.grad(loss(output([x, x]), BATCH), x)
        assert torch.isfinite(gradient).all()


def test_options_that_do_not_fit() -> None:
    with pytest.raises(UserError, match=r"Adversary.branches must be at least 2"):
        Adversary(D, branches=1)
    with pytest.raises(UserError, match=r"Adversary.rise must be 0 .* got -1"):
        Adversary(rise=-1)
    with pytest.raises(UserError, match=r"PushApart.branches must be at least 2"):
        PushApart(branches=1)
    with pytest.raises(UserError, match=r"expects 4 learners of size 5 .* has 3 of size 5"):
        Adversary(D, scales=2, branches=2).double()(output(learners(3)), BATCH)
    with pytest.raises(ValueError, match="3 learners are not a whole number of scales with 2 branches"):
        push_apart(learners(3), 2)


def test_rival_s_parameters_are_the_objective_s() -> None:
    objective = Objective({"adversary": Adversary(D, scales=2, branches=2, width=7)})
    assert sum(p.numel() for p in objective.parameters()) == 2 * (D * 7 + 2 * 7 + 7 * 7 + 7 + 2 * 7)
