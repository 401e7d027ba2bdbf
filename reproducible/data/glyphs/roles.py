"""Which bases of a variant are trained on, selected on and tested on.

A base keeps its classes together, so that no sister of a tested class (the same letter with other marks) is trained on,
but where that is what a split is about. Bases are drawn systematically: those of a script are shuffled, scripts are
laid end to end, and every so many-th is taken, so that each role has its share of every script.

V, the validation bases
    ten, the same in every draw and every variant; never trained or tested on. Every script is among them.
half
    of the other bases ``half`` to train on and as many to test on, drawn anew for each ``draw``; in groups of two
    neighbours in the order above, one to each side.
staged
    the test bases of ``half``; trained on every other base outside V, but on one combination of marks each, all
    combinations equally often. The base alone tells such training classes apart, so that the marks need not be learnt;
    the test needs them.
staged_control
    the same test bases; trained on as many classes, a fifth of the bases with all five combinations each. These bases
    are drawn among those of ``staged``.

Explained on page: glyphs.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from reproducible.data.glyphs.alphabet import script_of
from reproducible.data.glyphs.plan import Variant, glyphs_of
from reproducible.resources import UserError, nearest_name

VALIDATION_BASES = 10
KINDS = ("half", "staged", "staged_control")


@dataclass(frozen=True)
class Split:
    """Class ids, ascending and pairwise disjoint (but for kind "validation", where ``test`` is ``validation``)."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


def roles(name: str, variant: Variant, kind: str, draw: int) -> Split:
    """The classes of a split of a variant.

    Args:
        name: of the data set, for errors.
        variant: whose classes.
        kind: one of :data:`KINDS`.
        draw: which division, 0 or more.

    Raises:
        UserError: no such kind; a negative draw; a variant that is not split, or that is not made for this kind.
    """
    if kind not in KINDS:
        raise UserError(f"Data set {name!r} has no split {kind!r}.{nearest_name(kind, KINDS)}")
    if draw < 0:
        raise UserError(f"Split {kind!r}: draw must be 0 or more, found {draw}.")
    if not variant.half:
        raise UserError(f"Data set {name!r} is not split: it is for pretraining, whole.")
    if kind != "half" and variant.plan != "crossed":
        raise UserError(f"Data set {name!r} has no split {kind!r}, which needs the same combinations on all bases.")
    members: dict[str, list[int]] = {}
    for i, glyph in enumerate(glyphs_of(variant)):
        members.setdefault(glyph.base, []).append(i)
    reserved = _spread(list(members), VALIDATION_BASES, random.Random("validation bases"))
    others = [base for base in members if base not in reserved]
    stream = random.Random(f"half {draw}")
    pairs = _spread(others, 2 * variant.half, stream)
    sides = [stream.sample(pairs[i : i + 2], 2) for i in range(0, len(pairs), 2)]
    train, test = ([pair[side] for pair in sides] for side in (0, 1))
    ids = [i for base in train for i in members[base]]
    if kind != "half":
        ids = _staged([b for b in others if b not in test], members, kind == "staged", random.Random(f"staged {draw}"))
    validation = [i for base in reserved for i in members[base]]
    return Split(*(tuple(sorted(role)) for role in (ids, validation, [i for base in test for i in members[base]])))


def _staged(bases: list[str], members: dict[str, list[int]], staged: bool, stream: random.Random) -> list[int]:
    """Training classes of the staged split, or of its control."""
    each = len(members[bases[0]])
    if not staged:
        return [i for base in _spread(bases, len(bases) // each, stream) for i in members[base]]
    usable = _spread(bases, len(bases) // each * each, stream)  # a multiple of the combinations
    numbers = [i % each for i in range(len(usable))]
    stream.shuffle(numbers)
    return [members[base][number] for base, number in zip(usable, numbers, strict=True)]


def _spread(bases: Sequence[str], count: int, stream: random.Random) -> list[str]:
    """``count`` of the bases, each script in proportion, in the order of the scripts."""
    by_script: dict[str, list[str]] = {}
    for base in bases:
        by_script.setdefault(script_of(base), []).append(base)
    laid = [base for group in by_script.values() for base in stream.sample(group, len(group))]
    start = stream.randrange(len(laid))
    return [laid[(start + i * len(laid) // count) % len(laid)] for i in range(count)]
