"""What entries of a dictionary, or other gates that share a map out, look at: maps, parts, entropy by temperature.

Every number comes from a record or is handed in; what has not been run says so. Explained on page: diablo.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reproducible.data.store import Store
from reproducible.report.figures import AMBER, BLUE, ROSE, WIDTH, not_run, panels, styled
from reproducible.report.tables import NOT_RUN
from reproducible.studies import Arm
from reproducible.training.measures.entries import PARTS
from reproducible.types import RunRecord
from reproducible.verdicts.contrasts import by_draw

SHADES = {"cmap": "viridis", "interpolation": "nearest"}


@styled
def maps(pictures: Sequence[np.ndarray], shares: np.ndarray, outlines: Sequence[np.ndarray | None] = ()) -> Figure:
    """Pictures in rows, each followed by the share of every entry, on one scale from 0 to twice an even share.

    Args:
        pictures: (S, S, 3) uint8, as the network sees them.
        shares: of the entries, in per cent, :math:`(J, N, H, W)`.
        outlines: of each picture the mask of the object, (S, S), whose edge is drawn over the shares, or None.
    """
    count, number = shares.shape[:2]
    cell, head = WIDTH / (count + 1), 0.2
    figure = Figure(figsize=(WIDTH, number * cell + head + 0.02))
    tall = number * cell + head + 0.02
    limits = {"vmin": 0, "vmax": 200 / count}
    for row, picture in enumerate(pictures):
        for column in range(count + 1):
            place = (
                column / (count + 1) + 0.003,
                (number - 1 - row) * cell / tall,
                0.95 / (count + 1),
                0.95 * cell / tall,
            )
            axes = figure.add_axes(place)
            axes.axis("off")
            if row == 0:
                axes.set_title("image" if column == 0 else f"entry {column}", fontsize=8, loc="center")
            if column == 0:
                axes.imshow(picture)
                continue
            side = len(picture)
            axes.imshow(shares[column - 1, row], extent=(0, side, side, 0), **SHADES, **limits)
            if row < len(outlines) and outlines[row] is not None:
                axes.contour(
                    np.arange(side) + 0.5, np.arange(side) + 0.5, outlines[row], [0.5], colors="white", linewidths=0.8
                )
    return figure


def recorded_maps(
    records: Sequence[RunRecord], arm: str, store: Store, draw: int = 0
) -> tuple[np.ndarray, np.ndarray] | None:
    """Shares of each entry that a record keeps, :math:`(J, N, H, W)` in per cent, and the images' places in the store;
    None where the arm has not been run.

    Args:
        records: of one study.
        arm: its name.
        store: that the images are of.
        draw: class draw.
    """
    record = by_draw(records, arm).get(draw)
    look = record["selected"]["test"] if record else {}
    if "attention_images" not in look:
        return None
    indices = np.array(look["attention_images"], np.int64)
    return np.stack([np.array(look[f"attention_map_{n}"]) for n in range(len(indices))], axis=1), indices


def part_table(records: Sequence[RunRecord], arm: str, draw: int = 0) -> pd.DataFrame:
    """How much of an even share each entry takes on the ground and on each part of glyphs, in per cent, of one class
    draw: which entry has which number is by chance, so that a mean over draws would hide what they do.

    Args:
        records: of one study.
        arm: its name.
        draw: which.
    """
    record = by_draw(records, arm).get(draw)
    found = record["selected"]["test"].get("attention_on_parts") if record else None
    if found is None:
        return pd.DataFrame({"entry": [NOT_RUN]})
    table = pd.DataFrame(found, columns=[*PARTS]).rename(columns={"above": "mark above", "below": "mark below"})
    return table.rename_axis("entry").reset_index().assign(entry=range(1, len(found) + 1))


@styled
def entropy_by_alpha(
    start: Mapping[str, Mapping[float, float]], trained: Mapping[str, Mapping[float, float]]
) -> Figure:
    """Mean entropy of the shares, of that of even ones, by temperature: as entries start, and after training.

    Args:
        start: title -> alpha -> per cent.
        trained: likewise, of what has been run.
    """
    figure, (axes,) = panels(2.7)
    looks = ((BLUE, "o"), (ROSE, "D"), (AMBER, "s"))
    for number, (title, values) in enumerate(start.items()):
        colour, marker = looks[number]
        axes.plot([*values], [*values.values()], "-", color=colour, label=f"{title}, at the start")
        after = trained.get(title, {})
        if after:
            axes.plot([*after], [*after.values()], marker, color=colour, label=f"{title}, trained")
    axes.axhline(80, color="#767676", linewidth=0.8, linestyle=":")
    axes.set(xscale="log", xlabel="alpha", ylabel="entropy over the entries (% of even)", ylim=(-3, 104))
    ticks = sorted({alpha for values in start.values() for alpha in values})
    axes.set_xticks(ticks, [f"{alpha:g}" for alpha in ticks])
    axes.minorticks_off()
    axes.legend(loc="lower left")
    return figure


@styled
def by_entries(tables: Mapping[str, pd.DataFrame], ylabel: str) -> Figure:
    """A quantity by the number of entries: a line an arm, with what is printed as hollow marks.

    Args:
        tables: title -> index N; columns ``mean``, ``low``, ``high`` and ``printed``, which may be missing.
        ylabel: quantity and unit.
    """
    if all(table["mean"].isna().all() and table["printed"].isna().all() for table in tables.values()):
        return not_run(NOT_RUN)
    figure, (axes,) = panels(2.8)
    for (title, table), (colour, marker) in zip(tables.items(), ((BLUE, "o"), (ROSE, "D"), (AMBER, "s")), strict=False):
        known = table.dropna(subset=["mean"])
        reach = np.abs(known[["low", "high"]].to_numpy().T - known["mean"].to_numpy())
        if len(known):
            axes.errorbar(known.index, known["mean"], reach, color=colour, marker=marker, capsize=3, label=title)
        told = table.dropna(subset=["printed"])
        if len(told):
            style = {"markerfacecolor": "white", "markersize": 7}
            axes.plot(told.index, told["printed"], ":", marker=marker, color=colour, label=f"{title}, printed", **style)
    axes.axhline(0, color="#767676", linewidth=0.8)
    ticks = sorted({n for table in tables.values() for n in table.index})
    axes.set(xscale="log", xlabel="entries N", ylabel=ylabel)
    axes.set_xticks(ticks, [str(n) for n in ticks])
    axes.minorticks_off()
    axes.legend(loc="best", fontsize=7.5)
    return figure


def gain_by_entries(
    arms: Mapping[int, Arm], gaps: Mapping[int, Sequence[float]], printed: Mapping[int, float]
) -> pd.DataFrame:
    """Differences from the baseline by the number of entries, for :func:`by_entries`.

    Args:
        arms: N -> arm.
        gaps: N -> differences by class draw, in points.
        printed: N -> the printed difference.
    """
    from reproducible.report.tables import mean_interval

    rows = {}
    for n in arms:
        values = list(gaps.get(n, ()))
        low, high = mean_interval(values)
        mean = float(np.mean(values)) if len(values) > 1 else np.nan
        rows[n] = {"mean": mean, "low": low, "high": high, "printed": printed.get(n, np.nan)}
    return pd.DataFrame.from_dict(rows, orient="index")
