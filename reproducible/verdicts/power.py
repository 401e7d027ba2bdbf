"""How often a rule says each word, when the true effect is known: the power of the rule in use.

The smallest detectable difference that criteria state is that of a paired t test against zero. A verdict asks for more:
both intervals, beyond the margin. Explained on page: protocol.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reproducible.evaluation.statistics import Interval
from reproducible.verdicts.simulation import Spreads, studies_of

Rule = Callable[[NDArray[np.float64], Interval], str]
"""From the mean difference of each draw and the bootstrap interval to a word, such as
``lambda differences, bootstrap: judge(differences, bootstrap, 1.0, "greater").word``."""
ASSUMED = {"groceries": Spreads(6.0, 1.0, 45.0), "glyphs": Spreads(6.0, 2.1, 55.0)}
"""With these the differences of class draws spread as criteria assume: by 2.0 points on groceries, 2.5 on glyphs."""


def simulate_words(
    groups: Sequence[ArrayLike],
    rule: Rule,
    *,
    effect: float,
    spreads: Spreads,
    studies: int = 400,
    n_boot: int = 500,
    seed: int = 0,
) -> dict[str, float]:
    """Per cent of the simulated studies in which a rule says each word, the most frequent first.

    Args:
        groups: for each draw the group (coarse class) of every query, as ``two_way_bootstrap`` takes them.
        rule: what decides the word.
        effect: the true mean difference, in points.
        spreads: of the simulated differences.
        studies: number of simulated studies.
        n_boot: resamples of each bootstrap.
        seed: the same seed gives the same result.

    Raises:
        ValueError: no study, or no draws.
    """
    said = Counter(
        rule(study.differences, study.bootstrap(n_boot, number))
        for number, study in enumerate(studies_of(groups, effect, spreads, studies, seed))
    )
    return {word: 100 * count / studies for word, count in said.most_common()}
