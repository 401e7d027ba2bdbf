r"""Binary cross-entropy of predicted attributes (SGML section III.B, Eq. 2; page: sgml).

.. math::  L = -\sum_{i=1}^{K} [a_i \log p_i + (1 - a_i) \log(1 - p_i)]

The document sums over the K attributes and does not say what becomes of the images of a batch, nor how the loss is
weighed. The mean over images is taken here. At K = 312 the sum is of the order of 100, beside a metric loss of about 1;
the mean over attributes, the same loss at a weight of 1/K, is of the order of the metric loss whatever K is.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from reproducible.resources import UserError, nearest_name
from reproducible.types import Batch, Output, at_least_fp32

FORMS = ("mean", "sum")


def attribute_bce(logits: Tensor, truth: Tensor, form: str = "mean") -> Tensor:
    """Cross-entropy of attributes, averaged over images.

    Args:
        logits: before the sigmoid, :math:`(N, K)`.
        truth: 0 or 1, :math:`(N, K)`.
        form: over attributes the ``mean``, or as in Eq. 2 the ``sum``.
    """
    logits = at_least_fp32(logits)
    each = F.binary_cross_entropy_with_logits(logits, truth.to(logits.dtype), reduction="none")
    return (each.mean(dim=1) if form == "mean" else each.sum(dim=1)).mean()


class AttributeBCE(nn.Module):
    """The cross-entropy of a model's attribute branch.

    Args:
        form: as of :func:`attribute_bce`.

    Raises:
        UserError: for an unknown form, with the nearest known one.
    """

    def __init__(self, form: str = "mean") -> None:
        super().__init__()
        if form not in FORMS:
            raise UserError(
                f"AttributeBCE.form must be one of {', '.join(FORMS)}, got {form!r}.{nearest_name(form, FORMS)}"
            )
        self.form = form

    def forward(self, output: Output, batch: Batch) -> Tensor:
        """Scalar loss; reads ``output.attributes`` and ``batch.attributes``.

        Raises:
            UserError: if the model predicts none, the data set has none, or their numbers differ.
        """
        if output.attributes is None:
            raise UserError("attribute_bce needs a model with an attribute branch, such as sgml.")
        if batch.attributes is None:
            raise UserError("attribute_bce needs a data set with attributes.")
        predicted, known = output.attributes.shape[1], batch.attributes.shape[1]
        if predicted != known:
            raise UserError(
                f"The model predicts {predicted} attributes, the data set has {known}: set its option 'attributes'."
            )
        return attribute_bce(output.attributes, batch.attributes, self.form)
