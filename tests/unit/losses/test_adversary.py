"""The adversary against Eq. 4 written out pair by pair."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from side_by_side import BATCH, D, N, learners, output

from reproducible.losses.adversary import Adversary, Discriminator, ramp, reverse_gradient
from reproducible.losses.objective import Objective
from reproducible.resources import UserError


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
    torch.testing.assert_close(loss(output(found, branches=3), BATCH), 0.7 * torch.stack(total).mean())


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


def test_equal_learners_give_finite_gradients() -> None:
    x = learners(1)[0]
    loss = Adversary(D, branches=2, rise=0, squared=False).double()
    (gradient,) = torch.autograd.grad(loss(output([x, x]), BATCH), x)
    assert torch.isfinite(gradient).all()


def test_options_that_do_not_fit() -> None:
    with pytest.raises(UserError, match=r"Adversary.branches must be at least 2"):
        Adversary(D, branches=1)
    with pytest.raises(UserError, match=r"Adversary.rise must be 0 .* got -1"):
        Adversary(rise=-1)
    with pytest.raises(UserError, match=r"expects 2 scales of 2 learners of size 5 .* has 1 of 3 of size 5"):
        Adversary(D, scales=2, branches=2).double()(output(learners(3)), BATCH)


def test_rival_s_parameters_are_the_objective_s() -> None:
    objective = Objective({"adversary": Adversary(D, scales=2, branches=2, width=7)})
    assert sum(p.numel() for p in objective.parameters()) == 2 * (D * 7 + 2 * 7 + 7 * 7 + 7 + 2 * 7)
