"""What a record must be, wherever one is read: its keys, their types and ranges, and what they say of each other.

Whether the numbers are those of a run is another question: :mod:`reproducible.records.rescoring` asks it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from reproducible.config import LARGEST, NAME, NAMED, RunConfig, digest, from_dict
from reproducible.resources import UserError, check_keys
from reproducible.types import RunRecord

PROFILES = ("smoke", "quick", "standard", "large")
KEYS = (
    *("study", "arm", "profile", "draw", "seed", "digest", "criteria", "config", "data", "weights", "versions"),
    *("curve", "untouched", "selected", "last", "queries", "gallery", "environment"),
)
OWN = ("classes",)
"""Keys of records of a reader's own photographs: names of the classes by role."""
STORED = ("neighbours", "matches", "first")
"""What the selected checkpoint's metrics are computed from; one of them."""
HITS = ("hits", "hits_within")
RECALLS = ("recall_at_1", "recall_at_2", "recall_at_4", "recall_at_8")
RETRIEVED = (*RECALLS, "macro_recall_at_1", "r_precision", "map_at_r")
"""Metrics of a look; of a scale or a stage without the last two, and in a gallery of less than eight without some."""
PER_CENT = re.compile(r"(macro_)?recall_at_\d+(_within)?|r_precision|map_at_r|(nmi|f1)(_low|_high)?|probe_.+")
MACHINE = ("python", "torch", "platform", "device", "threads", "precision", "seconds", "peak_memory_mb")
MOST = 10**7
"""No set has more images."""


def check(record: RunRecord, where: str) -> None:
    """Check that a record is one: keys, types, ranges, and that its digest is that of what it says it ran.

    Raises:
        UserError: naming ``where`` and the key.
    """
    check_keys(record, (*KEYS, *OWN), KEYS, where)
    _Check(record, where).all()


@cache
def _parsed(plain: str) -> RunConfig:
    return from_dict(RunConfig, json.loads(plain))


def configuration(record: RunRecord) -> RunConfig:
    """The configuration that a record states, without the labels.

    Raises:
        UserError: if it is none, with the field.
    """
    return _parsed(json.dumps(record["config"]))


class _Check:
    """One record, looked at from all sides; the first thing that is wrong is raised."""

    def __init__(self, record: RunRecord, where: str) -> None:
        self.record, self.where = record, where
        self.recalls: dict[str, list[str]] = {}  # of the first look at each role

    def all(self) -> None:
        """Look at every key."""
        self.labels()
        self.sizes = self.sets(self.record, "")
        self.curve()
        self.untouched()
        self.ends()
        self.environment()
        if "classes" in self.record:
            self.classes()

    def must(self, holds: bool, path: str, wanted: str, found: Any) -> None:
        if not holds:
            shown = repr(found)
            raise UserError(f"{self.where}: {path} must be {wanted}, found {shown[:80]}{'...' * (len(shown) > 80)}.")

    def keys(self, value: Any, path: str, required: Iterable[str], more: Iterable[str] = ()) -> None:
        """A mapping with these keys and no others."""
        check_keys(value, (*required, *more), required, f"{self.where}: {path}")

    def labels(self) -> None:
        record = self.record
        for key, (holds, wanted) in _LABELS.items():
            self.must(holds(record[key]), key, wanted, record[key])
        try:
            self.config = config = configuration(record)
        except (UserError, TypeError, ValueError, OverflowError) as error:
            raise UserError(f"{self.where}: config: {error}") from error
        for key, value in (("draw", config.data.draw), ("seed", config.seed)):
            self.must(record[key] == value, key, f"{value}, as its configuration says", record[key])
        parts = {key: record[key] for key in ("data", "weights", "versions")}
        found = digest(record["config"], **parts)
        wanted = f"{found}, that of its configuration, data, weights and versions"
        self.must(record["digest"] == found, "digest", wanted, record["digest"])
        self.looks = self.config.evaluation

    def sets(self, of: Mapping[str, Any], path: str) -> tuple[int, int]:
        """Queries and gallery; returns how many the queries are, and which images each can find, in numbers."""
        for name in ("queries", "gallery"):
            runs = of[name]
            held = _are_runs(runs) and (name == "gallery" or bool(runs))
            self.must(held, path + name, "a list of class, coarse class and count, in whole numbers", runs)
            self.must(sum(run[2] for run in runs) <= MOST, path + name, f"{MOST} images at most", runs)
        queries, gallery = (sum(run[2] for run in of[name]) for name in ("queries", "gallery"))
        return queries, gallery or queries - 1

    def curve(self) -> None:
        curve, config, looks = self.record["curve"], self.config, self.looks
        first = 0 if looks.start or not config.steps else looks.every
        steps = list(range(first, config.steps + 1, looks.every))
        held = isinstance(curve, list) and len(curve) == len(steps)
        self.must(held, "curve", f"a list of {len(steps)} points", curve)
        self.points = dict(zip(steps, curve, strict=True))
        for step, point in self.points.items():
            path = f"curve, step {step}"
            self.keys(point, path, ("step", "loss", "terms", "validation"), ("test", "seen"))
            self.must(point["step"] == step and _whole(point["step"]), f"{path}: step", str(step), point["step"])
            terms = point["terms"]
            held = isinstance(terms, dict) and all(map(_number, terms.values()))
            self.must(held, f"{path}: terms", "numbers by name", terms)
            self.must(_number(point["loss"]), f"{path}: loss", "a number", point["loss"])
            total = sum(terms.values())
            close = abs(point["loss"] - total) <= 1e-5 * max(1.0, abs(total))
            self.must(close, f"{path}: loss", f"{total:g}, the sum of its terms", point["loss"])
            self.roles(path, {name: point[name] for name in ("validation", "test", "seen") if name in point})

    def roles(self, path: str, found: Mapping[str, Any]) -> None:
        within = ("recall_at_1_within", "hits_within") if self.looks.parts else ()
        for role, look in found.items():
            if role == "test":
                self.look(look, f"{path}: test", self.sizes, ("hits", *within))
            else:
                self.look(look, f"{path}: {role}")
                recalls = [name for name in RECALLS if name in look]
                known = self.recalls.setdefault(role, recalls)
                self.must(recalls == known, f"{path}: {role}", f"with {', '.join(known)}, as before", recalls)

    def look(
        self, look: Any, path: str, sizes: tuple[int, int] = (0, 0), more: Sequence[str] = (), near: bool = False
    ) -> None:
        """Metrics of a look at a role, and which of the queries found their class first.

        Args:
            look: what there is.
            path: to it.
            sizes: number of queries and of images to be found, where they are known.
            more: keys that it must have, too.
            near: whether it has only what the nearest neighbours decide.
        """
        queries, others = sizes
        recalls = [name for name in RECALLS if not others or int(name[-1]) <= others][: None if others else 1]
        required = (*recalls, *RETRIEVED[4 : 5 if near else 7], *more)
        names = look if isinstance(look, dict) else ()
        self.keys(look, path, required, (name for name in names if name not in HITS))
        for name, value in look.items():
            if name in HITS:
                self.must(_are_hits(value, queries), f"{path}: {name}", f"hits of {queries} queries", value)
            elif _in_per_cent(name):
                self.must(_number(value) and 0 <= value <= 100, f"{path}: {name}", "from 0 to 100", value)
            else:
                self.must(_numbers(value), f"{path}: {name}", "a number, or a table of numbers", value)
        there = [name for name in RECALLS if name in look]
        self.must(there == list(RECALLS[: len(there)]), path, "with recall for each number of neighbours", there)
        found = [look[name] for name in there]
        self.must(found == sorted(found), f"{path}: recall", "larger for more neighbours", found)

    def untouched(self) -> None:
        roles = ("validation", *(("test", "seen") if self.looks.test else ())) if self.config.steps else ()
        self.keys(self.record["untouched"], "untouched", roles)
        self.roles("untouched", self.record["untouched"])

    def ends(self) -> None:
        """The selected and the last checkpoint, and which points of the curve look at what."""
        config, looks, measured = self.config, self.looks, ("test",) if self.looks.test else ()
        selected, last = self.record["selected"], self.record["last"]
        clusters = ("clusters",) if "clusters" in looks.measures else ()
        further = ("further",) if looks.test and (looks.features or looks.protocols) else ()
        self.keys(selected, "selected", ("step", "not_converged", *measured, *clusters, *further), STORED)
        self.keys(last, "last", ("step", *measured))
        for name, point in (("selected", selected), ("last", last)):
            known = [step for step in self.points if name == "selected" or step == config.steps]
            wanted = f"one of the curve's ({', '.join(map(str, known))})"
            self.must(_whole(point["step"]) and point["step"] in known, f"{name}: step", wanted, point["step"])
            of_curve = self.points[point["step"]]
            same = not looks.test or point["test"] == of_curve.get("test")
            self.must(same, f"{name}: test", f"as the curve says at step {point['step']}", point.get("test"))
        stuck = bool(config.steps) and selected["step"] == config.steps
        self.must(selected["not_converged"] is stuck, "selected: not_converged", str(stuck), selected["not_converged"])
        kept = [name for name in STORED if name in selected]
        wanted = f"with one of {', '.join(STORED)}" if looks.test else f"without {', '.join(STORED)}"
        self.must(len(kept) == looks.test, "selected", wanted, kept)
        for name in (*kept, *clusters):
            self.must(_text(selected[name]), f"selected: {name}", "a text", selected[name])
        if further:
            self.further(selected["further"])
        ends = {selected["step"], config.steps}
        for step, point in self.points.items():
            for role, every in (("test", looks.test_every), ("seen", looks.seen_every)):
                regular, end = bool(every) and step % every == 0, looks.test and step in ends
                wanted = regular or (end and role == "test")
                allowed = wanted or (end and bool(every))  # of seen classes, which older runs did not look at there
                self.must(role in point or not wanted, f"curve, step {step}", f"with a look at {role}", [*point])
                self.must(role not in point or allowed, f"curve, step {step}", f"without a look at {role}", [*point])

    def further(self, further: Any) -> None:
        looks = self.looks
        self.must(isinstance(further, dict) and further, "selected: further", "protocols by name", further)
        for name in looks.protocols:
            self.must(name in further, "selected: further", f"with the protocol {name}", list(further))
        for name, protocol in further.items():
            path = f"selected: further: {name}"
            self.keys(protocol, path, ("queries", "gallery", "features"))
            sizes = self.sets(protocol, f"{path}: ")
            self.keys(protocol["features"], f"{path}: features", ("embedding", *looks.features))
            for feature, point in protocol["features"].items():
                self.keys(point, f"{path}: {feature}", ("test",), ("matches", "first"))
                kept = [key for key in point if key != "test"]
                one = len(kept) == 1 and _text(point[kept[0]])
                self.must(one, f"{path}: {feature}", "with one of matches and first", kept)
                whole = feature == "embedding"
                self.look(point["test"], f"{path}: {feature}: test", sizes, ("hits",) * whole, near=not whole)

    def classes(self) -> None:
        found = self.record["classes"]
        self.keys(found, "classes", ("train", "validation", "test"))
        for role, names in found.items():
            held = isinstance(names, list) and bool(names) and all(map(_text, names))
            self.must(held, f"classes: {role}", "names of classes", names)

    def environment(self) -> None:
        found = self.record["environment"]
        more = found if isinstance(found, dict) else ()
        self.keys(found, "environment", MACHINE, (name for name in more if name not in MACHINE))
        for name, value in found.items():
            text = name in ("python", "torch", "platform", "device", "precision")
            held = _text(value) if text else _number(value) and value >= 0
            self.must(held, f"environment: {name}", "a text" if text else "a number, not negative", value)
        self.must(_whole(found["threads"]), "environment: threads", "a whole number", found["threads"])
        wanted = self.config.precision
        self.must(found["precision"] == wanted, "environment: precision", wanted, found["precision"])


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST


def _number(value: Any) -> bool:
    return (_whole(value) or isinstance(value, float)) and math.isfinite(value) and abs(value) <= LARGEST


def _numbers(value: Any, depth: int = 3) -> bool:
    """A number, or a list of such lists, not empty."""
    if not isinstance(value, list):
        return _number(value)
    return bool(value) and depth > 0 and all(_numbers(one, depth - 1) for one in value)


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _are_runs(value: Any) -> bool:
    """Class, coarse class and count of each run of equal labels."""
    if not isinstance(value, list) or not all(isinstance(run, list) and len(run) == 3 for run in value):
        return False
    if {type(part) for run in value for part in run} - {int}:
        return False
    return all(0 <= c <= LARGEST and 0 <= coarse <= LARGEST and 1 <= count <= MOST for c, coarse, count in value)


@cache
def _in_per_cent(name: str) -> bool:
    return PER_CENT.fullmatch(name) is not None


def _are_hits(value: Any, count: int) -> bool:
    """Packed booleans of so many queries, with nothing behind them."""
    if not (isinstance(value, str) and re.fullmatch(r"[0-9a-f]*", value) and len(value) == 2 * -(-count // 8)):
        return False
    return not int(value[-2:] or "0", 16) & (2 ** (-count % 8) - 1)


def _matching(pattern: str, wanted: str) -> tuple[Callable[[Any], bool], str]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None, wanted


def _are_versions(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(_whole(v) and v >= 1 for v in value.values())


_NAME = _matching(NAME.pattern, NAMED)
_NOT_NEGATIVE = (lambda value: _whole(value) and value >= 0, "a whole number, not negative")
_WORD = _matching(r"[\w+.-]+", "a word")
_LABELS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **{"study": _NAME, "arm": _NAME, "draw": _NOT_NEGATIVE, "seed": _NOT_NEGATIVE},
    "profile": (lambda value: value in PROFILES, f"one of {', '.join(PROFILES)}"),
    "digest": _matching(r"[0-9a-f]{16}", "16 hexadecimal digits"),
    "criteria": _matching(r"([0-9a-f]{64})?", "64 hexadecimal digits, or empty"),
    **{"data": _WORD, "weights": _WORD},
    "versions": (_are_versions, "a behaviour version of each component, from 1"),
    "config": (lambda value: isinstance(value, dict), "a configuration"),
}
