"""The claims and what decides them: reading ``data_manifests/claims.yaml``, checking it, and its hash.

Imports nothing heavy. The head of the file explains its words; :mod:`reproducible.claims` computes the verdicts.
Explained on page: how-to-read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from reproducible.resources import UserError, check_keys, manifests, nearest_name

KINDS = ("author", "reviewer", "derived", "cross")
LEVELS = ("analytic", "published", "controlled", "real", "paper")
SOURCES = ("DeML", "Review", "VEM", "DIABLO", "SGML", "Cross-paper")
CHECKPOINTS = ("selected", "last", "peak")
DIRECTIONS = ("greater", "less", "not_less", "not_greater")
RELATIONS = (">", "<", ">=", "<=", "=", "~")
FAMILY_SIZE = 4

Criterion = Mapping[str, Any]
"""One criterion, as in the file, after checking."""


@dataclass(frozen=True)
class Claim:
    """A statement of one of the documents and the criteria that were set for it before any result.

    Attributes:
        kind: whose statement it is; only authors' claims enter the headline.
        published: the quantity that the document gives.
        page: the page that discusses it.
        expectation: ours, which decides nothing.
        criteria: what decides it, level by level.
        superseded: earlier criteria with the reason of the change; both texts are shown.
    """

    id: str
    source: str
    section: str
    kind: str
    claim: str
    published: str | None
    page: str
    expectation: str
    criteria: tuple[Criterion, ...]
    note: str | None = None
    superseded: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class ClaimSet:
    """All claims of a file, and the families whose p-values Holm's method adjusts together."""

    version: int
    families: Mapping[str, tuple[str, ...]]
    claims: tuple[Claim, ...]

    def __getitem__(self, claim_id: str) -> Claim:
        found = {claim.id: claim for claim in self.claims}
        if claim_id not in found:
            raise UserError(f"There is no claim {claim_id!r}.{nearest_name(claim_id, found)}")
        return found[claim_id]

    def family(self, claim_id: str, level: str) -> str | None:
        """Name of the family that a claim belongs to at a level, or None."""
        named = (name for name, ids in self.families.items() if claim_id in ids and name.endswith(f"-{level}"))
        return next(named, None)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_list_of(count: int | None, check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and len(value) == (count or len(value) or 1) and all(map(check, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _one_of(options: Sequence[str]) -> tuple[Callable[[Any], bool], str]:
    return lambda value: value in options, f"one of {', '.join(options)}"


_TEXT = (_is_text, "a text")
_NUMBER = (_is_number, "a number")
_NOT_NEGATIVE = (lambda v: _is_number(v) and v >= 0, "a number of points, not negative")
_PAIR = (_is_list_of(2, _is_text), "a list of two arms")
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "level": _one_of(LEVELS),
    "role": _one_of(("context",)),
    "study": _TEXT,
    "data": _TEXT,
    "arms": _PAIR,
    "pairs": (_is_list_of(2, _PAIR[0]), "a list of two pairs of arms"),
    "arm": _TEXT,
    "metric": _TEXT,
    "part": _one_of(("test", "seen", "validation")),
    "at": _one_of(CHECKPOINTS),
    "between": (_is_list_of(2, lambda v: v in CHECKPOINTS), f"a list of two of {', '.join(CHECKPOINTS)}"),
    "direction": _one_of(DIRECTIONS),
    "margin": _NOT_NEGATIVE,
    "margin_reason": _TEXT,
    "n": (lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= 2, "a whole number of draws, at least 2"),
    "assumed_sd": _NOT_NEGATIVE,
    "detectable": _NOT_NEGATIVE,
    "needs": _TEXT,
    "relation": _one_of(RELATIONS),
    "threshold": _NUMBER,
    "tolerance": _NOT_NEGATIVE,
    "quantity": _TEXT,
    "reason": _TEXT,
    "tests": (_is_list_of(None, lambda v: _is_text(v) and "::" in v), "a list of pytest node ids (file::function)"),
    "shows": _one_of(("proved", "refuted")),
    "statement": _TEXT,
    "comparisons": (_is_list_of(None, lambda v: isinstance(v, dict)), "a list of comparisons"),
}
_WHERE = "study data? needs?"
_COUNT = "margin margin_reason n assumed_sd detectable"
_SCHEMAS = {
    "difference": f"{_WHERE} arms metric part? at direction {_COUNT}",
    "no_difference": f"{_WHERE} arms metric part? at {_COUNT}",
    "interaction": f"{_WHERE} pairs metric part? at direction {_COUNT}",
    "within_run": f"{_WHERE} arm metric part? between direction {_COUNT}",
    "threshold": f"{_WHERE} arm metric part? at relation threshold reason n",
    "seed_spread": f"{_WHERE} arm metric part? at relation threshold reason n",
    "measured": f"{_WHERE} quantity relation threshold tolerance? reason",
    "published": "comparisons reason",
    "analytic": "tests shows statement",
    "editorial": "reason",
}
TESTS = tuple(_SCHEMAS)
STATISTICAL = ("difference", "no_difference", "interaction", "within_run", "threshold")


def load_claims(path: Path | None = None) -> ClaimSet:
    """Read and check the claims.

    Args:
        path: another file than ``data_manifests/claims.yaml``.

    Raises:
        UserError: naming file, claim, key and, where one is unknown, the nearest known one.
    """
    import yaml

    path = path or manifests() / "claims.yaml"
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file of claims.") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML ({error}).") from error
    top = ("criteria_version", "families", "claims")
    check_keys(document, top, top, str(path))
    if not isinstance(document["claims"], list) or not isinstance(document["families"], dict):
        raise UserError(f"{path}: 'claims' must be a list and 'families' a mapping.")
    if not isinstance(document["criteria_version"], int):
        raise UserError(f"{path}: 'criteria_version' must be a whole number, got {document['criteria_version']!r}.")
    claims = tuple(_claim(entry, f"{path}, claim {number}") for number, entry in enumerate(document["claims"], start=1))
    ids = [claim.id for claim in claims]
    for claim_id in ids:
        if ids.count(claim_id) > 1:
            raise UserError(f"{path}: the id {claim_id!r} is used {ids.count(claim_id)} times.")
    families = {name: _family(name, members, claims, str(path)) for name, members in document["families"].items()}
    return ClaimSet(document["criteria_version"], families, claims)


def criteria_hash(claims: Claim | ClaimSet, study: str | None = None) -> str:
    """SHA-256 of the criteria, in canonical form: of one claim, or of all claims with the families.

    Texts that decide nothing (claim, expectation, note, page) do not enter.

    Args:
        claims: one claim or all.
        study: only the criteria that read this study's records; this is what a record of the study stores, so that a
            claim about another study changes nothing.
    """

    def of(claim: Claim) -> list[Criterion]:
        return [c for c in claim.criteria if study is None or c.get("study") == study]

    if isinstance(claims, Claim):
        content: Any = of(claims)
    else:
        content = {claim.id: of(claim) for claim in claims.claims if study is None or of(claim)}
        named = {name: [i for i in ids if i in content] for name, ids in claims.families.items()}
        content = {"claims": content, "families": {name: ids for name, ids in named.items() if ids}}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def supported_if(criterion: Criterion) -> str:
    """What a criterion asks for before it says *supported*, in signs: ``> +1`` (both intervals above 1 point),
    ``< -10``, ``within ±2``, ``<= 10``; empty for tests without a margin or threshold."""
    if "threshold" in criterion:
        spare = f" (± {criterion['tolerance']:g})" if criterion.get("tolerance") else ""
        return f"{criterion['relation']} {criterion['threshold']:g}{spare}"
    if "margin" not in criterion:
        return ""
    margin = criterion["margin"]
    if criterion["test"] == "no_difference":
        return f"within ±{margin:g}"
    relation, sign = {"greater": ">+", "less": "<-", "not_less": ">-", "not_greater": "<+"}[criterion["direction"]]
    return f"{relation} {sign if margin else ''}{margin:g}"


def _claim(entry: Any, where: str) -> Claim:
    if isinstance(entry, dict) and _is_text(entry.get("id")):
        where = f"{where.rsplit(',', 1)[0]}, claim {entry['id']}"
    required = [f.name for f in fields(Claim) if f.default is MISSING]
    check_keys(entry, [f.name for f in fields(Claim)], required, where)
    options = {"source": SOURCES, "kind": KINDS}
    for key, value in entry.items():
        if key in ("criteria", "superseded"):
            continue
        if not (_is_text(value) or (value is None and key in ("published", "note"))):
            raise UserError(f"{where}: {key!r} must be a text, got {value!r}.")
        if key in options and value not in options[key]:
            raise UserError(f"{where}: {key} {value!r} is not known.{nearest_name(value, options[key])}")
    if not re.fullmatch(r"[A-Z]\d{2}", entry["id"]):
        raise UserError(f"{where}: the id {entry['id']!r} is not a letter and two digits.")
    criteria = _criteria(entry["criteria"], where)
    superseded = entry.get("superseded", [])
    for old in superseded:
        check_keys(old, ("until", "reason", "criteria"), ("until", "reason", "criteria"), f"{where}, superseded")
        _criteria(old["criteria"], f"{where}, superseded")
    return Claim(**{**entry, "criteria": criteria, "superseded": tuple(superseded)})


def _criteria(entries: Any, where: str) -> tuple[Criterion, ...]:
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{where}: 'criteria' must be a list of at least one criterion.")
    return tuple(_criterion(entry, f"{where}, criterion {number}") for number, entry in enumerate(entries, start=1))


def _criterion(entry: Any, where: str) -> Criterion:
    test = entry.get("test") if isinstance(entry, dict) else None
    if test not in TESTS:
        raise UserError(f"{where}: test {test!r} is not known.{nearest_name(str(test), TESTS)}")
    words = ["level", "test", "role?", *_SCHEMAS[test].split()]
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
    if test in ("threshold", "seed_spread") and entry["relation"] not in (">=", "<="):
        raise UserError(f"{where}: the relation of a {test} is >= or <=, got {entry['relation']!r}.")
    if entry["level"] == "paper" and not ("needs" in entry or "data" in entry):
        raise UserError(f"{where}: a criterion at level paper must say what it 'needs'.")
    for number, comparison in enumerate(entry.get("comparisons", ()), start=1):
        _comparison(comparison, f"{where}, comparison {number}")
    return entry


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


def _family(name: str, members: Any, claims: Sequence[Claim], where: str) -> tuple[str, ...]:
    where = f"{where}, family {name!r}"
    level = str(name).rsplit("-", 1)[-1]
    if level not in LEVELS:
        raise UserError(f"{where}: the name must end in a level.{nearest_name(level, LEVELS)}")
    if not isinstance(members, list) or not 1 <= len(members) <= FAMILY_SIZE:
        raise UserError(f"{where}: a family is a list of 1 to {FAMILY_SIZE} claims, got {members!r}.")
    known = {claim.id: claim for claim in claims}
    for member in members:
        if member not in known:
            raise UserError(f"{where}: there is no claim {member!r}.{nearest_name(str(member), known)}")
        if decisive(known[member], level) is None:
            raise UserError(f"{where}: {member} has no criterion at level {level} that yields a p-value.")
    if len(set(members)) < len(members):
        raise UserError(f"{where}: a claim is listed twice.")
    return tuple(members)


def decisive(claim: Claim, level: str) -> int | None:
    """Position of the criterion whose p-value a family takes: the first deciding statistical one of the level."""
    for number, criterion in enumerate(claim.criteria):
        if criterion["level"] == level and "role" not in criterion and criterion["test"] in STATISTICAL:
            return number
    return None
