"""Untouched networks stage by stage, on several data sets and under several protocols, from records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from reproducible.report.figures import AMBER, BLUE, GREY, ROSE, not_run, panels, styled
from reproducible.report.tables import NOT_RUN
from reproducible.types import RunRecord

LINES = (
    (BLUE, "o", "-"),
    (AMBER, "s", "-"),
    (ROSE, "D", "-"),
    (BLUE, "^", "--"),
    (AMBER, "v", "--"),
    (ROSE, "X", "--"),
)
LAST = "embedding"


def stage_table(records: Sequence[RunRecord], stages: Mapping[str, Sequence[str]], metric: str) -> pd.DataFrame:
    """One row a network, data set, protocol and stage: the metric in per cent.

    Args:
        records: of arms that measure an untouched network.
        stages: of each backbone, in order; the embedding is the last one's.
        metric: name as in the records.
    """
    rows = []
    for record in records:
        config = record["config"]
        if config.get("steps") != 0:
            continue
        network = config.get("backbone", {}).get("name", "bvlc_googlenet")
        for protocol, found in record["selected"]["further"].items():
            for number, stage in enumerate(stages[network]):
                feature = LAST if number == len(stages[network]) - 1 else stage
                value = found["features"][feature]["test"][metric]
                data = config["data"].get("name", "groceries")
                rows.append((network, data, protocol, stage, value, record["digest"]))
    return pd.DataFrame(rows, columns=["network", "data", "protocol", "stage", "value", "record"])


@styled
def by_stage(table: pd.DataFrame, titles: Mapping[str, str], sets: Mapping[tuple[str, str], str]) -> Figure:
    """Recall@1 by stage: a panel a network, a line a data set and protocol.

    Args:
        table: as :func:`stage_table` gives it.
        titles: of the panels, by network.
        sets: legend by data set and protocol, in order.
    """
    if table.empty:
        return not_run(NOT_RUN)
    figure, axes = panels(3.1, len(titles), sharey=True)
    for panel, (network, title) in zip(axes, titles.items(), strict=True):
        for (key, label), (colour, marker, line) in zip(sets.items(), LINES, strict=False):
            chosen = table[(table.network == network) & (table.data == key[0]) & (table.protocol == key[1])]
            panel.plot(chosen["stage"], chosen["value"], marker + line, color=colour, label=label, clip_on=False)
        panel.set(title=title, ylim=(0, 100), xmargin=0.08)
        panel.grid(axis="x", visible=False)
    axes[0].set_ylabel("Recall@1, unseen classes (%)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


@styled
def validation_curves(runs: Mapping[str, RunRecord]) -> Figure:
    """Validation MAP@R over training, a line a run; a ring marks the selected checkpoint.

    Args:
        runs: by title; none of no steps.
    """
    if not runs:
        return not_run(NOT_RUN)
    figure, (axes,) = panels(2.6)
    for (title, run), (colour, marker, _) in zip(runs.items(), (*LINES, (GREY, "^", "-")), strict=False):
        steps = [0, *(point["step"] for point in run["curve"])]
        start = run["untouched"]["validation"]["map_at_r"]
        values = [start, *(point["validation"]["map_at_r"] for point in run["curve"])]
        axes.plot(steps, values, f"{marker}-", color=colour, label=title)
        chosen = steps.index(run["selected"]["step"])
        axes.plot(steps[chosen], values[chosen], "o", markersize=11, fillstyle="none", color=colour)
    axes.set(xlabel="step (0: untouched network)", ylabel="validation MAP@R (%)", ylim=(0, None))
    figure.legend(loc="outside upper center", ncols=3)
    return figure
