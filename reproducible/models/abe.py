"""ABE of Kim et al. 2018: J gates that look through 4a to 4e of their own, on the map of pool3.

Their losses, a contrastive one a learner and the divergence of learners, are the objective's. Its variants are options
of :func:`reproducible.models.head.head`. Explained on page: three-losses-and-abe.
"""

from __future__ import annotations

from reproducible.backbones.base import Backbone
from reproducible.models.ensemble import Ensemble
from reproducible.models.head import head


def abe(backbone: Backbone, dim: int = 512, branches: int = 8) -> Ensemble:
    """The model.

    Args:
        backbone: the trunk, with the stages pool3 to 4e.
        dim: d; each learner has ``dim // branches`` dimensions, of one weight that they share.
        branches: J.
    """
    return head(backbone, dim, branches, gate="sigmoid", shared_learner=True)
