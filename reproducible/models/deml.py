r"""DeML(I, J): I scales, each a zoom into the one before, with J gated learners each (DeML section 3, Fig. 2).

A row of options on :mod:`reproducible.models.ensemble`; with one scale it is ``Branches(trunk, J, d, ChannelGates)``
behind pool3. Explained on page: grid.
"""

from __future__ import annotations

import copy
from functools import partial

from reproducible.attention.channel import ChannelGates
from reproducible.attention.fixed import FixedGates
from reproducible.attention.object import FORMS
from reproducible.attention.sigmoid import SigmoidGates
from reproducible.backbones.base import Backbone
from reproducible.models.branches import PRE, Branches, Place
from reproducible.models.ensemble import Ensemble, Zoom
from reproducible.resources import UserError, nearest_name

GATES = ("pooled", "unpooled", "trunk", "fixed", "none")
TRAINING = ("usual", "trained", "frozen")
ZOOMS = ("attention", "full", "centre", "random", "object")
SOURCES = ("first", "mean")


def deml(
    backbone: Backbone,
    scales: int = 3,
    branches: int = 3,
    dim: int = 512,
    gate: str = "pooled",
    training: str = "usual",
    at: str = "pool3",
    hidden: int = 64,
    gain: float = 1.0,
    shared_trunk: bool = False,
    shared_learner: bool = True,
    zoom: str = "attention",
    layers: tuple[str, ...] = ("4e", "5b"),
    form: str = "columns",
    locality: float = 0.0,
    source: str = "first",
) -> Ensemble:
    """The model and its controls.

    Args:
        backbone: the trunk; each scale has a copy of its own that starts from the same weights.
        scales: I.
        branches: J.
        dim: d; each learner has ``dim // (scales * branches)`` dimensions.
        gate: ``pooled`` (the document's), ``unpooled`` (the released code's), ``trunk`` (ABE's, which looks through a
            copy of the stages as far as 4e), or as controls ``fixed`` (the same for all images) and ``none``: J plain
            heads.
        training: whether the gates are ``trained``, or stay ``frozen`` at their initial values; ``usual``: all are
            trained but ``fixed`` ones.
        at: the stage behind which the gates stand (pool3 in the document, 4b in the released code).
        hidden: width of a gate's inner layer.
        gain: of a gate's initial weights, as in :class:`reproducible.attention.channel.ChannelGates`.
        shared_trunk: all scales use one trunk.
        shared_learner: the learners of a scale share their weight, as in the released code; J plain heads cannot.
        zoom, layers, source: as in :class:`reproducible.models.ensemble.Zoom`.
        form, locality: of the walk, as in :func:`reproducible.attention.object.object_map`.

    Raises:
        UserError: for an option out of range, with the nearest known name.
    """
    named = (("gate", gate, GATES), ("training", training, TRAINING), ("zoom", zoom, ZOOMS), ("form", form, FORMS))
    for name, value, known in (*named, ("source", source, SOURCES)):
        _require(value in known, name, f"one of {', '.join(known)}", value, nearest_name(value, known))
    _require(scales >= 1, "scales", "at least 1", scales)
    _require(branches >= 1, "branches", "at least 1", branches)
    _require(dim >= scales * branches, "dim", f"at least scales x branches = {scales * branches}", dim)
    plain = gate == "none"
    _require(
        plain or backbone.index(at) < backbone.index(backbone.last),
        "at",
        f"a stage before the last, {backbone.last}",
        at,
    )
    _require(not (plain and shared_learner and branches > 1), "shared_learner", "false for ungated heads", True)
    if zoom == "attention" and scales > 1:
        _require(len(layers) > 0, "layers", "at least one stage", layers)
        for layer in layers:
            found = backbone.index(layer)
            _require(plain or found > backbone.index(at), "layers", f"behind the gates at {at}", layer)
    kinds = {
        "pooled": partial(ChannelGates, hidden=hidden, gain=gain),
        "unpooled": partial(ChannelGates, hidden=hidden, gain=gain, pooled=False),
        "trunk": SigmoidGates,
        "fixed": FixedGates,
    }
    place = Place(at, at, PRE.through if gate == "trunk" else "")
    trunks = [backbone, *(backbone if shared_trunk else copy.deepcopy(backbone) for _ in range(scales - 1))]
    size = dim // (scales * branches)
    each = [Branches(trunk, branches, size, kinds.get(gate), place, shared_learner) for trunk in trunks]
    for scale in each:
        if scale.gates is not None and training != "usual":
            scale.gates.requires_grad_(training == "trained")
    walk = {"form": form, "locality": locality}
    return Ensemble(each, Zoom(zoom, layers, source, walk))


def _require(condition: bool, name: str, rule: str, value: object, hint: str = "") -> None:
    if not condition:
        raise UserError(f"DeML.{name} must be {rule}, got {value!r}.{hint}")
