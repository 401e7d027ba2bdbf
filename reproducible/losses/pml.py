"""The losses of pytorch-metric-learning by name, as terms of an objective."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from reproducible.losses.pairs import Pairs, Triplets, check_batch, within_table
from reproducible.resources import UserError, nearest_name


class PML(nn.Module):
    """One of its losses; in the objective it goes by the name of the class.

    Args:
        name: of the class in ``pytorch_metric_learning.losses``, such as ``MultiSimilarityLoss``.
        options: keyword arguments of the class that are plain values.

    Raises:
        UserError: if the library is not installed, it has no such loss, with the nearest one, or the loss refuses the
            options.
    """

    def __init__(self, name: str, options: Mapping[str, Any] = MappingProxyType({})) -> None:
        super().__init__()
        self.name, self.options = name, dict(options)
        self.loss = self._made()

    def _made(self) -> nn.Module:
        try:
            from pytorch_metric_learning import losses
        except ImportError as error:
            raise UserError(
                f"Loss 'pml' needs pytorch-metric-learning, which cannot be imported ({error}): pip install "
                "pytorch-metric-learning"
            ) from error
        known = [n for n, kind in vars(losses).items() if isinstance(kind, type) and issubclass(kind, nn.Module)]
        if self.name not in known:
            raise UserError(f"pytorch-metric-learning has no loss named {self.name!r}.{nearest_name(self.name, known)}")
        try:
            return getattr(losses, self.name)(**self.options)
        except (TypeError, ValueError) as error:
            raise UserError(f"pytorch-metric-learning's {self.name} refuses its options: {error}") from error

    def reset_parameters(self) -> None:
        """Draw the loss's own parameters, such as proxies, anew."""
        self.loss.load_state_dict(self._made().state_dict())

    def check_labels(self, labels: Tensor) -> None:
        """See that each class has an entry, where the loss has a table of them, such as proxies.

        Raises:
            ValueError: for a label that has none.
        """
        if size := self.options.get("num_classes"):
            within_table(
                labels, size, f"{self.name} has an entry for each of {{}}; set its option 'num_classes' to {{}}"
            )

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        indices_tuple: Triplets | Pairs | None = None,
        ref_emb: Tensor | None = None,
        ref_labels: Tensor | None = None,
    ) -> Tensor:
        """The loss of a batch.

        Args:
            embeddings: any scale, :math:`(N, d)`.
            labels: int64, :math:`(N,)`.
            indices_tuple: which triplets or pairs; None: those that the loss itself takes.
            ref_emb, ref_labels: as of :func:`reproducible.losses.pairs.sides`.

        Raises:
            ValueError: if the shapes do not fit, the loss takes no pairs and some are given, or a label is none of
                those that it has entries for.
        """
        self.check_labels(labels)
        others = () if ref_emb is None else (check_batch(ref_emb, ref_labels), ref_labels)
        return self.loss(check_batch(embeddings, labels), labels, indices_tuple, *others)
