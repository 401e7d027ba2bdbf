"""ABE of Kim et al. 2018: J gates that look through 4a to 4e of their own, on the map of pool3.

Their losses, a contrastive one a learner and the divergence of learners, are the objective's.
Explained on page: channel-attention.
"""

from __future__ import annotations

from reproducible.attention.sigmoid import SigmoidGates
from reproducible.backbones.base import Backbone
from reproducible.models.branches import PRE, Branches
from reproducible.models.ensemble import Ensemble


def abe(backbone: Backbone, dim: int = 512, branches: int = 8) -> Ensemble:
    """The model.

    Args:
        backbone: the trunk, with the stages pool3 to 4e.
        dim: d; each learner has ``dim // branches`` dimensions, of one weight that they share.
        branches: J.
    """
    return Ensemble([Branches(backbone, branches, dim // branches, SigmoidGates, PRE)])
