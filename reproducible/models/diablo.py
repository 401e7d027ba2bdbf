"""DIABLO: branches that share out a map by likeness to the entries of a dictionary (DIABLO section 3).

Four strategies: an entry chooses for all channels or for each (``per``), before the stages that make the last map or
behind them (``place``). Every branch has a learner of its own, as section 4.1 says ("an embedding layer for each
branch"). Its variants are options of :func:`reproducible.models.head.head`. Explained on page: diablo.
"""

from __future__ import annotations

from reproducible.backbones.base import Backbone
from reproducible.models.ensemble import Ensemble
from reproducible.models.head import head


def diablo(
    backbone: Backbone,
    dim: int = 512,
    branches: int = 8,
    per: str = "feature",
    place: str = "pre",
    alpha: float = 10.0,
) -> Ensemble:
    """The model.

    Args:
        backbone: the trunk, with the stages of GoogLeNet.
        dim: d; each learner has ``dim // branches`` dimensions.
        branches: N of the document, entries of the dictionary.
        per, alpha: as in :class:`reproducible.attention.dictionary.DictionaryGates`.
        place: ``pre``: on the map of pool3, read through 4a to 4e; ``post``: on that of 5b, read from pool4 through 5a
            and 5b.

    Raises:
        UserError: for an option out of range, with the nearest known name.
    """
    return head(backbone, dim, branches, gate=per, place=place, alpha=alpha)
