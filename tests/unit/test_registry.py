"""The registry: every name builds something that runs, and reading it needs no torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import at_hand
import pytest
import torch
from golden_curves import OPTIONS
from torch import nn

from reproducible import registry
from reproducible.backbones.base import Backbone
from reproducible.config import Component, DataConfig, EvaluationConfig, RunConfig, Term
from reproducible.losses.objective import build_objective
from reproducible.models import build_model
from reproducible.resources import UserError
from reproducible.types import Batch, Output, Scale

LABELS = torch.tensor([0, 0, 1, 1])


def entries(kind: str) -> list[str]:
    return sorted(registry.REGISTRY[kind])


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return registry.build("backbone", "bvlc_googlenet")


@pytest.mark.parametrize(
    "module",
    [
        "config",
        "registry",
        "resources",
        "types",
        "records",
        "studies",
        "studies.running",
        "data.splits",
        "verdicts.table",
    ],
)
def test_declarations_need_no_torch(module: str) -> None:
    program = f"import sys, reproducible.{module}; sys.exit('torch' in sys.modules)"
    root = Path(registry.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize("name", entries("backbone"))
def test_every_backbone_runs_forward_and_backward(name: str) -> None:
    network = at_hand.backbone(name)
    assert isinstance(network, Backbone)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 255
    features = network(images)[network.last]
    assert features.shape[:2] == (2, network.channels[network.last])
    features.mean().backward()
    gradients = [p.grad for p in network.parameters()]
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)
    assert sum(g.abs().sum() for g in gradients) > 0


@pytest.mark.parametrize("name", entries("model"))
def test_every_model_runs_forward_and_backward(name: str) -> None:
    model = build_model(RunConfig(model=Component(name)))
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 255
    output = model(images)
    assert isinstance(output, Output)
    assert output.embedding.dtype == torch.float32
    assert output.embedding.norm(dim=1).tolist() == pytest.approx([1.0, 1.0], abs=1e-6)
    linear = zip(output.learners, output.weights, output.inputs, strict=True) if output.weights else ()
    for learned, weight, given in linear:
        torch.testing.assert_close(learned, given @ weight.T)
    put_out = [*output.learners, *([] if output.attributes is None else [output.attributes])]
    sum(value.square().mean() for value in put_out).backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("name", entries("loss"))
def test_every_loss_runs_forward_and_backward(name: str) -> None:
    stream = torch.Generator().manual_seed(0)
    given = torch.randn(4, 6, generator=stream)
    weight = torch.randn(4, 6, generator=stream, requires_grad=True)
    learned = given @ weight.T, given.square() @ weight.T
    inputs, penalties = (given, given.square()), {"L_var": learned[0].var(dim=0).mean()}
    gates = torch.sigmoid(torch.stack(learned))[..., None, None]
    embedding, scales = nn.functional.normalize(learned[0]), (Scale(learned, inputs, (weight,) * 2, gates),)
    output = Output(embedding, scales, attributes=learned[0], penalties=penalties)
    batch = Batch(torch.empty(4, 3, 1, 1), LABELS, attributes=torch.eye(4))
    objective = build_objective([Term(name, OPTIONS.get(name, {}))])
    objective(output, batch)  # the adversary's rise begins at 0
    (loss,) = objective(output, batch).values()
    assert loss.shape == ()
    loss.backward()
    assert torch.isfinite(loss)
    assert weight.grad is not None
    assert torch.isfinite(weight.grad).all()
    assert weight.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", sorted(registry.REGISTRY))
def test_entries_have_versions_and_weights_that_ship(kind: str) -> None:
    from reproducible.resources import asset

    for found in registry.REGISTRY[kind].values():
        assert found.version >= 1
        if found.weights:
            assert asset(found.weights).is_file()


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("loss", "binomial_deviants", "There is no loss named 'binomial_deviants'. Did you mean 'binomial_deviance'?"),
        ("model", "unfied", "There is no model named 'unfied'. Did you mean 'unified'? Known: "),
        ("backbone", "alexnet", "There is no backbone named 'alexnet'."),
    ],
)
def test_unknown_names(kind: str, name: str, words: str) -> None:
    with pytest.raises(UserError) as error:
        registry.build(kind, name)
    assert words in str(error.value)


def test_unknown_options(backbone: Backbone) -> None:
    with pytest.raises(UserError, match=r"loss 'binomial_deviance' has no option 'gama'. Did you mean 'gamma'\?"):
        registry.build("loss", "binomial_deviance", gama=5.0)
    with pytest.raises(UserError, match=r"model 'unified' has no option 'dims'. Did you mean 'dim'\?"):
        registry.build("model", "unified", backbone, dims=64)
    with pytest.raises(UserError, match="has no option 'backbone'"):  # given by position already
        registry.build("model", "unified", backbone, backbone=backbone)


def test_options_reach_the_builder(backbone: Backbone) -> None:
    assert registry.build("loss", "binomial_deviance", gamma=5.0).gamma == 5.0
    assert registry.build("model", "unified", backbone, dim=7).learner.weight.shape == (7, 1024)


def test_versions_name_each_component_once() -> None:
    terms = (Term("binomial_deviance"), Term("unit_rows", {"weight": 0.1}))
    assert registry.versions(RunConfig(objective=terms)) == {
        "backbone/bvlc_googlenet": registry.entry("backbone", "bvlc_googlenet").version,
        "model/unified": registry.entry("model", "unified").version,
        "loss/binomial_deviance": registry.entry("loss", "binomial_deviance").version,
        "loss/unit_rows": registry.entry("loss", "unit_rows").version,
    }


@pytest.mark.parametrize(("kind", "name"), [("sampler", "pk"), ("augmentation", "vem"), ("measure", "gate")])
def test_kinds_of_later_enter_the_versions_from_their_second_on(
    monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    """A recipe that changed renames the runs that use it, and no others."""
    using, other = (
        RunConfig(data=DataConfig(augmentation=recipe), evaluation=EvaluationConfig(measures=(measure,)))
        for recipe, measure in (("vem", "gate"), ("sgml", "clusters"))
    )
    before = registry.versions(using)
    assert before == registry.versions(other) == registry.versions(RunConfig())
    monkeypatch.setitem(registry.REGISTRY[kind], name, replace(registry.entry(kind, name), version=2))
    assert registry.versions(using) == before | {f"{kind}/{name}": 2}
    assert registry.versions(other) == before | ({"sampler/pk": 2} if kind == "sampler" else {})


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (RunConfig(model=Component("unfied")), "There is no model named 'unfied'. Did you mean 'unified'?"),
        (
            RunConfig(data=DataConfig(augmentation="letterbox")),
            "There is no augmentation named 'letterbox'. Did you mean 'deml_letterbox'?",
        ),
        (RunConfig(evaluation=EvaluationConfig(measures=("gate", "window"))), "There is no measure named 'window'."),
        (RunConfig(data=DataConfig(sampler=Component("kp"))), "There is no sampler named 'kp'. Did you mean 'pk'?"),
    ],
)
def test_a_configuration_with_an_unknown_name_has_no_versions(config: RunConfig, words: str) -> None:
    with pytest.raises(UserError) as error:
        registry.versions(config)
    assert words in str(error.value)


def test_the_loop_enters_the_versions_from_its_second_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of the first keep their names."""
    assert "training" not in registry.versions(RunConfig())
    monkeypatch.setattr(registry, "LOOP", replace(registry.LOOP, version=2))
    assert registry.versions(RunConfig())["training"] == 2


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("binomial_deviance", {"gamma": "large"}, "option 'gamma' of loss 'binomial_deviance' must be of type float"),
        ("activation_decay", {"released": 1}, "option 'released' of loss 'activation_decay' must be of type bool"),
    ],
)
def test_options_of_the_wrong_type(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        registry.build("loss", name, **options)
