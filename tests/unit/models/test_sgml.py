"""SGML: three layers from one pass, whichever of them is learnt."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tiny_runs import TinyTrunk
from torch import Tensor

from reproducible.models.sgml import SGML
from reproducible.resources import UserError
from reproducible.training.seeding import initialise


def pictures() -> Tensor:
    return 255 * torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def model(**options: object) -> SGML:
    made = SGML(TinyTrunk(), **{"dim": 6, "hidden": 10, "attributes": 4} | options)
    initialise(made, 0)
    return made


@pytest.mark.parametrize("relu", [True, False])
def test_layers_are_matrix_products_of_the_one_before(relu: bool) -> None:
    built = model(relu=relu)
    found = built(pictures())
    conv = TinyTrunk()(pictures())["high"].mean(dim=(2, 3))
    torch.testing.assert_close(found.features["conv"], conv)
    fc = conv @ built.shared.weight.T + built.shared.bias
    fc = fc.clamp(min=0) if relu else fc
    torch.testing.assert_close(found.features["fc"], fc)
    torch.testing.assert_close(found.features["emb"], fc @ built.learner.weight.T)
    torch.testing.assert_close(found.attributes, fc @ built.attribution.weight.T + built.attribution.bias)
    assert (found.features["fc"] < 0).any() != relu


@pytest.mark.parametrize(("layer", "size"), [("emb", 6), ("fc", 10), ("conv", 12)])
def test_the_layer_that_is_learnt_is_the_one_that_is_compared_unless_another_is(layer: str, size: int) -> None:
    plain = model()(pictures())
    for options, learnt in (
        ({"learnt": layer}, layer),
        ({"searched": layer}, "emb"),
        ({"learnt": "fc", "searched": layer}, "fc"),
    ):
        found = model(**options)(pictures())
        assert found.embedding.shape == (5, size)
        torch.testing.assert_close(found.embedding, F.normalize(plain.features[layer], dim=1))
        assert len(found.learners) == 1 and found.learners[0] is found.features[learnt]
        for name, value in plain.features.items():
            assert torch.equal(found.features[name], value)  # initial values do not hang on the options
        assert torch.equal(found.attributes, plain.attributes)


def test_a_learner_is_what_its_matrix_makes_of_what_it_was_given() -> None:
    found = model()(pictures())
    torch.testing.assert_close(found.learners[0], found.inputs[0] @ found.weights[0].T)
    for layer in ("fc", "conv"):
        assert model(learnt=layer)(pictures()).weights == ()


def test_both_branches_train_what_they_share() -> None:
    for value, untouched in (("embedding", "attribution"), ("attributes", "learner")):
        built = model()
        getattr(built(pictures()), value)[:, 0].sum().backward()
        assert getattr(built, untouched).weight.grad is None
        assert built.shared.weight.grad.abs().sum() > 0
        assert all(p.grad.abs().sum() > 0 for p in built.backbone.parameters() if p.ndim > 1)


@pytest.mark.parametrize("option", ["learnt", "searched"])
def test_unknown_layer(option: str) -> None:
    with pytest.raises(UserError, match=rf"option '{option}' of model 'sgml' cannot be 'embb'\. Did you mean 'emb'"):
        model(**{option: "embb"})
