"""Several losses as one objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from reproducible import registry
from reproducible.config import Term, labels_of
from reproducible.resources import UserError
from reproducible.types import Batch, Output


class Objective(nn.Module):
    """Named scalar losses of what a model puts out.

    A loss reads the whole ``output``, with the batch; or embeddings with their labels and the pairs of the batch, as
    all of pytorch-metric-learning's do: those of the ``learners``, one after the other and averaged (DeML Eq. 5: the
    factor 1/(IJ)), or the ``embedding`` that they make together. One with the attribute ``by_attributes`` also gets the
    attributes that the model predicts (``logits``) and those of the batch (``truth``).

    Args:
        losses: by label. Their own parameters, if any, are trained.
        on: what each reads; ``learners`` of those that are not named.
        weights: factor of each; 1 of those that are not named.

    Raises:
        UserError: for a label that torch does not take as the name of a module.
    """

    def __init__(
        self,
        losses: Mapping[str, nn.Module],
        on: Mapping[str, str] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        for label in losses:
            if "." in label or hasattr(nn.ModuleDict, label):
                raise UserError(f"A term of the objective cannot be called {label!r}; give it another label.")
        self.terms = nn.ModuleDict(losses)
        self.on = dict.fromkeys(losses, "learners") | dict(on or {})
        self.weights = dict.fromkeys(losses, 1.0) | dict(weights or {})

    def check_labels(self, labels: Tensor) -> None:
        """See that losses with an entry a class have one for each of these labels.

        Raises:
            UserError: for a label that has none.
        """
        for loss in self.terms.values():
            if hasattr(loss, "check_labels"):
                try:
                    loss.check_labels(labels)
                except ValueError as error:
                    raise UserError(f"{error}.") from error

    def forward(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """Each loss, weighted, by label; their sum is what training minimises."""
        return {label: self.weights[label] * self._term(label, output, batch) for label in self.terms}

    def _term(self, label: str, output: Output, batch: Batch) -> Tensor:
        loss, on = self.terms[label], self.on[label]
        if on == "output":
            return loss(output, batch)
        judged_by = getattr(loss, "by_attributes", False)
        known = {"logits": output.attributes, "truth": batch.attributes} if judged_by else {}
        if on == "embedding":
            return loss(output.embedding, batch.labels, batch.pairs, **known)
        return torch.stack([loss(learnt, batch.labels, batch.pairs, **known) for learnt in output.learners]).mean()


def build_objective(terms: Sequence[Term]) -> Objective:
    """An objective from configured terms.

    Raises:
        UserError: for an unknown loss or option, with the nearest known one; for a term on what its loss cannot read;
            for two terms that are called the same.
    """
    named = dict(zip(labels_of(terms), terms, strict=True))
    losses = {label: registry.build("loss", term.name, **term.options) for label, term in named.items()}
    on = {label: _read_by(term) for label, term in named.items()}
    return Objective(losses, on, {label: term.weight for label, term in named.items()})


def _read_by(term: Term) -> str:
    usual = registry.entry("loss", term.name).on
    if term.on and (term.on == "output") != (usual == "output"):
        possible = "output" if usual == "output" else "learners or embedding"
        raise UserError(f"Loss {term.name!r} can be on {possible}, not on {term.on!r}.")
    return term.on or usual
