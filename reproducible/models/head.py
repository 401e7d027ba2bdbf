"""One head, many switches: the gates of DeML(1, J), ABE and DIABLO, each at both places, with the learners of either.

What stands on one trunk with J branches: a ``gate``, the ``place`` where it stands, stages behind it for all branches
or for each, and a learner for all or for each. DeML(1, J), ABE and the four strategies of DIABLO are points of this
space, as is every mixture of them; what makes branches differ, and the metric loss, are the objective's.
Explained on page: one-head.
"""

from __future__ import annotations

from functools import partial

from reproducible.attention.channel import ChannelGates
from reproducible.attention.dictionary import PER, DictionaryGates
from reproducible.attention.fixed import FixedGates
from reproducible.attention.sigmoid import SigmoidGates
from reproducible.backbones.base import Backbone
from reproducible.models.branches import POST, PRE, Branches, Place
from reproducible.models.ensemble import Ensemble
from reproducible.resources import UserError, nearest_name

GATES = ("pooled", "unpooled", "sigmoid", *PER, "fixed", "none")
PLACES = {"pre": PRE, "post": POST}
_LOOKING = ("sigmoid", *PER)  # through stages of their own


def head(
    backbone: Backbone,
    dim: int = 512,
    branches: int = 8,
    gate: str = "dimension",
    place: str = "pre",
    alpha: float = 10.0,
    likeness: str = "cosine",
    directions: int = 1,
    rescale: bool = False,
    glorot: bool = False,
    hidden: int = 64,
    shared_learner: bool = False,
    own_tails: bool = False,
) -> Ensemble:
    """The model.

    Args:
        backbone: the trunk, with the stages of GoogLeNet.
        dim: d; each learner has ``dim // branches`` dimensions.
        branches: J, or N of DIABLO.
        gate: ``pooled`` and ``unpooled``, DeML's and its released code's; ``sigmoid``, ABE's; ``feature`` and
            ``dimension``, DIABLO's two dictionaries; ``fixed``, one that does not look; ``none``.
        place: ``pre``: on the map of pool3; ``post``: on that of 5b. ABE's and DIABLO's gates look through stages of
            their own, 4a to 4e behind pool3, or 5a and 5b behind pool4; DeML's read the map that they gate.
        alpha, likeness, directions, rescale: of dictionaries, as in
            :class:`reproducible.attention.dictionary.DictionaryGates`.
        glorot: of ABE's gates, as in :class:`reproducible.attention.sigmoid.SigmoidGates`.
        hidden: width of the inner layer of DeML's.
        shared_learner: all learners share one weight.
        own_tails: each branch has the stages behind the gates for itself, as in
            :class:`reproducible.models.branches.Branches`.

    Raises:
        UserError: for an option out of range, with the nearest known name.
    """
    for name, value, known in (("gate", gate, GATES), ("place", place, PLACES)):
        if value not in known:
            raise UserError(
                f"Head.{name} must be one of {', '.join(known)}, got {value!r}.{nearest_name(value, known)}"
            )
    dictionary = partial(DictionaryGates, alpha=alpha, likeness=likeness, directions=directions, rescale=rescale)
    kinds = {
        "pooled": partial(ChannelGates, hidden=hidden),
        "unpooled": partial(ChannelGates, hidden=hidden, pooled=False),
        "sigmoid": partial(SigmoidGates, glorot=glorot),
        "feature": partial(dictionary, per="feature"),
        "dimension": partial(dictionary, per="dimension"),
        "fixed": FixedGates,
    }
    stages = PLACES[place]
    where = stages if gate in _LOOKING else Place(stages.gates, stages.gates)
    return Ensemble([Branches(backbone, branches, dim // branches, kinds.get(gate), where, shared_learner, own_tails)])
