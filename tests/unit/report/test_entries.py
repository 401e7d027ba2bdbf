"""What pages draw of entries: from records, and honest where there are none."""

from __future__ import annotations

from typing import Any

import numpy as np

from reproducible.report import diagrams, entries
from reproducible.report.figures import show
from reproducible.studies import study


def record(arm: str, draw: int, **test: Any) -> dict[str, Any]:
    return {"arm": arm, "draw": draw, "seed": draw, "selected": {"step": 4, "test": {"recall_at_1": 50.0, **test}}}


SHARES = [[[60.0, 40.0], [10.0, 30.0]], [[40.0, 60.0], [90.0, 70.0]]]  # of two entries on two by two positions
FOUND = [
    record(
        "feature-post-8",
        0,
        attention_images=[5, 9],
        attention_map_0=SHARES,
        attention_map_1=SHARES[::-1],
        attention_on_parts=[[80.0, 120.0, 100.0, 90.0], [120.0, 80.0, 100.0, 110.0]],
    )
]


def test_maps_that_a_record_keeps_come_back_entry_by_entry() -> None:
    shares, indices = entries.recorded_maps(FOUND, "feature-post-8", store=None)
    assert indices.tolist() == [5, 9] and shares.shape == (2, 2, 2, 2)
    assert shares[0, 0].tolist() == SHARES[0] and shares[0, 1].tolist() == SHARES[1]
    assert entries.recorded_maps(FOUND, "feature-post-8", store=None, draw=1) is None
    assert entries.recorded_maps([record("feature-post-8", 0)], "feature-post-8", store=None) is None


def test_parts_of_a_record() -> None:
    table = entries.part_table(FOUND, "feature-post-8")
    assert list(table) == ["entry", "ground", "base", "mark above", "mark below"]
    assert table.iloc[1].tolist() == [2, 120.0, 80.0, 100.0, 110.0]
    assert entries.part_table(FOUND, "dimension-pre-8")["entry"].tolist() == ["not run"]


def test_gain_by_entries_needs_two_draws_and_shows_what_is_printed() -> None:
    glyphs = study("glyph_diablo")
    arms = {n: glyphs.arm(f"feature-post-{n}") for n in (2, 4)}
    table = entries.gain_by_entries(arms, {2: [1.0, 3.0], 4: [2.0]}, {2: 0.5})
    assert table.loc[2, ["mean", "printed"]].tolist() == [2.0, 0.5]
    assert table.loc[2, "low"] < 1 and np.isnan(table.loc[4, "mean"]) and np.isnan(table.loc[4, "printed"])


def test_figures_of_one_width_and_of_what_is_not_there() -> None:
    glyphs = study("glyph_diablo")
    empty = entries.gain_by_entries({2: glyphs.arm("feature-post-2")}, {}, {})
    drawn = [
        entries.maps([np.zeros((8, 8, 3), np.uint8)], np.full((2, 1, 2, 2), 50.0), [np.eye(8) > 0]),
        entries.entropy_by_alpha({"glyphs": {1.0: 100.0, 10.0: 90.0}}, {"glyphs": {10.0: 80.0}}),
        entries.by_entries({"feature-wise": empty}, "points"),
        diagrams.flow({"one": [["a"], ["*b", "c\nd"], ["e"]], "two": [["a"]]}),
    ]
    assert {figure.get_figwidth() for figure in drawn} == {7.2}
    for figure in drawn:
        assert show(figure).data
    said = [text.get_text() for axes in drawn[2].axes for text in axes.texts]
    assert said == ["not run"]
    boxes = [text.get_text() for axes in drawn[3].axes for text in axes.texts if text.get_text()]
    assert boxes == ["one", "a", "b", "c\nd", "e", "two", "a"], "the mark of a box is not printed"
    assert min(text.get_fontsize() for axes in drawn[3].axes for text in axes.texts if text.get_text()) >= 16
