"""The claims and what decides them: reading ``data_manifests/claims.yaml``, checking it, and its hash.

Imports nothing heavy. The head of the file explains its words, :mod:`reproducible.verdicts.schema` checks them;
:mod:`reproducible.verdicts.claims` computes the verdicts. Explained on page: how-to-read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from reproducible.reading import parse_yaml, read_text
from reproducible.resources import UserError, check_keys, manifests, nearest_name
from reproducible.types import Asked
from reproducible.verdicts.schema import LEVELS, STATISTICAL, Criterion, check_criteria, is_text

KINDS = ("author", "reviewer", "derived", "cross")
SOURCES = ("DeML", "Review", "VEM", "DIABLO", "SGML", "Cross-paper")
FAMILY_SIZE = 4


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


def load_claims(path: Path | None = None) -> ClaimSet:
    """Read and check the claims, once a process and content of the file.

    Args:
        path: another file than ``data_manifests/claims.yaml``.

    Raises:
        UserError: naming file, claim, key and, where one is unknown, the nearest known one.
    """
    path = path or manifests() / "claims.yaml"
    return _parsed(path, read_text(path))


@lru_cache(maxsize=2)
def _parsed(path: Path, text: str) -> ClaimSet:
    """The claims of a file that holds this text: pages ask for them dozens of times, and parsing takes a second."""
    document = parse_yaml(text, path)
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

    What decides nothing does not enter: texts (claim, expectation, note, page), and a published effect that stands
    beside a criterion and is no part of it.

    Args:
        claims: one claim or all.
        study: only the criteria that read this study's records; this is what a record of the study stores, so that a
            claim about another study changes nothing.
    """

    def of(claim: Claim) -> list[Criterion]:
        return [_deciding(c) for c in claim.criteria if study is None or c.get("study") == study]

    if isinstance(claims, Claim):
        content: Any = of(claims)
    else:
        content = {claim.id: of(claim) for claim in claims.claims if study is None or of(claim)}
        named = {name: [i for i in ids if i in content] for name, ids in claims.families.items()}
        content = {"claims": content, "families": {name: ids for name, ids in named.items() if ids}}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _deciding(criterion: Criterion) -> Criterion:
    beside = () if criterion["test"] == "estimate" else ("published_effect",)
    return {key: value for key, value in criterion.items() if key not in beside}


def standing(study: str) -> Asked:
    """What the criteria ask of a study as the file has them now: their :func:`criteria_hash`, and the arms that they
    read; ``arm/feature`` is one feature of an arm's runs."""
    claims = load_claims()
    named: list[str] = []
    for criterion in (c for claim in claims.claims for c in claim.criteria if c.get("study") == study):
        named += criterion.get("arms", [])
        named += [arm for kind in ("pairs", "pool") for pair in criterion.get(kind, []) for arm in pair]
        named += [criterion["arm"]] if "arm" in criterion else []
    return Asked(criteria_hash(claims, study), frozenset(name.partition("/")[0] for name in named))


def _claim(entry: Any, where: str) -> Claim:
    if isinstance(entry, dict) and is_text(entry.get("id")):
        where = f"{where.rsplit(',', 1)[0]}, claim {entry['id']}"
    required = [f.name for f in fields(Claim) if f.default is MISSING]
    check_keys(entry, [f.name for f in fields(Claim)], required, where)
    options = {"source": SOURCES, "kind": KINDS}
    for key, value in entry.items():
        if key in ("criteria", "superseded"):
            continue
        if not (is_text(value) or (value is None and key in ("published", "note"))):
            raise UserError(f"{where}: {key!r} must be a text, got {value!r}.")
        if key in options and value not in options[key]:
            raise UserError(f"{where}: {key} {value!r} is not known.{nearest_name(value, options[key])}")
    if not re.fullmatch(r"[A-Z]\d{2}", entry["id"]):
        raise UserError(f"{where}: the id {entry['id']!r} is not a letter and two digits.")
    criteria = check_criteria(entry["criteria"], where)
    superseded = entry.get("superseded", [])
    for old in superseded:
        check_keys(old, ("until", "reason", "criteria"), ("until", "reason", "criteria"), f"{where}, superseded")
        check_criteria(old["criteria"], f"{where}, superseded")
    return Claim(**{**entry, "criteria": criteria, "superseded": tuple(superseded)})


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
