"""The language of criteria in ``data_manifests/claims.yaml``: the tests, the fields of each, what a field may hold.

Imports nothing heavy. The head of the file explains the words. Explained on page: how-to-read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reproducible.resources import UserError, check_keys, nearest_name

LEVELS = ("analytic", "published", "controlled", "real", "paper")
CHECKPOINTS = ("selected", "last", "peak")
DIRECTIONS = ("greater", "less", "not_less", "not_greater")
NO_EFFECT = "none"
CONTRASTS = ("arms", "pairs", "pool")  # what an estimate may be of
RELATIONS = (">", "<", ">=", "<=", "=", "~")

Criterion = Mapping[str, Any]
"""One criterion, as in the file, after checking."""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_list_of(count: int | None, check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and len(value) == (count or len(value) or 1) and all(map(check, value))


def is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _one_of(options: Sequence[str]) -> tuple[Callable[[Any], bool], str]:
    return lambda value: value in options, f"one of {', '.join(options)}"


_TEXT = (is_text, "a text")
_NUMBER = (_is_number, "a number")
_NOT_NEGATIVE = (lambda v: _is_number(v) and v >= 0, "a number of points, not negative")
_PAIR = (_is_list_of(2, is_text), "a list of two arms")
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "level": _one_of(LEVELS),
    "role": _one_of(("context",)),
    "study": _TEXT,
    "data": _TEXT,
    "arms": _PAIR,
    "pairs": (_is_list_of(2, _PAIR[0]), "a list of two pairs of arms"),
    "pool": (_is_list_of(None, _PAIR[0]), "a list of pairs of arms"),
    "arm": _TEXT,
    "metric": _TEXT,
    "part": _one_of(("test", "seen", "validation")),
    "at": _one_of(CHECKPOINTS),
    "between": (_is_list_of(2, lambda v: v in CHECKPOINTS), f"a list of two of {', '.join(CHECKPOINTS)}"),
    "direction": _one_of((*DIRECTIONS, NO_EFFECT)),
    "published_effect": _NUMBER,
    "margin": _NOT_NEGATIVE,
    "margin_reason": _TEXT,
    "n": (lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= 2, "a whole number of draws, at least 2"),
    "assumed_sd": _NOT_NEGATIVE,
    "detectable": _NOT_NEGATIVE,
    "needs": _TEXT,
    "untestable": _TEXT,
    "after_result": (lambda value: value is True, "true, or left out"),
    "relation": _one_of(RELATIONS),
    "threshold": _NUMBER,
    "tolerance": _NOT_NEGATIVE,
    "quantity": _TEXT,
    "reason": _TEXT,
    "tests": (_is_list_of(None, lambda v: is_text(v) and "::" in v), "a list of pytest node ids (file::function)"),
    "shows": _one_of(("proved", "refuted")),
    "statement": _TEXT,
    "comparisons": (_is_list_of(None, lambda v: isinstance(v, dict)), "a list of comparisons"),
}
_WHERE = "study data? needs?"
_ESTIMATE = "arms? pairs? pool? metric part? at direction published_effect? margin? margin_reason?"
_SIZE = "n assumed_sd detectable"
_COUNT = f"margin margin_reason {_SIZE}"
_SCHEMAS = {
    "estimate": f"{_WHERE} {_ESTIMATE} {_SIZE}",
    "difference": f"{_WHERE} arms metric part? at direction published_effect? {_COUNT}",
    "no_difference": f"{_WHERE} arms metric part? at published_effect? {_COUNT}",
    "interaction": f"{_WHERE} pairs metric part? at direction published_effect? {_COUNT}",
    "within_run": f"{_WHERE} arm metric part? between direction {_COUNT}",
    "threshold": f"{_WHERE} arm metric part? at relation threshold reason n",
    "seed_spread": f"{_WHERE} arm metric part? at relation threshold reason n",
    "measured": f"{_WHERE} quantity relation threshold tolerance? reason",
    "published": "comparisons reason",
    "analytic": "tests shows statement",
    "editorial": "reason",
}
TESTS = tuple(_SCHEMAS)
STATISTICAL = ("estimate", "difference", "no_difference", "interaction", "within_run", "threshold")


def check_criteria(entries: Any, where: str) -> tuple[Criterion, ...]:
    """The criteria of a claim, checked.

    Args:
        entries: what the file holds.
        where: file and claim, for messages.

    Raises:
        UserError: naming ``where``, the key and, where one is unknown, the nearest known one.
    """
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{where}: 'criteria' must be a list of at least one criterion.")
    return tuple(_criterion(entry, f"{where}, criterion {number}") for number, entry in enumerate(entries, start=1))


def _criterion(entry: Any, where: str) -> Criterion:
    test = entry.get("test") if isinstance(entry, dict) else None
    if test not in TESTS:
        raise UserError(f"{where}: test {test!r} is not known.{nearest_name(str(test), TESTS)}")
    words = ["level", "test", "role?", "untestable?", "after_result?", *_SCHEMAS[test].split()]
    known = [word.rstrip("?") for word in words]
    check_keys(entry, known, [word for word in words if not word.endswith("?")], where)
    for key, value in entry.items():
        if key == "test":
            continue
        holds, wanted = _FIELDS[key]
        if not holds(value):
            raise UserError(f"{where}: {key!r} must be {wanted}, got {value!r}.")
    if test == "no_difference" and entry["margin"] == 0:
        raise UserError(f"{where}: a claim of no difference needs a margin above 0.")
    if test == "estimate":
        _estimate(entry, where)
    elif entry.get("direction") == NO_EFFECT:
        raise UserError(f"{where}: the direction none is for estimates; a {test} has one of {', '.join(DIRECTIONS)}.")
    if test in ("threshold", "seed_spread") and entry["relation"] not in (">=", "<="):
        raise UserError(f"{where}: the relation of a {test} is >= or <=, got {entry['relation']!r}.")
    if entry["level"] == "paper" and not ("needs" in entry or "data" in entry):
        raise UserError(f"{where}: a criterion at level paper must say what it 'needs'.")
    for number, comparison in enumerate(entry.get("comparisons", ()), start=1):
        _comparison(comparison, f"{where}, comparison {number}")
    return entry


def _estimate(entry: Criterion, where: str) -> None:
    given = [name for name in CONTRASTS if name in entry]
    if len(given) != 1:
        raise UserError(f"{where}: an estimate is of one of {', '.join(CONTRASTS)}, got {', '.join(given) or 'none'}.")
    direction, effect, margin = entry["direction"], entry.get("published_effect"), entry.get("margin")
    if not margin and (direction not in ("greater", "less") or effect is None or margin == 0):
        raise UserError(
            f"{where}: an estimate needs a margin above 0 or, in the direction greater or less, a published_effect."
        )
    if (margin is None) != ("margin_reason" not in entry):
        raise UserError(f"{where}: 'margin' and 'margin_reason' go together.")
    if effect is not None and effect * {"greater": 1, "less": -1}.get(direction, 0) < 0:
        raise UserError(f"{where}: a published_effect of {effect:g} is none in the direction {direction!r}.")


def _comparison(comparison: Any, where: str) -> None:
    keys = ("left", "relation", "right", "margin")
    check_keys(comparison, keys, keys, where)
    for key, (holds, wanted) in (("relation", _FIELDS["relation"]), ("margin", _NOT_NEGATIVE)):
        if not holds(comparison[key]):
            raise UserError(f"{where}: {key!r} must be {wanted}, got {comparison[key]!r}.")
    for side in ("left", "right"):
        _term(comparison[side], f"{where}, {side}")


def _term(term: Any, where: str) -> None:
    if _is_number(term):
        return
    if isinstance(term, dict) and len(term) == 1 and next(iter(term)) in ("difference", "sum"):
        members = next(iter(term.values()))
        if not isinstance(members, list) or len(members) != 2:
            raise UserError(f"{where}: {next(iter(term))!r} must hold two rows, got {members!r}.")
        for member in members:
            _term(member, where)
        return
    required = ("source", "table", "method", "dataset", "metric")
    check_keys(term, (*required, "k"), required, where)


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
