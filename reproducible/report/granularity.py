"""SGML on its pages: bands of the loss, layers of one network, alpha and beta, predicted and true attributes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reproducible.data.attributes import Attributes
from reproducible.data.store import Store
from reproducible.report.figures import BLUE, GREY, ROSE, not_run, panels, styled
from reproducible.report.pictures import grid
from reproducible.report.tables import NOT_RUN, mean_interval, spread, values_of
from reproducible.studies import Arm
from reproducible.types import RunRecord
from reproducible.verdicts.contrasts import by_draw
from reproducible.verdicts.effects import effect

LAYERS = {"emb": "Emb", "fc": "FC", "conv": "Conv"}
KINDS = {"positive": (BLUE, "-", "///"), "negative": (ROSE, "--", "\\\\\\")}
_CHARACTERS = 24  # of a line below an image


@styled
def bands(
    cosines: np.ndarray,
    plain: Mapping[str, Mapping[str, np.ndarray]],
    soft: Mapping[str, tuple[np.ndarray, np.ndarray]],
    slopes: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> Figure:
    """The plain loss of a pair, the band that g spans, and how hard a pair is pulled or pushed by g.

    Args:
        cosines: s, (S,).
        plain: title -> kind of pair -> loss, (S,).
        soft: kind of pair -> loss at the smallest and at the largest g, (S,) each.
        slopes: kind of pair -> values of g and the size of the gradient on s, (G,) each.
    """
    figure, (left, middle, right) = panels(2.7, 3)
    for number, (title, of_kind) in enumerate(plain.items()):
        for kind, loss in of_kind.items():
            colour, line, _ = KINDS[kind]
            left.plot(cosines, loss, line, color=colour, linewidth=1.0 + 0.8 * number)
        left.annotate(title, (cosines[0], of_kind["positive"][0]), (3, 0), textcoords="offset points", fontsize=7)
    for kind, (highest, lowest) in soft.items():
        colour, line, hatch = KINDS[kind]
        middle.fill_between(cosines, lowest, highest, facecolor=colour, edgecolor=colour, alpha=0.22, hatch=hatch)
        for loss in (highest, lowest):
            middle.plot(cosines, loss, line, color=colour, linewidth=1.2)
    for kind, (g, size) in slopes.items():
        colour, line, _ = KINDS[kind]
        right.plot(g, size, line, color=colour, label=f"{kind} pair")
    for axes, title in ((left, "plain loss (Fig. 4)"), (middle, "soft loss, g from 0 to 1 (Fig. 5)")):
        axes.set(title=title, xlabel="cosine s of the embeddings", ylabel="loss of a pair")
    right.set(title="gradient on s", xlabel="similarity g of the attributes", ylabel="size", ylim=(0, None))
    right.legend(loc="upper right", fontsize=7)
    return figure


def by_layer(records: Sequence[RunRecord], arm: str) -> dict[str, dict[int, float]]:
    """Recall@1 of each layer of an arm's networks by class draw, at the selected checkpoint; by name of the layer."""
    found: dict[str, dict[int, float]] = {}
    for draw, record in by_draw(records, arm).items():
        protocols = record["selected"].get("further", {})
        for name, point in next(iter(protocols.values()), {"features": {}})["features"].items():
            if name in LAYERS:
                found.setdefault(name, {})[draw] = point["test"]["recall_at_1"]
    return found


def layer_table(
    arms: Sequence[Arm],
    records: Sequence[RunRecord],
    published: Mapping[str, Mapping[str, float]] | None = None,
) -> pd.DataFrame:
    """One row an arm: Recall@1 of unseen classes by layer, and how well the branch predicts attributes.

    Args:
        arms: of one study, in the order of the rows.
        records: of the study.
        published: numbers to stand beside, by column title and arm.
    """
    rows = []
    for arm in arms:
        layers, ran = by_layer(records, arm.name), values_of(records, arm.name)
        told = values_of(records, arm.name, metric="attribute_map")
        rows.append(
            {
                "arm": arm.title,
                **{title: values.get(arm.name, float("nan")) for title, values in (published or {}).items()},
                "draws": f"{len(ran)} of {arm.draws}",
                **{
                    f"{title}, R@1 %": spread(list(layers.get(layer, {}).values())) if ran else NOT_RUN
                    for layer, title in LAYERS.items()
                },
                "attribute mAP %": spread(list(told.values())) if told else "",
            }
        )
    return pd.DataFrame(rows)


def effects(
    pairs: Mapping[str, tuple[str, ...]],
    benchmarks: Mapping[str, Sequence[RunRecord]],
    published: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Paired differences of Recall@1 for :func:`reproducible.report.controlled.side_by_side`; the interval is from the
    lowest to the highest end of the t interval and the bootstrap, both of which a verdict needs.

    Args:
        pairs: title -> treatment and control, or four arms, (a - b) - (c - d); ``arm/layer`` is a layer of an arm.
        benchmarks: title -> records of the study whose arms these are.
        published: what the document prints, by title of the pair, in points.
    """
    rows = []
    for title, arms in pairs.items():
        for benchmark, found in benchmarks.items():
            one = effect(found, *arms)
            both = [end for ends in (one.t, one.bootstrap) if ends for end in ends]
            low, high = (min(both), max(both)) if both else (np.nan, np.nan)
            mean = one.mean if both else np.nan
            rows.append((title, benchmark, one.draws, mean, low, high, (published or {}).get(title, np.nan)))
    return pd.DataFrame(rows, columns=["compared", "benchmark", "draws", "mean", "low", "high", "published"])


def surface_table(records: Sequence[RunRecord], arms: Mapping[tuple[float, float], str]) -> pd.DataFrame:
    """Mean Recall@1 over class draws by alpha (rows) and beta (columns); NaN where nothing has run.

    Args:
        records: of one study.
        arms: name of the arm by alpha and beta.
    """
    means = {
        point: np.mean(list(found.values())) if (found := values_of(records, arm)) else np.nan
        for point, arm in arms.items()
    }
    table = pd.Series(means).unstack()
    return table.rename_axis(index="alpha", columns="beta")


@styled
def surfaces(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Recall@1 by alpha and beta, a panel a benchmark, with the number in each field.

    Args:
        tables: title -> :func:`surface_table`.
    """
    if all(table.isna().all(axis=None) for table in tables.values()):
        return not_run("alpha and beta: declared, not run")
    figure, axes = panels(2.4, len(tables))
    for panel, (title, table) in zip(axes, tables.items(), strict=True):
        panel.imshow(table, cmap="cividis", aspect="auto")
        for (row, column), value in np.ndenumerate(table.to_numpy()):
            middle = np.nanmean(table.to_numpy()) if table.notna().any(axis=None) else 0.0
            colour = "white" if value < middle else "black"
            said = "-" if np.isnan(value) else f"{value:.1f}"
            panel.text(column, row, said, ha="center", va="center", fontsize=8, color=GREY if said == "-" else colour)
        panel.set(title=title, xlabel="beta", ylabel="alpha")
        panel.set_xticks(range(table.shape[1]), [f"{beta:g}" for beta in table.columns])
        panel.set_yticks(range(table.shape[0]), [f"{alpha:g}" for alpha in table.index])
        panel.grid(False)
    return figure


@styled
def constants(values: Mapping[float, Mapping[int, float]], own: tuple[float, Mapping[int, float]] | None) -> Figure:
    """Recall@1 where all pairs have the same g, and where each has its own.

    Args:
        values: recall by class draw, by constant g.
        own: mean g of the networks whose pairs have their own g, and their recall by class draw; None: not run.
    """
    if not any(values.values()):
        return not_run(NOT_RUN)
    figure, (axes,) = panels(2.5)
    ran = {g: list(found.values()) for g, found in values.items() if found}
    _dots(axes, ran, BLUE, "o-", "the same g for all pairs")
    if own is not None:
        _dots(axes, {own[0]: list(own[1].values())}, ROSE, "D", "each pair its own g, at the mean of them")
    axes.set(xlabel="g", ylabel="Recall@1, unseen classes (%)", xlim=(-0.05, 1.05))
    figure.legend(loc="outside upper right", ncols=2)
    return figure


def _dots(axes: Axes, ran: Mapping[float, Sequence[float]], colour: str, look: str, label: str) -> None:
    x = list(ran)
    low, high = zip(*(mean_interval(v) for v in ran.values()), strict=True)
    axes.vlines(x, low, high, color=colour, linewidth=2.2, alpha=0.5)
    axes.plot(x, [np.mean(v) for v in ran.values()], look, color=colour, label=label)


def told(
    store: Store, queries: np.ndarray, ids: np.ndarray, probabilities: Mapping[int, np.ndarray], known: Attributes
) -> Figure:
    """Queries and what they find, with the attributes that are there and up to two that were predicted wrongly.

    Args:
        store: where the images are.
        queries: (Q,) indices into the store.
        ids: (Q, k) indices into the store of what each finds, nearest first.
        probabilities: predicted of each of these images, (K,), by index.
        known: true attributes of the store.
    """
    rows = np.column_stack([queries, ids])
    right = store.labels[rows] == store.labels[queries][:, None]
    notes = [
        [
            f"{'query' if column == 0 else '+' if right[row, column] else '-'} {_said(probabilities[i], i, known)}"
            for column, i in enumerate(line)
        ]
        for row, line in enumerate(rows)
    ]
    frames = [[None, *(BLUE if hit else ROSE for hit in line[1:])] for line in right]
    return grid(store, rows, notes, frames)


def _said(predicted: np.ndarray, index: int, known: Attributes) -> str:
    """Attributes of an image in short lines: those it has, then those that were missed or made up."""
    there, seen = known.present[index], predicted >= 0.5
    names = [name.partition(" ")[2] or name for name in known.names]
    wrong = [f"{'missed' if there[k] else 'not'} {names[k]}" for k in np.flatnonzero(there != seen)]
    lines = textwrap.wrap(", ".join(names[k] for k in np.flatnonzero(there)) or "none", _CHARACTERS)
    return "\n".join([*lines, *wrong[:2], *(["..."] if len(wrong) > 2 else [])])
