"""DIABLO: branches that share out a map by likeness to the entries of a dictionary (DIABLO section 3).

Four strategies: an entry chooses for all channels or for each (``per``), before the stages that make the last map or
behind them (``place``). Every branch has a learner of its own, as section 4.1 says ("an embedding layer for each
branch"). Explained on page: notation.
"""

from __future__ import annotations

from functools import partial

from reproducible.attention.dictionary import DictionaryGates
from reproducible.backbones.base import Backbone
from reproducible.models.branches import POST, PRE, Branches
from reproducible.models.ensemble import Ensemble
from reproducible.resources import UserError, nearest_name

PLACES = {"pre": PRE, "post": POST}


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
    if place not in PLACES:
        raise UserError(f"DIABLO.place must be one of pre, post, got {place!r}.{nearest_name(place, PLACES)}")
    gate = partial(DictionaryGates, per=per, alpha=alpha)
    return Ensemble([Branches(backbone, branches, dim // branches, gate, PLACES[place], shared_learner=False)])
