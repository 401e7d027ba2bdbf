"""The words of a verdict: which there are, and what several of them make together. Explained on page: how-to-read."""

from __future__ import annotations

from collections.abc import Sequence

SMALLER = "supported, smaller than claimed"
BELOW_PUBLISHED = "supported, smaller than published"
UNSEEN = "no difference seen"
TOO_SMALL = "too small to see here"
NOT_TRAINED = "not trained"
DECIDED = ("supported", SMALLER, BELOW_PUBLISHED, "contradicted")
"""What an adjusted p-value can take back."""
WEAKEST_FIRST = (
    *("refuted by analysis", "contradicted", UNSEEN, "inconclusive", TOO_SMALL, "partly"),
    *(BELOW_PUBLISHED, SMALLER, "supported", "proved"),
)
"""What a claim that was put to the test can get."""


def combine(words: Sequence[str], weakest: bool = False) -> str:
    """The verdict on a claim at one level from the words of its deciding criteria, all of which must hold.

    Not all run, or not trained: the first word that says so. All supported: supported, or supported, smaller than
    claimed, if one is. Some supported and others not: partly. None supported: contradicted if one is, else
    inconclusive.

    Args:
        words: of the criteria.
        weakest: the criteria ask for estimates: the weakest part decides.
    """
    said = [bare(word) for word in words]
    for kind in ("not testable here", "not run", NOT_TRAINED):
        if kind in said:
            return words[said.index(kind)]
    if len(set(said)) == 1:
        return words[0]
    if weakest:
        return words[min(range(len(said)), key=lambda place: WEAKEST_FIRST.index(said[place]))]
    good = [word in ("supported", SMALLER, "proved") for word in said]
    if all(good):
        return SMALLER if SMALLER in said else "supported"
    if any(good) or "partly" in said:
        return f"partly ({sum(good)} of {len(good)} criteria)"
    for kind in ("contradicted", "refuted by analysis"):
        if kind in said:
            return words[said.index(kind)]
    return "inconclusive"


def bare(word: str) -> str:
    """A verdict without what stands in brackets."""
    return word.split(" (")[0]


def at_steps(steps: Sequence[int]) -> str:
    """``at 300 steps``, ``at 300 to 900 steps``; empty for none."""
    if not steps:
        return ""
    return f"at {min(steps)} steps" if min(steps) == max(steps) else f"at {min(steps)} to {max(steps)} steps"


def with_length(word: str, length: str) -> str:
    """A verdict that holds at a length only: ``supported at 300 steps (...)``.

    Args:
        word: the verdict, with what stands in brackets.
        length: from :func:`at_steps`; may be empty.
    """
    return f"{bare(word)} {length}{word[len(bare(word)) :]}" if length else word
