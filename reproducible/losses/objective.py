"""Several losses as one objective."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reproducible import registry
from reproducible.config import Component
from reproducible.resources import UserError
from reproducible.types import Batch, Output


class Objective(nn.Module):
    """Named scalar losses of what a model puts out.

    A loss whose ``forward`` begins with ``output`` gets the whole :class:`~reproducible.types.Output`. Any other is
    one over embeddings and labels, as all of pytorch-metric-learning's are; it is applied to every learner and
    averaged (DeML Eq. 5: the factor 1/(IJ)).

    Args:
        terms: losses by name. Their own parameters, if any, are trained.
    """

    def __init__(self, terms: dict[str, nn.Module]) -> None:
        super().__init__()
        self.terms = nn.ModuleDict(terms)
        self._on_output = {
            name for name, term in terms.items() if next(iter(inspect.signature(term.forward).parameters)) == "output"
        }

    def forward(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """Each loss, weighted, by name; their sum is what training minimises."""
        return {name: self._term(name, output, batch) for name in self.terms}

    def _term(self, name: str, output: Output, batch: Batch) -> Tensor:
        term = self.terms[name]
        if name in self._on_output:
            return term(output, batch)
        return torch.stack([term(x, batch.labels) for x in output.learners]).mean()


def build_objective(terms: Sequence[Component]) -> Objective:
    """An objective from configured components; a term goes by its option ``name``, if it has one, or by its loss.

    Raises:
        UserError: for an unknown loss or option, with the nearest known one; for two terms of one name.
    """
    made: dict[str, nn.Module] = {}
    for term in terms:
        name = term.options.get("name", term.name)
        if name in made:
            raise UserError(f"RunConfig.objective has two terms named {name!r}; leave one of them out.")
        made[name] = registry.build("loss", term.name, **term.options)
    return Objective(made)
