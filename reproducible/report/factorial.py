"""Tables and figures of a factorial design that is run in part. Explained on page: one-head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reproducible.report.figures import BLUE, GREY, not_run, panels, styled
from reproducible.report.tables import NOT_RUN, difference, mean_interval, spread, values_of
from reproducible.studies import Study
from reproducible.studies.heads import Cell
from reproducible.types import RunRecord
from reproducible.verdicts.contrasts import fails_here
from reproducible.verdicts.words import NOT_TRAINED


@styled
def main_effects(effects: Mapping[tuple[str, str], Sequence[float]]) -> Figure:
    """A row a level with its 95 % t interval over class draws, factors apart.

    Args:
        effects: factor and level -> points by class draw.
    """
    if not any(len(values) > 1 for values in effects.values()):
        return not_run(f"main effects: {NOT_RUN}")
    figure, (axes,) = panels(0.27 * len(effects) + 1.1)
    y, before, labels = 0.0, "", []
    for (factor, level), values in effects.items():
        y -= 1.0 if factor == before else 1.6
        before = factor
        low, high = mean_interval(values)
        axes.hlines(y, low, high, color=BLUE, linewidth=2.2, alpha=0.5)
        axes.plot(float(np.mean(values)), y, "o", color=BLUE)
        labels.append((y, f"{factor}: {level}"))
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks([place for place, _ in labels], [words for _, words in labels])
    axes.set(xlabel="less the mean of all cells, Recall@1 (points)", ylim=(y - 0.8, -0.8))
    axes.grid(axis="y", visible=False)
    return figure


def largest(effects: Mapping[tuple[str, str, str, str], Sequence[float]], rows: int) -> pd.DataFrame:
    """The largest interactions by size, each with its 95 % t interval.

    Args:
        effects: two factors with a level each -> points by class draw.
        rows: how many.
    """
    known = {names: values for names, values in effects.items() if len(values) > 1}
    if not known:
        return pd.DataFrame({"interaction": [NOT_RUN]})
    ordered = sorted(known, key=lambda names: -abs(float(np.mean(known[names]))))[:rows]
    return pd.DataFrame(
        {
            "interaction": [f"{a}: {one}, {b}: {other}" for a, one, b, other in ordered],
            "points": [spread(list(known[names])) for names in ordered],
            "draws": [f"{len(known[names])}" for names in ordered],
        }
    )


def cell_table(study: Study, records: Sequence[RunRecord], cells: Sequence[Cell]) -> pd.DataFrame:
    """Recall@1 of each cell on unseen classes at the selected checkpoint, the best first, and its gain over the
    untouched network; a cell that does not beat that on average is not trained.

    Args:
        study: whose arms are named after the cells.
        records: of it.
        cells: which.
    """
    rows = []
    for cell in cells:
        recall, gains = values_of(records, cell.name), difference(records, cell.name, "untouched")
        lost = bool(recall) and fails_here(records, cell.name)
        row = {**cell._asdict(), "draws": f"{len(recall)} of {study.arm(cell.name).draws}"}
        row |= {"R@1 %": spread([*recall.values()]), "over untouched": NOT_TRAINED if lost else spread(gains)}
        rows.append((float(np.mean([*recall.values()])) if recall else -1.0, row))
    rows.sort(key=lambda one: -one[0])
    return pd.DataFrame([row for _, row in rows])
