"""How often intervals hold the truth, where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from reproducible.verdicts.coverage import simulate_coverage


@pytest.mark.parametrize(("group_sd", "t_low", "t_high"), [(0.0, 90, 99), (12.0, 20, 80)])
def test_coverage_falls_where_classes_differ(group_sd: float, t_low: float, t_high: float) -> None:
    """Draws that share all their classes repeat the same classes' luck: the t interval over draws cannot see it."""
    groups = [np.repeat(np.arange(10), 30)] * 5
    found = simulate_coverage(groups, group_sd=group_sd, training_sd=1.0, studies=200, n_boot=200)
    assert t_low <= found.t <= t_high
    assert found.bootstrap > 87, "draws and classes crossed: the bootstrap sees what the t interval does not"
    assert found.both >= max(found.t, found.bootstrap)
    assert found == simulate_coverage(groups, group_sd=group_sd, training_sd=1.0, studies=200, n_boot=200)


def test_coverage_needs_a_study_and_a_draw() -> None:
    for groups, studies in (([], 10), ([np.zeros(3)], 0)):
        with pytest.raises(ValueError, match="at least one study"):
            simulate_coverage(groups, group_sd=1, training_sd=1, studies=studies)
