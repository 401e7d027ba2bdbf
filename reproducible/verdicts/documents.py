"""What stands in the documents beside their claims: the review's objections, and where documents contradict themselves.

Read from ``data_manifests/review.yaml`` and ``data_manifests/inconsistencies.yaml``, whose heads explain them.
Explained on page: review.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reproducible.reading import read_yaml
from reproducible.resources import UserError, check_keys, manifests
from reproducible.verdicts.criteria import load_claims
from reproducible.verdicts.words import bare

MEANT = ("supported", "contradicted", "open")


@dataclass(frozen=True)
class Answer:
    """A claim that answers an objection, and what its verdict means for DeML, by :func:`outcome`."""

    claim: str
    means: Mapping[str, str]


@dataclass(frozen=True)
class Objection:
    """A major comment of the review, word by word, and the claims that answer it."""

    title: str
    place: str
    quote: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Remark:
    """Another statement of the review, and the claim that it became."""

    place: str
    quote: str
    claim: str


@dataclass(frozen=True)
class Mistake:
    """Where the review is wrong: its words, and what is so."""

    quote: str
    so: str


@dataclass(frozen=True)
class Inconsistency:
    """Where a document contradicts itself, another one or its own tables.

    Attributes:
        document, place: where it stands.
        says: its words.
        against: what stands against them.
        consequence: what follows for a reader, and what this study does.
        claims: that are about it.
    """

    document: str
    place: str
    says: str
    against: str
    consequence: str
    claims: tuple[str, ...]


@dataclass(frozen=True)
class Review:
    """The review of DeML."""

    objections: tuple[Objection, ...]
    remarks: tuple[Remark, ...]
    wrong: tuple[Mistake, ...]


def load_review() -> Review:
    """The review's objections, remarks and mistakes.

    Raises:
        UserError: naming file and entry, for an unknown or missing key or a claim that does not exist.
    """
    found = _yaml("review.yaml")
    check_keys(found, Review.__dataclass_fields__, Review.__dataclass_fields__, "review.yaml")
    objections = []
    for entry in _entries(Objection, found["objections"], "review.yaml, objections"):
        answers = _entries(Answer, entry.pop("answers"), f"review.yaml, {entry['place']}")
        for answer in answers:
            check_keys(answer["means"], MEANT, MEANT, f"review.yaml, {entry['place']}, {answer['claim']}")
        objections.append(Objection(**entry, answers=tuple(Answer(**answer) for answer in answers)))
    remarks = (Remark(**entry) for entry in _entries(Remark, found["remarks"], "review.yaml, remarks"))
    wrong = (Mistake(**entry) for entry in _entries(Mistake, found["wrong"], "review.yaml, wrong"))
    made = Review(tuple(objections), tuple(remarks), tuple(wrong))
    _known([a.claim for o in made.objections for a in o.answers] + [r.claim for r in made.remarks])
    return made


def load_inconsistencies() -> tuple[Inconsistency, ...]:
    """Where the documents contradict themselves, each other or their tables, in the order of the documents.

    Raises:
        UserError: as of :func:`load_review`.
    """
    entries = _entries(Inconsistency, _yaml("inconsistencies.yaml"), "inconsistencies.yaml")
    made = tuple(Inconsistency(**{**entry, "claims": tuple(entry["claims"])}) for entry in entries)
    _known([claim for one in made for claim in one.claims])
    return made


def outcome(word: str) -> str:
    """Which of :data:`MEANT` a verdict is.

    Args:
        word: with or without what stands in brackets.
    """
    said = bare(word)
    return "supported" if said.startswith("supported") else "contradicted" if said == "contradicted" else "open"


def _yaml(name: str) -> Any:
    return read_yaml(manifests() / name)


def _entries(kind: Any, entries: Any, where: str) -> list[dict[str, Any]]:
    """Mappings with just the fields of a class."""
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{where}: must be a list of at least one entry.")
    fields = kind.__dataclass_fields__
    for number, entry in enumerate(entries, start=1):
        check_keys(entry, fields, fields, f"{where}, entry {number}")
    return [dict(entry) for entry in entries]


def _known(claims: Sequence[str]) -> None:
    for claim in claims:
        load_claims()[claim]  # says so, with the nearest, where there is none
