"""Effects of a balanced fraction against a linear model that made the numbers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from reproducible.evaluation.factorial import interactions, main_effects
from reproducible.report import factorial
from reproducible.studies import study
from reproducible.studies.heads import CELLS

FACTORS = ("gate", "place", "diversity", "learner", "loss")


def made(effects: dict[str, float], extra: dict[tuple[str, str], float] | None = None) -> dict:
    """Values of the cells on two draws, the second a point higher, from effects of levels and of pairs of them."""
    return {
        cell: {
            draw: 50.0
            + draw
            + sum(effects.get(level, 0.0) for level in cell)
            + sum(v for pair, v in (extra or {}).items() if set(pair) <= set(cell))
            for draw in (0, 1)
        }
        for cell in CELLS
    }


def test_main_effects_of_the_fraction_are_those_that_made_it() -> None:
    """Though it is an eighth of the factorial: no main effect is mixed up with another."""
    made_of = {"pooled": -3.0, "dimension": 3.0, "post": -1.0, "pre": 1.0, "divergence": 3.0, "none": -3.0}
    made_of |= {"shared": 0.5, "separate": -0.5, "margin": 2.0, "binomial": -2.0}
    found = main_effects(made(made_of), FACTORS)
    for (_, level), values in found.items():
        assert values == pytest.approx([made_of.get(level, 0.0)] * 2)
    beside = interactions(made(made_of), FACTORS)
    assert max(abs(v) for values in beside.values() for v in values) < 1e-9


def test_an_interaction_of_gate_and_place_is_found_where_it_is() -> None:
    found = interactions(made({}, {("sigmoid", "pre"): 8.0}), FACTORS)
    assert found["gate", "sigmoid", "place", "pre"] == pytest.approx([3.0, 3.0])  # 8 (1 - 1/4) (1 - 1/2)
    assert found["gate", "sigmoid", "place", "post"] == pytest.approx([-3.0, -3.0])
    assert found["gate", "pooled", "place", "pre"] == pytest.approx([-1.0, -1.0])


def test_of_gate_and_diversity_one_contrast_is_also_one_of_the_loss() -> None:
    """As the study says: some of their interaction stands among the main effects of the loss."""
    main = main_effects(made({}, {("sigmoid", "divergence"): 16.0}), FACTORS)
    assert [abs(main["loss", level][0]) for level in ("binomial", "margin")] == pytest.approx([1.0, 1.0])
    assert all(main[factor, level][0] == pytest.approx(0) for factor, level in main if factor == "learner")


def test_a_whole_factorial_by_hand() -> None:
    values = {(a, b): {0: v} for (a, b), v in zip(product("xy", "uv"), (1.0, 2.0, 3.0, 8.0), strict=True)}
    found = main_effects(values, ("one", "two"))
    assert found["one", "y"] == [2.0] and found["two", "v"] == [1.5]
    assert interactions(values, ("one", "two"))["one", "y", "two", "v"] == [8 - 3.5 - 2 - 1.5]


def test_only_draws_that_all_cells_ran_count() -> None:
    values = made({"pooled": 4.0})
    del values[CELLS[0]][1]
    assert {len(found) for found in main_effects(values, FACTORS).values()} == {1}
    values[CELLS[0]] = {}
    assert {len(found) for found in main_effects(values, FACTORS).values()} == {0}
    assert main_effects({}, FACTORS) == {}


def test_what_pages_show() -> None:
    effects = main_effects(made({"pooled": 4.0}), FACTORS)
    labels = [label.get_text() for label in factorial.main_effects(effects).axes[0].get_yticklabels()]
    assert labels[0] == "gate: pooled" and len(labels) == 4 + 2 + 4 + 2 + 4
    empty = main_effects({cell: {} for cell in CELLS}, FACTORS)
    assert factorial.main_effects(empty).axes[0].texts[0].get_text() == "main effects: not run"
    assert factorial.largest({}, 3)["interaction"].tolist() == ["not run"]
    two = interactions(made({}, {("sigmoid", "pre"): 8.0}), FACTORS)
    assert set(factorial.largest(two, 2)["interaction"]) == {f"gate: sigmoid, place: {p}" for p in ("pre", "post")}

    def record(name: str, draw: int, recall: float) -> dict:
        look = {"test": {"recall_at_1": recall}}
        return {
            "arm": name,
            "draw": draw,
            "seed": draw,
            "untouched": {"test": {"recall_at_1": 40.0}},
            "selected": look,
            "curve": [],
        }

    found = [record(CELLS[0].name, d, 45.0 + d) for d in (0, 1)] + [record(CELLS[1].name, d, 39.0) for d in (0, 1)]
    table = factorial.cell_table(study("glyph_heads"), found, CELLS[:3])
    assert table["draws"].tolist() == ["2 of 3", "2 of 3", "0 of 3"]
    assert table["over untouched"].tolist()[1:] == ["not trained", "not run"]
    assert np.array_equal(table.iloc[0][list(FACTORS)], list(CELLS[0]))
