"""Tables of the pages, laid out from records. Every number comes from a record or the published results; what has not
been run says so. Claims and their verdicts: :mod:`reproducible.report.verdicts`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
import pandas as pd
from IPython.display import HTML

from reproducible.evaluation import detectable_difference, prediction_interval, t_interval
from reproducible.studies import Arm, Study
from reproducible.types import RunRecord
from reproducible.verdicts.contrasts import by_draw, by_run, fails_here, look

NOT_RUN = "not run"
NOTHING = "nothing to compare with"
_OF_AN_INTERVAL = re.compile(r", (?=[-+]?[\d.]+\])")  # where a line must not break


def page(table: pd.DataFrame, fold: str | None = None) -> HTML:
    """A table as pages show it: no index, nothing where nothing is known, numbers with one decimal.

    Args:
        table: what to show.
        fold: column of names; rows that say nothing but *not run* beside it (and beside ``compared``, which names the
            arms) are named in one line below the table instead.
    """
    below = ""
    if fold is not None:
        said = table.drop(columns=[fold, "compared"], errors="ignore").astype(object)
        waiting = (said == NOT_RUN).any(axis=1) & said.map(_says_nothing).all(axis=1)
        names, table = "; ".join(table[fold][waiting]), table[~waiting]
        below = f"<p>Declared, not run: {escape(names)}.</p>" if names else ""
    made = table.to_html(index=False, border=0, na_rep="", float_format="{:.1f}".format, justify="left")
    return HTML(_OF_AN_INTERVAL.sub(",&nbsp;", made) + below)


def folded(summary: str, *parts: HTML) -> HTML:
    """Tables that a reader opens, behind one line; without JavaScript.

    Args:
        summary: what is inside, in words.
        parts: from :func:`page`.
    """
    inside = "".join(part.data for part in parts)
    return HTML(f"<details><summary>{escape(summary)}</summary>{inside}</details>")


def _says_nothing(cell: object) -> bool:
    return bool(pd.isna(cell)) or cell in ("", NOT_RUN) or str(cell).startswith("0 of ")


def spread(values: Sequence[float]) -> str:
    """``72.1 [70.3, 73.9]``: mean and 95 % t interval; a single value stands alone."""
    if not values:
        return NOT_RUN
    mean = sum(values) / len(values)
    if len(values) < 2:
        return f"{mean:.1f}"
    low, high = t_interval(values)
    return f"{mean:.1f} [{low:.1f}, {high:.1f}]"


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % t interval of a mean; NaN for fewer than two values."""
    return t_interval(values) if len(values) > 1 else (float("nan"), float("nan"))


def values_of(
    records: Sequence[RunRecord], arm: str, at: str = "selected", metric: str = "recall_at_1"
) -> dict[int, float]:
    """A metric of an arm's runs by class draw, for the runs whose seed is the draw's own.

    Args:
        records: of one study.
        arm: its name.
        at: ``untouched``, ``selected``, ``last`` or ``peak`` (best on test, biased).
        metric: name as in the records, on the test classes.
    """
    found = {}
    for draw, record in by_draw(records, arm).items():
        point = record["untouched"] if at == "untouched" else look(record, at, "test", metric)
        if point is not None and metric in point.get("test", {}):
            found[draw] = point["test"][metric]
    return found


def difference(
    records: Sequence[RunRecord], treatment: str, control: str, metric: str = "recall_at_1", at: str = "selected"
) -> list[float]:
    """Treatment minus control on each class draw that both arms ran, in points.

    Args:
        records: of one study.
        treatment, control: arms; ``untouched`` as control is the untouched network of the treatment's own runs.
        metric: name as in the records, on the test classes.
        at: checkpoint of both.
    """
    ours = values_of(records, treatment, at, metric)
    own = control == "untouched"
    theirs = values_of(records, treatment if own else control, "untouched" if own else at, metric)
    return paired_gaps(ours, theirs)


def paired_gaps(own: Mapping[int, float], other: Mapping[int, float]) -> list[float]:
    """Differences of values by class draw, on the draws that both have."""
    return [value - other[draw] for draw, value in own.items() if draw in other]


class Noise(NamedTuple):
    """What an arm shows against itself, in points of Recall@1 on unseen classes.

    Attributes:
        draws: Recall@1 by class draw, one seed each.
        seeds: Recall@1 by seed, all on draw 0.
        detectable: smallest true difference that a paired t test at level .05 finds with power .8: index the number of
            pairs, a column a kind of pair.
    """

    draws: dict[int, float]
    seeds: dict[int, float]
    detectable: pd.DataFrame


def noise(records: Sequence[RunRecord], arm: Arm, other: str) -> Noise | None:
    """The noise floor of an arm; None where some of its runs are missing.

    Args:
        records: of one study.
        arm: with further seeds.
        other: arm whose differences from it show what pairing leaves.
    """
    runs = by_run(records, arm.name)
    if len(runs) < arm.draws + arm.extra_seeds:
        return None
    draws = values_of(records, arm.name)
    seeds = {s: r["selected"]["test"]["recall_at_1"] for (draw, s), r in sorted(runs.items()) if draw == 0}
    spreads = {"different draws": math.sqrt(2) * deviation(draws.values())}
    gaps = difference(records, other, arm.name)
    if len(gaps) == arm.draws:
        spreads["same draws, as measured"] = deviation(gaps)
    spreads["training noise alone"] = math.sqrt(2) * deviation(seeds.values())
    pairs = (2, 3, 5, 10, 20)
    columns = {name: [detectable_difference(s, n) for n in pairs] for name, s in spreads.items()}
    return Noise(draws, seeds, pd.DataFrame(columns, index=pd.Index(pairs, name="pairs")))


def deviation(values: Iterable[float]) -> float:
    """Standard deviation of a sample."""
    return float(np.std(list(values), ddof=1))


def values_at(records: Sequence[RunRecord], arm: str, step: int, metric: str = "recall_at_1") -> dict[int, float]:
    """A metric of an arm's runs on the test classes after so many steps, by class draw, where the curve has it."""
    points = ((draw, p) for draw, r in by_draw(records, arm).items() for p in r["curve"] if p["step"] == step)
    return {draw: point["test"][metric] for draw, point in points if "test" in point}


def arm_table(
    arms: Sequence[Arm], records: Sequence[RunRecord], published: Mapping[str, Mapping[str, float]] | None = None
) -> pd.DataFrame:
    """One row an arm: published numbers beside recall and MAP@R on unseen classes, at the selected checkpoint.

    Args:
        arms: of one study, in the order of the rows.
        records: its committed records.
        published: numbers to stand beside, by column title and arm.
    """
    rows = []
    for arm in arms:
        runs = by_draw(records, arm.name).values()
        recall, best = values_of(records, arm.name), values_of(records, arm.name, metric="map_at_r")
        rows.append(
            {
                "arm": arm.title,
                **{title: values.get(arm.name, float("nan")) for title, values in (published or {}).items()},
                "draws": f"{len(recall)} of {arm.draws}",
                "R@1 %": spread(list(recall.values())),
                "gain over untouched": gain_over_untouched(records, arm.name),
                "MAP@R %": spread(list(best.values())),
                "selected steps": _range([r["selected"]["step"] for r in runs]),
                "not converged": f"{sum(r['selected']['not_converged'] for r in runs)}" if runs else "",
            }
        )
    return pd.DataFrame(rows)


def gain_over_untouched(records: Sequence[RunRecord], arm: str) -> str:
    """Mean gain in Recall@1 over the untouched network with its interval, and whether the arm fails here; empty where
    runs of no steps measure that network itself."""
    gains = difference(records, arm, "untouched")
    if values_of(records, arm) and not gains:
        return ""
    return spread(gains) + (", fails here" if fails_here(records, arm) else "")


def checkpoint_table(records: Sequence[RunRecord], arms: Mapping[str, str]) -> pd.DataFrame:
    """Last checkpoint, selected on validation classes, and best on the test classes, side by side.

    Args:
        records: of one study.
        arms: title by arm.
    """
    looks = {"last": "last", "selected": "selected on validation", "peak": "best on test (biased)"}
    rows = [
        {"R@1 %": title, **{look: spread(list(values_of(records, arm, at).values())) for at, look in looks.items()}}
        for arm, title in arms.items()
    ]
    return pd.DataFrame(rows)


def trial_table(study: Study, records: Sequence[RunRecord]) -> pd.DataFrame:
    """The trials of a study: what was changed, the best validation MAP@R, and which one was taken."""
    scores = {r["arm"]: max(p["validation"]["map_at_r"] for p in r["curve"]) for r in records}
    rows = []
    for tuning in study.tunings:
        names = [f"{tuning.name}-{n}" for n in range(len(tuning.candidates))]
        best = max((scores.get(name, -1.0) for name in names), default=-1.0)
        for name, candidate in zip(names, tuning.candidates, strict=True):
            score = scores.get(name)
            rows.append(
                {
                    "tuning": tuning.name,
                    "candidate": ", ".join(f"{k} {v:g}" for k, v in candidate.items()),
                    "validation MAP@R %": NOT_RUN if score is None else f"{score:.1f}",
                    "taken": "yes" if score is not None and score == best else "",
                }
            )
    return pd.DataFrame(rows)


def agreement(study: Study, records: Sequence[RunRecord], here: Sequence[RunRecord]) -> pd.DataFrame:
    """Whether the decisive pair, trained on this machine, differs as the recorded pairs do.

    Args:
        study: names the pair and the number of steps.
        records: its committed records; one difference a class draw.
        here: the two records of profile quick; none where the study's trials have not been run.

    Returns:
        The 95 % prediction interval of the recorded differences after so many steps, t(n-1) s sqrt(1 + 1/n) around
        their mean, the difference here, and whether it lies inside. Points of R@1 on unseen classes.
    """
    treatment, control = study.live
    first, second = (values_at(records, arm, study.live_steps) for arm in study.live)
    recorded = paired_gaps(first, second)
    made = {r["arm"]: r["last"]["test"]["recall_at_1"] for r in here}
    live = made[treatment] - made[control] if made else float("nan")
    low, high = prediction_interval(recorded) if len(recorded) > 1 else (float("nan"), float("nan"))
    return pd.DataFrame(
        {
            "pair": [f"{study.arm(treatment).title} - {study.arm(control).title}"],
            "step": [study.live_steps],
            "recorded draws": [len(recorded)],
            "95 % prediction interval": [interval(low, high) or NOT_RUN],
            "on this machine": [f"{live:.1f}" if made else NOT_RUN],
            "agrees": [("yes" if low <= live <= high else "no") if made and len(recorded) > 1 else NOTHING],
        }
    )


def interval(low: float, high: float) -> str:
    """``[70.3, 73.9]``; empty where the ends are not known."""
    return "" if pd.isna(low) else f"[{low:.1f}, {high:.1f}]"


def _range(steps: Sequence[int]) -> str:
    if not steps:
        return ""
    return str(min(steps)) if min(steps) == max(steps) else f"{min(steps)} to {max(steps)}"
