"""How often the rule in use says what is so, when the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import ArrayLike

from reproducible.evaluation import detectable_difference
from reproducible.evaluation.statistics import Interval
from reproducible.verdicts.estimates import estimate
from reproducible.verdicts.power import ASSUMED, simulate_words
from reproducible.verdicts.simulation import Spreads, studies_of
from reproducible.verdicts.statistics import judge


def design(draws: int, groups: int, tested: int, queries: tuple[int, int]) -> list[np.ndarray]:
    """For each draw the group of every query: so many of all groups, each with so many queries."""
    rng = np.random.default_rng(0)
    return [
        np.concatenate([np.full(n, g) for g, n in zip(rng.permutation(groups)[:tested], counts, strict=True)])
        for counts in (rng.integers(*queries, tested) for _ in range(draws))
    ]


PHOTOGRAPHS, GLYPHS = design(5, 38, 20, (10, 100)), design(10, 69, 20, (150, 151))  # as large as the benchmarks


def rule_in_use(differences: ArrayLike, bootstrap: Interval) -> str:
    return judge(differences, bootstrap, 1.0, "greater").word


@pytest.mark.parametrize(("groups", "data", "sd"), [(PHOTOGRAPHS, "groceries", 2.0), (GLYPHS, "glyphs", 2.5)])
def test_simulated_draws_vary_as_criteria_assume(groups: list[np.ndarray], data: str, sd: float) -> None:
    found = [study.differences.std(ddof=1) for study in studies_of(groups, 0.0, ASSUMED[data], 100)]
    assert np.mean(found) == pytest.approx(sd, abs=0.25)


def test_the_rule_finds_what_a_t_test_detects_in_a_quarter_of_the_studies() -> None:
    """At 3.4 points, which a t test of five pairs of this spread finds four times in five."""
    assert detectable_difference(2.0, 5) == pytest.approx(3.4, abs=0.1)
    given = {"effect": 3.4, "spreads": ASSUMED["groceries"], "studies": 200, "n_boot": 300}
    said = simulate_words(PHOTOGRAPHS, rule_in_use, **given)
    assert 15 <= said["supported"] <= 35
    assert sum(said.values()) == 100
    assert said == simulate_words(PHOTOGRAPHS, rule_in_use, **given)
    seen = simulate_words(PHOTOGRAPHS, lambda d, b: estimate(d, b, "greater", published=3.4).word, **given)
    assert seen["supported"] == said["supported"] + said["supported, smaller than claimed"]


def test_more_draws_see_more() -> None:
    given = {"effect": 3.4, "spreads": ASSUMED["groceries"], "studies": 200, "n_boot": 300}
    more = simulate_words(design(10, 38, 20, (10, 100)), rule_in_use, **given)
    fewer = simulate_words(PHOTOGRAPHS, rule_in_use, **given)
    assert more["supported"] > fewer["supported"]
    assert more["inconclusive"] < fewer["inconclusive"] - 10


def test_what_has_no_noise_is_always_said() -> None:
    still = {"spreads": Spreads(0.0, 0.01, 0.01), "studies": 20, "n_boot": 100}
    assert simulate_words(PHOTOGRAPHS, rule_in_use, effect=2.0, **still) == {"supported": 100.0}
    assert simulate_words(PHOTOGRAPHS, rule_in_use, effect=0.5, **still) == {"supported, smaller than claimed": 100.0}
    assert simulate_words(PHOTOGRAPHS, rule_in_use, effect=-0.5, **still) == {"contradicted": 100.0}
