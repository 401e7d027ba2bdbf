"""A record with anything in the wrong place is refused in words, whatever was changed and wherever."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from whole_records import whole

from reproducible import records
from reproducible.config import EvaluationConfig, RunConfig
from reproducible.resources import UserError
from reproducible.studies import STUDIES

Record = dict[str, Any]
Path = tuple[str | int, ...]
GONE = object()
NUMBERS = (None, "x", "", [], {}, [[]], True, float("nan"), float("inf"), -float("inf"), 1e300, 10**400)
TEXTS = (None, 3, 0.5, True, [], {}, "", " ", ["x"])
WRONG = {
    bool: (None, 0, 1, "x", [], {}),
    int: (*NUMBERS, 0.5, -1, 10**12),
    float: NUMBERS,
    str: TEXTS,
    list: (None, 3, "x", {}, [None], [[]], ["x"], [{}], [float("nan")]),
    dict: (None, 3, "x", [], {}, {"x": {}}, {"x": None}),
}


def refused(record: Any) -> bool:
    """Whether a record is refused in words, or found not to rescore to what it states."""
    try:
        records.check(record, "here")
        return bool(records.verify(record))
    except UserError as error:
        assert str(error)
        return True


def places(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Everything in a record with where it is; of a list, the first and the last."""
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for number in sorted({0, len(value) - 1}) if value else ():
            yield from places(value[number], (*path, number))


def changed(record: Record, path: Path, value: Any) -> Any:
    """A copy with something else in a place, or nothing at all."""
    if not path:
        return value
    copied = copy.deepcopy(record)
    inner = copied
    for key in path[:-1]:
        inner = inner[key]
    if value is GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return copied


def same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


@pytest.fixture(params=["run", "trial", "untouched", "parts", "small"])
def any_record(request: pytest.FixtureRequest, record: Record) -> Record:
    """Records of all forms."""
    three = STUDIES["three_sets"]
    match request.param:
        case "run":
            return record
        case "trial":
            return whole(RunConfig("tiny_tuning", "baseline-0", evaluation=EvaluationConfig(test=False)), [30.0] * 8)
        case "untouched":
            return whole(three.config("untouched-googlenet-groceries", 0))
        case "parts":
            return whole(RunConfig("tiny", "plain", evaluation=EvaluationConfig(parts=True, keep="matches"), steps=50))
    return records.kept_for(record, set())


def test_everything_of_a_wrong_kind_is_refused(any_record: Record) -> None:
    assert not refused(any_record)
    kinds = set()
    for path, value in places(any_record):
        if path[:1] in (("config",), ("versions",)) and len(path) > 1:
            continue  # any change there is another digest: below
        for wrong in WRONG[type(value)]:
            if (path[-1:], wrong) in ((("criteria",), ""), (("peak_memory_mb",), 0.5)):
                continue  # a run that no claims were there for; a small machine
            if not same(wrong, value) and not _is_number_for(value, wrong):
                assert refused(changed(any_record, path, wrong)), (path, wrong)
                kinds.add((*("*" if isinstance(key, int) else key for key in path), repr(wrong)))
    assert len(kinds) > 400


def _is_number_for(value: Any, wrong: Any) -> bool:
    """Whether a number takes the place of another that it could be."""
    return isinstance(value, float) and isinstance(wrong, int) and not isinstance(wrong, bool) and abs(wrong) < 10**9


def test_everything_that_is_missing_or_too_much_is_refused(any_record: Record) -> None:
    known = ("step", "loss", "terms", "validation", "test", "seen", "hits", "hits_within", "recall_at_1_within")
    fixed = {*known, *records.schema.RETRIEVED, *records.schema.STORED, *records.KEYS, *records.schema.MACHINE}
    fixed |= {"queries", "gallery", "features", "embedding", "not_converged", "further", "clusters"}
    count = 0
    for path, value in places(any_record):
        if path and isinstance(path[-1], str) and (path[-1] in fixed or path[:1] in (("config",), ("versions",))):
            older = path[0] == "curve" and path[-1] == "seen"  # which was not looked at at the selected one once
            only = path[-1] == "recall_at_8" and len(any_record["curve"]) == 1  # a small set has none
            assert refused(changed(any_record, path, GONE)) or older or only, path
            count += 1
        searched = records.rescorable(any_record)
        if (
            path
            and isinstance(path[-1], int)
            and (path[-2] == "curve" or (searched and path[-2] in ("queries", "gallery")))
        ):
            assert refused(changed(any_record, path, GONE)), path
        if isinstance(value, dict):
            assert refused(changed(any_record, path, {**value, "unheard_of": "x"})), path
    assert count > 30


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("profile",), "smok", "profile must be one of smoke, quick, standard, large, found 'smok'"),
        (("digest",), "0" * 16, "digest must be [0-9a-f]{16}, that of its configuration, data, weights and versions"),
        (("config", "seed"), 5, "seed must be 5, as its configuration says, found 0"),
        (("config", "optimizer"), {}, "config: RunConfig has no field 'optimizer'. Did you mean 'optimiser'"),
        (("versions", "model/unified"), 7, "digest must be"),
        (("selected",), "x", "selected: must be a mapping of keys, found 'x'"),
        (("selected", "step"), 5, r"selected: step must be one of the curve's \(4, 8, 12\), found 5"),
        (("selected", "not_converged"), None, "selected: not_converged must be"),
        (("last", "step"), 4, r"last: step must be one of the curve's \(12\), found 4"),
        (("curve", 0, "step"), 5, "curve, step 4: step must be 4, found 5"),
        (("curve", 0, "loss"), 7.0, "curve, step 4: loss must be .*, the sum of its terms, found 7.0"),
        (("curve", 0, "validation", "map_at_r"), 100.5, "validation: map_at_r must be from 0 to 100, found 100.5"),
        (("curve", 0, "test", "recall_at_2"), 0.0, "test: recall must be larger for more neighbours"),
        (("untouched", "test", "hits"), "zz", "untouched: test: hits must be hits of .* queries, found 'zz'"),
        (("queries", 0), [0, 0, 0], "queries must be a list of class, coarse class and count"),
        (("gallery", 0, 2), 10**7 + 1, "gallery must be"),
        (("environment", "precision"), "bf16", "environment: precision must be fp32, found 'bf16'"),
        (("quaries",), [], "unknown key 'quaries'. Did you mean 'queries'"),
    ],
)
def test_what_is_wrong_is_named(record: Record, path: Path, value: Any, said: str) -> None:
    with pytest.raises(UserError, match=f"^here: .*{said}"):
        records.check(changed(record, path, value), "here")


@pytest.mark.parametrize("key", records.KEYS)
def test_missing_key_is_named(record: Record, key: str) -> None:
    with pytest.raises(UserError, match=f"^here: the key '{key}' is missing"):
        records.check(changed(record, (key,), GONE), "here")


def test_selected_and_last_are_points_of_the_curve(record: Record) -> None:
    """So that what they state cannot be changed without the curve."""
    for end in ("selected", "last"):
        wrong = changed(record, (end, "test", "map_at_r"), 12.0)
        with pytest.raises(UserError, match=f"{end}: test must be as the curve says at step"):
            records.check(wrong, "here")


@pytest.mark.parametrize("change", [lambda c: replace(c, steps=0), lambda c: replace(c, seed=3)])
def test_made_up_records_are_whole(change: Callable[[RunConfig], RunConfig]) -> None:
    """What other tests call a record is one."""
    config = change(RunConfig("tiny", "plain", evaluation=EvaluationConfig(test_every=100, seen_every=50)))
    record = whole(config)
    records.check(record, "made up")
    assert records.verify(record) == {}
