"""A penalty that the model itself computes, as a term of the objective: L_var of VEM Eq. 4, for one."""

from __future__ import annotations

from torch import Tensor, nn

from reproducible.resources import UserError, nearest_name
from reproducible.types import Batch, Output


class Penalty(nn.Module):
    """One of ``Output.penalties``, weighted. In the objective it goes by the name of the penalty.

    Args:
        name: of the penalty, such as ``L_var``.
        weight: its factor.
    """

    def __init__(self, name: str, weight: float = 1.0) -> None:
        super().__init__()
        self.name, self.weight = name, weight

    def forward(self, output: Output, batch: Batch) -> Tensor:
        """Scalar loss; reads ``output.penalties``.

        Raises:
            UserError: if the model computes no such penalty, with the nearest one that it does.
        """
        if self.name not in output.penalties:
            raise UserError(f"The model computes no penalty {self.name!r}.{nearest_name(self.name, output.penalties)}")
        return self.weight * output.penalties[self.name]
