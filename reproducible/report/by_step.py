"""Recall against steps, for the pairs that decide: is a difference one of method or of speed?

Explained on page: how-to-read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reproducible import records
from reproducible.report.figures import BLUE, GREY, ROSE, WIDTH, not_run, styled
from reproducible.report.tables import mean_interval, values_of
from reproducible.studies import STUDIES
from reproducible.types import RunRecord
from reproducible.verdicts.contrasts import by_draw
from reproducible.verdicts.criteria import decisive, load_claims
from reproducible.verdicts.lengths import steps_of
from reproducible.verdicts.words import at_steps

METRICS = {"recall_at_1": "R@1", "map_at_r": "MAP@R"}
LOOKS = ((BLUE, "-", "o", -1), (ROSE, "--", "s", 1))  # colour, line, marker, side on which diamonds stand
Pair = tuple[str, str, str]


def pairs_on_page(page: str, level: str) -> list[Pair]:
    """Study, treatment and control of what decides the families of a page at one level, each pair of trained arms
    once.

    Args:
        page: name of the page in ``claims.yaml``.
        level: real or controlled.
    """
    claims, found = load_claims(), []
    for claim in claims.claims:
        if claim.page == page and claims.family(claim.id, level):
            criterion = claim.criteria[decisive(claim, level)]
            of = STUDIES.get(criterion.get("study", ""))
            arms = [arm for arm in criterion.get("arms", ()) if of and any(arm == one.name for one in of.arms)]
            if len(arms) == 2 and all(of.params(of.arm(arm), untuned=True)["steps"] for arm in arms):
                found.append((of.name, *arms))
    return list(dict.fromkeys(found))


def decisive_pairs(page: str, level: str) -> Figure:
    """:func:`recall_by_step` of :func:`pairs_on_page`, from the committed records."""
    return recall_by_step(pairs_on_page(page, level))


def seen_at(found: Sequence[RunRecord], arm: str, metric: str) -> pd.DataFrame:
    """A metric on the test classes wherever the runs of an arm looked at it: index the step, a column a class draw."""
    rows = [
        (point["step"], draw, point["test"][metric])
        for draw, record in by_draw(found, arm).items()
        for point in (*record["curve"], record["selected"], record["last"])
        if metric in point.get("test", {})
    ]
    table = pd.DataFrame(rows, columns=["step", "draw", "value"]).drop_duplicates(["step", "draw"])
    return table.pivot(index="step", columns="draw", values="value")


@styled
def recall_by_step(pairs: Sequence[Pair], found: Mapping[str, Sequence[RunRecord]] | None = None) -> Figure:
    """Recall@1 and MAP@R of unseen classes by training step: a row a pair, the mean over class draws with its 95 %
    t interval, where all draws looked. Diamonds, a little beside their step: the selected checkpoints, one a draw;
    dotted: the untouched network at the same input size. A run that looks at step 0 begins there.

    Args:
        pairs: study, treatment and control, as :func:`pairs_on_page` gives them.
        found: records of each study; None: the committed ones.
    """
    known = {study: found[study] if found else records.load(study) for study in dict.fromkeys(p[0] for p in pairs)}
    ran = [(study, *arms) for study, *arms in pairs if any(by_draw(known[study], arm) for arm in arms)]
    if not ran:
        return not_run("recall against steps: not run")
    figure = Figure(figsize=(WIDTH, 2.35 * len(ran) + 0.2), layout="constrained")
    rows = figure.subplots(len(ran), 2, squeeze=False)
    for row, (study, *arms) in zip(rows, ran, strict=True):
        runs = [record for arm in arms for record in by_draw(known[study], arm).values()]
        for axes, (metric, title) in zip(row, METRICS.items(), strict=True):
            for arm, look in zip(arms, LOOKS, strict=True):
                _draw(axes, known[study], arm, metric, look)
            bare = [value for arm in arms for value in values_of(known[study], arm, "untouched", metric).values()]
            if bare:
                axes.axhline(sum(bare) / len(bare), color=GREY, linestyle=":", label="untouched")
            longest, at = max(steps_of(runs)), at_steps(steps_of(runs))
            axes.set(title=f"{title} of unseen classes {at}", xlabel="training step", ylabel=f"{title} (%)")
            axes.set_xlim(-0.03 * longest, 1.04 * longest)
        row[0].plot([], [], "D", color="white", markeredgecolor=GREY, markersize=4, label="selected, one a draw")
        row[0].legend(fontsize=7, loc="best")
    return figure


def _draw(axes: Axes, found: Sequence[RunRecord], arm: str, metric: str, look: tuple[str, str, str, int]) -> None:
    """One arm in one panel."""
    colour, line, marker, side = look
    runs = by_draw(found, arm)
    if not runs:
        return
    title = STUDIES[next(iter(runs.values()))["study"]].arm(arm).title
    whole = seen_at(found, arm, metric).dropna()
    label = f"{title} ({len(runs)})"
    axes.plot(whole.index, whole.mean(axis=1), line, color=colour, marker=marker, label=label, zorder=4)
    if whole.shape[1] > 1:
        low, high = zip(*(mean_interval(list(row)) for row in whole.to_numpy()), strict=True)
        axes.fill_between(whole.index, low, high, color=colour, alpha=0.13, linewidth=0)
        axes.vlines(whole.index[-1:], low[-1:], high[-1:], color=colour, alpha=0.5)
    beside = 0.012 * side * max(whole.index)
    chosen = [(r["selected"]["step"] + beside, r["selected"]["test"][metric]) for r in runs.values()]
    axes.plot(*zip(*chosen, strict=True), "D", color="white", markeredgecolor=colour, markersize=4, linestyle="")
