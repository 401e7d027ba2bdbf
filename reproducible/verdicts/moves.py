"""How far verdicts hang on the rule: the same evidence judged by one interval alone, by other margins, or at another
checkpoint. None of these decides anything. Explained on page: verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from reproducible.evaluation.statistics import Interval
from reproducible.verdicts.claims import Records, Row, evaluate
from reproducible.verdicts.criteria import Claim, ClaimSet
from reproducible.verdicts.judging import line, with_failures
from reproducible.verdicts.schema import STATISTICAL, Criterion
from reproducible.verdicts.table import by_level
from reproducible.verdicts.words import WEAKEST_FIRST, bare

if TYPE_CHECKING:
    import pandas as pd

Rule = Literal["both", "t", "bootstrap"]


@dataclass(frozen=True)
class Variant:
    """One other way to judge.

    Attributes:
        rule: which intervals a word needs.
        margin: what every margin is multiplied by.
    """

    rule: Rule = "both"
    margin: float = 1.0


AS_USED = "as used, before Holm's adjustment"
VARIANTS: Mapping[str, Variant] = {
    AS_USED: Variant(),
    "the t interval alone": Variant(rule="t"),
    "the bootstrap alone": Variant(rule="bootstrap"),
    "half of every margin": Variant(margin=0.5),
    "twice every margin": Variant(margin=2.0),
}
CHECKPOINTS = {"last": "at the last checkpoint", "peak": "at the best on the test classes (biased)"}


def judged_again(row: Row, criterion: Criterion, variant: Variant) -> str:
    """The word of a criterion under another rule or margin, from its intervals, before Holm's adjustment.

    Args:
        row: the verdict as it is used.
        criterion: the one that it is of.
        variant: how to judge.

    Returns:
        The word; that of the row where nothing was run, or no intervals decide.
    """
    from reproducible.verdicts import estimates, statistics

    if criterion["test"] not in STATISTICAL or bare(row.word) not in WEAKEST_FIRST or row.b_low is None:
        return row.word
    low, high = _hull(row, variant.rule)
    asked = {**criterion, **({"margin": criterion["margin"] * variant.margin} if criterion.get("margin") else {})}
    if criterion["test"] == "estimate":
        effect = criterion.get("published_effect")
        word = estimates.word_for((low, high), criterion["direction"], effect, asked.get("margin"))
    else:
        shift, margin, direction = line(asked)
        word = statistics.word_for((low + shift, high + shift), margin, direction)
    return with_failures(criterion, word, row.fails_here)


def _hull(row: Row, rule: Rule) -> Interval:
    ends = {"t": (row.t_low, row.t_high), "bootstrap": (row.b_low, row.b_high)}
    chosen = [ends[rule]] if rule in ends else [*ends.values()]
    return min(low for low, _ in chosen), max(high for _, high in chosen)


def words_by_variant(claims: ClaimSet, rows: Sequence[Row], records: Records) -> dict[str, list[Row]]:
    """The verdicts, one row a claim and level, under every variant and at every checkpoint.

    Args:
        claims: what was asked.
        rows: one a criterion, from :func:`reproducible.verdicts.claims.all_rows`.
        records: of each study, for the other checkpoints.

    Returns:
        By title; the first is the rule in use.
    """
    found = {}
    for title, variant in VARIANTS.items():
        words = (judged_again(row, claims[row.claim].criteria[row.criterion], variant) for row in rows)
        found[title] = by_level([replace(row, word=word) for row, word in zip(rows, words, strict=True)])
    for checkpoint, title in CHECKPOINTS.items():
        moved = [_at(claim, checkpoint) for claim in claims.claims]
        found[title] = by_level([row for claim in moved for row in evaluate(claim, records)])
    return found


def _at(claim: Claim, checkpoint: str) -> Claim:
    """The claim with every criterion that reads selected checkpoints asked of other ones."""
    criteria = (c | {"at": checkpoint} if c.get("at") == "selected" else c for c in map(dict, claim.criteria))
    return replace(claim, criteria=tuple(criteria))


def counts(found: Mapping[str, Sequence[Row]], levels: Sequence[str]) -> pd.DataFrame:
    """How many authors' claims get which word under each variant, and how many get another one than by the rule in use.

    Args:
        found: from :func:`words_by_variant`.
        levels: those that are counted together, as a claim and level each.

    Returns:
        One row a variant; a column a word; ``no such look``, how many ran and were not looked at there; ``another word
        than in use``, of the others.
    """
    import pandas as pd

    own = {
        title: {(row.claim, row.level): bare(row.word) for row in rows if row.kind == "author" and row.level in levels}
        for title, rows in found.items()
    }
    used = own[AS_USED]
    unseen = {
        title: {key for key, word in words.items() if word == "not run" != used[key]} for title, words in own.items()
    }
    table = pd.DataFrame({title: pd.Series(words).value_counts() for title, words in own.items()}).T.fillna(0)
    table["not run"] -= [len(unseen[title]) for title in table.index]
    table["no such look"] = [len(unseen[title]) for title in table.index]
    table["another word than in use"] = [
        sum(words[key] != word for key, word in used.items() if key not in unseen[title])
        for title, words in own.items()
    ]
    return table.astype(int)
