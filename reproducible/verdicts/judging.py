"""What measured contrasts say about a criterion: from its records to the fields of a verdict.

:mod:`reproducible.verdicts.contrasts` pairs the records, :mod:`reproducible.verdicts.statistics` decides the word.
Explained on page: how-to-read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reproducible.records import measurements, stale
from reproducible.types import RunRecord
from reproducible.verdicts.contrasts import PRIMARY, baselines, by_run, fails_here, look, paired, terms
from reproducible.verdicts.effects import intervals
from reproducible.verdicts.lengths import halved, long_enough_arm, starts, steps_of
from reproducible.verdicts.schema import Criterion, holds
from reproducible.verdicts.wording import describe
from reproducible.verdicts.words import NOT_TRAINED, WEAKEST_FIRST, bare

if TYPE_CHECKING:
    from reproducible.verdicts.estimates import Estimate
    from reproducible.verdicts.statistics import Direction

DATA = {"real": "groceries", "controlled": "glyphs"}  # unless the criterion names another set


def measure(criterion: Criterion, records: Sequence[RunRecord]) -> dict[str, Any]:
    """The verdict of a criterion on the records of its study, as fields of :class:`reproducible.verdicts.claims.Row`.

    Runs of profile ``standard`` or a larger one, on random halves of the criterion's data set, count; tuning trials,
    which never look at the test classes, do not.
    """
    data = data_of(criterion)
    counting = usable(criterion, records)
    found: dict[str, Any] = {"data": data, "comparison": describe(criterion), "n_wanted": criterion.get("n", 0)}
    found |= {key: criterion.get(key) for key in ("margin", "published_effect", "detectable")}
    if criterion["level"] == "paper" and not counting:
        return found | {"word": f"not testable here (needs {criterion.get('needs', data)})"}
    if criterion["test"] == "measured":
        return found | _measured(criterion, counting)
    judged = _seed_spread if criterion["test"] == "seed_spread" else _judged
    found |= judged(criterion, counting)
    arms = {term.run for term in terms(criterion)}
    found["stale"] = sum(record["arm"] in arms and bool(stale(record)) for record in counting)
    return found | {"short": _too_short(criterion, counting, found["word"], judged)}


def data_of(criterion: Criterion) -> str:
    """The data set that a criterion is about; empty for one that reads no records."""
    return criterion.get("data", DATA.get(criterion["level"], ""))


def usable(criterion: Criterion, records: Sequence[RunRecord]) -> list[RunRecord]:
    """Those records of a criterion's study that count for it: finished runs of a profile that measures, on random
    halves of its data set."""
    data = data_of(criterion)
    return [record for record in records if data and _fits(record, data)]


def _too_short(
    criterion: Criterion, records: Sequence[RunRecord], word: str, judged: Callable[..., dict[str, Any]]
) -> tuple[int, ...]:
    """Steps of the runs behind a verdict that hangs on them: some arm is not long enough, and the word is not the same
    at half the length."""
    runs = [[*by_run(records, arm).values()] for arm in dict.fromkeys(term.run for term in terms(criterion))]
    if bare(word) not in WEAKEST_FIRST or all(map(long_enough_arm, runs)):
        return ()
    half = [halved(record) for of_arm in runs for record in of_arm]
    if all(half) and bare(judged(criterion, half)["word"]) == bare(word):
        return ()
    return steps_of([record for of_arm in runs for record in of_arm])


def _judged(criterion: Criterion, records: Sequence[RunRecord]) -> dict[str, Any]:
    from reproducible.verdicts.statistics import sign_test

    contrast = paired(criterion, records)
    values, wanted = contrast.values, criterion["n"]
    target = float(criterion.get("threshold", 0.0))
    arms = list(dict.fromkeys(term.run for term in terms(criterion)))
    failing = tuple(arm for arm in arms if fails_here(records, arm))
    stuck = sum(record["selected"]["not_converged"] for arm in arms for record in by_run(records, arm).values())
    begun = {record["draw"] for arm in arms for record in by_run(records, arm).values() if starts(record)}
    found: dict[str, Any] = {"n": len(values), "fails_here": failing, "not_converged": stuck}
    found |= {"at_start": len(begun & set(contrast.draws)), "across": contrast.across}
    if len(values) < 2:
        return found | {"word": f"not run ({len(values)} of {wanted} draws)" if len(values) else "not run"}
    (low, high), bootstrap = intervals(contrast)
    found |= {"mean": float(values.mean()), "sd": float(values.std(ddof=1)), "t_low": low, "t_high": high}
    found |= {"b_low": bootstrap[0], "b_high": bootstrap[1], "p_sign": sign_test(values - target)}
    if len(values) < wanted:
        return found | {"word": f"not run ({len(values)} of {wanted} draws)"}
    beside = _estimate(criterion, values, bootstrap)
    if criterion["test"] == "estimate":
        word, found["p"], found["seeds_needed"] = beside.said, beside.p, beside.draws_needed
    else:
        word, found["p"], found["seeds_needed"] = _decide(criterion, values, bootstrap)
    word = with_failures(criterion, word, failing)
    if 2 * found["at_start"] >= len(values):
        word = f"{NOT_TRAINED} ({found['at_start']} of {len(values)} draws select step 0)"
    carries = beside is not None and bare(word) in WEAKEST_FIRST
    return found | {"word": word, "estimate": beside.said if carries else ""}


def _estimate(criterion: Criterion, values: np.ndarray, bootstrap: tuple[float, float]) -> Estimate | None:
    """The effect beside the published one; None for claims that a value stays above or below a line."""
    from reproducible.verdicts.estimates import estimate

    direction = "none" if criterion["test"] == "no_difference" else criterion.get("direction", "")
    published, margin = criterion.get("published_effect"), criterion.get("margin") or None
    if not direction or (published is None and margin is None) or (direction.startswith("not_") and margin is None):
        return None
    return estimate(values, bootstrap, direction, published=published, margin=margin)


def line(criterion: Criterion) -> tuple[float, float, Direction]:
    """Where the line of a criterion lies that is no estimate: what is added to its values so that the line is zero, the
    margin that is left, and the direction. One-sided claims, that nothing is lost or gained, move by their margin."""
    margin = float(criterion.get("margin", 0.0))
    if criterion["test"] == "no_difference":
        return 0.0, margin, "none"
    if criterion["test"] == "threshold":
        return -float(criterion["threshold"]), 0.0, "greater" if criterion["relation"].startswith(">") else "less"
    match criterion["direction"]:
        case "not_less":
            return margin, 0.0, "greater"
        case "not_greater":
            return -margin, 0.0, "less"
    return 0.0, margin, criterion["direction"]


def _decide(criterion: Criterion, values: np.ndarray, bootstrap: tuple[float, float]) -> tuple[str, float, int | None]:
    """Word, p-value of the decision and draws needed."""
    from reproducible.verdicts.statistics import judge, no_effect_p

    shift, margin, direction = line(criterion)
    verdict = judge(values + shift, (bootstrap[0] + shift, bootstrap[1] + shift), margin, direction)
    p = no_effect_p(values, margin) if direction == "none" else verdict.p
    return verdict.word, p, verdict.seeds_needed


def with_failures(criterion: Criterion, word: str, failing: Sequence[str]) -> str:
    """What arms that are not better than the untouched network do to a verdict.

    Such an arm is no baseline. Where it is the treatment, it can be worse than the baseline or contradict a claim, but
    that it does not over-fit or does not fall supports nothing.
    """
    if not failing:
        return word
    unfit = [arm for arm in failing if arm in baselines(criterion)]
    if unfit:
        return f"not testable here (needs a baseline above the untouched network: {unfit[0]} fails here)"
    clear = criterion.get("direction") in ("greater", "less") and criterion["metric"] == PRIMARY
    if word.startswith("supported") and not (clear and criterion.get("part", "test") == "test"):
        word = "inconclusive"
    return f"{word} ({', '.join(failing)} fails here)"


def _seed_spread(criterion: Criterion, records: Sequence[RunRecord]) -> dict[str, Any]:
    """Pooled standard deviation between seeds of the same draw, with its chi-squared interval; n is its freedom."""
    from scipy import stats

    part, metric = criterion.get("part", "test"), criterion["metric"]
    by_draw: dict[int, list[float]] = {}
    for (draw, _), record in by_run(records, criterion["arm"]).items():
        point = look(record, criterion["at"], part, metric)
        if point is not None:
            by_draw.setdefault(draw, []).append(point[part][metric])
    freedom = sum(len(values) - 1 for values in by_draw.values())
    if freedom < criterion["n"]:
        word = f"not run ({freedom} of {criterion['n']} further seeds)" if freedom else "not run"
        return {"n": freedom, "word": word}
    squares = sum(float(np.var(values)) * len(values) for values in by_draw.values())
    low, high = (math.sqrt(squares / stats.chi2.isf(tail, freedom)) for tail in (0.025, 0.975))
    ends = [holds(end, criterion["relation"], criterion["threshold"]) for end in (low, high)]
    word = "supported" if all(ends) else "inconclusive" if any(ends) else "contradicted"
    return {"n": freedom, "word": word, "mean": math.sqrt(squares / freedom), "t_low": low, "t_high": high}


def _measured(criterion: Criterion, records: Sequence[RunRecord]) -> dict[str, Any]:
    quantity = criterion["quantity"]
    values = [record["environment"][quantity] for record in records if quantity in record["environment"]]
    named = (criterion["study"], quantity)
    values += [float(row["value"]) for row in measurements() if (row["study"], row["quantity"]) == named]
    if not values:
        return {"word": "not run"}
    mean = float(np.mean(values))
    held = holds(mean, criterion["relation"], criterion["threshold"], criterion.get("tolerance", 0.0))
    return {"word": "supported" if held else "contradicted", "n": len(values), "mean": mean}


def _fits(record: RunRecord, data: str) -> bool:
    """Whether a record counts: a finished run on random halves of this data set that looked at its test classes."""
    drawn = {"name": "groceries", "split": "half", **record["config"].get("data", {})}
    counts = record["profile"] not in ("smoke", "quick") and "test" in record["selected"]
    return counts and drawn["name"] == data and drawn["split"] == "half"
