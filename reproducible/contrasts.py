"""What a criterion measures on records: differences paired by class draw and seed, and what they say.

A contrast is a weighted sum of values of runs that share draw and seed: treatment minus control, (a - b) - (c - d), or
one checkpoint minus another of the same run. Several seeds of a class draw are averaged first: the draw is the unit.
Explained on page: how-to-read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from reproducible.criteria import Criterion
from reproducible.encoding import expand
from reproducible.records import measurements, queries_first
from reproducible.resources import UserError
from reproducible.types import RunRecord

DATA = {"real": "groceries", "controlled": "glyphs"}  # unless the criterion names another set
PRIMARY = "recall_at_1"
PEAK_POINTS = 3  # points a curve needs before its best is called a peak


class Term(NamedTuple):
    """One value of the contrast: its weight, the arm and the checkpoint. ``arm/feature`` is one feature of the arm's
    runs, such as ``deml-3-1/scale_3``, searched beside the embedding at the selected checkpoint."""

    weight: float
    arm: str
    at: str

    @property
    def run(self) -> str:
        """The arm whose runs hold the value."""
        return self.arm.partition("/")[0]


@dataclass(frozen=True)
class Paired:
    """A contrast on every class draw.

    Attributes:
        values: one a draw, in points.
        queries: the same by query, one array a draw, where every run kept its hits; else None.
        groups: coarse class of each query, one array a draw.
    """

    values: np.ndarray
    queries: list[np.ndarray] | None
    groups: list[np.ndarray]


def measure(criterion: Criterion, records: Sequence[RunRecord]) -> dict[str, Any]:
    """The verdict of a criterion on the records of its study, as fields of :class:`reproducible.claims.Row`.

    Runs of profile ``standard`` or a larger one, on random halves of the criterion's data set, count; tuning trials,
    which never look at the test classes, do not.
    """
    data = criterion.get("data", DATA.get(criterion["level"], ""))
    usable = [record for record in records if data and _fits(record, data)]
    found: dict[str, Any] = {"data": data, "comparison": describe(criterion), "n_wanted": criterion.get("n", 0)}
    found |= {"margin": criterion.get("margin"), "detectable": criterion.get("detectable")}
    if criterion["level"] == "paper" and not usable:
        return found | {"word": f"not testable here (needs {criterion.get('needs', data)})"}
    if criterion["test"] == "measured":
        return found | _measured(criterion, usable)
    if criterion["test"] == "seed_spread":
        return found | _seed_spread(criterion, usable)
    return found | _judged(criterion, usable)


def terms(criterion: Criterion) -> list[Term]:
    """The contrast that a statistical criterion asks for."""
    at = criterion.get("at", "")
    match criterion["test"]:
        case "difference" | "no_difference":
            a, b = criterion["arms"]
            return [Term(1, a, at), Term(-1, b, at)]
        case "interaction":
            (a, b), (c, d) = criterion["pairs"]
            return [Term(1, a, at), Term(-1, b, at), Term(-1, c, at), Term(1, d, at)]
        case "within_run":
            first, second = criterion["between"]
            return [Term(1, criterion["arm"], first), Term(-1, criterion["arm"], second)]
    return [Term(1, criterion["arm"], at)]


def describe(criterion: Criterion) -> str:
    """The comparison in words: ``recall_at_1 at selected: u512-lact-printed - u512``."""
    if criterion["test"] == "measured":
        return f"{criterion['quantity']} {criterion['relation']} {criterion['threshold']:g}"
    if criterion["test"] == "published":
        sides = ((c["left"], c["relation"], c["right"]) for c in criterion["comparisons"])
        return "; ".join(dict.fromkeys(f"{_printed(a)} {sign} {_printed(b)}" for a, sign, b in sides))
    what = criterion["metric"] + (f" of {criterion['part']} classes" if criterion.get("part", "test") != "test" else "")
    match criterion["test"]:
        case "within_run":
            return f"{what}: {criterion['arm']}, {' - '.join(criterion['between'])}"
        case "interaction":
            first, second = (" - ".join(pair) for pair in criterion["pairs"])
            return f"{what} at {criterion['at']}: ({first}) - ({second})"
        case "threshold" | "seed_spread":
            what = f"standard deviation over seeds of {what}" if criterion["test"] == "seed_spread" else what
            bound = f"{criterion['relation']} {criterion['threshold']:g}"
            return f"{what} at {criterion['at']}: {criterion['arm']} {bound}"
    return f"{what} at {criterion['at']}: {' - '.join(criterion['arms'])}"


def _printed(value: Mapping[str, Any]) -> str:
    return f"{value['method']} ({value['source']}, Table {value['table']})"


def paired(criterion: Criterion, records: Sequence[RunRecord]) -> Paired:
    """The contrast on every draw on which all its runs are there.

    Raises:
        UserError: if an arm has two records of one draw and seed, or its runs saw other queries, or ran in another
            precision, than the other arm's.
    """
    part, metric = criterion.get("part", "test"), criterion["metric"]
    parts = terms(criterion)
    runs = {term.run: by_run(records, term.run) for term in parts}
    by_draw: dict[int, list[tuple[float, np.ndarray | None, np.ndarray]]] = {}
    for key in sorted(set.intersection(*(set(found) for found in runs.values()))):
        looks = [
            (term.weight, run, point)
            for term in parts
            if (point := _seen(run := runs[term.run][key], term, part, metric)) is not None
        ]
        if len(looks) < len(parts):
            continue
        if len({run["config"].get("precision", "fp32") for _, run, _ in looks}) > 1:
            raise UserError(f"{describe(criterion)}: on draw {key[0]}, seed {key[1]} the arms ran in two precisions.")
        if len({str(run["queries"]) for _, run, _ in looks}) > 1:
            raise UserError(f"{describe(criterion)}: on draw {key[0]}, seed {key[1]} the arms have different queries.")
        value = sum(weight * _value(point, part, metric) for weight, _, point in looks)
        hits = None
        if part == "test" and metric == PRIMARY and all("hits" in point["test"] for _, _, point in looks):
            hits = np.sum([weight * queries_first(run, point) for weight, run, point in looks], axis=0)
        groups = expand(looks[0][1]["queries"], column=1)
        by_draw.setdefault(key[0], []).append((value, hits, groups))
    draws = list(by_draw.values())
    queries = None
    if all(hits is not None for draw in draws for _, hits, _ in draw):
        queries = [np.mean([hits for _, hits, _ in draw], axis=0) for draw in draws]
    values = np.array([np.mean([value for value, _, _ in draw]) for draw in draws])
    return Paired(values, queries, [draw[0][2] for draw in draws])


def by_run(records: Sequence[RunRecord], arm: str) -> dict[tuple[int, int], RunRecord]:
    """The records of an arm by (draw, seed)."""
    found: dict[tuple[int, int], RunRecord] = {}
    for record in records:
        if record["arm"] == arm:
            key = (record["draw"], record["seed"])
            if key in found:
                raise UserError(
                    f"study {record['study']}: arm {arm} has two records of draw {key[0]}, seed {key[1]}: "
                    f"{found[key]['digest']} and {record['digest']}. Remove the one that is out of date."
                )
            found[key] = record
    return found


def by_draw(records: Sequence[RunRecord], arm: str) -> dict[int, RunRecord]:
    """The records of an arm by class draw, in order: the runs whose seed is the draw's own, and no extra seed."""
    return {draw: record for (draw, seed), record in sorted(by_run(records, arm).items()) if seed == draw}


def look(record: RunRecord, at: str, part: str, metric: str) -> dict[str, Any] | None:
    """The point of a record that a checkpoint's name means and that has the metric, or None.

    ``peak`` is the best of the curve's points and the selected checkpoint, where the curve was drawn.
    """

    def has(point: Mapping[str, Any] | None) -> bool:
        return point is not None and _value(point, part, metric) is not None

    drawn = [point for point in record["curve"] if has(point)]
    if at == "peak":
        if len(drawn) < PEAK_POINTS:
            return None
        return max([*drawn, *filter(has, [record["selected"]])], key=lambda point: _value(point, part, metric))
    if has(record[at]):
        return record[at]
    return next((point for point in drawn if point["step"] == record[at]["step"]), None)


def _seen(record: RunRecord, term: Term, part: str, metric: str) -> dict[str, Any] | None:
    """The point of a record that a term means; of a feature, what the primary protocol gives for it."""
    feature = term.arm.partition("/")[2]
    if not feature:
        return look(record, term.at, part, metric)
    further = record["selected"].get("further", {})
    primary = next(iter(further.values()), {"features": {}})
    found = primary["features"].get(feature) if term.at == "selected" else None
    return found if found and _value(found, part, metric) is not None else None


def _value(point: Mapping[str, Any], part: str, metric: str) -> float | None:
    """A metric of a point, or None; ``seen_unseen_gap`` is the recall on seen classes less that on test classes."""
    if metric == "seen_unseen_gap":
        seen, unseen = (point.get(role, {}).get(PRIMARY) for role in ("seen", "test"))
        return None if seen is None or unseen is None else seen - unseen
    return point.get(part, {}).get(metric)


def fails_here(records: Sequence[RunRecord], arm: str) -> bool:
    """Whether an arm's selected checkpoints are, on average, not better than the untouched network."""
    gains = [
        record["selected"]["test"][PRIMARY] - record["untouched"]["test"][PRIMARY]
        for record in by_run(records, arm).values()
        if "test" in record["selected"] and "test" in (record["untouched"] or {})
    ]
    return bool(gains) and float(np.mean(gains)) <= 0


def holds(left: float, relation: str, right: float, margin: float = 0.0) -> bool:
    """Whether a relation holds between two exact numbers; ``>`` and ``<`` by more than the margin, ``~`` within it."""
    difference, rounding = left - right, 1e-9
    match relation:
        case ">":
            return difference > margin + rounding
        case "<":
            return -difference > margin + rounding
        case ">=":
            return difference >= margin - rounding
        case "<=":
            return -difference >= margin - rounding
        case "~":
            return abs(difference) <= margin + rounding
    return abs(difference) <= rounding


def _judged(criterion: Criterion, records: Sequence[RunRecord]) -> dict[str, Any]:
    from reproducible.evaluation import sign_test, t_interval, two_way_bootstrap

    contrast = paired(criterion, records)
    values, wanted = contrast.values, criterion["n"]
    target = float(criterion.get("threshold", 0.0))
    arms = list(dict.fromkeys(term.run for term in terms(criterion)))
    failing = tuple(arm for arm in arms if fails_here(records, arm))
    stuck = sum(record["selected"]["not_converged"] for arm in arms for record in by_run(records, arm).values())
    found: dict[str, Any] = {"n": len(values), "fails_here": failing, "not_converged": stuck}
    if len(values) < 2:
        return found | {"word": f"not run ({len(values)} of {wanted} draws)" if len(values) else "not run"}
    by_query = contrast.queries or [np.array([value]) for value in values]
    groups = contrast.groups if contrast.queries else [np.zeros(1)] * len(values)
    bootstrap = two_way_bootstrap(by_query, [np.zeros(len(q)) for q in by_query], groups)
    low, high = t_interval(values)
    found |= {"mean": float(values.mean()), "sd": float(values.std(ddof=1)), "t_low": low, "t_high": high}
    found |= {"b_low": bootstrap[0], "b_high": bootstrap[1], "p_sign": sign_test(values - target)}
    word, found["p"], found["seeds_needed"] = _decide(criterion, values, bootstrap)
    if len(values) < wanted:
        return found | {"word": f"not run ({len(values)} of {wanted} draws)", "p": None, "seeds_needed": None}
    return found | {"word": _with_failures(criterion, word, failing)}


def _decide(criterion: Criterion, values: np.ndarray, bootstrap: tuple[float, float]) -> tuple[str, float, int | None]:
    """Word, p-value of the decision and draws needed. One-sided claims are moved so that their line is zero."""
    from reproducible.evaluation import judge, paired_p

    margin = float(criterion.get("margin", 0.0))
    if criterion["test"] == "no_difference":
        verdict = judge(values, bootstrap, margin, "none")
        inside = abs(values.mean()) < margin
        ends = [values - margin, values + margin] if inside else [values - math.copysign(margin, values.mean())]
        return verdict.word, max(paired_p(end) for end in ends), verdict.seeds_needed
    if criterion["test"] == "threshold":
        shift, margin = -float(criterion["threshold"]), 0.0
        direction = "greater" if criterion["relation"].startswith(">") else "less"
    else:
        kept, direction = criterion["direction"], criterion["direction"]
        shift = {"not_less": margin, "not_greater": -margin}.get(kept, 0.0)
        direction = {"not_less": "greater", "not_greater": "less"}.get(kept, kept)
        margin = 0.0 if kept.startswith("not_") else margin
    verdict = judge(values + shift, (bootstrap[0] + shift, bootstrap[1] + shift), margin, direction)
    return verdict.word, verdict.p, verdict.seeds_needed


def _with_failures(criterion: Criterion, word: str, failing: Sequence[str]) -> str:
    """What arms that are not better than the untouched network do to a verdict.

    Such an arm is no baseline. Where it is the treatment, it can be worse than the baseline or contradict a claim, but
    that it does not over-fit or does not fall supports nothing.
    """
    if not failing:
        return word
    controls = [term.run for term in terms(criterion)[1:] if criterion["test"] != "within_run"]
    controls = controls[::2] if criterion["test"] == "interaction" else controls
    unfit = [arm for arm in failing if arm in controls]
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
