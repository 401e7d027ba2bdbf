"""Scales and branches: what their parameters mean, and the run that they make. For every method whose arms differ by
gates, learners, zooms, or by what makes branches differ.
"""

from __future__ import annotations

from dataclasses import replace

from reproducible.config import Component, RunConfig, Term
from reproducible.studies import baseline
from reproducible.studies.benchmarks import Params, run


def model(params: Params) -> Component:
    """DeML(I, J) or one of its controls; U_d where ``scales`` is 0.

    Args:
        params: ``dim``, the document's; ``scales``, ``branches``, and options of
            :func:`reproducible.models.deml.deml`: ``gate``, ``gain``, ``at``, ``shared_trunk``, ``shared_learner``,
            ``zoom``, ``layers``, ``form``, ``locality`` and ``source``.
    """
    if not params["scales"]:
        return baseline.model(params)
    dim, hidden = (size // params["divisor"] for size in (params["dim"], 64))
    names = ("scales", "branches", "gate", "at", "shared_trunk", "shared_learner")
    if params["scales"] > 1:
        names = (*names, "zoom", "layers", "form", "locality", "source")
    options = {name: list(params[name]) if name == "layers" else params[name] for name in names}
    options |= {"gain": params["gain"]} if params["gain"] != 1 else {}
    options |= {"hidden": hidden} if hidden != 64 else {}
    return Component("deml", {"dim": dim, **options})


def objective(params: Params) -> tuple[Term, ...]:
    """The losses: those of U_d on each learner, and what makes branches differ.

    Args:
        params: as of :func:`reproducible.studies.baseline.objective`; ``mined``; ``adversary`` (its weight, 0: none)
            with ``ramp`` (the steps of the run that it is made for, None: of this one, 0: the reversal is whole from
            the start), ``plain`` and ``shifted``; ``apart`` (weight of the released substitute) with ``margin`` and
            ``squares``; ``repulsion`` (weight of the cosine between gates).
    """
    metric, *decay = baseline.objective(params)
    losses = [replace(metric, options={**metric.options, "mined": True}) if params["mined"] else metric, *decay]
    branches = params["branches"]
    switches = ({"plain": True} if params["plain"] else {}) | ({} if params["shifted"] else {"shifted": False})
    if branches > 1 and params["adversary"]:
        options = {
            "dim": params["dim"] // params["divisor"] // (params["scales"] * branches),
            "scales": params["scales"],
            "branches": branches,
            "weight": params["adversary"],
            "rise": 2 * (params["steps"] if params["ramp"] is None else params["ramp"]) // 3,
        }
        losses.append(Term("adversary", options | switches))
    if params["apart"]:
        options = {"branches": branches, "weight": params["apart"], "margin": params["margin"]}
        losses.append(Term("push_apart", options | ({"squares": True} if params["squares"] else {})))
    if params["repulsion"]:
        losses.append(Term("gate_repulsion", {"weight": params["repulsion"]}))
    return tuple(losses)


def build(params: Params) -> RunConfig:
    """A run that looks at each scale by itself where there are several, and at what branches and windows are like.

    Args:
        params: those of :func:`model` and :func:`objective`; ``slower`` (the rate is multiplied by 0.8 after three
            quarters of the steps). Without scales, the run is the baseline's.
    """
    scales = params["scales"]
    if not scales:
        made = baseline.build(params)
    else:
        measured = {
            "branches": params["branches"] > 1,
            "windows": scales > 1 and params["zoom"] == "attention",
            "attributes": params["parts"],
        }
        made = run(
            params,
            model(params),
            objective(params),
            zooms=scales > 1,
            features=tuple(f"scale_{scale}" for scale in range(1, scales + 1)) if scales > 1 else (),
            measures=tuple(name for name, wanted in measured.items() if wanted),
        )
        made = replace(made, data=replace(made.data, boxes=params["zoom"] == "object"))
    if not params["slower"]:
        return made
    return replace(made, optimiser=replace(made.optimiser, decay_factor=0.8, decay_every=3 * made.steps // 4))


DEFAULTS = {
    **baseline.DEFAULTS,
    **{"scales": 1, "branches": 1, "gate": "pooled", "gain": 1.0, "at": "pool3"},
    **{"shared_trunk": False, "shared_learner": True},
    **{"zoom": "attention", "layers": ("4e", "5b"), "form": "columns", "locality": 0.0, "source": "first"},
    **{"mined": False, "adversary": 1.0, "ramp": None, "plain": False, "shifted": True},
    **{"apart": 0.0, "margin": 2.0, "squares": False, "repulsion": 0.0, "slower": False},
    **baseline.ROWS,
}
UNIFIED = {"scales": 0, "ntri": 0.0}
ALONE = {"adversary": 0.0}
DIVERGENCE = {"apart": 2 / 8, "margin": 1.0, "squares": True, **ALONE}  # ABE's, beside the mean of eight metric losses


def grid(scales: int, branches: int = 1, **more: object) -> dict[str, object]:
    """Parameters of DeML(I, J)."""
    return {"scales": scales, "branches": branches, **more}


def hinge(branches: int, **more: object) -> dict[str, object]:
    """Parameters of the released substitute, a sum over pairs, at the total weight of the released network: 0.2 for
    each of the three pairs of J = 3."""
    return {"apart": 0.2 * (3 / (branches * (branches - 1) // 2)), **ALONE, **more}
